"""Stands for the display library of Raspberry Pi OS, which picamera2 imports even where there is no display."""


class PixelFormat:
    """Knows every format by the number 0; nothing is drawn."""

    def __getattr__(self, name: str) -> int:
        return 0


PixelFormat = PixelFormat()  # type: ignore[assignment,misc]
