"""What a camera's frames are like: wanted size, rate and pixel format, and what it makes of them."""

import cv2

from edge.config import OpenCVSource
from edge.sources.exposure import Camera

TOLERANCE = 0.05
"""29.97 frames a second are 30."""


def lock_format(camera: Camera, config: OpenCVSource) -> str | None:
    """Ask for what is wanted. Returns what the camera does instead, None where it does that."""
    # The pixel format first: which sizes and rates there are depends on it.
    if config.pixel_format is not None:
        camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*config.pixel_format))
    if config.width:
        camera.set(cv2.CAP_PROP_FRAME_WIDTH, config.width)
        camera.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height)
    if config.rate_hz:
        camera.set(cv2.CAP_PROP_FPS, config.rate_hz)
    said = [*_of_format(camera, config.pixel_format), *_of_size(camera, config.width, config.height)]
    said += _of_rate(camera, config.rate_hz)
    return (
        f"the camera gives {', '.join(said)}; v4l2-ctl --list-formats-ext shows what it can" if said else None
    )


def _of_format(camera: Camera, wanted: str | None) -> list[str]:
    actual = int(camera.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True).decode("latin-1")
    return [f"{actual}, not {wanted}"] if wanted is not None and actual != wanted else []


def _of_size(camera: Camera, width: int, height: int) -> list[str]:
    actual = (round(camera.get(cv2.CAP_PROP_FRAME_WIDTH)), round(camera.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    return [f"{actual[0]}×{actual[1]}, not {width}×{height}"] if width and actual != (width, height) else []


def _of_rate(camera: Camera, wanted_hz: float) -> list[str]:
    actual_hz = camera.get(cv2.CAP_PROP_FPS)
    off = wanted_hz and abs(actual_hz - wanted_hz) > TOLERANCE * wanted_hz
    return [f"{actual_hz:g} frames a second, not {wanted_hz:g}"] if off else []
