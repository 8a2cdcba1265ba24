"""`edge measure` and `edge read`: try tools on pictures, and make a bundle of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edge.cli.bundles import inspections, pictures_in
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.model.bundle import Bundle
    from edge.pipeline import Check
    from edge.prediction import Prediction
    from edge.types import Inspection

Task = Literal["measurement", "reading"]

Tools = Annotated[
    Path, typer.Argument(metavar="TOOLS", help="The tools: a TOML file with the bundle's table, or a bundle.")
]
Pictures = Annotated[list[Path], typer.Argument(metavar="PICTURES…", help="Pictures, or folders of them.")]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Make a bundle of the tools; the first picture becomes its golden one."
    ),
]
Draw = Annotated[Path | None, typer.Option(metavar="DIR", help="Pictures with what was found drawn in, too.")]
AsJson = Annotated[bool, typer.Option("--json", help="A JSON object for each picture.")]


def measure(
    tools: Tools, paths: Pictures, out: Out = None, draw: Draw = None, *, as_json: AsJson = False
) -> None:
    """Measure pictures with tools from a file, and make a bundle of them."""
    _try_out("measurement", tools, paths, out, draw, as_json=as_json)


def read(
    tools: Tools, paths: Pictures, out: Out = None, draw: Draw = None, *, as_json: AsJson = False
) -> None:
    """Read the codes in pictures, and make a bundle of how they are read."""
    _try_out("reading", tools, paths, out, draw, as_json=as_json)


def _try_out(
    task: Task, tools: Path, paths: list[Path], out: Path | None, draw: Path | None, *, as_json: bool
) -> None:
    from edge.store.overlay import save_overlay

    pictures = [picture for each in paths for picture in pictures_in(each)]
    check, bundle = opened(task, tools)
    if draw is not None:
        draw.mkdir(parents=True, exist_ok=True)
    first: Inspection | None = None
    for path, part in inspections(check, pictures):
        first = part if first is None else first
        for line in [json.dumps(_facts(path, part))] if as_json else _lines(path, part):
            typer.echo(line)
        if draw is not None:
            save_overlay(part, draw / f"{path.stem}.jpg")
    if out is not None and first is not None:
        _make(bundle, first, pictures[0], out)
        typer.echo(f'{out}: made; name it in a recipe\'s check (bundle = "{out}"), with its rules', err=True)


def opened(task: Task, tools: Path) -> "tuple[Check, Bundle]":
    """A bundle, or what would be one with these tools, as the one check of a recipe. Raises `ConfigError`."""
    from edge.config import Check as CheckConfig
    from edge.model.bundle import load
    from edge.model.instrument import open_instrument
    from edge.pipeline import Check

    bundle = load(tools) if tools.is_dir() else _draft(task, tools)
    if bundle.manifest.task != task:
        raise ConfigError(f"{tools}: its task is '{bundle.manifest.task}', not '{task}'")
    return Check(
        CheckConfig(name=bundle.manifest.name, bundle=bundle.folder), open_instrument(bundle)
    ), bundle


def _draft(task: Task, path: Path) -> "Bundle":
    """The bundle that these tools make, without golden pictures, in memory alone."""
    from datetime import UTC, datetime

    from edge.errors import BundleError
    from edge.model.bundle import assemble, described
    from edge.model.manifest import SCHEMA, Manifest, text
    from edge.model.tables.measurement import MeasurementTools
    from edge.model.tables.reading import ReadingTools
    from edge.table import read_table, read_text

    table: MeasurementTools | ReadingTools
    files: dict[str, bytes] = {}
    if task == "measurement":
        table = read_table(MeasurementTools, read_text(path), path)
        files = {name: _content(path.parent / name) for name in table.files}
    else:
        table = read_table(ReadingTools, read_text(path), path)
    fields = {
        "schema": SCHEMA,
        "name": _segment(path.stem),
        "task": task,
        "created": datetime.now(UTC).replace(microsecond=0),
        "files": described(files),
        task: table,
    }
    try:
        return assemble(path.parent, text(Manifest.model_validate(fields)).encode(), files)
    except BundleError as err:
        raise ConfigError(str(err)) from err


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read: {err.strerror or err}") from err


def _segment(name: str) -> str:
    """A name that can stand in a topic."""
    return (
        "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)[:64] or "tools"
    )


def _make(bundle: "Bundle", first: "Inspection", picture: Path, out: Path) -> None:
    """Write the bundle with its golden picture. Raises `ConfigError` where nothing was found in that one."""
    from edge.model.bundle import described, write
    from edge.model.manifest import Golden, Tolerance

    prediction = first.findings[0].prediction if first.findings else None
    name = f"golden{picture.suffix.lower()}"
    golden = [Golden(file=name, score=score, label=label) for label, score in _known(prediction)]
    if not golden:
        raise ConfigError(
            f"{picture}: nothing was found in it, so that it cannot be the golden picture; begin with a good one"
        )
    files = {**bundle.files, name: picture.read_bytes()}
    # Two processors differ in the last digits of a float, and no more.
    tolerance = Tolerance(relative=0.001, absolute=0.001)
    changes = {"files": described(files), "golden": golden, "tolerance": tolerance}
    write(out, bundle.manifest.model_copy(update=changes), files)


def _known(prediction: "Prediction | None") -> "Iterator[tuple[str, float]]":
    """What the golden picture must show again: each value, each text."""
    from edge.prediction import Measurements, Readings

    match prediction:
        case Measurements():
            for one in prediction.found:
                if one.value is None:
                    raise ConfigError(f"{one.name}: {one.reason}; the first picture must be of a good part")
                yield one.name, one.value
        case Readings():
            yield from ((reading.text, 1.0) for reading in prediction.found if reading.text)
        case _:
            return


def _facts(path: Path, part: "Inspection") -> dict[str, Any]:
    from edge.message import describe

    told = describe(part, "tools")
    checks = told["checks"]
    return {
        "path": str(path),
        "reasons": [] if checks else told["reasons"],
        **{key: checks[0][key] for key in ("measurements", "codes", "prints") if checks and key in checks[0]},
    }


def _lines(path: Path, part: "Inspection") -> Iterator[str]:
    """A line for each value or text."""
    from edge.judge.measurement import told
    from edge.prediction import Measurements, Readings

    prediction = part.findings[0].prediction if part.findings else None
    match prediction:
        case Measurements():
            for one in prediction.found:
                yield f"{path} {one.name} {f'not measured: {one.reason}' if one.value is None else told(one)}"
        case Readings():
            for reading in prediction.found:
                yield f"{path} {reading.symbology} {reading.text or 'is there but cannot be read'}"
            for seen in prediction.prints:
                yield f"{path} {seen.name} {'printed' if seen.present else seen.reason}"
            if not prediction.found and not prediction.prints:
                yield f"{path} nothing could be read"
        case _:
            yield f"{path} {'; '.join(part.decision.reasons)}"
