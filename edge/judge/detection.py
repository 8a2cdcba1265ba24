"""From things that were found to a verdict: what should not be there, how many, and whether each has its part.

Every rule says for certain that it is broken, or that it may be: a thing whose score lies between `doubt_from` and
`min_score` may be there or not, and where that decides, nobody can say `pass` or `fail`.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import assert_never

from edge.config import Rules
from edge.config.detection import Count, DetectionRules, Pair
from edge.geometry import Box
from edge.judge.words import error, unknown_label
from edge.prediction import Detection, Detections
from edge.preprocess.mask import holds
from edge.types import Decision, Region, Verdict

MIDDLE = 0.5
MOST_NAMED = 3
"""Things of one rule that are named in words; all of them are regions."""


@dataclass(frozen=True)
class Complaint:
    """That a rule is broken (`fail`), or may be (`inconclusive`), and by which things."""

    verdict: Verdict
    reason: str
    things: tuple[Region, ...] = ()


def judge_detection(detections: Detections, rules: Rules) -> Decision:
    """The worst of what the rules say. What counts has its middle outside every `ignore` polygon."""
    table = rules.detection
    if not all(isfinite(thing.score) and all(map(isfinite, thing.box)) for thing in detections.found):
        return error("the detector gave scores or boxes that are not numbers")
    things = [
        thing
        for thing in detections.found
        if thing.score >= table.doubt_from and _counts(thing.box, detections.box, rules)
    ]
    if not _is_ruled(table):
        counted = Counter(thing.label for thing in things if thing.score >= table.min_score)
        told = ", ".join(f"{count} {label}" for label, count in sorted(counted.items())) or "nothing"
        reason = f"found {told}; no rule says what may be there (rules.detection)"
        return Decision(Verdict.INCONCLUSIVE, (reason,), _best(things))
    complaints = [*_complaints(things, table), *_crowd(detections, table)]
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        broken = [complaint for complaint in complaints if complaint.verdict is verdict]
        if broken:
            regions = tuple(region for complaint in broken for region in complaint.things)
            best = max((region.peak for region in regions), default=_best(things))
            return Decision(verdict, tuple(complaint.reason for complaint in broken), best, regions=regions)
    return Decision(Verdict.PASS, (), _best([thing for thing in things if thing.score >= table.min_score]))


def detection_complaints(rules: DetectionRules, labels: Collection[str]) -> Iterator[str]:
    """What is wrong with the rules of a model with these labels."""
    if not _is_ruled(rules):
        yield "rules.detection: nothing could fail; set fail_labels, counts or pairs"
    if rules.doubt_from > rules.min_score:
        yield (
            f"rules.detection.doubt_from: {rules.doubt_from:g} is over min_score, which is {rules.min_score:g};"
            " set it to min_score or less"
        )
    for key, label in _named(rules):
        if label not in labels:
            yield unknown_label(key, label, labels)
    for place, count in enumerate(rules.counts):
        if count.at_most is None and count.at_least == 0:
            yield f"rules.detection.counts[{place}]: limits nothing; set at_least or at_most"
        elif count.at_most is not None and count.at_most < count.at_least:
            yield (
                f"rules.detection.counts[{place}].at_most: {count.at_most} is under at_least, which is"
                f" {count.at_least}"
            )
    for place, pair in enumerate(rules.pairs):
        if pair.each == pair.has:
            yield f"rules.detection.pairs[{place}].has: '{pair.has}' cannot be its own part; name another label"


def _is_ruled(rules: DetectionRules) -> bool:
    return bool(rules.fail_labels or rules.counts or rules.pairs)


def _complaints(things: Sequence[Detection], rules: DetectionRules) -> Iterator[Complaint]:
    for label in rules.fail_labels:
        yield from _unwanted(label, [thing for thing in things if thing.label == label], rules.min_score)
    for count in rules.counts:
        yield from _miscount(
            count, [thing for thing in things if thing.label == count.label], rules.min_score
        )
    for pair in rules.pairs:
        yield from _without_part(pair, things, rules.min_score)


def _unwanted(label: str, found: Sequence[Detection], min_score: float) -> Iterator[Complaint]:
    sure = [thing for thing in found if thing.score >= min_score]
    if sure:
        yield Complaint(Verdict.FAIL, f"{label}: found {_scores(sure)}", _regions(sure))
    elif found:
        reason = f"{label}: may be there {_scores(found)}, under {min_score:.3f} (min_score)"
        yield Complaint(Verdict.INCONCLUSIVE, reason, _regions(found))


def _miscount(count: Count, found: Sequence[Detection], min_score: float) -> Iterator[Complaint]:
    sure = [thing for thing in found if thing.score >= min_score]
    doubtful = [thing for thing in found if thing.score < min_score]
    more = f", and perhaps {len(doubtful)} more" if doubtful else ""
    told = f"{count.label}: {len(sure)} found{more}"
    if len(sure) < count.at_least:
        verdict = Verdict.FAIL if len(found) < count.at_least else Verdict.INCONCLUSIVE
        yield Complaint(verdict, f"{told}; at least {count.at_least} must be there", _regions(doubtful))
    if count.at_most is not None and len(found) > count.at_most:
        verdict = Verdict.FAIL if len(sure) > count.at_most else Verdict.INCONCLUSIVE
        yield Complaint(verdict, f"{told}; at most {count.at_most} may be there", _regions(found))


def _without_part(pair: Pair, things: Sequence[Detection], min_score: float) -> Iterator[Complaint]:
    owners = [thing for thing in things if thing.label == pair.each]
    if not owners:
        if pair.if_none != "pass":
            yield Complaint(Verdict(pair.if_none), f"{pair.each}: none found; is there a part to be seen?")
        return
    parts = [thing for thing in things if thing.label == pair.has]
    # Those that are certainly there are served first: a doubtful bottle does not take a sure one's cap.
    sure = _owned(pair, owners, [part for part in parts if part.score >= min_score], min_score)
    perhaps = _owned(pair, owners, parts, min_score)
    for place, owner in enumerate(owners):
        if place in sure:
            continue
        named = f"{pair.each} without {pair.has}"
        region = (_region(owner, named),)
        if owner.score < min_score:
            reason = f"{named}: may be there {_scores([owner])}, under {min_score:.3f} (min_score)"
            yield Complaint(Verdict.INCONCLUSIVE, reason, region)
        elif place in perhaps:
            reason = f"{named}? A {pair.has} may be there, but scores under {min_score:.3f} (min_score)"
            yield Complaint(Verdict.INCONCLUSIVE, reason, region)
        else:
            yield Complaint(Verdict.FAIL, f"{named}: at {_where(owner.box)}", region)


def _owned(pair: Pair, owners: Sequence[Detection], parts: Sequence[Detection], min_score: float) -> set[int]:
    """Which owners get a part: the part that lies most inside first, each part once."""
    fits = sorted(
        (
            (owner.score >= min_score, _inside(part.box, owner.box), place, number)
            for place, owner in enumerate(owners)
            for number, part in enumerate(parts)
            if _fits(pair, owner.box, part.box)
        ),
        key=lambda fit: (-fit[0], -fit[1], fit[2], fit[3]),
    )
    served: set[int] = set()
    taken: set[int] = set()
    for _, _, place, number in fits:
        if place not in served and number not in taken:
            served.add(place)
            taken.add(number)
    return served


def _fits(pair: Pair, owner: Box, part: Box) -> bool:
    if part.area == 0 or _inside(part, owner) < pair.least_inside:
        return False
    x, y = (part.middle[0] - owner.x_min) / owner.width, (part.middle[1] - owner.y_min) / owner.height
    match pair.place:
        case "anywhere":
            return True
        case "top":
            return y <= MIDDLE
        case "bottom":
            return y >= MIDDLE
        case "left":
            return x <= MIDDLE
        case "right":
            return x >= MIDDLE
        case _:
            assert_never(pair.place)


def _inside(part: Box, owner: Box) -> float:
    return part.intersection(owner).area / part.area if part.area else 0.0


def _crowd(detections: Detections, rules: DetectionRules) -> Iterator[Complaint]:
    if detections.unknown_below > rules.doubt_from:
        reason = (
            f"more was found than can be looked at: what scores under {detections.unknown_below:.3f} is not known;"
            " is this the picture that the detector was trained for?"
        )
        yield Complaint(Verdict.INCONCLUSIVE, reason)


def _counts(box: Box, area: Box | None, rules: Rules) -> bool:
    margin = rules.detection.margin_px
    if margin and area is not None:
        kept = Box(area.x_min + margin, area.y_min + margin, area.x_max - margin, area.y_max - margin)
        if box.intersection(kept) != box:
            return False
    return not any(holds(polygon, box.middle) for polygon in rules.ignore)


def _named(rules: DetectionRules) -> Iterator[tuple[str, str]]:
    for place, label in enumerate(rules.fail_labels):
        yield f"rules.detection.fail_labels[{place}]", label
    for place, count in enumerate(rules.counts):
        yield f"rules.detection.counts[{place}].label", count.label
    for place, pair in enumerate(rules.pairs):
        yield f"rules.detection.pairs[{place}].each", pair.each
        yield f"rules.detection.pairs[{place}].has", pair.has


def _best(things: Sequence[Detection]) -> float | None:
    return max((thing.score for thing in things), default=None)


def _scores(things: Sequence[Detection]) -> str:
    told = ", ".join(f"{thing.score:.3f}" for thing in things[:MOST_NAMED])
    more = f" and {len(things) - MOST_NAMED} more" if len(things) > MOST_NAMED else ""
    return f"with score {told}{more}"


def _where(box: Box) -> str:
    return f"x {box.x_min:.0f}…{box.x_max:.0f}, y {box.y_min:.0f}…{box.y_max:.0f}"


def _regions(things: Sequence[Detection]) -> tuple[Region, ...]:
    return tuple(_region(thing, thing.label) for thing in things)


def _region(thing: Detection, label: str) -> Region:
    return Region(thing.box, thing.box.area, thing.score, thing.box.middle, label=label)
