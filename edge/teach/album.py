"""The pictures that a lesson starts from: read, told apart, and measured."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import CaptureError, ConfigError
from edge.preprocess.picture import read
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.quality import QualityMeasures, measure
from edge.types import Image

log = logging.getLogger(__name__)

FEWEST = 5
MOST = 1000
"""More pictures than these are thinned out evenly, so that memory and time stay bounded."""
UNREADABLE_SHARE = 0.2


@dataclass(frozen=True)
class Album:
    """The pictures that can be used, by path, and why others cannot. All measured; none kept in memory."""

    paths: tuple[Path, ...]
    measures: tuple[QualityMeasures, ...]
    skipped: tuple[str, ...]


def collect(
    paths: Sequence[Path], visit: Callable[[Path, Image], None], progress: Callable[[int, int], None]
) -> Album:
    """Read every picture once; `visit` gets those that are used, in order.

    Raises `ConfigError` where too few are left, or too many cannot be read.
    """
    paths = _thinned(paths)
    used: list[Path] = []
    measures: list[QualityMeasures] = []
    unreadable: list[str] = []
    seen: dict[str, Path] = {}
    twice: list[str] = []
    for number, path in enumerate(paths):
        try:
            picture = read(path)
        except CaptureError as err:
            unreadable.append(str(err))
        else:
            twin = seen.setdefault(_fingerprint(picture), path)
            if twin is path:
                measures.append(measure(Pyramid(picture)))
                visit(path, picture)
                used.append(path)
            else:
                twice.append(f"{path}: is the same picture as {twin}")
        progress(number + 1, len(paths))
    _complain(len(paths), len(used), unreadable)
    for line in (*unreadable, *twice):
        log.warning("not taught: %s", line)
    return Album(tuple(used), tuple(measures), (*unreadable, *twice))


def _thinned(paths: Sequence[Path]) -> list[Path]:
    places = (
        np.linspace(0, len(paths) - 1, MOST).round().astype(int) if len(paths) > MOST else range(len(paths))
    )
    return [paths[place] for place in places]


def _fingerprint(picture: Image) -> str:
    return hashlib.sha256(picture.tobytes() + repr(picture.shape).encode()).hexdigest()


def _complain(given: int, used: int, unreadable: Sequence[str]) -> None:
    listing = "".join(f"\n  {line}" for line in unreadable[:10])
    if len(unreadable) > given * UNREADABLE_SHARE:
        raise ConfigError(
            f"{len(unreadable)} of {given} pictures cannot be read; look at the folder{listing}"
        )
    if used < FEWEST:
        raise ConfigError(
            f"{used} different pictures are too few to teach; give at least {FEWEST} of good parts{listing}"
        )
