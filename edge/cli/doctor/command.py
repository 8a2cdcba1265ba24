"""The command: which looks there are, in which order, and how their lines are shown."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from edge import config as settings
from edge.cli.doctor import access, broker, camera, disk, gpio, machine, model, report, software, unit
from edge.cli.doctor.line import Line, text
from edge.cli.doctor.round import THREAD, Look, rounds
from edge.errors import ConfigError, EdgeError

SOFTWARE_S, RUNTIME_S, REST_S = 8.0, 10.0, 38.0
"""At most so long for the imports, then alone for the model's times, then for everything else side by side."""
COLOURS = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}


def doctor(
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG]", help="A station's TOML file.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    report_file: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write a file to attach to an issue.")
    ] = None,
) -> None:
    """Look at everything that inspection needs on this machine; say what is wrong and what to do.

    Takes a minute at most, and changes nothing.
    """
    if report_file is not None and os.access(report_file, os.F_OK):
        raise ConfigError(f"{report_file}: exists already; name a new file or remove it")
    figures: dict[str, float] = {}
    lines: list[Line] = []
    loaded: list[settings.Config] = []
    for line in _examine(config, figures, loaded):
        lines.append(line)
        if not as_json:
            _show(line)
    station = loaded[0] if loaded else None
    told = report.compose(station, config, lines, figures)
    if report_file is not None:
        typer.echo(f"{report_file}: {report.CONTENT}", err=True)
        _write(report_file, report.page(told))
    if as_json:
        worst = max((line.state for line in lines), key=("ok", "warn", "fail").index)
        rows = [line._asdict() for line in lines]
        typer.echo(json.dumps({"schema": report.SCHEMA, "state": worst, "lines": rows, "backbone": figures}))
    failed = any(line.state == "fail" for line in lines)
    if any(thread.name.startswith(THREAD) for thread in threading.enumerate()):
        # A look that was given up may sit inside a driver: Python's own end would wait for it, or crash.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(EdgeError.exit_code)
    if failed:
        raise typer.Exit(EdgeError.exit_code)


def _examine(path: Path | None, figures: dict[str, float], loaded: list[settings.Config]) -> Iterator[Line]:
    """Every line. The settings, where they can be read, are put into `loaded`."""
    yield from rounds([("software", software.software)], SOFTWARE_S)
    yield from rounds([("runtime", partial(model.runtime_lines, figures))], RUNTIME_S)
    config = None
    if path is not None:
        try:
            config = settings.load(path)
        except EdgeError as err:
            for sentence in str(err).splitlines():
                yield Line("fail", "settings", sentence, "correct the file")
        else:
            loaded.append(config)
            yield Line("ok", "settings", str(path))
    looks: list[tuple[str, Look]] = [
        ("machine", partial(machine.machine_lines, config)),
        ("devices", camera.device_lines),
    ]
    if config is not None and path is not None:
        looks += _station(config, path)
    yield from rounds(looks, REST_S)


def _station(config: settings.Config, path: Path) -> Iterator[tuple[str, Look]]:
    running = access.is_running(config)
    yield "source", partial(camera.source_lines, config, running=running)
    yield "gpio", partial(gpio.gpio_lines, config, running=running)
    yield "bundle", partial(model.bundle_lines, config)
    yield "state", partial(disk.disk_lines, config)
    yield "access", partial(access.access_lines, config, path)
    for sink in config.sinks:
        if isinstance(sink, settings.MqttSink):
            yield "broker", partial(broker.broker_lines, config, sink, running=running)
    yield "systemd", partial(unit.unit_lines, path)


def _show(line: Line) -> None:
    shown = text(line)
    typer.echo(typer.style(shown[:5], fg=COLOURS[line.state]) + shown[5:])


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content)
    except OSError as err:
        raise ConfigError(f"{path}: cannot be written: {err.strerror or err}") from err
