"""`edge import`: a model that somebody else trained becomes a bundle."""

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.geometry import Image
    from edge.model.layouts.anchors import Anchors
    from edge.model.pixels import Pixels

BUNDLES = Path("bundles")
"""Where it goes, unless `--out` says otherwise."""
LONGEST_NAME = 64


class Task(StrEnum):
    """What models of others can do here."""

    CLASSIFICATION = "classification"
    DETECTION = "detection"
    SEGMENTATION = "segmentation"


class Layout(StrEnum):
    """The first five are of boxes, the last three of masks."""

    TFLITE = "tflite"
    SSD = "ssd"
    YOLO_V5 = "yolov5"
    YOLO_V8 = "yolov8"
    YOLO_END = "yolo_end"
    CLASS_MAP = "class_map"
    CLASS_SCORES = "class_scores"
    MASK = "mask"


class Activation(StrEnum):
    """From scores to probabilities."""

    NONE = "none"
    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"


class Fit(StrEnum):
    """How a picture fills the input."""

    STRETCH = "stretch"
    LETTERBOX = "letterbox"


def import_(
    model: Annotated[Path, typer.Argument(metavar="MODEL.tflite", help="The model.")],
    *,
    task: Annotated[Task, typer.Option(help="What the model answers.")],
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A label a line. Default: those inside the model.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A label; can be given several times.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the bundle. Default: that of the file.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the bundle. Default: bundles/NAME.")
    ] = None,
    layout: Annotated[
        Layout | None, typer.Option(help="How it says that. Default: told from its outputs.")
    ] = None,
    activation: Annotated[
        Activation | None, typer.Option(help="From scores to probabilities. Default: told from them.")
    ] = None,
    mean: Annotated[
        list[float] | None,
        typer.Option(metavar="LEVEL", help="The model takes (pixel - mean) / std; once, or once a channel."),
    ] = None,
    std: Annotated[list[float] | None, typer.Option(metavar="LEVELS", help="See --mean.")] = None,
    bgr: Annotated[bool, typer.Option("--bgr", help="The model takes blue first.")] = False,
    fit: Annotated[
        Fit | None, typer.Option(help="How pictures fill it. Default: as usual for the layout.")
    ] = None,
    anchors: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Anchors of an SSD: a line each, or .npy; y, x, height, width."),
    ] = None,
    min_score: Annotated[
        float, typer.Option(min=0, max=1, help="Detections under it are never looked at.")
    ] = 0.25,
    golden: Annotated[
        list[Path] | None,
        typer.Option(metavar="PICTURE", help="On it the bundle must give everywhere what it gives here."),
    ] = None,
) -> None:
    """Make a bundle of a TFLite model that somebody else trained.

    Tells how its outputs are read; where that could be in several ways, it asks for --layout.
    """
    from edge.model.bundle import write
    from edge.model.verify import verify
    from edge.teach.adopt.bundle import adopt
    from edge.teach.adopt.proposals import Hints
    from edge.teach.adopt.wishes import Wishes

    called = _name(name, model)
    folder = out if out is not None else BUNDLES / called
    if folder.exists():
        raise ConfigError(f"{folder}: exists already; choose another folder with --out, or another --name")
    hints = Hints(
        None if layout is None else layout.value,
        None if activation is None else activation.value,
        None if anchors is None else anchors_in(anchors),
    )
    wishes = Wishes(
        task.value,
        called,
        _labels(labels, label or []),
        hints,
        _pixels(mean or [], std or [], bgr=bgr),
        bgr,
        None if fit is None else fit.value,
        min_score,
        _pictures(golden or []),
    )
    adopted = adopt(model, wishes, folder)
    verify(adopted.bundle)
    write(folder, adopted.bundle.manifest, adopted.bundle.files)
    for word, told in (*adopted.told, ("bundle", str(folder))):
        typer.echo(f"{word:<9} {told}")


def _name(name: str | None, model: Path) -> str:
    if name is None:
        return re.sub(r"[^A-Za-z0-9_-]+", "-", model.stem).strip("-")[:LONGEST_NAME] or "model"
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{1,{LONGEST_NAME}}}", name):
        raise ConfigError(f"--name {name}: letters, digits, - and _ can be in a name, {LONGEST_NAME} at most")
    return name


def _labels(path: Path | None, names: list[str]) -> tuple[str, ...]:
    from edge.teach.adopt.labels import read, tidy

    if path is not None and names:
        raise ConfigError("--labels and --label: give one of them")
    return read(path) if path is not None else tidy(names)


def _pixels(mean: list[float], std: list[float], *, bgr: bool) -> "Pixels | None":
    from pydantic import ValidationError

    from edge.model.pixels import Pixels

    if not mean and not std:
        return None
    if not mean or not std:
        raise ConfigError("--mean and --std: give both of them")
    try:
        return Pixels(mean=mean, std=std, order="bgr" if bgr else "rgb")
    except ValidationError as err:
        raise ConfigError(f"--mean and --std: {err.errors()[0]['msg']}") from err


def anchors_in(path: Path) -> "Anchors":
    """Anchors as TensorFlow writes them, from a file of numbers. Raises `ConfigError`."""
    import numpy as np

    from edge.teach.adopt.proposals import centred

    try:
        rows = np.load(path, allow_pickle=False) if path.suffix == ".npy" else _numbers(path)
        rows = np.asarray(rows, np.float32).reshape(-1, 4)
    except (OSError, ValueError) as err:
        raise ConfigError(
            f"{path}: is no list of anchors ({err}); write y, x, height and width of each in a line"
        ) from err
    if not rows.size or not np.isfinite(rows).all():
        raise ConfigError(f"{path}: has no anchors, or numbers that are none; write y, x, height and width")
    return centred(rows)


def _numbers(path: Path) -> list[float]:
    return [float(number) for number in path.read_text().replace(",", " ").split()]


def _pictures(paths: list[Path]) -> "list[tuple[str, Image]]":
    from edge.errors import CaptureError
    from edge.preprocess.picture import read

    try:
        return [(f"golden-{number}.png", read(path)) for number, path in enumerate(paths, start=1)]
    except CaptureError as err:
        raise ConfigError(str(err)) from err
