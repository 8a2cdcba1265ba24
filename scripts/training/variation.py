"""More pictures from one: closer, turned, mirrored, in other light, with noise. What marks pixels goes along."""

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

LOUDEST_NOISE = 6.0
"""Standard deviation in grey levels."""


def varied(
    picture: Pixels, classes: Pixels, chance: np.random.Generator, smallest_crop: float
) -> tuple[Pixels, Pixels]:
    """A square picture, and the class of each of its pixels, as it could also have been taken.

    `smallest_crop` is the least share of its height, and of its width, that is left.
    """
    picture, classes = _closer(picture, classes, chance, smallest_crop)
    turns, mirrored = int(chance.integers(4)), bool(chance.integers(2))
    picture, classes = np.rot90(picture, turns), np.rot90(classes, turns)
    if mirrored:
        picture, classes = picture[:, ::-1], classes[:, ::-1]
    return _lit(picture, chance), np.ascontiguousarray(classes)


def _closer(
    picture: Pixels, classes: Pixels, chance: np.random.Generator, smallest_crop: float
) -> tuple[Pixels, Pixels]:
    height, width = classes.shape
    share_y, share_x = chance.uniform(smallest_crop, 1.0, 2)
    rows, columns = round(height * share_y), round(width * share_x)
    top, left = int(chance.integers(height - rows + 1)), int(chance.integers(width - columns + 1))
    where = np.s_[top : top + rows, left : left + columns]
    near = cv2.resize(picture[where], (width, height), interpolation=cv2.INTER_LINEAR)
    kinds = cv2.resize(classes[where], (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(near, np.uint8), np.asarray(kinds, np.uint8)


def _lit(picture: Pixels, chance: np.random.Generator) -> Pixels:
    levels = np.arange(256, dtype=np.float32) / 255
    gamma, gain, offset = chance.uniform(0.7, 1.4), chance.uniform(0.75, 1.25), chance.uniform(-0.12, 0.12)
    table = (((levels**gamma - 0.5) * gain + 0.5 + offset) * 255).astype(np.float32)
    loud = np.float32(chance.uniform(0, LOUDEST_NOISE))
    noise = chance.standard_normal((*picture.shape[:2], 1), np.float32) * loud
    return np.clip(table[picture] + noise, 0, 255).astype(np.uint8)
