"""The station as systemd sees it."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge.cli.doctor.line import Line

TIMEOUT_S = 8.0
WANTED = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "WatchdogUSec",
    "NRestarts",
    "Result",
    "Type",
)
JOURNAL_LINES = 60


def unit_name(config_path: Path) -> str:
    """The instance that runs a settings file: edge@line-1.service for line-1.toml."""
    return f"edge@{config_path.stem}.service"


def unit_lines(config_path: Path) -> Iterator[Line]:
    """Whether the unit is there, watched, enabled, and well."""
    name = unit_name(config_path)
    said = _ask("systemctl", "show", name, f"--property={','.join(WANTED)}")
    if said is None:
        remedy = "without systemd nothing starts the station again: run it under a supervisor"
        yield Line("warn", "systemd", "does not run here, or cannot be asked", remedy)
        return
    yield from judge_unit(name, dict(line.partition("=")[::2] for line in said.splitlines()))
    yield from _hardware_watchdog()


def judge_unit(name: str, shown: Mapping[str, str]) -> Iterator[Line]:
    """Lines from what `systemctl show` says."""
    if shown.get("LoadState") != "loaded":
        remedy = "install it as docs/operations.md says, if the station is to start with the machine"
        yield Line("warn", "unit", f"{name}: is not installed", remedy)
        return
    state = f"{name}: {shown.get('ActiveState')} ({shown.get('SubState')}), {shown.get('UnitFileState')}"
    restarts = shown.get("NRestarts", "0")
    if shown.get("ActiveState") == "failed":
        remedy = f"journalctl -u {name} says why; then: systemctl reset-failed {name}"
        yield Line("fail", "unit", f"{state}, {shown.get('Result')}", remedy)
    elif restarts not in {"0", ""}:
        yield Line("warn", "unit", f"{state}, restarted {restarts} times", f"journalctl -u {name} says why")
    elif shown.get("UnitFileState") not in {"enabled", "enabled-runtime"}:
        yield Line("warn", "unit", state, f"sudo systemctl enable {name}: it does not start with the machine")
    else:
        yield Line("ok", "unit", state)
    if shown.get("WatchdogUSec") in {"0", "infinity", "", None} or shown.get("Type") != "notify":
        remedy = "use systemd/edge@.service as it is: WatchdogSec=30, Type=notify"
        yield Line("warn", "watchdog", "systemd does not watch the station", remedy)
    else:
        yield Line("ok", "watchdog", f"of systemd, {shown['WatchdogUSec']}")


def journal(config_path: Path) -> list[str]:
    """The last lines of the unit's journal; nothing where there are none, or this user may not read them."""
    options = ("--lines", str(JOURNAL_LINES), "--no-pager", "--quiet", "--output=short-iso", "--no-hostname")
    said = _ask("journalctl", "--unit", unit_name(config_path), *options)
    return [] if said is None else said.splitlines()


def _hardware_watchdog() -> Iterator[Line]:
    said = _ask("systemctl", "show", "--property=RuntimeWatchdogUSec")
    period = "" if said is None else said.strip().partition("=")[2]
    if period in {"", "0", "off", "infinity"}:
        remedy = "RuntimeWatchdogSec=14s in /etc/systemd/system.conf.d/: a frozen board then starts again"
        yield Line("warn", "hardware watchdog", "off", remedy)
    else:
        yield Line("ok", "hardware watchdog", period)


def _ask(program: str, *arguments: str) -> str | None:
    """What a program prints; None where it is not there, fails or does not answer."""
    path = shutil.which(program)
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
