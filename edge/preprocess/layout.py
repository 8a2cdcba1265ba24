"""Where the tensors of a check lie in the frame: region of interest, tiles, letterbox."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Literal

import numpy as np

from edge.config import Rectangle
from edge.config.enhance import Enhance
from edge.errors import InferenceError
from edge.geometry import Box, Geometry, Mask
from edge.preprocess.mask import Polygon, cells_inside, half_inside
from edge.preprocess.pyramid import Restores


@dataclass(frozen=True)
class InputSpec:
    """What a model takes, as its bundle says.

    `width` and `height` are pixels of one tensor; `tiles_x` × `tiles_y` of them (at least 1 × 1) share the
    region of interest, each overlapping its neighbour by `overlap` of its own size (0 ≤ overlap < 1).
    `contrast` "stretch" spreads the 1st to 99th percentile of each picture over the full range. `roi` is where
    the model was taught to look (none: at the whole frame); a check may look elsewhere. `enhance` are the
    steps that its pixels go through, in order, before their contrast is spread; `restore`, where there is one,
    comes before all of them, at the frame's own size.
    """

    width: int
    height: int
    fit: Literal["stretch", "letterbox"] = "stretch"
    contrast: Literal["none", "stretch"] = "none"
    tiles_x: int = 1
    tiles_y: int = 1
    overlap: float = 0.0
    roi: Rectangle | None = None
    enhance: tuple[Enhance, ...] = ()
    restore: Restores | None = None


@dataclass(frozen=True)
class Tile:
    """One tensor: the pixels of the reduced picture that it shows, and where they go."""

    rows: slice
    columns: slice
    width: int
    height: int
    geometry: Geometry


@dataclass(frozen=True, eq=False)
class Layout:
    """Where every tensor of a check lies. `box` is the area of the frame that they cover together."""

    spec: InputSpec
    halved_x: int
    halved_y: int
    tiles: tuple[Tile, ...]
    box: Box
    polygon: Polygon

    def shown(self, rows: int, columns: int) -> tuple[slice, slice]:
        """The rows and columns of one tensor's grid that show the frame, without the letterbox padding."""
        content = self.tiles[0].geometry.content
        scale_x, scale_y = columns / self.spec.width, rows / self.spec.height
        return (
            half_inside(content.y_min * scale_y, content.y_max * scale_y, rows),
            half_inside(content.x_min * scale_x, content.x_max * scale_x, columns),
        )

    def valid(self, rows: int, columns: int, tile: int = 0) -> Mask:
        """The cells of one tensor's grid at least half inside frame and polygon. Read-only, cached."""
        return _valid(self, rows, columns, tile)


@lru_cache(maxsize=64)
def lay_out(
    width: int, height: int, spec: InputSpec, roi: Rectangle | None = None, polygon: Polygon = ()
) -> Layout:
    """The layout for frames of `width` × `height` pixels. Without a `roi`, that of `spec` holds. Any thread.

    Raises `InferenceError` where the region of interest lies outside the frame.
    """
    area = inside_frame(width, height, roi or spec.roi)
    if 0 < len(polygon) < 3:  # noqa: PLR2004 - a triangle is the smallest polygon
        raise InferenceError(f"polygon: has {len(polygon)} corners; give it at least 3, or none")
    halved_x = _halvings(_tile_size(area.width, spec.tiles_x, spec.overlap), spec.width)
    halved_y = _halvings(_tile_size(area.height, spec.tiles_y, spec.overlap), spec.height)
    if spec.fit == "letterbox":
        halved_x = halved_y = min(max(halved_x, halved_y), int(min(area.width, area.height)).bit_length() - 1)
    columns = _reduced(area.x_min, area.x_max, width, halved_x)
    rows = _reduced(area.y_min, area.y_max, height, halved_y)
    tiles = tuple(
        _tile(tile_rows, tile_columns, 1 << halved_x, 1 << halved_y, spec)
        for tile_rows in _cut(rows, spec.tiles_y, spec.overlap)
        for tile_columns in _cut(columns, spec.tiles_x, spec.overlap)
    )
    box = Box(
        columns.start << halved_x, rows.start << halved_y, columns.stop << halved_x, rows.stop << halved_y
    )
    return Layout(spec, halved_x, halved_y, tiles, box, polygon)


def inside_frame(width: int, height: int, roi: Rectangle | None) -> Box:
    """The part of a region that the frame shows, or the whole frame. Raises `InferenceError` where it is none."""
    frame = Box(0, 0, width, height)
    if roi is None:
        return frame
    area = frame.intersection(Box(roi.x_min, roi.y_min, roi.x_max, roi.y_max))
    if area.area == 0:
        raise InferenceError(
            f"roi: x {roi.x_min}…{roi.x_max}, y {roi.y_min}…{roi.y_max} has no pixel of the frame, which is "
            f"{width}×{height}; correct the check's roi, or the camera's picture size"
        )
    return area


def _tile_size(length: float, tiles: int, overlap: float) -> float:
    return length / (tiles - (tiles - 1) * overlap)


def _halvings(length: float, wanted: int) -> int:
    """How often `length` is to be halved until it is at most twice what is wanted."""
    return max(0, (ceil(length / wanted) - 1).bit_length() - 1)


def _reduced(start: float, stop: float, length: int, halved: int) -> slice:
    """The reduced pixels that cover `start`…`stop`, which is up to one tensor pixel more of the frame."""
    last = length >> halved
    first = min(int(start) >> halved, last - 1)
    return slice(first, max(first + 1, min(-(-int(stop) >> halved), last)))


def _cut(span: slice, tiles: int, overlap: float) -> list[slice]:
    length = span.stop - span.start
    size = max(1, round(_tile_size(length, tiles, overlap)))
    step = (length - size) / max(1, tiles - 1)
    starts = [span.start + round(tile * step) for tile in range(tiles)]
    return [slice(start, start + size) for start in starts]


def _tile(rows: slice, columns: slice, factor_x: int, factor_y: int, spec: InputSpec) -> Tile:
    shown_x, shown_y = columns.stop - columns.start, rows.stop - rows.start
    width, height = spec.width, spec.height
    if spec.fit == "letterbox":
        scale = min(width / (shown_x * factor_x), height / (shown_y * factor_y))
        width = min(width, max(1, round(shown_x * factor_x * scale)))
        height = min(height, max(1, round(shown_y * factor_y * scale)))
    left, top = (spec.width - width) // 2, (spec.height - height) // 2
    scale_x, scale_y = shown_x * factor_x / width, shown_y * factor_y / height
    geometry = Geometry(
        scale_x,
        scale_y,
        columns.start * factor_x - left * scale_x,
        rows.start * factor_y - top * scale_y,
        Box(left, top, left + width, top + height),
    )
    return Tile(rows, columns, width, height, geometry)


@lru_cache(maxsize=256)
def _valid(layout: Layout, rows: int, columns: int, tile: int) -> Mask:
    valid = np.zeros((rows, columns), np.bool_)
    valid[layout.shown(rows, columns)] = True
    if layout.polygon:
        whole = layout.tiles[tile].geometry.to_frame(Box(0, 0, layout.spec.width, layout.spec.height))
        valid &= cells_inside((layout.polygon,), whole, rows, columns)
    valid.flags.writeable = False
    return valid
