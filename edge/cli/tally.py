"""Counts what became of pictures that may not be fit: the model's figure, and what the quality gate leaves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Self

from edge.cli.box_evaluation import BoxEvaluation
from edge.cli.class_evaluation import ClassEvaluation
from edge.cli.evaluation import Evaluation
from edge.geometry import Box
from edge.prediction import Detection, Detections
from edge.types import Defect, Inspection, Verdict

BAD, GOOD = "bad", "good"
OVERLAP = 0.5
"""Intersection over union from which on a thing is found."""
DIGITS = 4


class Labelled(NamedTuple):
    """A picture, and what it shows: `good`, `bad`, or a class; or the things in it, each with its box."""

    path: Path
    label: str
    things: tuple[Defect, ...] = ()

    def moved(self, place: Callable[[Box], Box | None]) -> Self:
        """The same with its things where they are after a move; those out of view are gone."""
        places = ((thing, place(thing.box)) for thing in self.things)
        return self._replace(
            things=tuple(replace(thing, box=box) for thing, box in places if box is not None)
        )


class Named(NamedTuple):
    """What the figures of a level are called."""

    quality: str
    missed: str
    stopped: str


@dataclass(frozen=True)
class Level:
    """What became of all pictures at one strength. Shares are 0…1.

    `quality` is the model's figure over all of them, whether or not they are fit; None where it has none. `unfit`
    are those that the quality gate catches. With it, `missed` are bad parts that pass, or parts that are taken for
    another class, and `stopped` good ones that do not pass, or parts that have no class.
    """

    strength: float
    quality: float | None
    unfit: float
    missed: float
    stopped: float


class GoodOrBad:
    """For a bundle that tells good parts from bad ones."""

    NAMED = Named("AUROC of the model alone", "bad parts that pass", "good parts that do not pass")

    def __init__(self) -> None:
        self._counted = Evaluation()

    def add(self, picture: Labelled, part: Inspection, unfit: tuple[str, ...]) -> None:
        """Count one, judged as if it were fit."""
        self._counted.add(picture.path, _gated(part, unfit), is_bad=picture.label == BAD, masks=None)

    def level(self, strength: float, unfit: float) -> Level:
        """What it came to."""
        found = self._counted.figures()
        missed = found["escapes"] / found["bad"]
        stopped = (found["overkill"] + found["undecided_good"]) / found["good"]
        return Level(strength, found["auroc"], unfit, round(missed, DIGITS), round(stopped, DIGITS))


class Classes:
    """For a bundle that tells classes apart: what is named wrong is missed."""

    NAMED = Named(
        "balanced accuracy of the model alone", "parts taken for another class", "parts without a class"
    )

    def __init__(self, labels: Sequence[str], classes: Sequence[str], folder: Path) -> None:
        """Raises `ConfigError`, as `ClassEvaluation`."""
        self._counted = ClassEvaluation(labels, classes, folder)
        self._answers: list[str | None] = []
        self._missed = 0

    def add(self, picture: Labelled, part: Inspection, unfit: tuple[str, ...]) -> None:
        """Count one, judged as if it were fit."""
        self._counted.add(picture.label, picture.path, part)
        answer = None if _is_undecided(_gated(part, unfit)) else part.decision.label
        self._answers.append(answer)
        self._missed += answer not in {None, picture.label}

    def level(self, strength: float, unfit: float) -> Level:
        """What it came to."""
        missed, stopped = (count / len(self._answers) for count in (self._missed, self._answers.count(None)))
        quality = self._counted.figures()["balanced_accuracy"]
        return Level(strength, quality, unfit, round(missed, DIGITS), round(stopped, DIGITS))


class Things:
    """For a bundle that finds things: what is there and not found is missed."""

    NAMED = Named("mAP50 of the model alone", "things not found", "pictures without an answer")

    def __init__(self, labels: Sequence[str]) -> None:
        self._counted = BoxEvaluation(labels)
        self._missed = self._marked = self._stopped = self._pictures = 0

    def add(self, picture: Labelled, part: Inspection, unfit: tuple[str, ...]) -> None:
        """Count one. Of one that is not fit, nothing is missed: somebody looks at it."""
        there = list(picture.things)
        self._counted.add(picture.path, part, there)
        prediction = part.findings[0].prediction if part.findings else None
        answered = isinstance(prediction, Detections) and not unfit
        found = prediction.found if isinstance(prediction, Detections) else ()
        self._missed += sum(answered and not _is_found(thing, found) for thing in there)
        self._marked += len(there)
        self._stopped += not answered
        self._pictures += 1

    def level(self, strength: float, unfit: float) -> Level:
        """What it came to."""
        missed, stopped = self._missed / max(1, self._marked), self._stopped / max(1, self._pictures)
        quality = self._counted.figures()["map50"]
        return Level(strength, quality, unfit, round(missed, DIGITS), round(stopped, DIGITS))


def _is_found(thing: Defect, found: Sequence[Detection]) -> bool:
    return any(one.label == thing.label and one.box.iou(thing.box) >= OVERLAP for one in found)


def _gated(part: Inspection, unfit: tuple[str, ...]) -> Inspection:
    """A part as the daemon judges it: what is not fit is inconclusive. It keeps its score."""
    if not unfit:
        return part
    return replace(part, decision=replace(part.decision, verdict=Verdict.INCONCLUSIVE, reasons=unfit))


def _is_undecided(part: Inspection) -> bool:
    return part.decision.verdict in {Verdict.INCONCLUSIVE, Verdict.ERROR}


Tally = GoodOrBad | Classes | Things
