"""Groups on the disk: a page, a contact sheet for each group, and which part is in which.

folder/index.html      all groups, with the command that makes each a class
folder/group-3.jpg     the contact sheet of a group
folder/groups.json     the last to be written, so that where it is, all is
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.durable import make_folder, replace_file
from edge.errors import CaptureError, ConfigError
from edge.geometry import Image
from edge.store.layout import Part
from edge.store.overlay import encode_jpeg, scaled
from edge.store.sheet import Exhibit, contact_sheet, kept_exhibit
from edge.teach.evenly import evenly
from edge.teach.groups.grouping import LOOSE, PASSED, Group, Grouping
from edge.teach.groups.page import groups_html
from edge.types import Verdict

SCHEMA = "edge.groups/1"
RECORD, PAGE = "groups.json", "index.html"
OURS = re.compile(r"groups\.json|index\.html|group-(?:[0-9]+|loose)\.jpg")
SHOWN, COLUMNS = 12, 3
"""Parts on the sheet of a group, and how many side by side."""
PAGE_PX, PAGE_QUALITY = 1000, 72
"""Width and quality of a sheet on the page: 100 kB each."""


def write_groups(grouping: Grouping, folder: Path) -> None:
    """Write them, in the place of earlier ones. Raises `ConfigError` where the folder holds anything else."""
    try:
        _clear(folder)
        thumbnails: dict[str, bytes] = {}
        for group in grouping.groups:
            sheet = _sheet(group)
            replace_file(folder / f"group-{group.name}.jpg", encode_jpeg(sheet, 88))
            small = scaled(sheet, min(1.0, PAGE_PX / sheet.shape[1]))
            thumbnails[group.name] = encode_jpeg(small, PAGE_QUALITY)
        replace_file(folder / PAGE, groups_html(grouping, folder, thumbnails).encode())
        replace_file(folder / RECORD, json.dumps(to_json(grouping), indent=1).encode())
    except OSError as err:
        raise ConfigError(f"{folder}: cannot be written: {err.strerror or err}") from err


def pictures_of(folder: Path, name: str) -> list[Path]:
    """The pictures of a group, of `LOOSE` parts, or of parts that `PASSED`.

    Raises `ConfigError` where there are no groups, or none of that name.
    """
    path = folder / RECORD
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
        if record["schema"] != SCHEMA:
            raise ConfigError(
                f"{path}: has schema '{record['schema']}', not '{SCHEMA}'; group the evidence again"
            )
        groups = {group["name"]: [part["picture"] for part in group["parts"]] for group in record["groups"]}
        groups[PASSED] = record["passed"]
        evidence = Path(record["evidence"])
    except FileNotFoundError as err:
        raise ConfigError(
            f"{folder}: holds no groups; make them with: edge cluster EVIDENCE --out {folder}"
        ) from err
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ConfigError(f"{path}: is damaged: {err!r}; group the evidence again") from err
    if name not in groups:
        raise ConfigError(f"--name: there is no group '{name}'; there are {', '.join(groups)}")
    return [evidence / picture for picture in groups[name]]


def to_json(grouping: Grouping) -> dict[str, Any]:
    """All that is known of the groups; pictures are named as they lie in the evidence folder."""
    evidence = grouping.evidence.resolve()
    return {
        "schema": SCHEMA,
        "evidence": str(evidence),
        "method": grouping.method,
        "silhouette": None if grouping.silhouette is None else round(grouping.silhouette, 4),
        "adjusted_rand": None if grouping.agreement is None else round(grouping.agreement, 4),
        "groups": [
            {
                "name": group.name,
                "known": dict(group.known().most_common()),
                "parts": [
                    {
                        "id": suspect.record_id,
                        "part": suspect.name,
                        "picture": str(suspect.picture.relative_to(grouping.evidence)),
                        "region": None if suspect.region is None else list(suspect.region),
                    }
                    for suspect in group.suspects
                ],
            }
            for group in grouping.groups
        ],
        "passed": [str(path.relative_to(grouping.evidence)) for path in grouping.passed],
        "skipped": list(grouping.skipped),
    }


def _clear(folder: Path) -> None:
    make_folder(folder)
    names = sorted(path.name for path in folder.iterdir())
    strangers = [name for name in names if not OURS.fullmatch(name)]
    if strangers:
        raise ConfigError(
            f"{folder}: holds {strangers[0]}, which is not of groups; give --out another folder"
        )
    for name in sorted(names, key=lambda name: name != RECORD):  # the record first: it vouches for the rest
        (folder / name).unlink()


def _sheet(group: Group) -> Image:
    """Evenly from the most typical part to the oddest."""
    shown = [group.suspects[place] for place in evenly(len(group.suspects), SHOWN)]
    exhibits = [found for suspect in shown if (found := _exhibit(suspect.picture)) is not None]
    title = "fit nowhere" if group.name == LOOSE else f"group {group.name}"
    return contact_sheet(
        exhibits, COLUMNS, f"{title}: {_parts(len(group.suspects))}", _words(exhibits, group)
    )


def _words(exhibits: Sequence[Exhibit], group: Group) -> str:
    if len(exhibits) == len(group.suspects):
        return "from the most typical to the oddest · picture and anomaly map of each part"
    return f"{len(exhibits)} of them, from the most typical to the oddest · picture and anomaly map"


def _parts(count: int) -> str:
    return f"{count} part{'s' * (count != 1)}"


def _exhibit(picture: Path) -> Exhibit | None:
    """None where the evidence has had to go meanwhile."""
    number, verdict = picture.stem.split("-", 1)
    try:
        return kept_exhibit(picture.parent, Part(int(number), Verdict(verdict)))
    except (OSError, ValueError, CaptureError):
        return None
