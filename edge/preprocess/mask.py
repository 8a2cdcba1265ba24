"""Which cells of a grid lie inside polygons. Rasterised once for each geometry, never for each frame."""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil

import cv2
import numpy as np

from edge.config import Point
from edge.geometry import Box, Mask

Polygon = tuple[Point, ...]

_STEPS = 8
"""Samples along each side of a cell."""
_HALF = 127.5


def polygons_of(points: Sequence[Sequence[Point]]) -> tuple[Polygon, ...]:
    """The same polygons in a form that can be looked up."""
    return tuple(tuple((x, y) for x, y in polygon) for polygon in points)


@lru_cache(maxsize=256)
def cells_inside(polygons: tuple[Polygon, ...], box: Box, rows: int, columns: int) -> Mask:
    """Cells of a grid over `box` that lie at least half inside one of the polygons, all in frame pixels.

    Read-only, since it is shared. Any thread.
    """
    height, width = rows * _STEPS, columns * _STEPS
    canvas = np.zeros((height, width), np.uint8)
    scale = width / box.width, height / box.height
    for polygon in polygons:
        corners = (np.asarray(polygon, np.float64) - box[:2]) * scale - 0.5
        # Four fractional bits. Corners so far outside that OpenCV's integers overflow may lie nearer.
        fixed = np.clip(np.round(corners * 16), -(2**24), 2**24).astype(np.int32)
        cv2.fillPoly(canvas, [fixed], 255, shift=4)
    share = canvas.reshape(rows, _STEPS, columns, _STEPS).mean(axis=(1, 3))
    inside: Mask = share >= _HALF
    inside.flags.writeable = False
    return inside


def holds(polygon: Sequence[Point], place: tuple[float, float]) -> bool:
    """Whether a place (x, y) lies inside a polygon or on its edge, in frame pixels."""
    corners = np.asarray(polygon, np.float32)
    return bool(cv2.pointPolygonTest(corners, place, measureDist=False) >= 0)


def half_inside(start: float, stop: float, cells: int) -> slice:
    """The cells of a row that lie at least half inside `start`…`stop`, in cells; at least one."""
    first = min(max(ceil(start - 0.5), 0), cells - 1)
    return slice(first, max(min(int(stop + 0.5), cells), first + 1))
