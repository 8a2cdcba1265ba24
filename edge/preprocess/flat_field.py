"""Even light from uneven: each pixel times what makes an even surface even."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import CaptureError, ConfigError
from edge.geometry import Image
from edge.preprocess.picture import read

Floats = npt.NDArray[np.float32]

DARKEST, BRIGHTEST = 40, 250
"""Grey levels: on average not under the one, and not over the other anywhere but in a hundredth of the pixels."""
CLIPPED = 0.01
MOST_GAIN = 4.0
"""Darker corners than a quarter of the light would be noise made bright."""
SMOOTH = 0.01
"""Sigma in shorter sides: noise and grain of the white surface are not the camera's."""


class Gains(NamedTuple):
    """What pixels are multiplied by: `levels` × `scale`, in 8 bits.

    A gain is at most half a step off, 1/510 of the largest: for gains up to 1.5 that is under one grey level.
    """

    levels: Image
    scale: float

    @property
    def most(self) -> float:
        """The largest gain."""
        return float(self.levels.max()) * self.scale

    def apply(self, picture: Image) -> Image:
        """A corrected copy, of 1280×960 in half a millisecond: OpenCV multiplies bytes without a detour."""
        return np.asarray(cv2.multiply(picture, self.levels, scale=self.scale), np.uint8)


def read_flat_field(path: Path) -> Floats:
    """Gains that make this picture of an even white surface even, h×w×3, around 1 for each colour.

    Raises `ConfigError` where the picture cannot be read or shows no such surface.
    """
    try:
        picture = read(path)
    except CaptureError as err:
        raise ConfigError(f"correction.flat_field: {err}") from err
    complaint = _complaint(picture)
    if complaint is not None:
        raise ConfigError(f"correction.flat_field: {path}: {complaint}")
    light = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), SMOOTH * min(picture.shape[:2]))
    # Each colour by itself: what colour the light has is for `colour_gains` to say.
    gains: Floats = (light.mean(axis=(0, 1)) / np.maximum(light, 1)).astype(np.float32)
    if gains.max() > MOST_GAIN:
        y, x = np.unravel_index(int(gains.max(axis=2).argmax()), gains.shape[:2])
        raise ConfigError(
            f"correction.flat_field: {path}: at x {x}, y {y} it has less than a quarter of its mean light; take it"
            " of an even white surface that fills the frame"
        )
    return gains


def in_bytes(gains: Floats | None, colours: Sequence[float], width: int, height: int) -> Gains:
    """The gains of a frame of that size, colour by colour; None: even light."""
    if gains is None:
        gains = np.ones((height, width, 3), np.float32)
    elif gains.shape[:2] != (height, width):
        gains = np.asarray(cv2.resize(gains, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    wanted = gains * np.array(colours, np.float32)
    scale = float(wanted.max()) / 255
    return Gains(np.rint(wanted / scale).astype(np.uint8), scale)


def _complaint(picture: Image) -> str | None:
    mean = float(picture.mean())
    if mean < DARKEST:
        return f"is too dark (mean grey level {mean:.0f}, least {DARKEST}); give it more light or exposure"
    clipped = float((picture.max(axis=2) >= BRIGHTEST).mean())
    if clipped > CLIPPED:
        return (
            f"is overexposed ({clipped:.0%} of its pixels are white), so its shade cannot be told; give it less"
            " light or exposure"
        )
    return None
