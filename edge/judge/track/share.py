"""What of a frame belongs to one of the parts in it: its detections, its regions, its cells of a map."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import hypot
from typing import TypeVar

import numpy as np

from edge.geometry import Box, Mask
from edge.judge.vote import worst
from edge.prediction import Anomaly, Detection, Detections, Prediction, Reading, Readings, Segmentation
from edge.types import Decision, Finding, Frame, Inspection, Verdict

Judge = Callable[[str, Prediction], Decision]
"""The decision on what the check of that name has found, under its rules."""
Thing = TypeVar("Thing", Detection, Reading)


@dataclass(frozen=True, eq=False)
class Scene:
    """A judged frame and where its parts are in it: a box for each, by its number."""

    inspection: Inspection
    boxes: Mapping[int, Box]


def share(scene: Scene, number: int, judge: Judge) -> Inspection:
    """The frame as that part's own: only what lies in its box, judged anew.

    A frame that nothing could be found in stands as it is. Detections and codes belong to one part each: that
    whose box has their middle, and of several the one whose middle is nearest. Maps are judged within the box; a
    region that was found at or over the limit belongs to every part whose box it touches. What has no place,
    a label of the whole picture or a measurement, holds for each part in it.
    """
    whole, box = scene.inspection, scene.boxes[number]
    if not whole.findings:
        return whole
    findings = tuple(_finding(finding, scene, number, judge) for finding in whole.findings)
    frame = whole.frame
    if isinstance(frame, Frame) and frame.truth is not None:
        frame = replace(frame, truth=tuple(known for known in frame.truth if _holds(box, known.box)))
    return replace(
        whole, frame=frame, findings=findings, decision=worst([finding.decision for finding in findings])
    )


def codes(inspection: Inspection) -> frozenset[str]:
    """What was read on a part."""
    found = (finding.prediction for finding in inspection.findings)
    return frozenset(
        reading.text for readings in found if isinstance(readings, Readings) for reading in readings.found
    )


def _finding(finding: Finding, scene: Scene, number: int, judge: Judge) -> Finding:
    box = scene.boxes[number]
    match finding.prediction:
        case Detections() as detections:
            mine: Prediction = replace(detections, found=tuple(_own(detections.found, scene.boxes, number)))
        case Readings() as readings:
            mine = replace(readings, found=tuple(_own(readings.found, scene.boxes, number)))
        case Anomaly() as cells:
            return _defects_within(finding, cells, box, judge)
        case Segmentation() as cells:
            mine = replace(cells, valid=cells.valid & _cells_in(box, cells))
        case _:
            return finding
    return replace(finding, prediction=mine, decision=judge(finding.check, mine))


def _own(things: Iterable[Thing], boxes: Mapping[int, Box], number: int) -> Iterator[Thing]:
    """Those of the things that belong to one part: what two boxes hold is the nearest one's."""
    for thing in things:
        x, y = thing.box.middle
        away = {
            part: hypot(box.middle[0] - x, box.middle[1] - y)
            for part, box in boxes.items()
            if _holds(box, thing.box)
        }
        if away and min(away, key=lambda part: away[part]) == number:
            yield thing


def _defects_within(finding: Finding, cells: Anomaly, box: Box, judge: Judge) -> Finding:
    """A map within a box. An anomaly that touches the box is the part's, even where most of it lies outside."""
    mine = replace(cells, valid=cells.valid & _cells_in(box, cells))
    decision, whole = judge(finding.check, mine), finding.decision
    touching = tuple(region for region in whole.regions if region.box.intersection(box).area > 0)
    if touching and decision.verdict is not Verdict.ERROR:
        peak = max(region.peak for region in touching)
        decision = replace(whole, score=peak, regions=touching)
    return replace(finding, prediction=mine, decision=decision)


def _cells_in(box: Box, cells: Anomaly | Segmentation) -> Mask:
    """The cells that touch a box."""
    rows, columns = cells.valid.shape
    x = cells.box.x_min + np.arange(columns + 1) * cells.box.width / columns
    y = cells.box.y_min + np.arange(rows + 1) * cells.box.height / rows
    across = (x[:-1] < box.x_max) & (x[1:] > box.x_min)
    down = (y[:-1] < box.y_max) & (y[1:] > box.y_min)
    return np.asarray(down[:, None] & across[None, :], np.bool_)


def _holds(box: Box, other: Box) -> bool:
    x, y = other.middle
    return box.x_min <= x <= box.x_max and box.y_min <= y <= box.y_max
