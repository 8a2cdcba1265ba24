"""Pictures of made-up defects on good parts, with masks and boxes: to train with, and to test what is found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.config import Rectangle
from edge.errors import CaptureError, ConfigError
from edge.geometry import Box, Image
from edge.preprocess.picture import read
from edge.teach.album import thinned
from edge.teach.defects import ANY, KINDS, Damaged, Kind, Severity, damage
from edge.teach.gather import Progress
from edge.teach.grafts import GRAFT, Donor, graft

MOST = 500
"""Of more good pictures than these, so many are used, evenly."""


@dataclass(frozen=True)
class Order:
    """What is to be made; the same order on the same pictures gives the same defects.

    Defects are of all `kinds` in turn, inside the `roi`; `donors` are real defects for the kind `GRAFT`.
    """

    count: int
    kinds: Sequence[str] = KINDS
    severity: Severity = ANY
    seed: int = 0
    roi: Rectangle | None = None
    donors: Sequence[Donor] = ()


@dataclass(frozen=True, eq=False)
class Made:
    """A picture with one made-up defect; `number` counts from 0, and `parent` is the good picture that it is on.

    `box` is around the defect, in pixels. `size` is the square root of its area as a share of the picture's
    shorter side, and `contrast` the mean change, in grey levels.
    """

    number: int
    kind: str
    parent: Path
    good: Image
    damaged: Damaged
    box: Box
    size: float
    contrast: float

    @property
    def name(self) -> str:
        """Tells it from all others of the order."""
        return f"{self.number:06}-{self.kind}"


def readable(paths: Sequence[Path], progress: Progress) -> tuple[list[Path], list[str]]:
    """The pictures that can be used, and why others cannot. Raises `ConfigError` where none can."""
    found: list[Path] = []
    skipped: list[str] = []
    paths = thinned(sorted(paths), MOST)
    for number, path in enumerate(paths):
        progress("reading pictures", number + 1, len(paths))
        try:
            read(path)
        except CaptureError as err:
            skipped.append(str(err))
        else:
            found.append(path)
    if not found:
        raise ConfigError("none of the good pictures can be read\n  " + "\n  ".join(skipped[:10]))
    return found, skipped


def made_up(good: Sequence[Path], order: Order) -> Iterator[Made]:
    """One picture after the other; number 7 is the same however many are asked for.

    Raises `ConfigError` for a kind that is not known, or a `roi` that lies outside a picture.
    """
    check(order)
    for number in range(order.count):
        rng = np.random.default_rng([order.seed, number])
        path = good[int(rng.integers(len(good)))]
        kind = order.kinds[number % len(order.kinds)]
        picture = read(path)
        yield _made(number, kind, path, picture, _damaged(picture, kind, order, rng, path))


def check(order: Order) -> None:
    """Can it be made? Raises `ConfigError`."""
    for kind in order.kinds:
        if kind not in (*KINDS, GRAFT):
            raise ConfigError(f"kinds: there is no '{kind}'; use some of {', '.join((*KINDS, GRAFT))}")
    if not order.kinds:
        raise ConfigError(f"kinds: is empty; use some of {', '.join((*KINDS, GRAFT))}")
    if GRAFT in order.kinds and not order.donors:
        raise ConfigError(
            f"kinds: '{GRAFT}' needs pictures of real defects with their masks: give --donors DIR"
        )


def _damaged(picture: Image, kind: str, order: Order, rng: np.random.Generator, path: Path) -> Damaged:
    height, width = picture.shape[:2]
    roi = order.roi
    if roi is not None and (roi.x_min >= width or roi.y_min >= height):
        raise ConfigError(f"{path}: is {width}×{height}; the region of interest lies outside it")
    if kind == GRAFT:
        return graft(picture, order.donors[int(rng.integers(len(order.donors)))], rng, roi)
    drawn: Kind = next(known for known in KINDS if known == kind)
    return damage(picture, rng, roi, drawn, order.severity)


def _made(number: int, kind: str, parent: Path, good: Image, damaged: Damaged) -> Made:
    mask = damaged.mask
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    change = cv2.absdiff(damaged.picture, good).max(axis=2)[mask]
    return Made(
        number,
        kind,
        parent,
        good,
        damaged,
        Box(left, top, left + width, top + height),
        float(np.sqrt(mask.sum()) / min(mask.shape)),
        float(change.mean()),
    )
