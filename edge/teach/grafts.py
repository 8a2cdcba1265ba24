"""Real defects, cut out of pictures of bad parts and grafted onto good ones.

The seam vanishes by Poisson blending (Pérez, Gangnet and Blake 2003, "Poisson image editing").
"""

from dataclasses import dataclass

import cv2
import numpy as np

from edge.config import Rectangle
from edge.geometry import Image, Mask
from edge.teach.defects import Damaged
from edge.teach.places import survey

GRAFT = "graft"
AROUND_PX = 7
"""So much of the sound surface goes with a defect: the seam runs there, 3 px further in than OpenCV is told."""
SCALES = (0.8, 1.25)
MOST_OF_SIDE = 0.9
"""A graft is no longer than this share of the side that it lies along."""
PAD_PX = AROUND_PX + 2


@dataclass(frozen=True, eq=False)
class Donor:
    """A real defect: the picture around it, `PAD_PX` wide, and its mask in the same pixels.

    `at` is its middle (x, y), as shares of its picture, and `side_px` that one's shorter side.
    """

    picture: Image
    mask: Mask
    at: tuple[float, float]
    side_px: int


def donors_of(picture: Image, mask: Mask) -> list[Donor]:
    """The defects of a picture, a connected area of its mask each; none where the mask is empty."""
    height, width = mask.shape
    padded = cv2.copyMakeBorder(picture, PAD_PX, PAD_PX, PAD_PX, PAD_PX, cv2.BORDER_REFLECT_101)
    count, areas, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    found = []
    for number in range(1, count):
        left, top, wide, tall, _area = (int(value) for value in stats[number])
        within = areas[top : top + tall, left : left + wide] == number
        shape = np.pad(within, PAD_PX)
        piece = padded[top : top + tall + 2 * PAD_PX, left : left + wide + 2 * PAD_PX]
        at = (left + wide / 2) / width, (top + tall / 2) / height
        found.append(Donor(np.ascontiguousarray(piece), shape, at, min(height, width)))
    return found


def graft(picture: Image, donor: Donor, rng: np.random.Generator, roi: Rectangle | None = None) -> Damaged:
    """A copy with the donor's defect inside the `roi`: mirrored and resized at random; half of them where it was.

    The same state of `rng` gives the same picture. Any thread; 10 ms for 400×300.
    """
    inside = np.s_[:, :] if roi is None else np.s_[roi.y_min : roi.y_max, roi.x_min : roi.x_max]
    area = picture[inside]
    piece, shape, at = _turned(donor, rng)
    piece, shape = _resized(piece, shape, area.shape[:2], donor.side_px, rng)
    top, left = _place(area, shape, at, rng)
    damaged, mask = picture.copy(), np.zeros(picture.shape[:2], np.bool_)
    damaged[inside] = _blended(area, piece, shape, top, left)
    tall, wide = shape.shape
    mask[inside][top : top + tall, left : left + wide] = shape
    return Damaged(damaged, mask, GRAFT)


def _turned(donor: Donor, rng: np.random.Generator) -> tuple[Image, Mask, tuple[float, float]]:
    """Piece, mask and place, mirrored or not."""
    (x, y), piece, shape = donor.at, donor.picture, donor.mask
    if rng.random() < 0.5:  # noqa: PLR2004 - a fair coin
        piece, shape, x = piece[:, ::-1], shape[:, ::-1], 1 - x
    if rng.random() < 0.5:  # noqa: PLR2004 - a fair coin
        piece, shape, y = piece[::-1], shape[::-1], 1 - y
    return piece, shape, (x, y)


def _resized(
    piece: Image, shape: Mask, size: tuple[int, int], side_px: int, rng: np.random.Generator
) -> tuple[Image, Mask]:
    """As large as it would be on a picture of this size (height, width), more or less."""
    scale = min(size) / side_px * rng.uniform(*SCALES)
    scale = min(scale, *(MOST_OF_SIDE * most / long for most, long in zip(size, shape.shape, strict=True)))
    wide, tall = (max(2, round(long * scale)) for long in shape.shape[::-1])
    pixels = cv2.resize(np.ascontiguousarray(piece), (wide, tall), interpolation=cv2.INTER_LINEAR)
    share = cv2.resize(shape.astype(np.float32), (wide, tall), interpolation=cv2.INTER_AREA)
    # The largest share, if none is a half: a scratch of one pixel must not vanish in a smaller picture.
    return np.asarray(pixels, np.uint8), share >= min(0.5, share.max())


def _place(area: Image, shape: Mask, at: tuple[float, float], rng: np.random.Generator) -> tuple[int, int]:
    """Row and column of the upper left corner."""
    height, width = area.shape[:2]
    x, y = at[0] * width, at[1] * height
    if rng.random() < 0.5:  # noqa: PLR2004 - a fair coin
        x, y = survey(area).place(rng)
    tall, wide = shape.shape
    return (
        int(np.clip(round(y - tall / 2), 0, height - tall)),
        int(np.clip(round(x - wide / 2), 0, width - wide)),
    )


def _blended(area: Image, piece: Image, shape: Mask, top: int, left: int) -> Image:
    """The area with the piece at its place: its differences from pixel to pixel, and the area's levels around."""
    # OpenCV wants room around what it blends.
    base = cv2.copyMakeBorder(area, PAD_PX, PAD_PX, PAD_PX, PAD_PX, cv2.BORDER_REFLECT_101)
    patch = cv2.copyMakeBorder(piece, PAD_PX, PAD_PX, PAD_PX, PAD_PX, cv2.BORDER_REFLECT_101)
    wanted = np.pad(shape, PAD_PX).astype(np.uint8)
    brush = np.ones((2 * AROUND_PX + 1, 2 * AROUND_PX + 1), np.uint8)
    wanted = 255 * np.asarray(cv2.dilate(wanted, brush), np.uint8)
    x, y, width, height = cv2.boundingRect(wanted)
    middle = left + x + width // 2, top + y + height // 2
    drawn = cv2.seamlessClone(patch, base, wanted, middle, cv2.NORMAL_CLONE)
    return np.asarray(drawn[PAD_PX:-PAD_PX, PAD_PX:-PAD_PX], np.uint8)
