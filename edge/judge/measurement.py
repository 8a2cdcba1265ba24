"""From measured values to a verdict: what may lie on either side of a limit is in doubt.

The rule is that of ISO 14253-1 for both sides: conformance is proven where the whole interval of value ± expanded
uncertainty is within the limits, non-conformance where all of it is outside; between, neither is.
"""

from collections.abc import Collection, Iterator
from math import isfinite

from edge.config.measurement import MeasurementRules, Tolerance
from edge.judge.words import error, unknown_label
from edge.prediction import Measurement, Measurements
from edge.types import Decision, Verdict


def judge_measurement(measurements: Measurements, rules: MeasurementRules) -> Decision:
    """`pass` where every value, whatever its error may be, lies within its limits."""
    if not measurements.found:
        return error("nothing was measured")
    if not rules.tolerances:
        return Decision(Verdict.INCONCLUSIVE, ("no value has limits (rules.measurement.tolerances)",))
    found = {one.name: one for one in measurements.found}
    judged = [_compared(tolerance, found.get(tolerance.name)) for tolerance in rules.tolerances]
    verdict = max((verdict for verdict, _ in judged), key=lambda verdict: verdict.severity)
    # The worst first: a person reads the first line.
    reasons = sorted((each for each in judged if each[1]), key=lambda each: -each[0].severity)
    return Decision(verdict, tuple(reason for _, reason in reasons))


def measurement_complaints(rules: MeasurementRules, names: Collection[str]) -> Iterator[str]:
    """What is wrong with the rules of a bundle with tools of these names."""
    if not rules.tolerances:
        yield (
            "rules.measurement.tolerances: is empty, so nothing could pass; give limits to some of"
            f" {', '.join(sorted(names))}"
        )
    for place, tolerance in enumerate(rules.tolerances):
        key = f"rules.measurement.tolerances[{place}]"
        if tolerance.name not in names:
            yield unknown_label(f"{key}.name", tolerance.name, names)
        if tolerance.lower is None and tolerance.upper is None:
            yield f"{key}: has neither lower nor upper; give it at least one"
        elif (
            tolerance.lower is not None and tolerance.upper is not None and tolerance.lower >= tolerance.upper
        ):
            yield f"{key}: lower, {tolerance.lower:g}, must be under upper, which is {tolerance.upper:g}"


def told(measured: Measurement) -> str:
    """A value with its uncertainty, as people write it: no more digits than are sure."""
    assert measured.value is not None  # noqa: S101 - whoever asks has looked
    digits = 1
    while digits < MOST_DIGITS and 0 < measured.uncertainty < 10 ** (1 - digits):
        digits += 1
    return f"{measured.value:.{digits}f} ± {measured.uncertainty:.{digits}f} {measured.unit}"


MOST_DIGITS = 5
"""Behind the point: of a millimetre, a hundredth of a micrometre."""


def _compared(tolerance: Tolerance, measured: Measurement | None) -> tuple[Verdict, str]:
    if measured is None:
        return Verdict.ERROR, f"not judged: {tolerance.name} was not measured"
    if measured.value is None:
        return Verdict.INCONCLUSIVE, f"{measured.name}: {measured.reason}"
    value, doubt = measured.value, measured.uncertainty
    if not (isfinite(value) and isfinite(doubt) and doubt >= 0):
        return Verdict.ERROR, f"not judged: {measured.name} is {value} ± {doubt}, which are not numbers"
    lower = float("-inf") if tolerance.lower is None else tolerance.lower
    upper = float("inf") if tolerance.upper is None else tolerance.upper
    verdict, words = _against(value - doubt, value + doubt, lower, upper)
    return verdict, f"{measured.name}: {told(measured)} {words}" if words else ""


def _against(least: float, most: float, lower: float, upper: float) -> tuple[Verdict, str]:
    """Where the interval lies."""
    if most < lower:
        return Verdict.FAIL, f"is under {lower:g}"
    if least > upper:
        return Verdict.FAIL, f"is over {upper:g}"
    if lower <= least and most <= upper:
        return Verdict.PASS, ""
    return Verdict.INCONCLUSIVE, f"may lie on either side of {lower if least < lower else upper:g}"
