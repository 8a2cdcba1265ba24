"""`edge score`, and what every command about bundles and pictures needs: both opened, and judged."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.pipeline import Check
    from edge.types import Frame, Inspection, Miss

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
