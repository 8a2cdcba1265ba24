"""Ways to look at a code that is not read at once: with less noise, sharper, larger, with more contrast, turned.

Each helps what the others do not; `scripts/bench_reading` has the rates. Each costs 5 to 30 ms, and is only tried
where nothing was read, or nothing that is sure.
"""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

SMALL_PX = 1500
"""Pictures whose longer side is at most this are looked at in twice their size, too."""
LEAST_SPAN = 8.0
"""Grey levels that are spread over the full range at most: less is noise."""


class Look(NamedTuple):
    """A changed picture, and the 2×3 matrix that brings its places back."""

    grey: Grey
    back: Floats


def looks(grey: Grey) -> Iterator[Look]:
    """The picture in other ways, the one that helps most often first."""
    same = _scaling(1.0)
    factor = 2.0 if max(grey.shape) <= SMALL_PX else 1.0
    larger = np.asarray(cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), np.uint8)
    sharp = _sharpened(larger, 1.5 * factor)
    yield Look(sharp, _scaling(1 / factor))
    yield Look(np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.0), np.uint8), same)
    yield Look(_stretched(np.asarray(cv2.GaussianBlur(grey, (0, 0), 0.7), np.uint8)), same)
    if factor > 1:
        yield Look(larger, _scaling(1 / factor))
    for aslant, scale in ((sharp, factor), (grey, 1.0)):
        turned, back = _turned(aslant, 45.0)
        yield Look(turned, back / scale)
    yield Look(_sharpened(larger, 2.5 * factor), _scaling(1 / factor))


def _scaling(factor: float) -> Floats:
    return np.array([[factor, 0.0, 0.0], [0.0, factor, 0.0]])


def _sharpened(grey: Grey, sigma_px: float) -> Grey:
    """What is finer than `sigma_px` four times as strong; what is finer than a third of that, less."""
    fine = cv2.GaussianBlur(grey, (0, 0), sigma_px / 3).astype(np.float32)
    coarse = cv2.GaussianBlur(fine, (0, 0), sigma_px)
    return np.asarray(np.clip(4 * fine - 3 * coarse, 0, 255), np.uint8)


def _stretched(grey: Grey) -> Grey:
    dark, bright = np.percentile(grey, (1, 99))
    scale = 255 / max(LEAST_SPAN, bright - dark)
    return np.asarray(np.clip((grey.astype(np.float32) - dark) * scale, 0, 255), np.uint8)


def _turned(grey: Grey, angle_deg: float) -> tuple[Grey, Floats]:
    """Turned around its middle, with room for its corners; and the way back."""
    height, width = grey.shape
    side = int(np.ceil(np.hypot(height, width)))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle_deg, 1.0)
    turn[:, 2] += (side - width) / 2, (side - height) / 2
    turned = cv2.warpAffine(grey, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8), np.asarray(cv2.invertAffineTransform(turn), np.float64)
