"""Pictures of parts whose sizes are known exactly: for the tests and benchmarks of measuring.

Shapes are signed distances. They are sampled finer than the pixels, blurred as a lens does, in light, and only
then coded as a camera does, with noise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.geometry import Image

Floats = npt.NDArray[np.float64]
Shape = Callable[[Floats, Floats], Floats]
"""The signed distance of places (x, y) in pixels from the outline, negative inside."""

FINE = 4
"""Samples a pixel, each way."""


@dataclass(frozen=True)
class Look:
    """How a picture is taken: light of part and ground (0…255), blur, noise (grey levels of the code), coding."""

    part: float = 25.0
    ground: float = 180.0
    blur_px: float = 0.8
    noise: float = 0.0
    encoding: str = "srgb"
    seed: int = 0


def bar(centre: tuple[float, float], width: float, length: float, angle_deg: float = 0.0) -> Shape:
    """A rectangle, `width` along the direction of `angle_deg`."""
    turn = np.deg2rad(angle_deg)

    def distance(x: Floats, y: Floats) -> Floats:
        dx, dy = x - centre[0], y - centre[1]
        u = np.abs(np.cos(turn) * dx + np.sin(turn) * dy) - width / 2
        v = np.abs(-np.sin(turn) * dx + np.cos(turn) * dy) - length / 2
        return np.asarray(np.maximum(u, v))

    return distance


def disc(centre: tuple[float, float], radius: float) -> Shape:
    """A round plate."""
    return lambda x, y: np.hypot(x - centre[0], y - centre[1]) - radius


def half_plane(point: tuple[float, float], outward_deg: float) -> Shape:
    """Everything on one side of a line through `point`; the ground lies in the direction of `outward_deg`."""
    turn = np.deg2rad(outward_deg)
    return lambda x, y: np.cos(turn) * (x - point[0]) + np.sin(turn) * (y - point[1])


def cut(shape: Shape, hole: Shape) -> Shape:
    """The shape without the hole."""
    return lambda x, y: np.maximum(shape(x, y), -hole(x, y))


def both(one: Shape, other: Shape) -> Shape:
    """What belongs to either."""
    return lambda x, y: np.minimum(one(x, y), other(x, y))


def within(one: Shape, other: Shape) -> Shape:
    """What belongs to both."""
    return lambda x, y: np.maximum(one(x, y), other(x, y))


def mapped(shape: Shape, places: Callable[[Floats], Floats], px_per_unit: float) -> Shape:
    """A shape in another plane: `places` are where pixels (n×2) lie there."""

    def distance(x: Floats, y: Floats) -> Floats:
        grid = np.stack(np.broadcast_arrays(x, y), axis=-1)
        there = places(grid.reshape(-1, 2)).reshape(grid.shape)
        return shape(there[..., 0], there[..., 1]) * px_per_unit

    return distance


def chessboard(columns: int, rows: int, square: float) -> Shape:
    """The dark squares of a chessboard with so many inner corners, the first of which is at (0, 0)."""

    def distance(x: Floats, y: Floats) -> Floats:
        column, row = np.floor(x / square).astype(int), np.floor(y / square).astype(int)
        on_board = (column >= -1) & (column < columns) & (row >= -1) & (row < rows)
        to_line = np.minimum(*(np.abs(z - np.round(z / square) * square) for z in (x, y)))
        return np.where(on_board, np.where((column + row) % 2 == 0, -to_line, to_line), 1.0)

    return distance


def render(shape: Shape, width: int, height: int, look: Look) -> Image:
    """The picture of that shape."""
    middle = (np.arange(FINE) + 0.5) / FINE
    x = (np.arange(width)[:, np.newaxis] + middle).ravel()[np.newaxis]
    y = (np.arange(height)[:, np.newaxis] + middle).ravel()[:, np.newaxis]
    covered = np.clip(0.5 - shape(x, y) * FINE, 0, 1).astype(np.float32)
    if look.blur_px > 0:
        covered = cv2.GaussianBlur(covered, (0, 0), look.blur_px * FINE, borderType=cv2.BORDER_REPLICATE)
    covered = covered.reshape(height, FINE, width, FINE).mean(axis=(1, 3), dtype=np.float64)
    level = coded((look.ground + (look.part - look.ground) * covered) / 255, look.encoding)
    noise = np.random.default_rng(look.seed).normal(0, look.noise, (height, width)) if look.noise else 0.0
    grey = np.clip(np.rint(255 * level + noise), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)


def coded(level: Floats, encoding: str) -> Floats:
    """Light (0…1) as a camera codes it."""
    if encoding == "linear":
        return level
    return np.asarray(np.where(level <= 0.0031308, 12.92 * level, 1.055 * level ** (1 / 2.4) - 0.055))
