"""`edge doctor`: is this machine fit to inspect, and if not, what to do."""

import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal, NamedTuple

import typer

from edge import __version__
from edge import config as settings
from edge.errors import EdgeError

State = Literal["ok", "warn", "fail"]


class Line(NamedTuple):
    """One thing that was looked at; `remedy` is empty where all is well."""

    state: State
    what: str
    found: str
    remedy: str = ""


def doctor(
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG]", help="A station's TOML file.")] = None,
) -> None:
    """Look at everything that inspection needs on this machine; say what is wrong and what to do."""
    checks: list[Callable[[], Iterator[Line]]] = [_software, _model, _machine]
    failed = False
    for look in checks:
        failed |= _show(look())
    if config is not None:
        failed |= _show(_station(config))
    if failed:
        raise typer.Exit(EdgeError.exit_code)


def _show(lines: Iterator[Line]) -> bool:
    failed = False
    for line in lines:
        colour = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}[line.state]
        typer.echo(f"{typer.style(f'{line.state:<5}', fg=colour)}{line.what:<24}{line.found}")
        if line.remedy:
            typer.echo(f"{'':<29}→ {line.remedy}")
        failed |= line.state == "fail"
    return failed


def _software() -> Iterator[Line]:
    yield Line(
        "ok", "edge-inspect", f"{__version__}, Python {platform.python_version()}, {platform.machine()}"
    )
    for package in ("numpy", "opencv-python-headless", "pillow", "paho-mqtt", "pydantic"):
        try:
            yield Line("ok", package, version(package))
        except PackageNotFoundError:
            yield Line("fail", package, "is not installed", f"{sys.executable} -m pip install edge-inspect")


def _model() -> Iterator[Line]:
    import numpy as np

    from edge.model.interpreter import Interpreter
    from edge.model.runtime import runtime
    from edge.model.shipped import backbone

    try:
        yield Line("ok", "runtime", runtime())
        model = Interpreter(backbone().read_bytes(), threads=1)
        pixels = np.zeros(model.inputs[0].shape, np.int8)
        model.invoke(pixels)
        start = perf_counter()
        for _ in range(10):
            model.invoke(pixels)
        yield Line(
            "ok", "backbone", f"{(perf_counter() - start) * 100:.1f} ms on {model.delegate}, one thread"
        )
    except EdgeError as err:
        yield Line("fail", "runtime", str(err), "install edge-inspect again, in an environment of its own")


def _machine() -> Iterator[Line]:
    from edge.health.board import Board
    from edge.message import clock_is_synced

    if clock_is_synced():
        yield Line("ok", "clock", "synchronized")
    else:
        remedy = "start systemd-timesyncd or chrony; until then, order reports by seq"
        yield Line("warn", "clock", "not known to be synchronized", remedy)
    board = Board()
    celsius = board.temperature_c()
    yield Line("ok", "temperature", "no sensor" if celsius is None else f"{celsius:.0f} °C")
    if board.throttled():
        yield Line("warn", "throttling", "the board slows itself down", "better cooling or power supply")


def _station(path: Path) -> Iterator[Line]:
    from edge.model.checks import open_checks

    try:
        config = settings.load(path)
        yield Line("ok", "settings", str(path))
    except EdgeError as err:
        yield Line("fail", "settings", str(err), "correct the file")
        return
    yield from _state_folder(config)
    try:
        for check in open_checks(config, verified=None):
            identity = check.model.identity
            if identity is None:
                yield Line(
                    "warn", "bundle", f"{check.config.bundle}: nothing is taught yet", "cmd/teach/start"
                )
            else:
                yield Line("ok", "bundle", f"{check.config.bundle}: {identity.delegate}")
    except EdgeError as err:
        yield Line("fail", "bundle", str(err), "copy or teach the bundle again")
    for sink in config.sinks:
        if isinstance(sink, settings.MqttSink):
            yield _broker(sink)


def _state_folder(config: settings.Config) -> Iterator[Line]:
    from edge.store.state_folder import writable

    try:
        folder = writable(config.station.state_dir)
    except EdgeError as err:
        yield Line(
            "fail", "state", str(err), f"make it, and give it to this user: chown {config.station.state_dir}"
        )
        return
    free_mb = shutil.disk_usage(folder).free / 1e6
    short = free_mb < max(config.evidence.min_free_mb, config.outbox.min_free_mb)
    remedy = "make room: the floor of free space is reached, so evidence and then results are given up"
    yield Line(
        "warn" if short else "ok", "state", f"{folder}: {free_mb:,.0f} MB free", remedy if short else ""
    )


def _broker(sink: settings.MqttSink) -> Line:
    try:
        with socket.create_connection((sink.host, sink.port), timeout=5):
            return Line("ok", "broker", f"{sink.host}:{sink.port} takes connections")
    except OSError as err:
        remedy = "is it running, and does the firewall let us through? Results are kept until it answers"
        return Line("warn", "broker", f"{sink.host}:{sink.port}: {err.strerror or err}", remedy)
