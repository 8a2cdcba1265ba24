"""The pictures of a lesson about classes: a folder for each class, read, told apart, and complained about."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import CaptureError, ConfigError
from edge.geometry import Image
from edge.judge.classification import UNKNOWN
from edge.preprocess.picture import read
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.quality import QualityMeasures, measure
from edge.teach.album import FEWEST, UNREADABLE_SHARE, fingerprint, thinned
from edge.teach.folds import difference_hash

log = logging.getLogger(__name__)

MOST = 100
"""More pictures of a class than these are thinned out evenly, so that memory and time stay bounded."""
MOST_CLASSES = 50
LABEL = re.compile(r"[^\x00-\x1f\x7f]{1,128}")

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Specimen:
    """A picture of a class that can be used. `digest` is of its pixels, `looks` its difference hash."""

    path: Path
    label: str
    digest: bytes
    looks: Bytes
    quality: QualityMeasures


def check_labels(folders: Mapping[str, Sequence[Path]], known: Sequence[str] = ()) -> None:
    """Are these classes that can be taught, beside those that are `known`? Raises `ConfigError`."""
    for label in folders:
        check_label(label)
    labels = {*known, *folders}
    if len(labels) < 2:  # noqa: PLR2004 - what else would there be to tell apart?
        raise ConfigError(
            f"{', '.join(labels) or 'no class'}: one class cannot be told from another;"
            " give a folder for each of two classes at least"
        )
    if len(labels) > MOST_CLASSES:
        raise ConfigError(f"{len(labels)} classes are too many; {MOST_CLASSES} can be taught")


def check_label(label: str) -> None:
    """Can a class be called that? Raises `ConfigError`."""
    if label.lower() == UNKNOWN:
        raise ConfigError(
            f"{label}: cannot be the name of a class: it stands for what is like no class; rename it"
        )
    if not LABEL.fullmatch(label) or label.strip() != label:
        raise ConfigError(
            f"{label!r}: cannot be the name of a class; use 1 to 128 printable characters, no spaces around"
        )


class Specimens:
    """All that were read, class by class, and why others are `skipped`. `known` digests belong to labels."""

    def __init__(self, known: Mapping[bytes, str]) -> None:
        self.used: list[Specimen] = []
        self.skipped: list[str] = []
        self._seen = {digest: f"one that was taught as '{label}'" for digest, label in known.items()}
        self._labels = dict(known)

    def read(self, label: str, paths: Sequence[Path], fewest: int = FEWEST) -> Iterator[int]:
        """Read one class; gives how many are done. Raises `ConfigError` where it will not do."""
        paths = thinned(sorted(paths), MOST)
        unreadable: list[str] = []
        before = len(self.used)
        for number, path in enumerate(paths):
            try:
                picture = read(path)
            except CaptureError as err:
                unreadable.append(str(err))
            else:
                self._add(label, path, picture)
            yield number + 1
        self.skipped += unreadable
        used = len(self.used) - before
        listing = "".join(f"\n  {line}" for line in unreadable[:10])
        if len(unreadable) > UNREADABLE_SHARE * len(paths):
            raise ConfigError(
                f"class '{label}': {len(unreadable)} of {len(paths)} pictures cannot be read;"
                f" look at the folder{listing}"
            )
        if used < fewest:
            raise ConfigError(
                f"class '{label}': {used} different pictures are too few to teach; give at least {fewest}{listing}"
            )

    def _add(self, label: str, path: Path, picture: Image) -> None:
        digest = fingerprint(picture)
        if digest not in self._labels:
            self._labels[digest], self._seen[digest] = label, str(path)
            quality = measure(Pyramid(picture))
            self.used.append(Specimen(path, label, digest, difference_hash(picture), quality))
            return
        sentence = f"{path}: is the same picture as {self._seen[digest]}"
        if self._labels[digest] != label:
            raise ConfigError(f"{sentence}, but of class '{label}'; leave it in one class alone")
        log.warning("not taught: %s", sentence)
        self.skipped.append(sentence)
