"""The pictures of a lesson as the backbone sees them: what is kept is bounded, however many there are."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from edge.config import Rectangle
from edge.errors import CaptureError, ConfigError, InferenceError
from edge.geometry import Image, Mask
from edge.preprocess.picture import read
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.quality import QualityMeasures
from edge.teach.album import FEWEST, Album, collect
from edge.teach.contest import Sample, belonging
from edge.teach.defects import Damaged, damage
from edge.teach.evenly import evenly
from edge.teach.examples import Look
from edge.teach.eye import Eye, Seen
from edge.teach.notebook import Notebook
from edge.teach.record import LONGEST_PX

MOST_TILES = 1000
"""Seen in a lesson; 53 kB each, for each eye."""
COMPARED = 32
"""Pictures that candidates are compared with, and about as many with made-up defects."""
MOST_COPIES = 4

Progress = Callable[[str, int, int], None]
"""Stage, how much is done, and of how much."""


@dataclass(eq=False)
class Gathered:
    """What was seen of the good pictures, and what is known of them, in the same order; for each eye.

    `paths` is None for pictures of earlier lessons. `parents` are the good pictures that the made-up defects are
    on; `exhibits` show each, reduced, with its mask. `looks` are examples of earlier lessons, and
    `golden` their golden pictures.
    """

    names: tuple[str, ...]
    paths: tuple[Path | None, ...]
    measures: tuple[QualityMeasures, ...]
    skipped: tuple[str, ...]
    good: Mapping[Eye, Sequence[Seen]]
    damaged: Mapping[Eye, Sequence[Seen]] = field(default_factory=dict)
    bad: Mapping[Eye, Sequence[Seen]] = field(default_factory=dict)
    bad_paths: Sequence[Path] = ()
    parents: Sequence[int] = ()
    exhibits: Sequence[tuple[Image, Mask]] = ()
    looks: Sequence[Look] = ()
    golden: Mapping[str, Image] = field(default_factory=dict)

    @classmethod
    def of(cls, album: Album, good: Mapping[Eye, Sequence[Seen]]) -> Self:
        """From pictures that were just read."""
        names = tuple(path.name for path in album.paths)
        return cls(names, album.paths, album.measures, album.skipped, good)

    @property
    def at_hand(self) -> list[int]:
        """Which of the pictures can be read again."""
        return [place for place, path in enumerate(self.paths) if path is not None]

    def sample(self, eye: Eye, strides_px: tuple[int, ...], pictures: Sequence[int] | None = None) -> Sample:
        """Cells at these strides, as the eye saw them; of these good pictures alone, and what belongs to them."""
        taps, seen = eye.taps(strides_px), self.good[eye]
        chosen = range(len(seen)) if pictures is None else pictures
        mine, parents = belonging(self.parents, chosen)
        good = np.stack([seen[picture].cells(taps) for picture in chosen])
        damaged, bad = (
            np.array([one.cells(taps) for one in kept], np.float32).reshape(-1, *good.shape[1:])
            for kept in ([self.damaged[eye][number] for number in mine], self.bad.get(eye, ()))
        )
        return Sample(good, damaged, parents, bad, seen[0].layout)

    def compared(self) -> list[int]:
        """Which of the good pictures candidates are compared with: those that have copies with defects."""
        return sorted(set(self.parents))


class Gatherer:
    """Reads pictures once, and looks at each with every eye."""

    def __init__(self, eyes: Sequence[Eye], roi: Rectangle | None, seed: int) -> None:
        self._eyes, self._roi, self._seed = eyes, roi, seed

    def gather(self, good: Sequence[Path], bad: Sequence[Path], tiles: int, progress: Progress) -> Gathered:
        """Raises `ConfigError` where pictures will not do, or do not hold the region of interest."""
        gathered = self.gather_good(good, tiles, progress)
        self._damage(gathered, *_chosen(gathered), progress)
        gathered.bad, gathered.bad_paths = self._bad(bad, progress), bad
        return gathered

    def gather_good(self, good: Sequence[Path], tiles: int, progress: Progress) -> Gathered:
        """Good pictures alone, without defects to choose by. Raises like `gather`."""
        most = max(1, MOST_TILES // tiles**2)
        seen: dict[Eye, list[Seen]] = {eye: [] for eye in self._eyes}

        def visit(path: Path, picture: Image) -> None:
            for eye, found in self._look(path, picture).items():
                seen[eye].append(found)

        album = collect(good, visit, lambda done, total: progress("reading pictures", done, total), most)
        return Gathered.of(album, seen)

    def add(
        self,
        old: Notebook,
        drop: Collection[str],
        good: Sequence[Path],
        bad: Sequence[Path],
        progress: Progress,
    ) -> Gathered:
        """The pictures of an earlier lesson, but for those to `drop`, and new ones. Raises like `gather`.

        Where some are dropped, there need not be new ones.
        """
        (eye,) = self._eyes
        kept = [place for place, name in enumerate(old.names) if name not in drop]
        known = {_fingerprint(old.seen[place]) for place in kept}
        new: list[Seen] = []
        twins: set[int] = set()

        def visit(path: Path, picture: Image) -> None:
            found = self._look(path, picture)[eye]
            if _fingerprint(found) in known:
                twins.add(len(new))
            new.append(found)

        album = collect(
            good,
            visit,
            lambda done, total: progress("reading pictures", done, total),
            fewest=min(1, len(good)),
            taught=_only_size([old.measures[place] for place in kept]),
        )
        fresh = [place for place in range(len(new)) if place not in twins]
        twice = tuple(f"{album.paths[place]}: is taught already" for place in sorted(twins))
        gathered = Gathered(
            tuple(old.names[place] for place in kept) + tuple(album.paths[place].name for place in fresh),
            (None,) * len(kept) + tuple(album.paths[place] for place in fresh),
            tuple(old.measures[place] for place in kept) + tuple(album.measures[place] for place in fresh),
            (*album.skipped, *twice),
            {eye: [*(old.seen[place] for place in kept), *(new[place] for place in fresh)]},
        )
        if not fresh and (good or not drop):
            raise ConfigError("there is no new picture to add: all are taught already")
        left = len(gathered.names)
        if left < FEWEST:
            raise ConfigError(
                f"only {left} pictures would be left, too few to teach; drop fewer, or add {FEWEST - left} more"
            )
        self._damage(gathered, *_chosen(gathered), progress)
        gathered.bad, gathered.bad_paths = self._bad(bad, progress), bad
        return gathered

    def revisit(self, gathered: Gathered, places: Sequence[int]) -> Gathered:
        """Some of the pictures, and the first made-up defect on each, as other eyes see them."""
        paths = [path for place in places if (path := gathered.paths[place]) is not None]
        good: dict[Eye, list[Seen]] = {eye: [] for eye in self._eyes}
        for path in paths:
            for eye, found in self._look(path, read(path)).items():
                good[eye].append(found)
        again = Gathered.of(Album(tuple(paths), (), ()), good)
        self._damage(again, dict(enumerate(places)), 1, lambda *_: None)
        return again

    def _look(self, path: Path, picture: Image) -> dict[Eye, Seen]:
        if self._roi is not None:
            check_inside(path, picture.shape[1], picture.shape[0], self._roi)
        pyramid = Pyramid(picture)
        try:
            return {eye: eye.look(pyramid) for eye in self._eyes}
        except InferenceError as err:
            raise ConfigError(f"{path}: cannot be looked at: {err}") from err

    def _damage(self, gathered: Gathered, chosen: Mapping[int, int], copies: int, progress: Progress) -> None:
        """Make up defects on the `chosen` pictures, each of which has a number that decides what defects."""
        parents, exhibits = [], []
        seen: dict[Eye, list[Seen]] = {eye: [] for eye in self._eyes}
        for place, number in chosen.items():
            path = gathered.paths[place]
            assert path is not None  # noqa: S101 - it is at hand
            picture = read(path)
            for copy in range(copies):
                rng = np.random.default_rng([self._seed, number, copy])
                damaged = damage(picture, rng, self._roi)
                for eye, found in self._look(path, damaged.picture).items():
                    seen[eye].append(found)
                parents.append(place)
                exhibits.append(self._shown(damaged))
            progress("making up defects", len(parents) // copies, len(chosen))
        gathered.damaged, gathered.parents, gathered.exhibits = seen, parents, exhibits

    def _shown(self, damaged: Damaged) -> tuple[Image, Mask]:
        roi = self._roi
        inside = np.s_[:, :] if roi is None else np.s_[roi.y_min : roi.y_max, roi.x_min : roi.x_max]
        return reduced(damaged.picture[inside]), _reduced_mask(damaged.mask[inside])

    def _bad(self, paths: Sequence[Path], progress: Progress) -> dict[Eye, list[Seen]]:
        seen: dict[Eye, list[Seen]] = {eye: [] for eye in self._eyes}
        for number, path in enumerate(paths):
            try:
                picture = read(path)
            except CaptureError as err:
                raise ConfigError(f"{err}; take it out of the folder of bad parts") from err
            for eye, found in self._look(path, picture).items():
                seen[eye].append(found)
            progress("reading bad parts", number + 1, len(paths))
        return seen


def _only_size(measures: Sequence[QualityMeasures]) -> tuple[int, int] | None:
    """Width and height of pictures, in pixels; None where they have several."""
    sizes = {(measured.width, measured.height) for measured in measures}
    return sizes.pop() if len(sizes) == 1 else None


def _chosen(gathered: Gathered) -> tuple[dict[int, int], int]:
    """The pictures that get made-up defects, each with its number, and how many defects each."""
    at_hand = gathered.at_hand
    some = evenly(len(at_hand), COMPARED)
    return {at_hand[place]: at_hand[place] for place in some}, min(
        MOST_COPIES, max(1, COMPARED // max(1, len(some)))
    )


def reduced(picture: Image) -> Image:
    """The picture, as small as the report shows it."""
    return np.asarray(cv2.resize(picture, _shown_size(picture.shape), interpolation=cv2.INTER_AREA), np.uint8)


def _reduced_mask(mask: Mask) -> Mask:
    """The mask, likewise; what is thin stays."""
    small = cv2.resize(mask.astype(np.float32), _shown_size(mask.shape), interpolation=cv2.INTER_AREA)
    return np.asarray(small > 0, np.bool_)


def _shown_size(shape: tuple[int, ...]) -> tuple[int, int]:
    height, width = shape[:2]
    scale = min(1.0, LONGEST_PX / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def check_inside(path: Path, width: int, height: int, roi: Rectangle) -> None:
    """Does a picture of that size hold the region of interest? Raises `ConfigError`."""
    if roi.x_max > width or roi.y_max > height:
        raise ConfigError(
            f"{path}: is {width}×{height}, but the region of interest is x {roi.x_min}…{roi.x_max},"
            f" y {roi.y_min}…{roi.y_max}; give one that lies inside every picture"
        )


def _fingerprint(seen: Seen) -> bytes:
    digest = hashlib.sha256()
    for tile in seen.outputs:
        for output in tile:
            digest.update(np.ascontiguousarray(output).tobytes())
    return digest.digest()
