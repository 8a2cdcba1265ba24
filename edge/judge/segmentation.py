"""From the classes of a picture's cells to a verdict."""

from collections.abc import Collection, Iterator

import numpy as np

from edge.config import Rules
from edge.judge.words import error
from edge.types import Decision, Segmentation, Verdict


def judge_segmentation(segmentation: Segmentation, rules: Rules) -> Decision:
    """`fail` where an area of anything but the background is too large."""
    if not np.isfinite(segmentation.scores).all():
        return error("the segmentation has scores that are not numbers")
    if not segmentation.valid.any():
        return error("roi and polygon leave no cell of the segmentation; correct them")
    cell_px = segmentation.box.area / segmentation.classes.size
    counted = segmentation.classes[segmentation.valid]
    areas = np.bincount(counted, minlength=len(segmentation.labels))[1:] * cell_px
    reasons = tuple(
        f"{label}: {area:.0f} px², over {rules.segmentation.max_area_px:g}"
        for label, area in zip(segmentation.labels[1:], areas, strict=True)
        if area > rules.segmentation.max_area_px
    )
    return Decision(Verdict.FAIL if reasons else Verdict.PASS, reasons, float(areas.sum()))


def segmentation_complaints(_rules: Rules, _labels: Collection[str]) -> Iterator[str]:
    """What is wrong with the rules of a model with these labels."""
    yield from ()
