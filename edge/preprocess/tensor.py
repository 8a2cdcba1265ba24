"""From camera pixels to int8 tensors, without a float in between."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from edge.config import Point, Rectangle
from edge.config.enhance import Enhance
from edge.geometry import Box, Geometry, Image, Map, Mask, Tensor
from edge.prediction import Anomaly
from edge.preprocess.enhance import enhanced
from edge.preprocess.layout import InputSpec, Layout, Tile, lay_out
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.stitch import stitch

__all__ = ["InputSpec", "Prepared", "prepare"]

PADDING = 128
"""Grey level of the letterbox: 0 in the tensor."""
MIN_SPAN = 16
"""Contrast is stretched at most 16-fold, lest the noise of an even surface look like a pattern."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A frame as a model sees it: int8 tensors of 1×h×w×3, tile by tile, row by row."""

    tensors: tuple[Tensor, ...]
    layout: Layout

    @property
    def geometries(self) -> tuple[Geometry, ...]:
        """Where each tensor lies in the frame."""
        return tuple(tile.geometry for tile in self.layout.tiles)

    @property
    def box(self) -> Box:
        """The area of the frame that the tensors cover."""
        return self.layout.box

    def valid(self, rows: int, columns: int, tile: int = 0) -> Mask:
        """The cells of one tensor's grid at least half inside frame and polygon. Read-only, cached."""
        return self.layout.valid(rows, columns, tile)

    def stitch(self, maps: Sequence[Map]) -> Anomaly:
        """One map over `box` from one map for each tensor; the highest score counts where tensors overlap."""
        return stitch(self.layout, maps)


def prepare(
    picture: Image | Pyramid,
    spec: InputSpec,
    roi: Rectangle | None = None,
    polygon: Sequence[Point] = (),
    enhance: Sequence[Enhance] | None = None,
) -> Prepared:
    """The tensors for one check. Teaching and running both come through here, so that they see the same.

    Without a `roi` of its own, a check looks where its model was taught to; likewise with the steps of `enhance`,
    where empty is none at all. Given the `Pyramid` that the quality gate has used, it does not reduce the picture
    again. Any thread; a pyramid belongs to one. Raises `InferenceError` where the region of interest lies outside
    the frame.
    """
    pyramid = picture if isinstance(picture, Pyramid) else Pyramid(picture)
    height, width = pyramid.image.shape[:2]
    layout = lay_out(width, height, spec, roi, tuple((x, y) for x, y in polygon))
    if spec.restore is not None:
        pyramid = pyramid.restored(spec.restore, layout.box)
    reduced = pyramid.level(layout.halved_x, layout.halved_y)
    shown: Sequence[Image] = [_resized(reduced, tile) for tile in layout.tiles]
    steps = spec.enhance if enhance is None else enhance
    if steps:
        shown = enhanced(shown, [_inside(layout, tile) for tile in range(len(shown))], steps)
    signed = _signs(shown, layout)
    tensors = [_framed(pixels, tile, spec) for pixels, tile in zip(signed, layout.tiles, strict=True)]
    return Prepared(tuple(tensors), layout)


def _resized(reduced: Image, tile: Tile) -> Image:
    pixels = reduced[tile.rows, tile.columns]
    # At most 2:1 is left: linear interpolation still sees every pixel.
    resized = cv2.resize(pixels, (tile.width, tile.height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)


def _signs(shown: Sequence[Image], layout: Layout) -> list[Tensor]:
    """`pixel - 128`, and the contrast as the model wants it."""
    if layout.spec.contrast == "stretch":
        table = _stretching(shown, layout)
        return [cv2.LUT(pixels, table).view(np.int8) for pixels in shown]
    return [np.bitwise_xor(pixels, np.uint8(128)).view(np.int8) for pixels in shown]


def _stretching(shown: Sequence[Image], layout: Layout) -> Image:
    """A table that spreads the 1st to 99th percentile of all tiles together over -128…127."""
    counts = np.zeros(256)
    for tile, pixels in enumerate(shown):
        flat = pixels.reshape(pixels.shape[0], -1)
        counts += cv2.calcHist([flat], [0], _counted(layout, tile), [256], [0, 256]).ravel()
    below = np.cumsum(counts)
    darkest, brightest = np.searchsorted(below, (0.01 * below[-1], 0.99 * below[-1]))
    span = max(MIN_SPAN, brightest - darkest)
    start = (darkest + brightest - span) / 2
    levels = np.clip(np.rint((np.arange(256) - start) * (255 / span)), 0, 255)
    table: Image = levels.astype(np.uint8) ^ np.uint8(128)
    return table


@lru_cache(maxsize=64)
def _counted(layout: Layout, tile: int) -> Image | None:
    """The channels of a tile's pixels that lie inside the polygon, as OpenCV wants its masks; None: all."""
    inside = _inside(layout, tile)
    return None if inside is None else np.repeat(inside, 3, axis=1)


@lru_cache(maxsize=64)
def _inside(layout: Layout, tile: int) -> Image | None:
    """A tile's pixels that lie inside the polygon, likewise."""
    if not layout.polygon:
        return None
    spec = layout.spec
    return layout.valid(spec.height, spec.width, tile)[layout.shown(spec.height, spec.width)].astype(np.uint8)


def _framed(pixels: Tensor, tile: Tile, spec: InputSpec) -> Tensor:
    if (tile.width, tile.height) == (spec.width, spec.height):
        return pixels[np.newaxis]
    tensor: Tensor = np.full((1, spec.height, spec.width, 3), PADDING - 128, np.int8)
    content = tile.geometry.content
    tensor[0, int(content.y_min) : int(content.y_max), int(content.x_min) : int(content.x_max)] = pixels
    return tensor
