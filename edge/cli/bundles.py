"""Commands about model bundles: score pictures with one, evaluate it against labels."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.config.enhance import Enhance
    from edge.pipeline import Check
    from edge.types import Defect, Frame, Inspection, Miss

ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}

BundleFolder = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="Folder of a model bundle, or of its versions.")
]


def score(
    bundle: BundleFolder,
    paths: Annotated[list[Path], typer.Argument(metavar="PATHS…", help="Pictures, or folders of them.")],
    jsonl: Annotated[Path | None, typer.Option(help="A JSON object a line, too.")] = None,
    maps: Annotated[Path | None, typer.Option(metavar="DIR", help="Heat maps, too.")] = None,
) -> None:
    """Score pictures: a line each, `path score verdict ms`, and the label where the model tells classes apart."""
    from edge.store.overlay import save_overlay

    check = open_bundle(bundle)
    if maps is not None:
        maps.mkdir(parents=True, exist_ok=True)
    with jsonl.open("w") if jsonl is not None else Path(os.devnull).open("w") as lines:
        for path, part in inspections(check, [picture for each in paths for picture in pictures_in(each)]):
            line = summary(path, part)
            named = f" {line['label']}" if "label" in line else ""
            typer.echo(f"{line['path']} {line['score']} {line['verdict']} {line['ms']}{named}")
            lines.write(json.dumps(line) + "\n")
            if maps is not None:
                save_overlay(part, maps / f"{path.stem}-map.jpg")


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


def finds_things(shelf: Path) -> bool:
    """Whether a bundle, or the active one of a shelf, finds things. Raises `BundleError` where none is."""
    from edge.model.bundle import load

    return load(shelf).manifest.detection is not None


def knows_classes(shelf: Path) -> bool:
    """Whether a bundle, or the active one of a shelf, tells classes apart. Raises `BundleError` where none is."""
    return bool(labels_of(shelf))


def labels_of(bundle: Path) -> list[str]:
    """What it can call a part; nothing where it tells good parts from bad ones. Raises `BundleError`."""
    from edge.model.bundle import load

    table = load(bundle).manifest.classification
    return [] if table is None else table.labels


def classes_in(path: Path) -> dict[str, list[Path]]:
    """The pictures of each folder in a folder, by its name. Raises `ConfigError` where there is no such folder."""
    folders = sorted(folder for folder in path.iterdir() if folder.is_dir()) if path.is_dir() else []
    if not folders:
        raise ConfigError(f"{path}: has no folders; give one with a folder of pictures for each class")
    return {folder.name: pictures_in(folder) for folder in folders}


def pictures_in(path: Path) -> list[Path]:
    """The pictures of a folder and the folders below it, by name; or the one picture itself."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ConfigError(f"{path}: there is no such file or folder")
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
    if not found:
        raise ConfigError(f"{path}: holds no pictures ({' '.join(sorted(ENDINGS))})")
    return found


def open_bundle(folder: Path) -> "Check":
    """A bundle as the one check of a recipe, under the rules it was taught with.

    Which classes pass is for a recipe to say: without one, what a model names is inconclusive.
    """
    from edge.config import Check as CheckConfig
    from edge.model.bundle import load
    from edge.model.runner import open_any
    from edge.model.verify import verify
    from edge.pipeline import Check

    bundle = load(folder)
    verify(bundle)
    return Check(CheckConfig(name="check", bundle=folder), open_any(bundle))


def inspections(check: "Check", paths: list[Path]) -> Iterator[tuple[Path, "Inspection"]]:
    """Each picture, judged as the daemon judges it; one that cannot be read is an `error`."""
    return zip(paths, judged(check, map(_frame, range(len(paths)), paths)), strict=True)


def judged(check: "Check", frames: Iterable["Frame | Miss"]) -> Iterator["Inspection"]:
    """Each frame, judged as the daemon judges it; the same picture twice is no fault here."""
    from edge.config import Quality
    from edge.pipeline import judge_frame, prepare_frame
    from edge.preprocess.quality import QualityGate

    gate = QualityGate(check.model.quality, Quality(frozen_after=0))
    return (judge_frame(prepare_frame(frame, gate, [check])) for frame in frames)


def _frame(number: int, path: Path) -> "Frame | Miss":
    from datetime import UTC, datetime
    from time import monotonic_ns

    from edge.errors import CaptureError
    from edge.pipeline import missed
    from edge.preprocess.picture import read
    from edge.types import Frame

    try:
        return Frame(read(path), number, monotonic_ns(), datetime.now(UTC), "files", part_id=path.stem)
    except CaptureError as err:
        return missed("files", number, str(err), path.stem)


def summary(path: Path, part: "Inspection") -> dict[str, Any]:
    """One line of `edge score`."""
    stages = ("quality", "restore", "preprocess", "inference", "judge")
    return {
        "path": str(path),
        "score": None if part.decision.score is None else round(part.decision.score, 4),
        "verdict": part.decision.verdict.value,
        "ms": round(sum(part.stage_ms.get(stage, 0.0) for stage in stages), 2),
        "reasons": list(part.decision.reasons),
        **({} if part.decision.label is None else {"label": part.decision.label}),
    }
