"""How well a segmenter's masks fit the true ones: intersection over union, pooled over the pixels of all pictures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def confusion(true: NDArray[np.uint8], said: NDArray[np.uint8], labels: int) -> Counts:
    """Pixels of each class (row) that were given each class (column)."""
    pairs = true.astype(np.int64).ravel() * labels + said.ravel()
    return np.bincount(pairs, minlength=labels * labels).reshape(labels, labels)


def iou_of_classes(counts: Counts) -> NDArray[np.float64]:
    """IoU of each class; not a number where a class is neither there nor said to be."""
    shared = np.diag(counts)
    with np.errstate(invalid="ignore"):
        return shared / (counts.sum(0) + counts.sum(1) - shared)


def iou_of_defects(counts: Counts) -> float:
    """IoU of defect against no defect, whatever the class; class 0 is no defect."""
    wrong = counts[0, 1:].sum() + counts[1:, 0].sum()
    shared = counts[1:, 1:].sum()
    return float(shared / (shared + wrong)) if shared + wrong else float("nan")


def figures(counts: Counts, labels: Sequence[str]) -> dict[str, float]:
    """All of them by name: `defect_iou`, `mean_iou` of the defect classes, and `iou of LABEL`."""
    each = iou_of_classes(counts)
    return {
        "defect_iou": iou_of_defects(counts),
        "mean_iou": float(np.nanmean(each[1:])),
    } | {f"iou of {label}": float(value) for label, value in zip(labels[1:], each[1:], strict=True)}
