"""`edge eval --robust`: what disturbed pictures do to a bundle's figures, and what the quality gate catches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from edge.cli.bundles import classes_in, labels_of, open_bundle, pictures_in
from edge.cli.class_evaluation import ClassEvaluation
from edge.cli.evaluation import Evaluation
from edge.cli.progress import bar
from edge.config import Quality
from edge.errors import CaptureError, ConfigError
from edge.judge.classification import UNKNOWN
from edge.pipeline import Check, judge_frame, prepare_frame
from edge.preprocess.picture import read
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.quality import QualityGate, QualityLimits
from edge.teach.disturbances import DISTURBANCES, Disturbance
from edge.types import Box, Frame, Image, Inspection, Verdict

BAD, GOOD = "bad", "good"
CAUGHT = "caught by the quality gate"
DIGITS = 4


class Labelled(NamedTuple):
    """A picture, and what it shows: `good`, `bad`, or a class."""

    path: Path
    label: str


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


@dataclass(frozen=True)
class Curve:
    """A disturbance from mild to severe, the undisturbed pictures among its levels."""

    disturbance: Disturbance
    levels: tuple[Level, ...]
    example: Image
    """The first picture as it looks at the last strength."""


@dataclass(frozen=True)
class Robustness:
    """A bundle's figures against every disturbance. `named` says what quality, missed and stopped are called."""

    model: str
    pictures: int
    named: Named
    curves: tuple[Curve, ...]

    def to_json(self) -> dict[str, Any]:
        """All figures, JSON-able."""
        return {
            "model": self.model,
            "pictures": self.pictures,
            **self.named._asdict(),
            "disturbances": [
                {
                    "name": curve.disturbance.name,
                    "unit": curve.disturbance.unit,
                    "levels": [asdict(level) for level in curve.levels],
                }
                for curve in self.curves
            ],
        }

    def lines(self) -> Iterator[str]:
        """The figures for a person: a small table for each disturbance."""
        yield f"{self.model}, {self.pictures} pictures; * is undisturbed"
        for curve in self.curves:
            none = curve.disturbance.none
            told = [f"{level.strength:g}{'*' * (level.strength == none)}" for level in curve.levels]
            yield f"\n{f'{curve.disturbance.name}: {curve.disturbance.unit}':<44}{_row(told)}"
            yield f"  {self.named.quality:<42}{_row(_digits(curve, 'quality', 3))}"
            yield f"  {CAUGHT:<42}{_row(_digits(curve, 'unfit'))}"
            yield f"  {self.named.missed:<42}{_row(_digits(curve, 'missed'))}"
            yield f"  {self.named.stopped:<42}{_row(_digits(curve, 'stopped'))}"


class GoodOrBad:
    """For a bundle that tells good parts from bad ones."""

    NAMED = Named("AUROC of the model alone", "bad parts that pass", "good parts that do not pass")

    def __init__(self) -> None:
        self._counted = Evaluation()

    def add(self, picture: Labelled, part: Inspection) -> None:
        """Count one."""
        self._counted.add(picture.path, part, is_bad=picture.label == BAD, masks=None)

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

    def add(self, picture: Labelled, part: Inspection) -> None:
        """Count one."""
        self._counted.add(picture.label, picture.path, part)
        answer = None if undecided(part) else part.decision.label
        self._answers.append(answer)
        self._missed += answer not in {None, picture.label}

    def level(self, strength: float, unfit: float) -> Level:
        """What it came to."""
        missed, stopped = (count / len(self._answers) for count in (self._missed, self._answers.count(None)))
        quality = self._counted.figures()["balanced_accuracy"]
        return Level(strength, quality, unfit, round(missed, DIGITS), round(stopped, DIGITS))


def of_parts(bundle: Path, good: Path, bad: Path, plot: Path | None) -> tuple[dict[str, Any], list[str]]:
    """Of a bundle that tells good parts from bad ones: the figures, and lines. Raises `EdgeError`."""
    folders = {GOOD: pictures_in(good), BAD: pictures_in(bad)}
    return _told(open_bundle(bundle), folders, GoodOrBad, plot)


def of_classes(bundle: Path, classes: Path, plot: Path | None) -> tuple[dict[str, Any], list[str]]:
    """Of a bundle that tells classes apart. Raises `EdgeError`."""
    folders = classes_in(classes)
    labels, check = labels_of(bundle), open_bundle(bundle)
    # Any class may pass: what is left undecided is what no class was found for.
    rules = check.config.rules.model_copy(update={"good_labels": [one for one in labels if one != UNKNOWN]})
    check.config = check.config.model_copy(update={"rules": rules})
    return _told(check, folders, lambda: Classes(labels, list(folders), classes), plot)


