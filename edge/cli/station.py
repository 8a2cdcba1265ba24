"""Commands about a station: run it, check its settings, print them, replay pictures through it."""

import json
import logging
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from edge import config as settings
from edge.errors import ConfigError

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The station's TOML file.")]


def run(config: ConfigFile, *, verbose: Annotated[bool, typer.Option(help="Log more.")] = False) -> None:
    """Run a station until its source ends or it is told to stop."""
    from edge.daemon import Daemon

    _log_to_stderr(verbose=verbose)
    daemon = Daemon(settings.load(config))

    def stop(_signal: int, _frame: FrameType | None) -> None:
        daemon.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    raise typer.Exit(daemon.run())


def check(config: ConfigFile) -> None:
    """Check a station's settings and its bundles; nothing is started."""
    from edge.model.checks import open_checks
    from edge.model.faces import open_faces
    from edge.model.restorations import load_restorer
    from edge.preprocess.correction import open_correction

    checked = settings.load(config)
    for item in open_checks(checked, verified=None):
        identity = item.model.identity
        if identity is None:
            typer.echo(f"check {item.config.name}: nothing is taught yet in {item.config.bundle}")
            continue
        fallback = f" (fell back: {identity.fallback})" if identity.fallback else ""
        typer.echo(
            f"check {item.config.name}: {identity.name} version {identity.version}, "
            f"{identity.delegate}, {identity.threads} threads{fallback}"
        )
    if checked.evidence.restore is not None:
        restoration = load_restorer(checked.evidence.restore).identity
        typer.echo(f"evidence.restore: {restoration.name} version {restoration.version}")
    if open_faces(checked.privacy, verified=None) is not None:
        typer.echo(f"privacy: faces are found by {checked.privacy.faces}")
    correction = open_correction(checked.correction)
    if correction is not None:
        typer.echo(f"correction: {correction.told()}")
    typer.echo(f"{config}: fine")


def config(
    config: Annotated[Path | None, typer.Argument(metavar="CONFIG", help="The station's TOML file.")] = None,
    *,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not at its default.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON Schema of the settings.")] = False,
) -> None:
    """Print a station's effective settings as JSON."""
    if schema:
        typer.echo(json.dumps(settings.Config.model_json_schema(), indent=2))
        return
    if config is None:
        raise ConfigError("name the station's TOML file, or ask for --schema")
    loaded = settings.load(config)
    table = settings.changed(loaded) if changed else loaded.model_dump(mode="json")
    typer.echo(json.dumps(table, indent=2))


def replay(
    config: ConfigFile,
    pictures: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of pictures.")],
    jsonl: Annotated[Path, typer.Option(help="Where the reports go, a line each; it must not exist.")],
    *,
    corrected: Annotated[
        bool, typer.Option("--corrected", help="They are evidence or taught pictures: [correction] is done.")
    ] = False,
) -> None:
    """Put a folder of pictures through a station's whole pipeline, as fast as it goes."""
    import tempfile

    from edge.daemon import Daemon

    _log_to_stderr(verbose=False)
    if jsonl.exists():
        raise ConfigError(f"{jsonl}: exists already; name a new file or remove it")
    loaded = settings.load(config)
    correction = settings.Correction() if corrected else loaded.correction
    with tempfile.TemporaryDirectory(prefix="edge-replay-") as state:
        replayed = loaded.model_copy(
            update={
                "station": loaded.station.model_copy(update={"state_dir": Path(state)}),
                "source": settings.FolderSource(type="folder", path=pictures),
                "correction": correction,
                "sinks": [settings.JsonlSink(type="jsonl", path=jsonl)],
                "evidence": loaded.evidence.model_copy(update={"enabled": False}),
                "gpio": settings.Gpio(),
                "health": loaded.health.model_copy(update={"prometheus_port": 0, "drain_s": 300.0}),
            }
        )
        code = Daemon(replayed).run()
    typer.echo(f"{jsonl}: {sum(1 for _ in jsonl.open()) if jsonl.exists() else 0} reports")
    raise typer.Exit(code)


def _log_to_stderr(*, verbose: bool) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(levelname)s %(threadName)s %(name)s: %(message)s",
    )
