"""`edge eval`: what a bundle is worth against labels, of each kind that it answers."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from edge.cli.bundles import (
    BundleFolder,
    classes_in,
    finds_things,
    inspections,
    knows_classes,
    labels_of,
    open_bundle,
    pictures_in,
)
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.config.enhance import Enhance
    from edge.types import Defect


def evaluate(
    bundle: BundleFolder,
    good: Annotated[Path | None, typer.Option(metavar="DIR", help="Pictures of good parts.")] = None,
    bad: Annotated[Path | None, typer.Option(metavar="DIR", help="Pictures of bad parts.")] = None,
    masks: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Masks of the bad parts: the same names, bright where bad."),
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of pictures for each class of parts.")
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Pictures, and beside each NAME.txt: what is where in it, as in YOLO."
        ),
    ] = None,
    *,
    robust: Annotated[
        bool, typer.Option("--robust", help="The same under light, blur, noise, dirt and more; with a plot.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(metavar="PNG", help="Where --robust draws its plot.")] = None,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Whether each step of enhancement earns its place.")
    ] = False,
    enhance: Annotated[
        list[str] | None,
        typer.Option(metavar="STEP", help="With --ablate: a step to try, not the bundle's; several times."),
    ] = None,
    taught: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --ablate: teach anew on these good parts for each step."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Evaluate a bundle against labels.

    With --good and --bad: AUROC, escapes and overkill, with --masks pixel AUROC and AU-PRO, too, or of a
    segmentation, the IoU of each label. With --classes: balanced accuracy, recall of each class, and what was
    called what. With --boxes: mean average precision. With --robust: what disturbed pictures do to the first of
    these, and what the quality gate catches of them. With --ablate: what each step of enhancement does to the
    AUROC, and its time.
    """
    trial = chosen_trial(masks=masks, robust=robust, plot=plot, ablate=ablate, enhance=enhance, taught=taught)
    if finds_things(bundle) or boxes is not None:
        figures, told = told_of_things(bundle, boxes, (good, bad, masks, classes), trial)
    elif knows_classes(bundle):
        figures, told = told_of_classes(bundle, classes, (good, bad, masks), trial)
    elif classes is not None or good is None or bad is None:
        raise ConfigError(
            f"{bundle}: tells good parts from bad ones; evaluate it with --good DIR and --bad DIR, and"
            " without --classes"
        )
    else:
        figures, told = told_of_parts(bundle, good, bad, masks, trial)
    typer.echo(json.dumps(figures) if as_json else "\n".join(told))


class Trial(NamedTuple):
    """What is tried beside the plain figures: disturbed pictures, with a plot, or steps, taught anew or not."""

    robust: bool
    plot: Path | None
    ablate: bool
    steps: "tuple[Enhance, ...]"
    taught: Path | None


Told = tuple[dict[str, Any], list[str]]
"""Figures, JSON-able, and lines for a person."""


def chosen_trial(
    *,
    masks: Path | None,
    robust: bool,
    plot: Path | None,
    ablate: bool,
    enhance: list[str] | None,
    taught: Path | None,
) -> Trial:
    """What the options ask for. Raises `ConfigError` where they do not go together."""
    from edge.cli.steps import steps_named

    goes_with("--plot", plot, robust=robust)
    goes_with("--taught", taught, ablate=ablate)
    goes_with("--enhance", enhance, ablate=ablate)
    if (masks is not None and (robust or ablate)) or (robust and ablate):
        raise ConfigError("--robust, --ablate and --masks do not go together; give one of them")
    return Trial(robust, plot, ablate, steps_named(enhance or (), "--enhance"), taught)


def told_of_things(bundle: Path, boxes: Path | None, others: Iterable[Path | None], trial: Trial) -> Told:
    """Of a bundle that finds things. Raises `EdgeError`."""
    from edge.cli import robustness
    from edge.cli.box_evaluation import lines

    if trial.ablate:
        raise ConfigError(f"{bundle}: finds things; --ablate compares steps by anomaly scores")
    if trial.robust:
        return robustness.of_things(bundle, *things_in(bundle, boxes, others), trial.plot)
    figures = box_figures(bundle, boxes, others)
    return figures, list(lines(figures))


