"""What is on a product's shelf, and which version is active: for `edge teach`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edge.errors import BundleError

if TYPE_CHECKING:
    from edge.model.versions import Version


class Answer(NamedTuple):
    """What a command says: lines for a person, or a JSON object."""

    lines: list[str]
    facts: dict[str, Any]


def list_versions(shelf: Path) -> Answer:
    """The versions, the oldest first. Raises `BundleError` where there are none."""
    from edge.model.bundle import read_manifest

    found = _versions(shelf)
    lines, facts = [], []
    for version in found:
        fact: dict[str, Any] = {
            "version": version.number,
            "active": version.active,
            "folder": str(version.folder),
        }
        try:
            manifest = read_manifest(version.folder)
            fact |= {"name": manifest.name, "task": manifest.task, "created": manifest.created.isoformat()}
            told = f"{manifest.created:%Y-%m-%d %H:%M}  {manifest.task}  {manifest.name}"
        except BundleError as err:
            fact |= {"trouble": str(err)}
            told = str(err)
        lines.append(f"{'*' if version.active else ' '} {version.number:>4}  {told}")
        facts.append(fact)
    return Answer(lines, {"shelf": str(shelf), "versions": facts})


def undo(shelf: Path) -> Answer:
    """Go back to the version that was active before. Raises `BundleError`, and `DeviceError` if it is in use."""
    from edge.model.versions import Shelf

    _versions(shelf)
    with Shelf(shelf) as held:
        return _turned(held.undo())


def activate(shelf: Path, number: int) -> Answer:
    """Make a version the active one. Raises `BundleError`, and `DeviceError` if the shelf is in use."""
    from edge.model.versions import Shelf

    _versions(shelf)
    with Shelf(shelf) as held:
        return _turned(held.activate(number))


def active(shelf: Path) -> str:
    """A clause for a person: which version is active."""
    from edge.model.versions import versions

    found = [version.number for version in versions(shelf) if version.active]
    return f"version {found[0]} is active" if found else "no version is active"


def _versions(shelf: Path) -> "tuple[Version, ...]":
    from edge.model.versions import versions

    found = versions(shelf)
    if not found:
        raise BundleError(
            f"{shelf}: holds no versions; teach one with --good, or say with --out where they are"
        )
    return found


def _turned(folder: Path) -> Answer:
    number = int(folder.name)
    lines = [f"version {number} is active", "a running station takes it when it is started again"]
    return Answer(lines, {"active": number, "folder": str(folder)})
