"""From the classes of a picture's cells to a verdict: how large is what, and is that too much, or too little?"""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from edge.config import Rules
from edge.config.segmentation import AreaLimits, SegmentationRules
from edge.geometry import Box, Classes, Mask
from edge.judge.anomaly import MOST_REGIONS, counted
from edge.judge.words import error, unknown_label
from edge.prediction import Segmentation
from edge.types import Area, Decision, Region, Verdict

UNITS = {"px2": "px²", "mm2": "mm²"}


def judge_segmentation(segmentation: Segmentation, rules: Rules) -> Decision:
    """`fail` where a label has too much or too little area, `inconclusive` where it may have.

    A cell whose label is less sure than `min_probability` could be anything: it counts for no label, and where it
    could take one over its limit, or is what a label lacks, there is doubt.
    """
    if not np.isfinite(segmentation.scores).all():
        return error("the segmentation has scores that are not numbers")
    counts = counted(segmentation, rules.ignore)
    if not counts.any():
        return error("roi, polygon and ignore leave no cell of the segmentation; correct them")
    own, cell_px = rules.segmentation, segmentation.box.area / segmentation.classes.size
    sure = counts & (segmentation.scores >= own.min_probability)
    classes = np.where(sure, segmentation.classes, 0).astype(np.uint8)
    if rules.min_area_px > 0:
        classes = _without_specks(classes, rules.min_area_px / cell_px)
    areas = tuple(_areas(classes, segmentation.labels, cell_px, own.mm_per_px))
    doubtful = float((counts & ~sure).sum()) * cell_px
    failures = [reason for area in areas for reason in _failures(area, doubtful, own)]
    doubts = [reason for area in areas for reason in _doubts(area, own)]
    doubts += [] if failures or doubts else _possibly(areas, doubtful, own)
    if not doubts and own.empty != "pass" and not classes.any():
        doubts.append("nothing but the first label was found (empty)")
    verdict = Verdict.FAIL if failures else Verdict.INCONCLUSIVE if doubts else Verdict.PASS
    largest = max(areas, key=lambda area: area.area_px)
    return Decision(
        verdict,
        (*failures, *doubts),
        largest.area_px / (float(counts.sum()) * cell_px),
        largest.label if largest.area_px else None,
        regions_of(classes, segmentation) if verdict is not Verdict.PASS else (),
        areas,
    )


def segmentation_complaints(rules: Rules, labels: Collection[str]) -> Iterator[str]:
    """What is wrong with the rules of a model with these labels, of which the first is the background."""
    own, key = rules.segmentation, "rules.segmentation"
    if own.unit == "mm2" and own.mm_per_px is None:
        yield f"{key}.unit: mm2 needs mm_per_px; set it, from calibration, or unit to px2"
    if own.pass_area is not None and own.pass_area > own.max_area:
        yield f"{key}.pass_area: {own.pass_area:g} is over max_area, which is {own.max_area:g}"
    background, *others = labels
    for place, limit in enumerate(own.limits):
        here = f"{key}.limits[{place}]"
        if limit.label not in others:
            yield (
                f"{here}.label: '{background}' is the background, which has no limits"
                if limit.label == background
                else unknown_label(f"{here}.label", limit.label, others)
            )
        if limit.pass_area is not None and limit.pass_area > limit.max_area:
            yield f"{here}.pass_area: {limit.pass_area:g} is over max_area, which is {limit.max_area:g}"
        if limit.min_area > limit.max_area:
            yield f"{here}.min_area: {limit.min_area:g} is over max_area, which is {limit.max_area:g}"
        if limit.label in {other.label for other in own.limits[:place]}:
            yield f"{here}.label: '{limit.label}' has limits already; take one of them out"


def regions_of(classes: Classes, segmentation: Segmentation) -> tuple[Region, ...]:
    """The connected areas of every label but the first, largest first; at most 20. Corners connect."""
    found = []
    for number in np.unique(classes[classes > 0]).tolist():
        _, places, stats, _ = cv2.connectedComponentsWithStats((classes == number).view(np.uint8))
        found += [(place, number, places, Spot(*spot)) for place, spot in enumerate(stats[1:].tolist(), 1)]
    found.sort(key=lambda area: -area[3].cells)
    return tuple(
        _region(spot, places[spot.inside] == place, segmentation, segmentation.labels[number])
        for place, number, places, spot in found[:MOST_REGIONS]
    )


