"""The first promise, task by task: what is broken, missing or doubtful in a prediction is not `pass`."""

from dataclasses import replace

import numpy as np
import pytest

from edge.config import Rules
from edge.config.detection import Count, DetectionRules, Pair
from edge.config.measurement import MeasurementRules, Tolerance
from edge.config.reading import ReadingRules
from edge.config.segmentation import SegmentationRules
from edge.geometry import Box
from edge.judge.deviation import Limits
from edge.judge.rules import judge
from edge.prediction import (
    Classification,
    Detection,
    Detections,
    Measurement,
    Measurements,
    Prediction,
    Reading,
    Readings,
    Segmentation,
)
from edge.types import Decision, Verdict

NAN, INF = float("nan"), float("inf")
FRAME, PLACE = Box(0, 0, 100, 100), Box(10, 10, 60, 90)
CELLS = np.zeros((10, 10), np.uint8)
RULES = Rules(
    good_labels=["good"],
    detection=DetectionRules(
        fail_labels=["crack"],
        counts=[Count(label="bottle", at_least=1)],
        pairs=[Pair(each="bottle", has="cap")],
    ),
    segmentation=SegmentationRules(max_area=50),
    measurement=MeasurementRules(tolerances=[Tolerance(name="bore", lower=9, upper=11)]),
    reading=ReadingRules(pattern="LOT.*"),
)
BOTTLE, CAP = Detection("bottle", 0.9, PLACE), Detection("cap", 0.9, Box(20, 10, 50, 30))
THINGS = Detections((BOTTLE, CAP), FRAME)
SCENE = Segmentation(
    ("good", "scratch"), CELLS, np.ones(CELLS.shape, np.float32), np.ones(CELLS.shape, np.bool_), FRAME
)
BORE = Measurement("bore", 10.0, "mm", 0.1)
CODE = Reading("LOT1", "QRCode", PLACE)
SOUND: dict[str, Prediction] = {
    "classification": Classification(("good", "bad"), (0.95, 0.05)),
    "detection": THINGS,
    "segmentation": SCENE,
    "measurement": Measurements((BORE,)),
    "reading": Readings((CODE,)),
}
BROKEN: dict[str, Prediction] = {
    "probabilities that are no numbers": Classification(("good", "bad"), (NAN, 0.05)),
    "probabilities that do not add up": Classification(("good", "bad"), (0.95, 0.95)),
    "fewer probabilities than labels": Classification(("good", "bad"), (1.0,)),
    "a score that is no number": replace(THINGS, found=(BOTTLE._replace(score=NAN), CAP)),
    "a box that is no number": replace(THINGS, found=(BOTTLE, CAP._replace(box=Box(NAN, 0, 1, 1)))),
    "a box without end": replace(THINGS, found=(BOTTLE._replace(box=Box(0, 0, INF, 1)), CAP)),
    "nothing was found": replace(THINGS, found=()),
    "a thing that may be there": replace(THINGS, found=(BOTTLE, CAP, Detection("crack", 0.45, PLACE))),
    "a part that may be missing": replace(THINGS, found=(BOTTLE, CAP._replace(score=0.45))),
    "candidates were left out": replace(THINGS, unknown_below=0.8),
    "cells that are no numbers": replace(SCENE, scores=np.full(CELLS.shape, NAN, np.float32)),
    "cells that may be anything": replace(SCENE, scores=np.full(CELLS.shape, 0.3, np.float32)),
    "no cell to look at": replace(SCENE, valid=np.zeros(CELLS.shape, np.bool_)),
    "nothing to measure": Measurements((replace(BORE, value=None, reason="no edge"),)),
    "a value that is no number": Measurements((replace(BORE, value=NAN),)),
    "an uncertainty that is no number": Measurements((replace(BORE, uncertainty=NAN),)),
    "a value that may be outside": Measurements((replace(BORE, value=10.95),)),
    "a tool that did not answer": Measurements(()),
    "no code": Readings(()),
    "a code that cannot be read": Readings((replace(CODE, text=""),)),
    "a code that reads in two ways": Readings((CODE, replace(CODE, text="LOT2"))),
    "another code": Readings((replace(CODE, text="BATCH1"),)),
}


def judged(prediction: Prediction) -> Decision:
    return judge(prediction, Limits(), RULES)


@pytest.mark.parametrize("task", SOUND)
def test_what_is_sound_passes_or_the_other_test_would_prove_nothing(task: str) -> None:
    assert judged(SOUND[task]) == replace(judged(SOUND[task]), verdict=Verdict.PASS)


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_broken_missing_or_doubtful_does_not_pass_and_says_why(broken: str) -> None:
    decision = judged(BROKEN[broken])
    assert decision.verdict is not Verdict.PASS
    assert decision.reasons
