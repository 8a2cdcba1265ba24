"""From the probabilities of labels to a verdict."""

from collections.abc import Collection, Iterator, Sequence

from edge.config import Rules
from edge.judge.words import error, unknown_label
from edge.prediction import Classification
from edge.types import Decision, Verdict

SUM_TOLERANCE = 0.05
ROUNDING = 1 / 512
"""By so much each probability of an int8 model may be off beside."""
UNKNOWN = "unknown"
"""The label of what is like no taught class: a person looks at it, whatever the rules say."""


def judge_classification(classification: Classification, rules: Rules) -> Decision:
    """Of the winning label: `pass` where it is a good one and sure enough."""
    labels, scores = classification.labels, classification.scores
    if len(labels) != len(scores) or not labels:
        return error(f"the model gave {len(scores)} probabilities for {len(labels)} labels")
    if not all(0 <= probability <= 1 for probability in scores) or not add_up(scores):
        return error("the model's probabilities are not numbers from 0 to 1 that add up to 1")
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


def add_up(scores: Sequence[float]) -> bool:
    """Whether these can be probabilities of labels, one of which is right: of 1,001, most are rounded to 0."""
    excess, counted = sum(scores) - 1, sum(score > 0 for score in scores)
    return -SUM_TOLERANCE - len(scores) * ROUNDING <= excess <= SUM_TOLERANCE + counted * ROUNDING


def _doubts(label: str, probability: float, rules: Rules) -> Iterator[str]:
    """Why nothing can be said of what has this label."""
    if label == UNKNOWN:
        yield f"unknown: is like none of the taught classes; probability {probability:.3f}"
    elif not rules.good_labels:
        yield f"{label}: probability {probability:.3f}; no label is said to pass (good_labels)"
    elif probability < rules.min_probability:
        yield f"{label}: probability {probability:.3f} is under {rules.min_probability:.3f} (min_probability)"


def classification_complaints(rules: Rules, labels: Collection[str]) -> Iterator[str]:
    """What is wrong with the rules of a model with these labels."""
    labels = [label for label in labels if label != UNKNOWN]
    if not rules.good_labels:
        yield f"rules.good_labels: is empty, so nothing could pass; name some of {', '.join(sorted(labels))}"
    for label in rules.good_labels:
        if label == UNKNOWN:
            yield "rules.good_labels: 'unknown' is what is like no taught class, and cannot pass; take it out"
        elif label not in labels:
            yield unknown_label("rules.good_labels", label, labels)
