"""From measured values to a verdict."""

from collections.abc import Collection, Iterator

from edge.config.measurement import MeasurementRules
from edge.judge.words import error, unknown_label
from edge.types import Decision, Measurements, Verdict


def judge_measurement(measurements: Measurements, _rules: MeasurementRules) -> Decision:
    """`pass` where every value, whatever its error may be, lies within its limits."""
    if not measurements.found:
        return error("nothing was measured")
    return Decision(Verdict.INCONCLUSIVE, ("measured values are not compared with limits",))


def measurement_complaints(rules: MeasurementRules, names: Collection[str]) -> Iterator[str]:
    """What is wrong with the rules of a bundle with tools of these names."""
    for place, tolerance in enumerate(rules.tolerances):
        if tolerance.name not in names:
            yield unknown_label(f"rules.measurement.tolerances[{place}].name", tolerance.name, names)
