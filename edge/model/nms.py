"""Non-maximum suppression: of boxes that show the same thing, the best one stays."""

import numpy as np
import numpy.typing as npt

from edge.model.arrays import Floats

Rows = Floats
"""Candidates, n×6: class, score, x_min, y_min, x_max, y_max in pixels of the tensor or of the frame."""
CLASS, SCORE, BOX = 0, 1, slice(2, 6)


def suppress(rows: Rows, max_iou: float) -> Rows:
    """The rows that stay, best first: of two of one class that overlap by more than `max_iou`, the better one."""
    rows = rows[np.argsort(-rows[:, SCORE], kind="stable")]
    boxes = rows[:, BOX]
    overlapping = _iou(boxes) > max_iou
    overlapping &= rows[:, CLASS, None] == rows[None, :, CLASS]
    stays = np.ones(len(rows), np.bool_)
    for index in range(len(rows)):
        if stays[index]:
            stays[index + 1 :] &= ~overlapping[index, index + 1 :]
    return rows[stays]


def _iou(boxes: Floats) -> Floats:
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    union: npt.NDArray[np.float32] = areas[:, None] + areas[None, :] - shared
    found: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return found
