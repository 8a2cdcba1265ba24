"""The failed parts of an evidence folder: where each looks wrong, and why others cannot be grouped."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from edge.errors import ConfigError
from edge.geometry import Box
from edge.store import layout
from edge.store.layout import PICTURE, REPORT, Part
from edge.types import Verdict

MOST = 2000
"""The latest so many parts are looked at: 20 s, and 100 MB for the distances between them."""


@dataclass(frozen=True)
class Suspect:
    """A part that failed.

    `region` is its worst one and `area_px` that one's area, in pixels of the `size` (width, height) that was
    judged: the kept picture may have more. None where the model says of the part as a whole that it is bad.
    `truth` are its known defects, where anybody knows them.
    """

    record_id: str
    name: str
    picture: Path
    size: tuple[int, int]
    region: Box | None = None
    area_px: float | None = None
    truth: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Failed:
    """What an evidence folder holds: failed parts, the oldest first; pictures of passes; and what is of no use."""

    suspects: tuple[Suspect, ...]
    passed: tuple[Path, ...]
    skipped: tuple[str, ...]


def find_failed(folder: Path, most: int = MOST) -> Failed:
    """The latest `most` failed parts whose pictures were kept, and as many that passed.

    Raises `ConfigError` where there is no failed part with a picture.
    """
    try:
        epochs = layout.look_through(folder)
    except OSError as err:
        raise ConfigError(f"{folder}: cannot be read: {err.strerror or err}") from err
    parts = [(epoch.folder, part) for epoch in epochs for part in sorted(epoch.size_bytes)]
    failed = [item for item in parts if item[1].verdict is Verdict.FAIL][-most:]
    suspects, skipped = [], []
    for place, part in failed:
        found = _suspect(place, part)
        if isinstance(found, Suspect):
            suspects.append(found)
        else:
            skipped.append(found)
    if not suspects:
        raise ConfigError(_nothing(folder, len(parts), skipped))
    passed = [place / part.file(PICTURE) for place, part in parts if part.verdict is Verdict.PASS]
    return Failed(tuple(suspects), tuple(path for path in passed if path.exists())[-most:], tuple(skipped))


def _nothing(folder: Path, parts: int, skipped: Sequence[str]) -> str:
    if not parts:
        return f"{folder}: holds no evidence; give the folder 'evidence' of a station's state_dir"
    if not skipped:
        return f"{folder}: holds the evidence of {parts} parts, and none of them failed"
    return f"{folder}: holds no failed part that could be grouped\n  " + "\n  ".join(skipped[:10])


def _suspect(folder: Path, part: Part) -> Suspect | str:
    """The part, or why there is nothing to look at."""
    picture, report = folder / part.file(PICTURE), folder / part.file(REPORT)
    if not picture.exists():
        return f"{report}: has no picture beside it"
    try:
        said: dict[str, Any] = json.loads(report.read_bytes())
        regions = [region for check in said["checks"] for region in check["regions"]]
        worst = max(regions, key=lambda region: region["peak"], default=None)
        width, height = said["camera"]["size"]
        box = None if worst is None else Box(*map(float, worst["box"]))
        if min(width, height) < 1 or not all(map(isfinite, box or ())):
            return f"{report}: its picture is {width}×{height}, its region {worst}: that cannot be"
        return Suspect(
            str(said["id"]),
            str(said["part_id"] or f"frame {said['sequence']}"),
            picture,
            (int(width), int(height)),
            box,
            None if worst is None else float(worst["area_px"]),
            None if said["truth"] is None else tuple(str(defect["label"]) for defect in said["truth"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as err:
        return f"{report}: is no report of a part: {err!r}"