def _told(
    check: Check,
    folders: Mapping[str, Sequence[Path]],
    tally: Callable[[], "GoodOrBad | Classes"],
    plot: Path | None,
) -> tuple[dict[str, Any], list[str]]:
    pictures = [Labelled(path, label) for label, paths in folders.items() for path in paths]
    with bar() as progress:
        found = sweep(check, pictures, tally, progress)
    told = list(found.lines())
    if plot is not None:
        from edge.cli.robustness_plot import save_plot

        save_plot(found, plot)
        told.append(f"\nplot {plot}")
    return found.to_json(), told


@dataclass(eq=False)
class _Count:
    """One strength of one disturbance."""

    tally: GoodOrBad | Classes
    unfit: int = 0
    pictures: int = 0

    def level(self, strength: float) -> Level:
        return self.tally.level(strength, round(self.unfit / max(1, self.pictures), DIGITS))


def sweep(
    check: Check,
    pictures: Sequence[Labelled],
    tally: Callable[[], GoodOrBad | Classes],
    progress: Callable[[str, int, int], None],
    disturbances: Sequence[Disturbance] = DISTURBANCES,
) -> Robustness:
    """Judge every picture as it is and under every disturbance. Raises `ConfigError` where one cannot be read."""
    keys = [(one.name, strength) for one in disturbances for strength in one.strengths]
    counts = {key: _Count(tally()) for key in keys}
    untouched = _Count(tally())
    gate = QualityGate(check.model.quality, Quality(frozen_after=0))
    examples: dict[str, Image] = {}
    for number, labelled in enumerate(pictures):
        progress("disturbing pictures", number, len(pictures))
        picture = _pixels(labelled.path)
        _judge(check, gate, picture, labelled, untouched)
        for one in disturbances:
            for strength in one.strengths:
                disturbed = one.disturbed(picture, strength, number, _area(check))
                _judge(check, gate, disturbed, labelled, counts[one.name, strength])
            examples.setdefault(one.name, disturbed)
    progress("disturbing pictures", len(pictures), len(pictures))
    curves = tuple(Curve(one, _levels(one, counts, untouched), examples[one.name]) for one in disturbances)
    identity = check.model.identity
    model = "the model" if identity is None else f"{identity.name}, version {identity.version}"
    return Robustness(model, len(pictures), untouched.tally.NAMED, curves)


def _levels(
    one: Disturbance, counts: dict[tuple[str, float], _Count], untouched: _Count
) -> tuple[Level, ...]:
    """In the order of their strength, with the undisturbed ones where they belong."""
    found = [counts[one.name, strength].level(strength) for strength in one.strengths]
    milder = [level for level in found if level.strength < one.none]
    if one.strengths[0] > one.strengths[-1]:  # quality: it starts at the best
        return (untouched.level(one.none), *found)
    return (*milder, untouched.level(one.none), *found[len(milder) :])


def _judge(check: Check, gate: QualityGate, picture: Image, labelled: Labelled, count: _Count) -> None:
    frame = _frame(picture, labelled.path)
    unfit = gate.examine(frame, Pyramid(picture))
    part = judge_frame(prepare_frame(frame, OPEN, [check]))
    if unfit:
        part = replace(part, decision=replace(part.decision, verdict=Verdict.INCONCLUSIVE, reasons=unfit))
    count.tally.add(labelled, part)
    count.unfit += bool(unfit)
    count.pictures += 1


OPEN = QualityGate(QualityLimits(), Quality(enabled=False))
"""Lets everything through: what would the model say?"""


def undecided(part: Inspection) -> bool:
    """Whether a person has to look."""
    return part.decision.verdict in {Verdict.INCONCLUSIVE, Verdict.ERROR}


def _frame(picture: Image, path: Path) -> Frame:
    from datetime import UTC, datetime
    from time import monotonic_ns

    return Frame(picture, 0, monotonic_ns(), datetime.now(UTC), "files", part_id=path.stem)


def _pixels(path: Path) -> Image:
    try:
        return read(path)
    except CaptureError as err:
        raise ConfigError(f"{err}; take it out of the folder") from err


def _area(check: Check) -> Box | None:
    roi = check.model.spec.roi
    return None if roi is None else Box(roi.x_min, roi.y_min, roi.x_max, roi.y_max)


def _digits(curve: Curve, what: str, digits: int = 2) -> list[str]:
    found = [getattr(level, what) for level in curve.levels]
    return ["–" if number is None else f"{number:.{digits}f}" for number in found]


def _row(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>8}" for cell in cells)