class Spot(NamedTuple):
    """What OpenCV says of a connected area, in cells."""

    x: int
    y: int
    width: int
    height: int
    cells: int

    @property
    def inside(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return np.s_[self.y : self.y + self.height, self.x : self.x + self.width]


def _region(spot: Spot, mask: Mask, segmentation: Segmentation, label: str) -> Region:
    rows, columns = segmentation.classes.shape
    box = segmentation.box
    wide, high = box.width / columns, box.height / rows
    scores = np.where(mask, segmentation.scores[spot.inside], 0)
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    return Region(
        Box(
            box.x_min + spot.x * wide,
            box.y_min + spot.y * high,
            box.x_min + (spot.x + spot.width) * wide,
            box.y_min + (spot.y + spot.height) * high,
        ),
        spot.cells * wide * high,
        float(scores[row, column]),
        (
            float(box.x_min + (spot.x + column + 0.5) * wide),
            float(box.y_min + (spot.y + row + 0.5) * high),
        ),
        label=label,
    )


def _areas(
    classes: Classes, labels: tuple[str, ...], cell_px: float, mm_per_px: float | None
) -> Iterator[Area]:
    cells = np.bincount(classes.ravel(), minlength=len(labels))
    for label, count in zip(labels[1:], cells[1:].tolist(), strict=True):
        area_px = count * cell_px
        yield Area(label, area_px, None if mm_per_px is None else area_px * mm_per_px**2)


def _failures(area: Area, doubtful_px: float, rules: SegmentationRules) -> Iterator[str]:
    limits, found = _limits(area.label, rules), _in_unit(area.area_px, rules)
    if found > limits.max_area:
        yield f"{_said(area, rules)} is over {limits.max_area:g} (max_area)"
    if found + _in_unit(doubtful_px, rules) < limits.min_area:
        yield f"{_said(area, rules)} is under {limits.min_area:g} (min_area)"


def _doubts(area: Area, rules: SegmentationRules) -> Iterator[str]:
    limits, found = _limits(area.label, rules), _in_unit(area.area_px, rules)
    passes = limits.max_area if limits.pass_area is None else limits.pass_area
    if passes < found <= limits.max_area:
        yield (f"{_said(area, rules)} lies between {passes:g} (pass_area) and {limits.max_area:g} (max_area)")


def _possibly(areas: Sequence[Area], doubtful_px: float, rules: SegmentationRules) -> Iterator[str]:
    """Whether what is in doubt could change the verdict of any label: said once, for the largest."""
    doubt = _in_unit(doubtful_px, rules)
    for area in sorted(areas, key=lambda area: -area.area_px):
        limits, found = _limits(area.label, rules), _in_unit(area.area_px, rules)
        if found + doubt > limits.max_area or found < limits.min_area:
            yield (
                f"{_amount(doubt)} {UNITS[rules.unit]} are too unsure to be called anything (min_probability);"
                f" they decide whether {_said(area, rules)} is too much or too little"
            )
            return


def _limits(label: str, rules: SegmentationRules) -> AreaLimits:
    plain = AreaLimits(label=label, max_area=rules.max_area, pass_area=rules.pass_area)
    return next((limits for limits in rules.limits if limits.label == label), plain)


def _in_unit(area_px: float, rules: SegmentationRules) -> float:
    return area_px * (rules.mm_per_px or 1.0) ** 2 if rules.unit == "mm2" else area_px


def _said(area: Area, rules: SegmentationRules) -> str:
    return f"{area.label}: {_amount(_in_unit(area.area_px, rules))} {UNITS[rules.unit]}"


def _amount(area: float) -> str:
    return f"{area:.0f}" if area >= 1000 else f"{area:.4g}"  # noqa: PLR2004 - 1e+04 is no way to say 10,000


def _without_specks(classes: Classes, fewest_cells: float) -> Classes:
    """The classes without areas of fewer than so many cells; what touches, of any label, is one area."""
    _, places, stats, _ = cv2.connectedComponentsWithStats((classes > 0).view(np.uint8), connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] < fewest_cells
    small[0] = False
    specks: Mask = small[places]
    return np.where(specks, 0, classes).astype(np.uint8)
