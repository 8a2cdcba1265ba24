"""A file to attach to an issue: what the doctor saw, with nothing in it that names the plant."""

import json
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from edge import __version__
from edge.cli.doctor import camera, machine, unit
from edge.cli.doctor.line import Line, text
from edge.cli.doctor.privacy import cleaned, private_words, public_settings
from edge.cli.doctor.software import installed
from edge.cli.doctor.unproven import Facts, shown
from edge.config import Config

SCHEMA = "edge.doctor/1"
CONTENT = (
    "the report will hold: versions of Python, kernel, system and packages; the board's model; cameras' names; "
    "the lines above; times of the model; the settings' numbers and choices, without any name, address, path or "
    "secret; the last lines of the unit's journal, cleaned of the same. Read it before you attach it"
)


def compose(
    config: Config | None, path: Path | None, lines: Sequence[Line], figures: Mapping[str, float]
) -> dict[str, Any]:
    """Everything that the report holds, as JSON."""
    words = {} if config is None or path is None else private_words(config, path)
    board = machine.board_model()
    return {
        "schema": SCHEMA,
        "edge_inspect": __version__,
        "board": board,
        "machine": platform.machine(),
        "system": _system(),
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "packages": _packages(),
        "cameras": camera.seen(),
        "backbone": dict(figures),
        "shows": shown(Facts(board, platform.machine(), config, lines)),
        "lines": [_cleaned_line(line, words) for line in lines],
        "settings": None if config is None else public_settings(config),
        "journal": [] if path is None else [cleaned(line, words) for line in unit.journal(path)],
    }


def page(report: Mapping[str, Any]) -> str:
    """The report as Markdown: the lines for people, then all of it for programs."""
    lines = "\n".join(text(Line(**line)) for line in report["lines"])
    head = (
        f"edge-inspect {report['edge_inspect']} on {report['board']}, {report['system']}, {report['kernel']}"
    )
    everything = json.dumps(report, indent=1, ensure_ascii=False)
    return f"# edge doctor\n\n{head}\n\n```\n{lines}\n```\n\n```json\n{everything}\n```\n"


def _cleaned_line(line: Line, words: Mapping[str, str]) -> dict[str, str]:
    found, remedy = cleaned(line.found, words), cleaned(line.remedy, words)
    return line._replace(found=found, remedy=remedy)._asdict()


def _packages() -> dict[str, str]:
    """Versions of what edge-inspect can use; which others there are is nobody's business."""
    try:
        wanted = requires("edge-inspect") or []
    except PackageNotFoundError:
        wanted = []
    names = sorted({re.split(r"[^A-Za-z0-9._-]", wish, maxsplit=1)[0] for wish in wanted})
    return {name: number for name in names if (number := installed(name)) is not None}


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()
