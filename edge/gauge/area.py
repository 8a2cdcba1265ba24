"""The area of a part to a fraction of a pixel: pixels on its outline count by how much of them it covers."""

from dataclasses import dataclass
from math import sqrt

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import NothingToMeasureError
from edge.gauge.light import Grey
from edge.gauge.scan import Points

Flags = npt.NDArray[np.uint8]
"""1 where something is, rows×columns."""

BAND_PX = 5
"""Pixels so near to the outline count by their light. A blur of 1.6 px (standard deviation) is over by then."""
LEVEL_PX = 6
"""What lies that much farther in, and farther out, tells the light of the part and of the ground."""
SMALLEST_PX = 100
"""A smaller piece has no inside that could be told from its outline."""


@dataclass(frozen=True, eq=False)
class Covered:
    """How much of each pixel the part covers. `outline` are places on it.

    `noise` is the standard deviation of one pixel's share, and `u_level` that of the shares of the whole outline
    together, as the light of part and ground may be off.
    """

    shares: npt.NDArray[np.float64]
    on_outline: npt.NDArray[np.bool_]
    outline: Points
    noise: float
    u_level: float


def cover(grey: Grey, *, dark: bool, min_step: float) -> Covered:
    """The shares of a rectangle's pixels that its largest dark (or light) piece covers, holes left out.

    Light adds up: a blurred pixel on the outline has the light of what covers it, so that blur moves nothing.
    Raises `NothingToMeasureError` where there is no such piece, or it reaches the rectangle's edge.
    """
    piece = _largest(grey, dark=dark, min_step=min_step)
    inner = _shrunk(piece, BAND_PX)
    outer = _grown(piece, BAND_PX)
    if np.concatenate([outer[0], outer[-1], outer[:, 0], outer[:, -1]]).any():
        raise NothingToMeasureError(
            f"the part is within {BAND_PX} px of the rectangle's edge; make it larger"
        )
    part, part_noise, u_part = _level(grey, inner, _shrunk(inner, LEVEL_PX))
    far = _grown(outer, LEVEL_PX)
    ground, ground_noise, u_ground = _level(grey, 1 - outer, 1 - far)
    step = part - ground
    if abs(step) < min_step:
        raise NothingToMeasureError(f"part and ground differ by {abs(step):.1f} grey levels (min_step)")
    band = (outer > 0) & (inner == 0)
    shares = np.where(band, (grey.astype(np.float64) - ground) / step, inner)
    on_outline = int(band.sum())
    u_level = on_outline / 2 * sqrt(u_part**2 + u_ground**2) / abs(step)
    lines, _ = cv2.findContours(piece, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outline = np.concatenate([line[:, 0] for line in lines]) + 0.5
    return Covered(shares, band, outline, max(part_noise, ground_noise) / abs(step), u_level)


def _shrunk(mask: Flags, reach_px: int) -> Flags:
    return np.asarray(cv2.erode(mask, _cross(), iterations=reach_px, borderValue=0), np.uint8)


def _grown(mask: Flags, reach_px: int) -> Flags:
    return np.asarray(cv2.dilate(mask, _cross(), iterations=reach_px), np.uint8)


def _cross() -> Flags:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), np.uint8)


def _largest(grey: Grey, *, dark: bool, min_step: float) -> Flags:
    """1 where the largest piece of the part is, by a limit half-way between dark and light."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    low, high = float(smooth.min()), float(smooth.max())
    if high - low < min_step:
        raise NothingToMeasureError(f"no part: the light differs by {high - low:.1f} grey levels (min_step)")
    codes = np.clip((smooth - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    half, _ = cv2.threshold(codes, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    seen = ((codes <= half) if dark else (codes > half)).astype(np.uint8)
    count, pieces, figures, _ = cv2.connectedComponentsWithStats(seen, connectivity=4)
    sizes = figures[1:, cv2.CC_STAT_AREA]
    if count < 2 or sizes.max() < SMALLEST_PX:  # noqa: PLR2004 - the first one is the ground
        raise NothingToMeasureError(f"no part of at least {SMALLEST_PX} square pixels")
    return np.asarray(pieces == 1 + int(sizes.argmax()), np.uint8)


def _level(grey: Grey, near: Flags, far: Flags) -> tuple[float, float, float]:
    """The light of what is in `near` but not in `far`; standard deviations of a pixel's, and of the level."""
    ring = grey[(near > 0) & (far == 0)].astype(np.float64)
    if ring.size < SMALLEST_PX // 4:
        raise NothingToMeasureError("the part, or the ground around it, is too narrow to tell its light")
    level = float(np.median(ring))
    noise = 1.4826 * float(np.median(np.abs(ring - level)))
    return level, noise, 1.2533 * noise / sqrt(ring.size)
