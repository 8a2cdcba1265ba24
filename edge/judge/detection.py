"""From things that were found to a verdict."""

from collections import Counter
from collections.abc import Collection, Iterator
from math import isfinite

from edge.config.detection import DetectionRules
from edge.judge.words import error, unknown_label
from edge.types import Decision, Detection, Detections, Region, Verdict


def judge_detection(detections: Detections, rules: DetectionRules) -> Decision:
    """`fail` where something is there that should not be, or too many or too few of a thing."""
    if not all(isfinite(detection.score) and isfinite(sum(detection.box)) for detection in detections.found):
        return error("the detector gave scores or boxes that are not numbers")
    counting = [detection for detection in detections.found if detection.score >= rules.min_score]
    wrong = [detection for detection in counting if detection.label in rules.fail_labels]
    reasons = [f"{thing.label}: found with score {thing.score:.3f}" for thing in wrong]
    reasons += _miscounts(Counter(detection.label for detection in counting), rules)
    best = max((detection.score for detection in wrong or counting), default=None)
    if reasons:
        return Decision(Verdict.FAIL, tuple(reasons), best, regions=tuple(map(_region, wrong)))
    return Decision(Verdict.PASS, (), best)


def detection_complaints(rules: DetectionRules, labels: Collection[str]) -> Iterator[str]:
    """What is wrong with the rules of a model with these labels."""
    if not rules.fail_labels and not rules.counts:
        yield "rules.detection: nothing could fail; set fail_labels or counts"
    named = {
        f"rules.detection.counts[{place}].label": count.label for place, count in enumerate(rules.counts)
    }
    named |= {f"rules.detection.fail_labels[{place}]": label for place, label in enumerate(rules.fail_labels)}
    for key, label in named.items():
        if label not in labels:
            yield unknown_label(key, label, labels)


def _miscounts(found: Counter[str], rules: DetectionRules) -> Iterator[str]:
    for count in rules.counts:
        there = found[count.label]
        if there < count.at_least:
            yield f"{count.label}: {there} found, at least {count.at_least} must be there"
        if count.at_most is not None and there > count.at_most:
            yield f"{count.label}: {there} found, at most {count.at_most} may be there"


def _region(thing: Detection) -> Region:
    box = thing.box
    middle = ((box.x_min + box.x_max) / 2, (box.y_min + box.y_max) / 2)
    return Region(box, box.area, thing.score, middle, label=thing.label)
