"""From an anomaly map to a verdict."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

import numpy as np

from edge.config import Rules
from edge.judge.anomaly import counted, regions, score, without_specks
from edge.judge.words import error
from edge.prediction import Anomaly
from edge.types import Decision, Verdict


@dataclass(frozen=True)
class Limits:
    """What teaching found. Anomaly scores under `pass_below` pass; 1.0 is where they fail."""

    pass_below: float = 1.0


def judge_anomaly(anomaly: Anomaly, limits: Limits, rules: Rules, *, was_failing: bool) -> Decision:
    """Of the highest cells that count: `pass` under the one limit, `fail` from the other on."""
    scores = anomaly.anomaly_map
    if not np.isfinite(scores).all():
        return error("the anomaly map has scores that are not numbers")
    counts = counted(anomaly, rules.ignore)
    if not counts.any():
        return error("roi, polygon and ignore leave no cell of the anomaly map; correct them")
    cell_px = anomaly.box.area / scores.size
    if rules.min_area_px > counts.sum() * cell_px:
        return error("min_area_px is more than all that is looked at; lower it")
    fail_at = rules.fail_at - (rules.hysteresis if was_failing else 0.0)
    pass_below = limits.pass_below if rules.pass_below is None else rules.pass_below
    found = score(scores[counts])
    notes: tuple[str, ...] = ()
    if rules.min_area_px > 0 and found >= (level := min(pass_below, fail_at)):
        # At the lower limit, where a region is at its largest: what is in doubt around a defect is not a speck.
        lowered = without_specks(scores, counts, level, rules.min_area_px / cell_px)
        if lowered is not scores:
            notes = (f"areas under {rules.min_area_px:g} px² do not count as defects (min_area_px)",)
            scores, found = lowered, score(lowered[counts])
    if found >= fail_at:
        reasons = (_why_failed(found, fail_at, rules), *notes)
        return Decision(Verdict.FAIL, reasons, found, regions=regions(scores, counts, anomaly.box, fail_at))
    if found < pass_below:
        return Decision(Verdict.PASS, notes, found)
    doubt = f"score {found:.3f} lies between {pass_below:.3f} (pass) and {rules.fail_at:.3f} (fail)"
    return Decision(Verdict.INCONCLUSIVE, (doubt, *notes), found)


def _why_failed(found: float, fail_at: float, rules: Rules) -> str:
    if found >= rules.fail_at:
        return f"score {found:.3f} is at or over {rules.fail_at:.3f} (fail)"
    return f"score {found:.3f} has not fallen under {fail_at:.3f} since the part failed (hysteresis)"


def anomaly_complaints(rules: Rules, limits: Limits) -> Iterator[str]:
    """What is wrong with the rules of a model with these limits."""
    pass_below = limits.pass_below if rules.pass_below is None else rules.pass_below
    if not all(map(isfinite, (rules.fail_at, pass_below, rules.hysteresis, rules.min_area_px))):
        yield "rules: fail_at, pass_below, hysteresis and min_area_px must be finite numbers"
    elif pass_below > rules.fail_at:
        whose = "as taught" if rules.pass_below is None else "as configured"
        yield (
            f"rules.pass_below: {pass_below:g} ({whose}) is over fail_at, which is {rules.fail_at:g}; "
            "set pass_below to fail_at or less"
        )
    elif rules.hysteresis >= rules.fail_at:
        yield f"rules.hysteresis: {rules.hysteresis:g} must be under fail_at, which is {rules.fail_at:g}"
