"""A group becomes a class: its pictures go where `edge teach --classes` finds them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from edge.durable import make_folder, replace_file
from edge.errors import ConfigError
from edge.teach.album import FEWEST
from edge.teach.classes.specimens import check_label
from edge.teach.groups.folder import pictures_of


@dataclass(frozen=True)
class Named:
    """What became of a group: pictures that are in the class's folder now, fresh ones, and those that are gone."""

    label: str
    folder: Path
    total: int
    fresh: int
    gone: int

    def lines(self) -> list[str]:
        """For a person."""
        found = [f"{self.folder}: {self.fresh} pictures are new, {self.total} are there"]
        if self.gone:
            found.append(f"{self.gone} more have left the evidence meanwhile (evidence.budget_mb)")
        if self.total < FEWEST:
            found.append(f"a class needs {FEWEST} different pictures at least to be taught")
        return found


def make_class(groups: Path, name: str, label: str, classes: Path) -> Named:
    """Copy the pictures of group `name` into `classes`/`label`. Doing it again changes nothing.

    Raises `ConfigError` where the label cannot be that of a class, where a picture is in another class already,
    and where none of the pictures are left.
    """
    check_label(label)
    if "/" in label or label.startswith("."):
        raise ConfigError(
            f"--name: '{label}' cannot be the name of a folder; leave out '/' and a '.' in front"
        )
    folder = classes / label
    pictures = pictures_of(groups, name)
    wanted = {f"{picture.parent.name}-{picture.name}": picture for picture in pictures}
    _refuse_twice(classes, folder, wanted)
    if not any(picture.exists() or (folder / file).exists() for file, picture in wanted.items()):
        raise ConfigError(f"{groups}: no picture of group {name} is left in the evidence; group it again")
    try:
        make_folder(folder)
        became = Counter(_copied(picture, folder / file) for file, picture in wanted.items())
        total = sum(path.is_file() for path in folder.iterdir())
    except OSError as err:
        raise ConfigError(f"{err.filename or folder}: {err.strerror or err}") from err
    return Named(label, folder, total, became["fresh"], became["gone"])


def _copied(picture: Path, to: Path) -> str:
    """What became of a picture: it is fresh, there already, or gone. Raises `OSError`."""
    if to.exists():
        return "there"
    try:
        content = picture.read_bytes()
    except FileNotFoundError:
        return "gone"
    replace_file(to, content)
    return "fresh"


def _refuse_twice(classes: Path, folder: Path, wanted: dict[str, Path]) -> None:
    others = [path for path in classes.glob("*/*") if path.parent != folder and path.name in wanted]
    if others:
        raise ConfigError(
            f"{others[0]}: {len(others)} of these pictures are of class '{others[0].parent.name}' already; remove"
            " them there, or give the group that name"
        )
