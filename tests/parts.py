"""Judged parts to keep, draw and report."""

from datetime import UTC, datetime

import numpy as np

from edge.geometry import Box, Image, Map
from edge.message import Report, Stamp, describe
from edge.prediction import Anomaly, Classification, Prediction
from edge.types import Decision, Defect, Finding, Frame, Inspection, Miss, Region, Verdict

WHEN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def picture(width: int = 160, height: int = 120, grey: int = 90) -> Image:
    """A ramp with some structure: it compresses like a photograph, not like a blank."""
    x = np.linspace(0, 40, width)[None, :, None]
    y = np.sin(np.arange(height) / 30)[:, None, None] * 10
    return np.clip(grey + x + y + np.zeros(3), 0, 255).astype(np.uint8)


def heat(rows: int = 12, columns: int = 16, hot: float = 0.3, at: tuple[int, int] = (5, 8)) -> Map:
    """A cold map with one warmer place of 2×2 cells; `at` is its row and column."""
    scores = np.full((rows, columns), 0.3, np.float32)
    scores[at[0] : at[0] + 2, at[1] : at[1] + 2] = hot
    return scores


def frame(
    image: Image | None = None,
    part_id: str | None = "P-1",
    sequence: int = 1,
    truth: tuple[Defect, ...] | None = None,
) -> Frame:
    image = picture() if image is None else image
    return Frame(image, sequence, 0, WHEN, "camera", part_id=part_id, truth=truth)


def part(
    verdict: Verdict = Verdict.FAIL,
    image: Image | None = None,
    scores: Map | None = None,
    part_id: str | None = "P-1",
    truth: tuple[Defect, ...] | None = None,
) -> Inspection:
    """A part with one check that looked at the whole frame."""
    taken = frame(image, part_id, truth=truth)
    scores = heat(hot=1.6 if verdict is Verdict.FAIL else 0.3) if scores is None else scores
    height, width = taken.image.shape[:2]
    rows, columns = scores.shape
    over = np.argwhere(scores >= 1)
    regions = ()
    if len(over):
        (top, left), (bottom, right) = over.min(axis=0), over.max(axis=0) + 1
        cell_x, cell_y = width / columns, height / rows
        box = Box(left * cell_x, top * cell_y, right * cell_x, bottom * cell_y)
        regions = (Region(box, box.area, float(scores.max()), (box.x_min, box.y_min)),)
    decision = Decision(verdict, (), float(np.nanmax(scores)), None, regions)
    prediction = Anomaly(scores, np.ones(scores.shape, bool), Box(0, 0, width, height))
    return judged(taken, decision, prediction)


def judged(taken: Frame | Miss, decision: Decision, prediction: Prediction | None = None) -> Inspection:
    return Inspection(taken, (Finding("surface", decision, None, prediction),), decision, {"judge": 0.1})


def classified(label: str = "scratch", probability: float = 0.93) -> Inspection:
    decision = Decision(Verdict.FAIL, (), probability, label)
    return judged(frame(), decision, Classification(("good", label), (1 - probability, probability)))


def miss(reason: str = "the camera lost a frame") -> Inspection:
    return judged(Miss(1, 0, WHEN, "camera", reason, "P-1"), Decision(Verdict.ERROR, (reason,)))


def report(seq: int, inspection: Inspection, epoch: str = "e1") -> Report:
    return Report(Stamp("press-4", epoch, seq, WHEN, 0, synced=True), describe(inspection, "housing"))
