"""The films of the caps set: bottles on a conveyor that stops and starts, counted by their boxes."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from accuracy_sets import Absent, folder_of

from edge.config.track import Direction, Track
from edge.geometry import Box
from edge.judge.track.follow import Complete, Follower
from edge.model.bundle import load
from edge.model.runner import open_model
from edge.prediction import Detections
from edge.preprocess.picture import read
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.view import view

SIDE_PX = 480
RATE_HZ = 30.0
"""The films' own is not known: only how long a bottle may be unseen depends on it."""
CUT_S = 2.0
"""Where more is missing of a film, what comes then is another: nobody can say which bottle is which."""
SPLITS = ("train", "valid", "test")
BOTTLE = 0
CROSSING = {
    "IMG_2662": 4, "IMG_4818": 0, "IMG_4820": 4, "IMG_4821": 4, "IMG_4822": 4, "IMG_4823": 5, "IMG_4824": 5,
    "IMG_4825": 4, "IMG_4826": 5, "IMG_4827": 4,
    "document_5303551021555925004": 5, "document_5303551021555925005": 7,
}  # fmt: skip
"""Bottles that cross the line, counted by eye where each film's boxes are drawn over its frame numbers."""
LEFT: tuple[Direction, int] = ("left", round(0.3 * SIDE_PX))
RIGHT: tuple[Direction, int] = ("right", round(0.7 * SIDE_PX))
VIEW = Box(0, 0, SIDE_PX, SIDE_PX)
LEAST_SCORE = 0.5


@dataclass(frozen=True)
class Still:
    """A frame of a film that is in the set, and the true boxes of its bottles."""

    number: int
    split: str
    picture: Path

    @property
    def bottles(self) -> list[Box]:
        """In pixels."""
        labels = self.picture.with_suffix(".txt")
        rows = labels.read_text().splitlines() if labels.exists() else []
        boxes = [tuple(map(float, row.split())) for row in rows]
        return [
            Box(*(SIDE_PX * edge for edge in (x - width / 2, y - height / 2, x + width / 2, y + height / 2)))
            for kind, x, y, width, height in boxes
            if kind == BOTTLE
        ]


Finder = Callable[[Still], list[Box]]


def films() -> dict[str, list[Still]]:
    """The frames of each film that are in the set, in order; its three splits are of the same films."""
    found: dict[str, list[Still]] = {}
    for split in SPLITS:
        for picture in sorted((folder_of("caps") / split).glob("*.jpg")):
            named = re.fullmatch(r"(.+)_(?:MOV|mp4)-(\d+)", picture.stem)
            if named is not None:
                found.setdefault(named[1], []).append(Still(int(named[2]), split, picture))
    return {name: sorted(stills, key=lambda still: still.number) for name, stills in sorted(found.items())}


def report(bundle: Path | None) -> None:
    """Print the counts of each film."""
    try:
        every = films()
    except Absent as err:
        print(f"\ncaps: {err}")
        return
    stills = sum(len(film) for film in every.values())
    gaps = max(later.number - still.number for film in every.values() for still, later in pairwise(film))
    print(
        f"\nFilms of the caps set: {stills} frames of {len(every)} films, in the order of their numbers; it has"
    )
    print(
        f"about every second frame; up to {gaps} in a row are missing. Taken as {RATE_HZ:g} frames a second."
    )
    _table("true boxes, all splits", every, lambda still: still.bottles)
    held_out = {name: [still for still in film if still.split != "train"] for name, film in every.items()}
    _table("true boxes, valid and test only", held_out, lambda still: still.bottles)
    if bundle is not None:
        find = _Detector(bundle)
        _table(f"{bundle.name}, all splits (it may have been trained on 'train')", every, find)
        _table(f"{bundle.name}, valid and test only", held_out, find)


def _table(name: str, every: Mapping[str, list[Still]], find: Finder) -> None:
    print(f"\n{name}\n{'film':<32}{'frames':>7}{'largest gap':>13}{'true':>6}{'told':>6}{'error':>7}")
    total = 0
    for film, stills in every.items():
        told = _count(film, stills, find)
        error = abs(len(told) - CROSSING[film])
        total += error
        gap = max(later.number - still.number for still, later in pairwise(stills))
        others = ", ".join(complete.how.value for complete in told if complete.how.value != "crossed")
        print(f"{film:<32}{len(stills):>7}{gap:>13}{CROSSING[film]:>6}{len(told):>6}{error:>7}  {others}")
    print(f"{'all':<32}{'':>20}{sum(CROSSING.values()):>6}{'':>6}{total:>7}")


def _count(film: str, stills: list[Still], find: Finder) -> list[Complete]:
    direction, line = LEFT if film.startswith("IMG") else RIGHT
    config = Track(label="Bottle", direction=direction, report_at=line)
    told: list[Complete] = []
    for stretch in _stretches(stills):
        follower = Follower(config)
        for still in stretch:
            step = follower.look(find(still), round(still.number / RATE_HZ * 1e9), VIEW)
            told += step.complete
    return told


def _stretches(stills: list[Still]) -> Iterator[list[Still]]:
    """The film, cut where too much of it is missing."""
    stretch: list[Still] = []
    for still in stills:
        if stretch and still.number - stretch[-1].number > CUT_S * RATE_HZ:
            yield stretch
            stretch = []
        stretch.append(still)
    yield stretch


class _Detector:
    """Finds bottles with a bundle of task detection."""

    def __init__(self, folder: Path) -> None:
        bundle = load(folder)
        self._model = open_model(bundle)

    def __call__(self, still: Still) -> list[Box]:
        """The boxes of its bottles, in pixels."""
        seen = view(Pyramid(read(still.picture)), self._model.spec)
        found = self._model.decode(self._model.run(seen), seen)
        if not isinstance(found, Detections):
            raise SystemExit("--bundle: is no detector; name a bundle whose task is 'detection'")
        return [thing.box for thing in found.found if thing.label == "Bottle" and thing.score >= LEAST_SCORE]
