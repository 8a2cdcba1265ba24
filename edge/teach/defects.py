"""Made-up defects on pictures of good parts: not what a line will see, but enough to tell settings apart."""

import cv2
import numpy as np

from edge.config import Rectangle
from edge.types import Image

SMALLEST, LARGEST = 0.04, 0.12
"""Length of a defect as a share of the shorter side of what is looked at."""


def damage(picture: Image, rng: np.random.Generator, roi: Rectangle | None = None) -> Image:
    """A copy with a scratch, or with a piece of itself where it does not belong; all of it inside the `roi`."""
    damaged = picture.copy()
    shown = damaged if roi is None else damaged[roi.y_min : roi.y_max, roi.x_min : roi.x_max]
    if rng.random() < 0.5:  # noqa: PLR2004 - a fair coin
        _scratch(shown, rng)
    else:
        _transplant(shown, rng)
    return damaged


def _scratch(picture: Image, rng: np.random.Generator) -> None:
    """A thin line, lighter or darker than what it crosses by a multiple of the picture's own contrast."""
    height, width = picture.shape[:2]
    short = min(height, width)
    length = short * rng.uniform(2 * SMALLEST, 2 * LARGEST)
    angle = rng.uniform(0, np.pi)
    start = np.array([rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height])
    end = start + length * np.array([np.cos(angle), np.sin(angle)])
    line = np.zeros((height, width), np.uint8)
    corners = [(int(x), int(y)) for x, y in (start, end)]
    cv2.line(line, corners[0], corners[1], 255, max(1, round(short / 150)), cv2.LINE_AA)
    step = max(12.0, float(picture.std())) * rng.uniform(0.7, 1.5) * rng.choice([-1, 1])
    mixed = picture + (line[:, :, None] / np.float32(255)) * np.float32(step)
    np.copyto(picture, np.clip(mixed, 0, 255).astype(np.uint8))


def _transplant(picture: Image, rng: np.random.Generator) -> None:
    """A rectangle of the picture, lighter or darker, pasted elsewhere."""
    height, width = picture.shape[:2]
    short = min(height, width)
    tall, wide = (max(2, round(short * rng.uniform(SMALLEST, LARGEST))) for _ in range(2))
    tall, wide = min(tall, height), min(wide, width)
    (top, left), (to_top, to_left) = (
        (int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))) for _ in range(2)
    )
    step = max(12.0, float(picture.std())) * rng.uniform(0.5, 1.0) * rng.choice([-1, 1])
    piece = picture[top : top + tall, left : left + wide] + np.float32(step)
    picture[to_top : to_top + tall, to_left : to_left + wide] = np.clip(piece, 0, 255).astype(np.uint8)
