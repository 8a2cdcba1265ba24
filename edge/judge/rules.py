"""From what a model says to a verdict. Nothing that is missing, broken or doubtful becomes `pass`."""

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import assert_never

import numpy as np

from edge.config import Check, Rules
from edge.errors import ConfigError
from edge.judge.anomaly import counted, regions, score, without_specks
from edge.types import Anomaly, Classification, Decision, Prediction, Verdict

SUM_TOLERANCE = 0.05
"""Probabilities of an int8 model are off by up to 1/512 each."""
FEWEST_CORNERS = 3
UNKNOWN = "unknown"
"""The label of what is like no taught class: a person looks at it, whatever the rules say."""


@dataclass(frozen=True)
class Limits:
    """What teaching found. Anomaly scores under `pass_below` pass; 1.0 is where they fail."""

    pass_below: float = 1.0


def judge(prediction: Prediction, limits: Limits, rules: Rules, *, was_failing: bool = False) -> Decision:
    """The verdict on one prediction, with reasons. `was_failing`: this part failed in the frame before."""
    match prediction:
        case Anomaly():
            return _judge_anomaly(prediction, limits, rules, was_failing=was_failing)
        case Classification():
            return _judge_classification(prediction, rules)
        case _:
            assert_never(prediction)


def check_rules(check: Check, limits: Limits, labels: Collection[str] = ()) -> None:
    """Refuse rules that contradict each other or the model, by raising `ConfigError`.

    `labels` are the model's, none for an anomaly model.
    """
    rules = check.rules
    complaints = [*_polygon_complaints(check)]
    complaints += _label_complaints(rules, labels) if labels else _limit_complaints(rules, limits)
    if complaints:
        raise ConfigError("\n".join(f"check {check.name}: {complaint}" for complaint in complaints))


def _judge_anomaly(anomaly: Anomaly, limits: Limits, rules: Rules, *, was_failing: bool) -> Decision:
    scores = anomaly.anomaly_map
    if not np.isfinite(scores).all():
        return _error("the anomaly map has scores that are not numbers")
    counts = counted(anomaly, rules.ignore)
    if not counts.any():
        return _error("roi, polygon and ignore leave no cell of the anomaly map; correct them")
    cell_px = anomaly.box.area / scores.size
    if rules.min_area_px > counts.sum() * cell_px:
        return _error("min_area_px is more than all that is looked at; lower it")
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


def _judge_classification(classification: Classification, rules: Rules) -> Decision:
    labels, scores = classification.labels, classification.scores
    if len(labels) != len(scores) or not labels:
        return _error(f"the model gave {len(scores)} probabilities for {len(labels)} labels")
    if not all(0 <= probability <= 1 for probability in scores) or abs(sum(scores) - 1) > SUM_TOLERANCE:
        return _error("the model's probabilities are not numbers from 0 to 1 that add up to 1")
    # A tie goes to the label that does not pass.
    probability, bad, label = max(
        (probability, label not in rules.good_labels, label)
        for label, probability in zip(labels, scores, strict=True)
    )
    doubts = tuple(_doubts(label, probability, rules))
    if doubts:
        return Decision(Verdict.INCONCLUSIVE, doubts, probability, label)
    if bad:
        reason = f"{label}: is not one of good_labels; probability {probability:.3f}"
        return Decision(Verdict.FAIL, (reason,), probability, label)
    return Decision(Verdict.PASS, (), probability, label)


def _doubts(label: str, probability: float, rules: Rules) -> Iterator[str]:
    """Why nothing can be said of what has this label."""
    if label == UNKNOWN:
        yield f"unknown: is like none of the taught classes; probability {probability:.3f}"
    elif not rules.good_labels:
        yield f"{label}: probability {probability:.3f}; no label is said to pass (good_labels)"
    elif probability < rules.min_probability:
        yield f"{label}: probability {probability:.3f} is under {rules.min_probability:.3f} (min_probability)"


def _error(reason: str) -> Decision:
    return Decision(Verdict.ERROR, (f"not judged: {reason}",))


def _polygon_complaints(check: Check) -> Iterator[str]:
    polygons = {"polygon": check.polygon} if check.polygon else {}
    polygons |= {f"rules.ignore[{place}]": points for place, points in enumerate(check.rules.ignore)}
    for key, points in polygons.items():
        if len(points) < FEWEST_CORNERS:
            yield f"{key}: has {len(points)} corners; give it at least {FEWEST_CORNERS}"


def _limit_complaints(rules: Rules, limits: Limits) -> Iterator[str]:
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


def _label_complaints(rules: Rules, labels: Collection[str]) -> Iterator[str]:
    labels = [label for label in labels if label != UNKNOWN]
    if not rules.good_labels:
        yield f"rules.good_labels: is empty, so nothing could pass; name some of {', '.join(sorted(labels))}"
    for label in rules.good_labels:
        if label == UNKNOWN:
            yield "rules.good_labels: 'unknown' is what is like no taught class, and cannot pass; take it out"
        elif label not in labels:
            near = difflib.get_close_matches(label, labels, n=1)
            meant = f"did you mean '{near[0]}'?" if near else f"use one of {', '.join(sorted(labels))}"
            yield f"rules.good_labels: the model has no label '{label}'; {meant}"
