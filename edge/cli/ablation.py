"""`edge eval --ablate`: does each step of enhancement earn its place? Its effect on separation, and its time."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.cli.bundles import inspections, open_bundle, pictures_in
from edge.cli.progress import bar
from edge.config.enhance import Brightness, Clahe, Denoise, Enhance, Sharpen, WhiteBalance
from edge.errors import ConfigError
from edge.judge.metrics import auroc, auroc_error
from edge.model.bundle import Bundle, load
from edge.pipeline import Check
from edge.teach.lesson import teach_again
from edge.teach.limits import HeldOut
from edge.types import Verdict

Scores = npt.NDArray[np.float64]

EVERY: tuple[Enhance, ...] = (Denoise(), Brightness(), Clahe(), WhiteBalance(), Sharpen())
"""What is tried where neither the bundle nor the command names a step."""
SIGMAS = 2.0
"""A difference of the AUROC of fewer standard errors may be chance: about one in twenty is."""


class Variant(NamedTuple):
    """Steps that are tried together."""

    name: str
    steps: tuple[Enhance, ...]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a variant came to. Scores are distances, one for each picture; NaN for one that was not fit.

    `prepare_ms` is the median from the frame to the tensor.
    """

    variant: Variant
    good: Scores
    bad: Scores
    escapes: int
    overkill: int
    prepare_ms: float

    @property
    def auroc(self) -> float:
        """How often a bad part scores higher than a good one."""
        return auroc(self.good[~np.isnan(self.good)], self.bad[~np.isnan(self.bad)])

    @property
    def separation(self) -> float:
        """Distance of the mean logarithms of bad and good parts, in standard deviations of the good ones."""
        return HeldOut(self.good[~np.isnan(self.good)], self.bad[~np.isnan(self.bad)]).separation


@dataclass(frozen=True)
class Row:
    """A line of the table. `gain` is the AUROC less that without any step, `doubt` two of its standard errors."""

    name: str
    auroc: float
    gain: float
    doubt: float
    separation: float
    escapes: int
    overkill: int
    prepare_ms: float

    @property
    def verdict(self) -> str:
        """What can be said of the gain."""
        if self.gain > self.doubt:
            return "earns its place"
        return "harms" if self.gain < -self.doubt else "makes no difference that these pictures show"

    def to_json(self) -> dict[str, Any]:
        """JSON-able, rounded; None for what is not a number."""
        table: dict[str, Any] = {"steps": self.name}
        for name in ("auroc", "gain", "doubt", "separation", "prepare_ms"):
            number = getattr(self, name)
            table[name] = None if np.isnan(number) else round(number, 4)
        return {**table, "escapes": self.escapes, "overkill": self.overkill, "verdict": self.verdict}


def ablate(
    folder: Path, good: Path, bad: Path, taught: Path | None, named: tuple[Enhance, ...]
) -> tuple[dict[str, Any], list[str]]:
    """The figures of every variant, and lines for a person. Raises `EdgeError`.

    `named` are the steps to try; without any, the bundle's own, and where it has none, every kind there is.
    `taught` are the pictures that each variant is taught on; without them the bundle stays what it is.
    """
    bundle = load(folder)
    if bundle.manifest.task != "anomaly":
        raise ConfigError(
            f"{folder}: its task is {bundle.manifest.task}; steps are compared by anomaly scores, so give a bundle"
            " that was taught from good parts"
        )
    steps = named or bundle.manifest.seen.enhance or EVERY
    parts = pictures_in(good), pictures_in(bad)
    lessons = None if taught is None else pictures_in(taught)
    tried = list(variants(steps))
    outcomes = []
    with bar() as progress, tempfile.TemporaryDirectory(prefix="edge-ablate-") as shelves:
        for number, variant in enumerate(tried):
            progress("trying steps", number, len(tried))
            check = _with(bundle, variant, lessons, Path(shelves) / str(number))
            outcomes.append(outcome(check, variant, *parts))
        progress("trying steps", len(tried), len(tried))
    rows = [row(one, outcomes[0]) for one in outcomes]
    return {
        "model": bundle.manifest.name,
        "taught": lessons is not None,
        "variants": [one.to_json() for one in rows],
    }, list(lines(rows))


def variants(steps: Sequence[Enhance]) -> Iterator[Variant]:
    """None, each alone, all, and all without each."""
    yield Variant("none", ())
    for step in steps:
        yield Variant(name_of(step), (step,))
    if len(steps) > 1:
        yield Variant("all", tuple(steps))
    if len(steps) > 2:  # noqa: PLR2004 - of two, all without one is the other alone
        for step in steps:
            yield Variant(
                f"all without {name_of(step)}", tuple(other for other in steps if other is not step)
            )


def name_of(step: Enhance) -> str:
    """Its kind, and the settings that are not at their defaults, as the command line takes them."""
    changed = step.model_dump(exclude_defaults=True, exclude={"type"})
    settings = ",".join(f"{name}={number:g}" for name, number in changed.items())
    return f"{step.type}:{settings}" if settings else step.type


def outcome(check: Check, variant: Variant, good: list[Path], bad: list[Path]) -> Outcome:
    """Judge all pictures."""
    distance = 1.0
    manifest = load(check.config.bundle).manifest
    if manifest.anomaly is not None:
        distance = manifest.anomaly.limit_distance
    scores: list[Scores] = []
    counts, times_ms = [], []
    for paths, mistake in ((good, Verdict.FAIL), (bad, Verdict.PASS)):
        parts = [part for _, part in inspections(check, paths)]
        found = [np.nan if part.decision.score is None else part.decision.score for part in parts]
        scores.append(np.array(found, np.float64) * distance)
        counts.append(sum(part.decision.verdict is mistake for part in parts))
        times_ms += [part.stage_ms["preprocess"] for part in parts if "preprocess" in part.stage_ms]
    prepare_ms = float(np.median(times_ms or [np.nan]))
    return Outcome(variant, scores[0], scores[1], counts[1], counts[0], prepare_ms)


def row(one: Outcome, none: Outcome) -> Row:
    """An outcome beside that without any step: over the pictures that both have scored."""
    judged = [~np.isnan(a) & ~np.isnan(b) for a, b in ((one.good, none.good), (one.bad, none.bad))]
    here, there = ((each.good[judged[0]], each.bad[judged[1]]) for each in (one, none))
    return Row(
        one.variant.name,
        one.auroc,
        auroc(*here) - auroc(*there),
        SIGMAS * auroc_error(here, there),
        one.separation,
        one.escapes,
        one.overkill,
        one.prepare_ms,
    )


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """The table, and a sentence on each variant."""
    width = max(len(one.name) for one in rows)
    yield (f"{'steps':<{width}}   AUROC  against none       separation  escapes  overkill  prepare ms")
    for one in rows:
        gain = f"{one.gain:+.4f} ± {one.doubt:.4f}" if one is not rows[0] else ""
        yield (
            f"{one.name:<{width}}  {one.auroc:.4f}  {gain:<17}  {one.separation:>10.2f}  {one.escapes:>7}"
            f"  {one.overkill:>8}  {one.prepare_ms:>10.2f}"
        )
    yield ""
    for one in rows[1:]:
        yield f"{one.name}: {one.verdict}"


def _with(bundle: Bundle, variant: Variant, lessons: list[Path] | None, shelf: Path) -> Check:
    """The bundle as it is behind other steps, or another that was taught with them."""
    if lessons is not None:
        return open_bundle(teach_again(bundle, lessons, shelf, variant.steps).bundle.folder)
    check = open_bundle(bundle.folder)
    check.config = check.config.model_copy(update={"enhance": variant.steps})
    return check
