"""From what a model says to a verdict. Nothing that is missing, broken or doubtful becomes `pass`."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import assert_never

from edge.config import Check, Rules
from edge.errors import ConfigError
from edge.judge.classification import classification_complaints, judge_classification
from edge.judge.detection import detection_complaints, judge_detection
from edge.judge.deviation import Limits, anomaly_complaints, judge_anomaly
from edge.judge.measurement import judge_measurement, measurement_complaints
from edge.judge.reading import judge_reading, reading_complaints
from edge.judge.segmentation import judge_segmentation, segmentation_complaints
from edge.prediction import (
    Anomaly,
    Classification,
    Detections,
    Measurements,
    Prediction,
    Readings,
    Segmentation,
)
from edge.types import Decision

FEWEST_CORNERS = 3


def judge(prediction: Prediction, limits: Limits, rules: Rules, *, was_failing: bool = False) -> Decision:
    """The verdict on one prediction, with reasons. `was_failing`: this part failed in the frame before."""
    match prediction:
        case Anomaly():
            return judge_anomaly(prediction, limits, rules, was_failing=was_failing)
        case Classification():
            return judge_classification(prediction, rules)
        case Detections():
            return judge_detection(prediction, rules)
        case Segmentation():
            return judge_segmentation(prediction, rules)
        case Measurements():
            return judge_measurement(prediction, rules.measurement)
        case Readings():
            return judge_reading(prediction, rules.reading)
        case _:
            assert_never(prediction)


def check_rules(check: Check, limits: Limits, task: str = "anomaly", labels: Collection[str] = ()) -> None:
    """Refuse rules that contradict each other or the bundle, by raising `ConfigError`.

    `labels` are what the bundle's model, or its tools, can name; none for an anomaly model.
    """
    complaints = [*_polygon_complaints(check), *COMPLAINTS[task](check.rules, limits, labels)]
    if complaints:
        raise ConfigError("\n".join(f"check {check.name}: {complaint}" for complaint in complaints))


COMPLAINTS: dict[str, Callable[[Rules, Limits, Collection[str]], Iterable[str]]] = {
    "anomaly": lambda rules, limits, _: anomaly_complaints(rules, limits),
    "classification": lambda rules, _, labels: classification_complaints(rules, labels),
    "detection": lambda rules, _, labels: detection_complaints(rules.detection, labels),
    "segmentation": lambda rules, _, labels: segmentation_complaints(rules, labels),
    "measurement": lambda rules, _, names: measurement_complaints(rules.measurement, names),
    "reading": lambda rules, _limits, _labels: reading_complaints(rules.reading),
}


def _polygon_complaints(check: Check) -> Iterator[str]:
    polygons = {"polygon": check.polygon} if check.polygon else {}
    polygons |= {f"rules.ignore[{place}]": points for place, points in enumerate(check.rules.ignore)}
    for key, points in polygons.items():
        if len(points) < FEWEST_CORNERS:
            yield f"{key}: has {len(points)} corners; give it at least {FEWEST_CORNERS}"
