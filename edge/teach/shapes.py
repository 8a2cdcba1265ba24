"""What made-up defects are drawn with: where one comes to be, its shape, and how it goes over what is there."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.geometry import Image, Mask
from edge.teach.places import Floats, Ground

INPAINTED_PX = 48
"""Holes are filled in on a piece of this size at most: 0.5 ms."""


@dataclass(frozen=True, eq=False)
class Site:
    """Where a defect comes to be. `rows` and `columns` of the `picture` are `piece`.

    `x` and `y` are the middle of the defect within the piece, `size_px` is its length. A change of `least` grey
    levels can just be told from the noise around; one of `plain` cannot be missed.
    """

    picture: Image
    ground: Ground
    rows: slice
    columns: slice
    x: float
    y: float
    size_px: float
    piece: Image
    least: float
    plain: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the piece, as OpenCV wants it."""
        return self.piece.shape[1], self.piece.shape[0]


def add(piece: Image, share: Floats, step: Floats) -> Image:
    """The piece, changed by this share of a step in each colour."""
    change = cv2.merge([share * level for level in step])
    return np.asarray(cv2.add(piece, change, dtype=cv2.CV_8U), np.uint8)


def tinted(piece: Image, step: Floats) -> Image:
    """All of the piece, changed by the step."""
    return np.asarray(cv2.add(piece, np.append(step, 0.0)), np.uint8)


def mix(piece: Image, other: Image, share: Floats) -> Image:
    """This share of the other piece, the rest of the first."""
    return np.asarray(cv2.blendLinear(np.ascontiguousarray(piece), other, 1 - share, share), np.uint8)


def colour(site: Site, rng: np.random.Generator, faintest: float, strongest: float) -> Floats:
    """A change of colour, of `least` plus so much of what is left to `plain`: as many faint ones as strong ones.

    Away from black and white, where the piece is nearly either.
    """
    reach = max(0.0, site.plain - site.least)
    step = site.least + reach * (faintest + (strongest - faintest) * rng.random() ** 2)
    level = float(site.piece[int(site.y), int(site.x)].mean())
    sign = rng.choice([-1, 1])
    if not 0 <= level + sign * step <= 255:  # noqa: PLR2004 - white
        sign = 1 if level < 128 else -1  # noqa: PLR2004 - grey
    tint = np.clip(rng.normal(1, 0.35, 3), 0.2, 1.8) if site.ground.coloured else np.ones(3)
    return np.asarray(sign * step * tint / tint.max(), np.float32)


def axes(site: Site, rng: np.random.Generator, slimmest: float) -> tuple[Floats, Floats]:
    """Coordinates of the piece's pixels in half sizes of a defect that is turned at random; its middle is 0, 0."""
    angle, slim = rng.uniform(0, np.pi), float(np.exp(rng.uniform(0, np.log(slimmest))))
    half_px = site.size_px / 2
    y = ((np.arange(site.piece.shape[0]) - site.y) / half_px)[:, None]
    x = ((np.arange(site.piece.shape[1]) - site.x) / half_px)[None, :]
    cos, sin = np.cos(angle), np.sin(angle)
    right = (x * cos).astype(np.float32) + (y * sin).astype(np.float32)
    down = (y * cos * slim).astype(np.float32) - (x * sin * slim).astype(np.float32)
    return right, down


def bar(site: Site, rng: np.random.Generator, slimmest: float) -> Floats:
    """A rotated rectangle."""
    right, down = axes(site, rng, slimmest)
    return softened(np.maximum(np.abs(right), np.abs(down)) <= 1)


def spot(site: Site, rng: np.random.Generator, ragged: float) -> Floats:
    """A round patch, turned and slimmer at random; `ragged` is how uneven its edge is."""
    right, down = axes(site, rng, slimmest=2.0)
    far = cv2.magnitude(right, down)
    reach = np.minimum(1 + np.float32(ragged) * cloud(site, rng), np.float32(1.4))
    return softened(far < reach)


def softened(shape: Mask) -> Floats:
    """The same with an edge of a pixel or so."""
    return np.asarray(cv2.blur(shape.astype(np.float32), (3, 3)), np.float32)


def blurred(shape: Floats) -> Floats:
    """The same with an edge of five pixels."""
    return np.asarray(cv2.blur(shape, (5, 5)), np.float32)


def stroke(site: Site, line: npt.NDArray[np.float64], thick_px: int) -> Floats:
    """A line through points, x and y in the piece, so thick."""
    shape = np.zeros(site.piece.shape[:2], np.uint8)
    # 4 bits behind the point, so that the line is as smooth as it was meant.
    cv2.polylines(shape, [np.round(line * 16).astype(np.int32)], False, 255, thick_px, cv2.LINE_AA, 4)  # noqa: FBT003
    return shape.astype(np.float32) / np.float32(255)


def filled(site: Site, corners: npt.NDArray[np.float64]) -> Floats:
    """A polygon; its corners are x and y in the piece."""
    shape = np.zeros(site.piece.shape[:2], np.uint8)
    cv2.fillPoly(shape, [np.round(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return shape.astype(np.float32) / np.float32(255)


def cloud(site: Site, rng: np.random.Generator) -> Floats:
    """Noise of three octaves, about ±1: of values, not of slopes as Perlin's; cheaper, and as ragged."""
    total = np.zeros(site.piece.shape[:2], np.float32)
    for octave in range(3):
        lattice = rng.standard_normal((4 << octave, 4 << octave), np.float32)
        total += cv2.resize(lattice / np.float32(1 << octave), site.size, interpolation=cv2.INTER_CUBIC)
    return total


def elsewhere(site: Site, rng: np.random.Generator, zoom: float) -> Image:
    """What could lie here if it were another, rotated place of the picture: one nearby, or any on the part."""
    if rng.random() < 0.5:  # noqa: PLR2004 - a fair coin
        angle = rng.uniform(0, 2 * np.pi)
        far = site.size_px * rng.uniform(1, 2.5)
        x = site.columns.start + site.x + far * np.cos(angle)
        y = site.rows.start + site.y + far * np.sin(angle)
    else:
        x, y = site.ground.place(rng)
    return taken_from(site, (x, y), rng.uniform(0, 2 * np.pi), zoom)


def taken_from(site: Site, place: tuple[float, float], angle: float, zoom: float) -> Image:
    """What the picture shows around a place, its x and y; turned by `angle` and enlarged `zoom`-fold."""
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    x, y = place
    to_picture = np.array(
        [
            [cos, -sin, x - cos * site.x + sin * site.y],
            [sin, cos, y - sin * site.x - cos * site.y],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    taken = cv2.warpAffine(
        site.picture, to_picture, site.size, flags=flags, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(taken, np.uint8)


def surroundings(site: Site, shape: Floats) -> Image:
    """The piece, filled in from around the shape (Telea 2004), on a reduced picture: no detail is left."""
    width, height = site.size
    scale = min(1.0, INPAINTED_PX / max(width, height))
    small = max(2, round(width * scale)), max(2, round(height * scale))
    reduced = cv2.resize(site.piece, small, interpolation=cv2.INTER_AREA)
    hole = cv2.resize(shape, small, interpolation=cv2.INTER_AREA)
    unknown = np.ceil(hole - np.float32(0.02)).astype(np.uint8)
    filled = cv2.inpaint(reduced, unknown, 3, cv2.INPAINT_TELEA)
    return np.asarray(cv2.resize(filled, site.size, interpolation=cv2.INTER_LINEAR), np.uint8)
