"""Things that lie across the seam between two tiles: each tile saw a piece, and the pieces are one thing."""

import numpy as np
import numpy.typing as npt

from edge.geometry import Box
from edge.model.nms import BOX, CLASS, SCORE, Rows

NEAR = 0.03
"""Of a tile's side: a box that comes so near to the seam is cut by it."""
ALIKE = 0.5
"""Two pieces of one thing cover so much of each other's extent along the seam."""
WITHIN = 0.7
"""A piece of which so much lies in a whole thing is a piece of that."""

Flags = npt.NDArray[np.bool_]


def joined(rows: Rows, tiles: npt.NDArray[np.int64], seen: npt.NDArray[np.float64], area: Box) -> Rows:
    """The rows, with pieces on both sides of a seam made one, and pieces of what a tile saw whole left out.

    Rows are in frame pixels; `tiles` says which tile saw each, `seen` (tiles×4) what of the frame each tile
    covers, and `area` what they cover together. A thing that was put together has the best score of its pieces.
    """
    own = seen[tiles]
    slack = NEAR * np.repeat(own[:, 2:] - own[:, :2], 2, axis=1)[:, [0, 2, 0, 2]]
    boxes = rows[:, BOX].astype(np.float64)
    low = (boxes[:, :2] <= own[:, :2] + slack[:, :2]) & (own[:, :2] > np.array(area[:2]) + 0.5)
    high = (boxes[:, 2:] >= own[:, 2:] - slack[:, 2:]) & (own[:, 2:] < np.array(area[2:]) - 0.5)
    cut = np.asarray((low | high).any(axis=1))
    if not cut.any():
        return rows
    strange = (tiles[:, None] != tiles[None, :]) & (rows[:, CLASS, None] == rows[None, :, CLASS])
    meets = _meet(0, high, low, own, boxes, slack) | _meet(1, high, low, own, boxes, slack)
    whole = _together(rows, strange & meets)
    spare = _pieces(boxes, cut, strange)
    kept = rows[~cut | (~spare & ~whole[1])]
    return np.concatenate([kept, whole[0]])


def _meet(
    axis: int,
    high: Flags,
    low: Flags,
    own: npt.NDArray[np.float64],
    boxes: npt.NDArray[np.float64],
    slack: npt.NDArray[np.float64],
) -> Flags:
    """Which pairs meet at a seam across that axis: the first ends there, the second begins there."""
    after = own[None, :, axis] > own[:, None, axis]
    touching = own[None, :, axis] <= own[:, None, axis + 2] + 0.5
    reaching = boxes[None, :, axis] <= boxes[:, None, axis + 2] + 2 * slack[:, None, axis]
    along = 1 - axis
    shared = np.minimum.outer(boxes[:, along + 2], boxes[:, along + 2])
    shared = shared - np.maximum.outer(boxes[:, along], boxes[:, along])
    spanned = np.maximum.outer(boxes[:, along + 2], boxes[:, along + 2])
    spanned = spanned - np.minimum.outer(boxes[:, along], boxes[:, along])
    pairs: Flags = (
        high[:, None, axis] & low[None, :, axis] & after & touching & reaching & (shared >= ALIKE * spanned)
    )
    return pairs


def _together(rows: Rows, pairs: Flags) -> tuple[Rows, Flags]:
    """One row for each group of rows that pairs connect, and which rows went into one."""
    group = np.arange(len(rows))
    for first, second in np.argwhere(pairs):
        group[group == group[second]] = group[first]
    used = np.asarray((pairs | pairs.T).any(axis=0))
    made = np.empty((len(np.unique(group[used])), rows.shape[1]), rows.dtype)
    for place, number in enumerate(np.unique(group[used])):
        pieces = rows[group == number]
        made[place, CLASS], made[place, SCORE] = pieces[0, CLASS], pieces[:, SCORE].max()
        made[place, 2:4], made[place, 4:6] = pieces[:, 2:4].min(axis=0), pieces[:, 4:6].max(axis=0)
    return made, used


def _pieces(boxes: npt.NDArray[np.float64], cut: Flags, strange: Flags) -> Flags:
    """Which cut boxes lie in one that another tile saw whole."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    inside = (shared >= WITHIN * areas[:, None]) & strange & ~cut[None, :]
    spare: Flags = cut & inside.any(axis=1)
    return spare
