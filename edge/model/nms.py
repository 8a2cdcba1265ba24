"""Non-maximum suppression: of boxes that show the same thing, the best one stays."""

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]
"""Candidates, n×6: class, score, x_min, y_min, x_max, y_max in pixels of the tensor or of the frame."""
CLASS, SCORE, BOX = 0, 1, slice(2, 6)


def suppress(rows: Rows, max_iou: float) -> Rows:
    """The rows that stay, best first: of two of one class that overlap by more than `max_iou`, the better one.

    Its time grows with the square of the rows: give it the best few hundred.
    """
    rows = rows[np.argsort(-rows[:, SCORE], kind="stable")]
    beaten = _iou(rows[:, BOX]) > max_iou
    beaten &= rows[:, CLASS, None] == rows[None, :, CLASS]
    # Only a better one, which stands above, can beat a row.
    beaten = np.triu(beaten, 1)
    stays = np.ones(len(rows), np.bool_)
    for index in np.flatnonzero(beaten.any(axis=1)):
        if stays[index]:
            stays &= ~beaten[index]
    return rows[stays]


def _iou(boxes: Rows) -> Rows:
    # Plane by plane: a third axis of length 2 would take NumPy eight times as long.
    left, upper, right, lower = boxes.T
    # A broken box may be infinite: no overlap comes of it, and its finder says so.
    with np.errstate(over="ignore", invalid="ignore"):
        wide = np.minimum.outer(right, right)
        wide -= np.maximum.outer(left, left)
        tall = np.minimum.outer(lower, lower)
        tall -= np.maximum.outer(upper, upper)
        shared: Rows = np.maximum(wide, 0, out=wide)
        shared *= np.maximum(tall, 0, out=tall)
        areas = np.maximum(right - left, 0) * np.maximum(lower - upper, 0)
        union = np.add.outer(areas, areas)
        union -= shared
        # Two empty boxes have no union, and no overlap either.
        np.divide(shared, union, out=shared, where=union > 0)
    return shared
