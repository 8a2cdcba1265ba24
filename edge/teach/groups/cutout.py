"""What is cut out of the picture of a failed part: the region that failed, and what is around it."""

from math import log
from typing import NamedTuple

import numpy as np

from edge.geometry import Box, Image
from edge.teach.groups.failed import Suspect

SIDE = 0.5
"""Of the cut-out, as a share of the picture's shorter side, where the region is not longer."""


class Cutout(NamedTuple):
    """A piece of a picture, and where in it the region lies, as shares of its width and height.

    `shape` is the region's: log of the square root of its area as a share of the picture's shorter side, and log
    of the share of its box that it fills.
    """

    pixels: Image
    region: Box
    shape: tuple[float, float]


def cut_out(picture: Image, suspect: Suspect) -> Cutout:
    """A square around the region, as far as the picture goes; all of the picture where there is no region."""
    height, width = picture.shape[:2]
    region = _in_picture(suspect, width, height)
    side = max(region.width, region.height, SIDE * min(width, height))
    left, right = _span(region.x_min, region.x_max, side, width)
    top, bottom = _span(region.y_min, region.y_max, side, height)
    pixels = np.ascontiguousarray(picture[top:bottom, left:right])
    within = Box(
        (region.x_min - left) / (right - left),
        (region.y_min - top) / (bottom - top),
        (region.x_max - left) / (right - left),
        (region.y_max - top) / (bottom - top),
    )
    filled = 1.0 if suspect.area_px is None else suspect.area_px / max(1.0, _area(suspect))
    filled = min(1.0, max(filled, 1e-3))
    size = (filled * region.area) ** 0.5 / min(width, height)
    return Cutout(pixels, within, (log(max(size, 1e-3)), log(filled)))


def _area(suspect: Suspect) -> float:
    return 0.0 if suspect.region is None else suspect.region.area


def _in_picture(suspect: Suspect, width: int, height: int) -> Box:
    """The region in pixels of the kept picture, which may have more of them than the judged one; one at least."""
    whole = Box(0, 0, width, height)
    if suspect.region is None:
        return whole
    x, y = width / suspect.size[0], height / suspect.size[1]
    box = suspect.region
    found = whole.intersection(Box(box.x_min * x, box.y_min * y, box.x_max * x, box.y_max * y))
    return found if found.width >= 1 and found.height >= 1 else whole


def _span(start: float, stop: float, side: float, length: int) -> tuple[int, int]:
    """So many pixels around start…stop, moved into the picture."""
    wide = min(side, length)
    first = min(max(0.0, (start + stop - wide) / 2), length - wide)
    return int(first), min(length, int(np.ceil(first + wide)))
