"""One map of a part from the maps of its tiles."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from edge.preprocess.layout import Layout
from edge.types import Anomaly, Map, Mask


def stitch(layout: Layout, maps: Sequence[Map]) -> Anomaly:
    """The maps (one for each tensor, all of one shape) as one over `layout.box`, without letterbox padding.

    Cells of a tile land on the nearest cells of the whole. Where tiles overlap, the highest score counts; a
    score that is not a number makes all of them so.
    """
    rows, columns = maps[0].shape
    shown = layout.shown(rows, columns)
    valid = _stitched_valid(layout, rows, columns)
    if len(maps) == 1:
        return Anomaly(maps[0][shown], valid, layout.box)
    whole = np.full(valid.shape, -np.inf, np.float32)
    for place, scores in zip(_places(layout, rows, columns), maps, strict=True):
        np.maximum(whole[place], scores[shown], out=whole[place])
    if not all(np.isfinite(scores).all() for scores in maps):
        # The maximum would hide a minus infinity behind the neighbour's score.
        whole.fill(np.nan)
    return Anomaly(whole, valid, layout.box)


@lru_cache(maxsize=64)
def _stitched_valid(layout: Layout, rows: int, columns: int) -> Mask:
    places = list(_places(layout, rows, columns))
    valid = np.zeros((places[-1][0].stop, places[-1][1].stop), np.bool_)
    shown = layout.shown(rows, columns)
    for tile, place in enumerate(places):
        valid[place] |= layout.valid(rows, columns, tile)[shown]
    valid.flags.writeable = False
    return valid


def _places(layout: Layout, rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """Where the shown cells of each tile lie in the whole map."""
    shown_rows, shown_columns = layout.shown(rows, columns)
    height, width = shown_rows.stop - shown_rows.start, shown_columns.stop - shown_columns.start
    apart = 1 - layout.spec.overlap
    for tile_y in range(layout.spec.tiles_y):
        top = round(tile_y * apart * height)
        for tile_x in range(layout.spec.tiles_x):
            left = round(tile_x * apart * width)
            yield slice(top, top + height), slice(left, left + width)
