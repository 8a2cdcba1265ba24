"""`edge eval --robust`: what disturbed pictures do to a bundle's figures, and what the quality gate catches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge.cli.bundles import classes_in, labels_of, open_bundle, pictures_in
from edge.cli.progress import bar
from edge.cli.tally import BAD, DIGITS, GOOD, Classes, GoodOrBad, Labelled, Level, Named, Tally, Things
from edge.config import Quality
from edge.errors import CaptureError, ConfigError
from edge.geometry import Box, Image
from edge.judge.classification import UNKNOWN
from edge.pipeline import Check, judge_frame, prepare_frame
from edge.preprocess.picture import read
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.quality import QualityGate, QualityLimits
from edge.teach.disturbances import DISTURBANCES, Disturbance
from edge.types import Defect, Frame

CAUGHT = "caught by the quality gate"


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


def of_parts(bundle: Path, good: Path, bad: Path, plot: Path | None) -> tuple[dict[str, Any], list[str]]:
    """Of a bundle that tells good parts from bad ones: the figures, and lines. Raises `EdgeError`."""
    pictures = _labelled({GOOD: pictures_in(good), BAD: pictures_in(bad)})
    return _told(open_bundle(bundle), pictures, GoodOrBad, plot)


def of_classes(bundle: Path, classes: Path, plot: Path | None) -> tuple[dict[str, Any], list[str]]:
    """Of a bundle that tells classes apart. Raises `EdgeError`."""
    folders = classes_in(classes)
    labels, check = labels_of(bundle), open_bundle(bundle)
    # Any class may pass: what is left undecided is what no class was found for.
    rules = check.config.rules.model_copy(update={"good_labels": [one for one in labels if one != UNKNOWN]})
    check.config = check.config.model_copy(update={"rules": rules})
    return _told(check, _labelled(folders), lambda: Classes(labels, list(folders), classes), plot)


def of_things(
    bundle: Path, labels: Sequence[str], things: Mapping[Path, list[Defect]], plot: Path | None
) -> tuple[dict[str, Any], list[str]]:
    """Of a bundle that finds things, of which those in each picture are known. Raises `EdgeError`."""
    pictures = [Labelled(path, "", tuple(there)) for path, there in things.items()]
    return _told(open_bundle(bundle), pictures, lambda: Things(labels), plot)


def _labelled(folders: Mapping[str, Sequence[Path]]) -> list[Labelled]:
    return [Labelled(path, label) for label, paths in folders.items() for path in paths]


def _told(
    check: Check,
    pictures: Sequence[Labelled],
    tally: Callable[[], Tally],
    plot: Path | None,
) -> tuple[dict[str, Any], list[str]]:
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

    tally: Tally
    unfit: int = 0
    pictures: int = 0

    def level(self, strength: float) -> Level:
        return self.tally.level(strength, round(self.unfit / max(1, self.pictures), DIGITS))


def sweep(
    check: Check,
    pictures: Sequence[Labelled],
    tally: Callable[[], Tally],
    progress: Callable[[str, int, int], None],
    disturbances: Sequence[Disturbance] = DISTURBANCES,
) -> Robustness:
    """Judge every picture as it is and under every disturbance. Raises `ConfigError` where one cannot be read."""
    keys = [(one.name, strength) for one in disturbances for strength in one.strengths]
    counts = {key: _Count(tally()) for key in keys}
    untouched = _Count(tally())
    gate = QualityGate(check.model.quality, Quality(frozen_after=0))
    examples: dict[str, Image] = {}
    area = _area(check)
    for number, labelled in enumerate(pictures):
        progress("disturbing pictures", number, len(pictures))
        picture = _pixels(labelled.path)
        _judge(check, gate, picture, labelled, untouched)
        for one in disturbances:
            for strength in one.strengths:
                disturbed = one.disturbed(picture, strength, number, area)
                count = counts[one.name, strength]
                _judge(check, gate, disturbed.picture, labelled.moved(disturbed.place), count)
            examples.setdefault(one.name, disturbed.picture)
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
    count.tally.add(labelled, judge_frame(prepare_frame(frame, OPEN, [check])), unfit)
    count.unfit += bool(unfit)
    count.pictures += 1


OPEN = QualityGate(QualityLimits(), Quality(enabled=False))
"""Lets everything through: what would the model say?"""


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
