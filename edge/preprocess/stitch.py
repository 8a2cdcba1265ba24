"""One map of a part from the maps of its tiles, and one grid of classes."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from edge.geometry import Map, Mask
from edge.prediction import Anomaly, Segmentation
from edge.preprocess.layout import Layout


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


def stitch_classes(layout: Layout, tiles: Sequence[Map], labels: tuple[str, ...]) -> Segmentation:
    """Classes and probabilities (2×rows×columns for each tensor, all of one shape) as one over `layout.box`.

    Where tiles overlap, a defect counts that any of them sees, and of two defects the surer: at the edge of its
    tile a defect is easily missed. A probability that is not a number makes all of them so.
    """
    rows, columns = tiles[0].shape[1:]
    shown = layout.shown(rows, columns)
    valid = _stitched_valid(layout, rows, columns)
    if len(tiles) == 1:
        classes, scores = (plane[shown] for plane in tiles[0])
        return Segmentation(labels, classes.astype(np.uint8), scores, valid, layout.box)
    classes = np.zeros(valid.shape, np.uint8)
    # Less than any probability, and than a background's, which is counted from -1 to 0.
    ranks = np.full(valid.shape, -2, np.float32)
    for place, (kinds, scores) in zip(_places(layout, rows, columns), tiles, strict=True):
        rank = np.where(kinds > 0, scores, scores - 1)[shown]
        wins = ~(rank <= ranks[place])
        np.copyto(classes[place], kinds[shown], where=wins, casting="unsafe")
        np.copyto(ranks[place], rank, where=wins)
    if not all(np.isfinite(each[1]).all() for each in tiles):
        ranks.fill(np.nan)
    return Segmentation(labels, classes, np.where(classes > 0, ranks, ranks + 1), valid, layout.box)


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
