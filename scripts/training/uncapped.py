"""Bottles without caps, from pictures of bottles with caps: the set has none. The cap is painted out."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.geometry import Box, Image
from edge.types import Defect

Floats = npt.NDArray[np.float64]

BOTTLE, CAP = "Bottle", "Cap"
NEIGHBOUR = 40
"""Grey levels: a larger step beside the cap is another bottle, not the background."""
REACH_PX = 4
"""So far beyond the labelled box the cap's edge may lie."""
NECK_WIDTHS, NECK_HEIGHTS = (0.35, 0.6), (0.25, 0.7)
"""Of the cap's: an open neck is narrower and lower."""


def without_caps(
    image: Image, things: Sequence[Defect], random: np.random.Generator, share: float
) -> tuple[Image, tuple[Defect, ...]]:
    """The picture with some caps, each with the chance `share`, painted out, and what is in it then.

    Behind the cap the background goes on from both sides; half of the bottles show an open neck. A bottle's box
    ends where it ends now.
    """
    painted = image.copy()
    kept = list(things)
    for cap in [thing for thing in things if thing.label == CAP]:
        if random.random() >= share:
            continue
        bottles = [thing for thing in kept if thing.label == BOTTLE and _holds(thing.box, cap.box)]
        kept.remove(cap)
        neck_px = _paint(painted, cap.box, random)
        for bottle in bottles:
            left, _, right, lower = bottle.box
            kept[kept.index(bottle)] = Defect(BOTTLE, Box(left, cap.box.y_max - neck_px, right, lower))
    return painted, tuple(kept)


def _holds(bottle: Box, cap: Box) -> bool:
    return bottle.intersection(cap).area > 0.5 * cap.area


def _paint(image: Image, cap: Box, random: np.random.Generator) -> float:
    """Paint one cap out; how high the neck is that shows, in pixels."""
    height, width = image.shape[:2]
    left, right = max(0, int(cap.x_min) - REACH_PX), min(width, int(cap.x_max) + REACH_PX + 1)
    upper, lower = max(0, int(cap.y_min) - REACH_PX), min(height, int(cap.y_max) + 1)
    before = image[:, right : right + 3] if left < 3 else image[:, left - 3 : left]
    after = image[:, left - 3 : left] if right > width - 3 else image[:, right : right + 3]
    rows = np.arange(upper, lower)
    ends = [_behind(strip.mean(1), rows) for strip in (before, after)]
    share = np.linspace(0, 1, right - left)[None, :, None]
    area = ends[0][:, None] * (1 - share) + ends[1][:, None] * share
    area += random.normal(0, random.uniform(0.5, 4), area.shape)
    area = cv2.GaussianBlur(area, (0, 0), 0.6)
    neck_px = 0.0
    if random.random() < 0.5:
        neck_px = _draw_neck(area, image, cap, (left, upper), random)
    image[upper:lower, left:right] = np.clip(area, 0, 255).astype(np.uint8)
    return neck_px


def _behind(strip: Floats, rows: npt.NDArray[np.int64]) -> Floats:
    """The background beside the cap, row by row: where a neighbour stands, what is above it instead."""
    above = strip[max(0, rows[0] - 2)]
    return np.where(np.abs(strip[rows] - above).max(1, keepdims=True) < NEIGHBOUR, strip[rows], above)


def _draw_neck(
    area: Floats, image: Image, cap: Box, corner: tuple[int, int], random: np.random.Generator
) -> float:
    """An open neck, half see-through, in the bottle's colours; its height in pixels."""
    half = cap.width * random.uniform(*NECK_WIDTHS) / 2
    middle = (cap.x_min + cap.x_max) / 2 - corner[0]
    tall = int(min(cap.height * random.uniform(*NECK_HEIGHTS), area.shape[0]))
    first, last = max(0, int(middle - half)), min(area.shape[1], int(middle + half))
    below = image[min(image.shape[0] - 1, int(cap.y_max) + 3), first + corner[0] : last + corner[0]]
    if not len(below) or tall < 2:
        return 0.0
    see_through = random.uniform(0.1, 0.6)
    neck = area[-tall:, first:last]
    neck[:] = neck * see_through + below[None] * (1 - see_through)
    for ring in range(0, tall, max(2, tall // 3)):
        neck[ring] = neck[ring] * 0.6 + 255 * 0.4 * random.uniform(0.5, 1)
    neck[:, :1] *= 0.7
    neck[:, -1:] *= 0.7
    return float(tall)
