"""Frames that USB has damaged: OpenCV does not tell them from whole ones, so the driver has to drop them.

A damaged frame shows in part what was in its memory before: an earlier part. With `nodrop`, the default of
kernels since 2025, the driver of USB cameras only marks it, and OpenCV does not look at the mark.
"""

from pathlib import Path

DRIVER = "uvcvideo"


def damage_is_handed_on(device: str, root: Path = Path("/")) -> str | None:
    """What is wrong, and what to do; None where the camera's driver drops damaged frames, or is another.

    Args:
        device: The camera, or a link to it.
        root: Where the kernel's files are; a tree of examples in tests.
    """
    driver = root / "sys/class/video4linux" / Path(device).resolve().name / "device/driver"
    nodrop = root / "sys/module" / DRIVER / "parameters/nodrop"
    if driver.resolve().name != DRIVER or not nodrop.is_file() or nodrop.read_text().strip() in {"0", "N"}:
        return None
    return (
        f"pictures that USB has damaged are handed on as good ones; put 'options {DRIVER} nodrop=0' into "
        f"/etc/modprobe.d/{DRIVER}.conf and start the machine again"
    )
