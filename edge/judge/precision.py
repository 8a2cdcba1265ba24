"""How well boxes are found: average precision, as COCO has it."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edge.geometry import Box

Scored = tuple[float, Box]
"""A found box with its score."""
Floats = npt.NDArray[np.float64]

RECALLS: Floats = np.linspace(0, 1, 101)
"""Where COCO reads the precision from the curve."""
OVERLAPS = tuple(float(overlap) for overlap in np.linspace(0.5, 0.95, 10).round(2))
"""How much of a true box a found one must cover: the thresholds of mAP50-95."""


def average_precision(
    found: Sequence[Sequence[Scored]], true: Sequence[Sequence[Box]], least_iou: float = 0.5
) -> float:
    """Area under precision over recall for one label, 0…1; `found` and `true` go picture by picture.

    Best score first, each found box takes the true box of its picture that it covers best among those not yet
    taken; less than `least_iou` is a false alarm, and so is a second box on the same thing. Precision is made
    monotone and read at 101 recalls (Lin et al. 2014, COCO). NaN where there is no true box.
    """
    wanted = sum(map(len, true))
    if not wanted:
        return float("nan")
    scores, right = _matched(found, true, least_iou)
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(hits) + 1)
    recall = hits / wanted
    # From the right: the best precision at this recall or a higher one.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, RECALLS - 1e-12)
    return float(np.append(envelope, 0.0)[places].sum() / len(RECALLS))


def mean_average_precision(
    found: Mapping[str, Sequence[Sequence[Scored]]], true: Mapping[str, Sequence[Sequence[Box]]]
) -> dict[str, float]:
    """`map50`, `map50_95`, and `ap50` of each label as `ap50 LABEL`; labels without a true box do not count.

    All NaN where no label has one.
    """
    known = [label for label, boxes in true.items() if any(boxes)]
    table = np.array(
        [[average_precision(found[label], true[label], overlap) for overlap in OVERLAPS] for label in known]
    )
    if not known:
        return {"map50": float("nan"), "map50_95": float("nan")}
    single = {f"ap50 {label}": float(row[0]) for label, row in zip(known, table, strict=True)}
    return {"map50": float(table[:, 0].mean()), "map50_95": float(table.mean())} | single


def _matched(
    found: Sequence[Sequence[Scored]], true: Sequence[Sequence[Box]], least_iou: float
) -> tuple[Floats, Floats]:
    """The scores of all found boxes, and 1 for those that are right."""
    scores: list[float] = []
    right: list[float] = []
    for boxes, wanted in zip(found, true, strict=True):
        free = list(wanted)
        for score, box in sorted(boxes, key=lambda scored: -scored[0]):
            overlap, place = max(
                ((box.iou(other), place) for place, other in enumerate(free)), default=(0.0, -1)
            )
            scores.append(score)
            right.append(float(overlap >= least_iou))
            if overlap >= least_iou:
                del free[place]
    return np.array(scores), np.array(right)