def told_of_classes(bundle: Path, classes: Path | None, others: Iterable[Path | None], trial: Trial) -> Told:
    """Of a bundle that tells classes apart. Raises `EdgeError`."""
    from edge.cli import robustness
    from edge.cli.class_evaluation import lines

    if classes is None or any(other is not None for other in others):
        raise ConfigError(
            f"{bundle}: tells classes apart; evaluate it with --classes DIR, a folder of pictures for each"
            " class, and without --good, --bad and --masks"
        )
    if trial.ablate:
        raise ConfigError(f"{bundle}: tells classes apart; --ablate compares steps by anomaly scores")
    if trial.robust:
        return robustness.of_classes(bundle, classes, trial.plot)
    figures = class_figures(bundle, classes)
    return figures, lines(figures)


def told_of_parts(bundle: Path, good: Path, bad: Path, masks: Path | None, trial: Trial) -> Told:
    """Of a bundle that tells good parts from bad ones. Raises `EdgeError`."""
    from edge.cli import ablation, robustness

    if trial.ablate:
        return ablation.ablate(bundle, good, bad, trial.taught, trial.steps)
    if trial.robust:
        return robustness.of_parts(bundle, good, bad, trial.plot)
    figures = anomaly_figures(bundle, good, bad, masks)
    return figures, [f"{key:>16}  {figure}" for key, figure in one_by_one(figures)]


def goes_with(option: str, value: object, **needed: bool) -> None:
    """Raises `ConfigError` where an option is given without the one that it belongs to."""
    for name, given in needed.items():
        if value is not None and not given:
            raise ConfigError(f"{option} goes with --{name}; add that, or leave it out")


def one_by_one(figures: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and figures; of a table of figures, each with its own name."""
    for key, figure in figures.items():
        if isinstance(figure, Mapping):
            yield from ((f"{key} {name}", value) for name, value in figure.items())
        else:
            yield key, figure


def anomaly_figures(bundle: Path, good: Path, bad: Path, masks: Path | None) -> dict[str, Any]:
    """What a bundle that tells good parts from bad ones is worth. Raises `EdgeError`."""
    from edge.cli.evaluation import Evaluation

    check = open_bundle(bundle)
    evaluation = Evaluation()
    for path, part in inspections(check, pictures_in(good)):
        evaluation.add(path, part, is_bad=False, masks=masks)
    for path, part in inspections(check, pictures_in(bad)):
        evaluation.add(path, part, is_bad=True, masks=masks)
    return evaluation.figures()


def class_figures(bundle: Path, classes: Path) -> dict[str, Any]:
    """What a bundle that tells classes apart is worth. Raises `EdgeError`."""
    from edge.cli.class_evaluation import ClassEvaluation

    folders = classes_in(classes)
    check = open_bundle(bundle)
    evaluation = ClassEvaluation(labels_of(bundle), list(folders), classes)
    for label, paths in folders.items():
        for path, part in inspections(check, paths):
            evaluation.add(label, path, part)
    return evaluation.figures()


def box_figures(bundle: Path, boxes: Path | None, others: Iterable[Path | None] = ()) -> dict[str, Any]:
    """What a bundle that finds things is worth. Raises `EdgeError`."""
    from edge.cli.box_evaluation import BoxEvaluation

    labels, things = things_in(bundle, boxes, others)
    evaluation = BoxEvaluation(labels)
    for path, part in inspections(open_bundle(bundle), list(things)):
        evaluation.add(path, part, things[path])
    return evaluation.figures()


def things_in(
    bundle: Path, boxes: Path | None, others: Iterable[Path | None]
) -> "tuple[list[str], dict[Path, list[Defect]]]":
    """A bundle's labels, and what is marked in each picture of a folder. Raises `ConfigError`.

    Also where `others`, folders of other kinds, are given.
    """
    from edge.cli.box_evaluation import marked, names
    from edge.model.bundle import load

    table = load(bundle).manifest.detection
    if table is None:
        raise ConfigError(f"{bundle}: finds no things; evaluate it without --boxes")
    if boxes is None or any(other is not None for other in others):
        raise ConfigError(
            f"{bundle}: finds things; evaluate it with --boxes DIR, pictures and beside each NAME.txt with what is"
            " in it, and without --good, --bad, --masks and --classes"
        )
    numbered = names(boxes, table.labels)
    return table.labels, {path: marked(path, numbered) for path in pictures_in(boxes)}
