"""How well segmented areas fit the true ones: intersection over union, pooled over the pixels of all pictures.

Pooled, because the mean over pictures is not defined for those without a defect, and there a false one must count.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.geometry import Classes
from edge.prediction import Segmentation

UNNAMED = 255
"""Among true classes: a defect, of whichever label."""


class AreaScores:
    """Collects pixels: what they are, and what they were called. For one thread."""

    def __init__(self, labels: Sequence[str]) -> None:
        """The first label is the background; 255 at most."""
        self.labels = tuple(labels)
        self._counts = np.zeros((len(labels) + 1, len(labels)), np.int64)

    def add(self, segmentation: Segmentation, true: Classes) -> None:
        """Count the pixels of a picture; `true` is as large as the frame.

        Good pixels outside of what the model looks at count for nothing; defects there are not found.
        """
        left, top, right, bottom = (max(0, round(edge)) for edge in segmentation.box)
        inside = true[top:bottom, left:right]
        size = inside.shape[::-1]
        said = np.zeros(true.shape, np.uint8)
        counts = true > 0
        classes = np.where(segmentation.valid, segmentation.classes, 0).astype(np.uint8)
        said[top:bottom, left:right] = cv2.resize(classes, size, interpolation=cv2.INTER_NEAREST)
        seen = cv2.resize(segmentation.valid.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        counts[top:bottom, left:right] |= seen > 0
        self.count(true[counts], said[counts])

    def count(self, true: Classes, said: Classes) -> None:
        """Count pixels one by one: arrays of the same shape."""
        rows, columns = self._counts.shape
        place = np.minimum(true, rows - 1).astype(np.int64) * columns + said
        self._counts += np.bincount(place.ravel(), minlength=rows * columns).reshape(rows, columns)

    @property
    def defects(self) -> float:
        """IoU of defect against no defect, whatever the label; NaN where no pixel is, or is called, one."""
        shared = self._counts[1:, 1:].sum()
        wrong = self._counts[0, 1:].sum() + self._counts[1:, 0].sum()
        return float(shared / (shared + wrong)) if shared + wrong else float("nan")

    @property
    def classes(self) -> npt.NDArray[np.float64]:
        """IoU of each label; NaN where it is neither there nor said to be."""
        named = self._counts[:-1]
        shared = np.diag(named)
        with np.errstate(invalid="ignore"):
            overlap: npt.NDArray[np.float64] = shared / (named.sum(0) + named.sum(1) - shared)
        return overlap

    def figures(self) -> dict[str, Any]:
        """`defect_iou`, the mean over the labels of defects that occur, and each; None: there is no figure."""
        each = self.classes[1:]
        known = each[~np.isnan(each)]
        return {
            "defect_iou": _figure(self.defects),
            "mean_iou": _figure(float(known.mean()) if known.size else float("nan")),
            "iou": {
                label: _figure(float(overlap)) for label, overlap in zip(self.labels[1:], each, strict=True)
            },
        }


def _figure(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
