"""The pictures that a lesson starts from: read, told apart, and measured."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from edge.errors import CaptureError, ConfigError
from edge.geometry import Image
from edge.preprocess.picture import read, size
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.quality import QualityMeasures, measure
from edge.teach.evenly import evenly

log = logging.getLogger(__name__)

FEWEST = 5
MOST = 1000
"""More pictures than these are thinned out evenly, so that memory and time stay bounded."""
UNREADABLE_SHARE = 0.2
ODD_SHARE = 0.05
"""So few pictures (or one) of another size than all others are a mistake; more of them are how the product is."""


@dataclass(frozen=True)
class Album:
    """The pictures that can be used, by path, and why others cannot. All measured; none kept in memory."""

    paths: tuple[Path, ...]
    measures: tuple[QualityMeasures, ...]
    skipped: tuple[str, ...]


def without(paths: Sequence[Path], drop: Collection[str]) -> list[Path]:
    """All pictures but those that `drop` names: by file name, or with as many folders as tell two apart.

    Raises `ConfigError` for a name that is none of a picture's, or of several.
    """
    dropped = {_named(paths, name) for name in drop}
    return [path for path in paths if path not in dropped]


def collect(
    paths: Sequence[Path],
    visit: Callable[[Path, Image], None],
    progress: Callable[[int, int], None],
    most: int = MOST,
    fewest: int = FEWEST,
    taught: tuple[int, int] | None = None,
) -> Album:
    """Read every picture once; `visit` gets those that are used, in order. More than `most` are thinned out.

    `taught` are width and height that all must have, in pixels: pictures of another size are left out.
    Raises `ConfigError` where too few are left, or too many cannot be read.
    """
    paths, odd = _of_one_size(thinned(paths, most), taught)
    used: list[Path] = []
    measures: list[QualityMeasures] = []
    unreadable: list[str] = []
    seen: dict[bytes, Path] = {}
    twice: list[str] = []
    for number, path in enumerate(paths):
        try:
            picture = read(path)
        except CaptureError as err:
            unreadable.append(str(err))
        else:
            twin = seen.setdefault(fingerprint(picture), path)
            if twin is path:
                measures.append(measure(Pyramid(picture)))
                visit(path, picture)
                used.append(path)
            else:
                twice.append(f"{path}: is the same picture as {twin}")
        progress(number + 1, len(paths))
    _complain(len(paths), used, unreadable, odd, fewest)
    skipped = (*unreadable, *odd, *twice)
    for line in skipped:
        log.warning("not taught: %s", line)
    return Album(tuple(used), tuple(measures), skipped)


def _named(paths: Sequence[Path], name: str) -> Path:
    wanted = Path(name).parts
    found = [path for path in paths if path.parts[-len(wanted) :] == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        listing = "".join(f"\n  {path}" for path in found[:10])
        raise ConfigError(f"{len(found)} pictures are called {name}; give the folder, too:{listing}")
    near = get_close_matches(Path(name).name, [path.name for path in paths], 1)
    raise ConfigError(f"{name}: is none of the pictures" + (f"; did you mean {near[0]}?" if near else ""))


def _of_one_size(paths: list[Path], taught: tuple[int, int] | None) -> tuple[list[Path], list[str]]:
    """The pictures but for odd ones, and a sentence about each of these."""
    sizes = {path: found for path in paths if (found := size(path)) is not None}
    wanted, whose = (taught, "taught ones") if taught is not None else (_usual(sizes), "others")
    if wanted is None:
        return paths, []
    odd = {
        path: f"{path}: is {width}×{height}, but the {whose} are {wanted[0]}×{wanted[1]}"
        for path, (width, height) in sizes.items()
        if (width, height) != wanted
    }
    return [path for path in paths if path not in odd], list(odd.values())


def _usual(sizes: Mapping[Path, tuple[int, int]]) -> tuple[int, int] | None:
    """The size that all pictures have but for a few; None where there is no such size."""
    if not sizes:
        return None
    (usual, count), *_ = Counter(sizes.values()).most_common(1)
    few = max(1, ODD_SHARE * len(sizes))
    return usual if len(sizes) - count <= few and count >= FEWEST - 1 else None


def thinned(paths: Sequence[Path], most: int) -> list[Path]:
    """At most so many of the paths, evenly from the first to the last."""
    return [paths[place] for place in evenly(len(paths), most)]


def fingerprint(picture: Image) -> bytes:
    """The same for the same pixels alone."""
    return hashlib.sha256(picture.tobytes() + repr(picture.shape).encode()).digest()


def _complain(
    given: int, used: Sequence[Path], unreadable: Sequence[str], odd: Sequence[str], fewest: int
) -> None:
    listing = "".join(f"\n  {line}" for line in (*unreadable, *odd)[:10])
    if len(unreadable) > given * UNREADABLE_SHARE:
        raise ConfigError(
            f"{len(unreadable)} of {given} pictures cannot be read; look at the folder{listing}"
        )
    if len(used) == 1 < fewest <= given:
        raise ConfigError(
            f"{used[0]}: all {given} pictures are this same one; look at the camera, or take pictures of other"
            f" parts{listing}"
        )
    if len(used) < fewest:
        raise ConfigError(
            f"{len(used)} different pictures are too few to teach; give at least {fewest} of good parts{listing}"
        )
