"""A belt of parts as a poor detector sees it: boxes that are missing, wrong, double, or where nothing is."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import thread_time

import numpy as np

from edge.config.track import Track
from edge.geometry import Box
from edge.judge.track.follow import Complete, Follower
from edge.sources.belt import Carried, carried, load, part_px

WIDTH, HEIGHT = 640, 480
VIEW = Box(0, 0, WIDTH, HEIGHT)
LINE = 384
SEEN_SHARE = 0.3
"""A detector finds a part of which so much is in view …"""
MOST_IOU = 0.45
"""… unless it has found another that covers as much of it: its suppression takes the second for a double."""


@dataclass(frozen=True)
class Belt:
    """What runs by: `overlaps` is the share of parts that lie on the one before in part."""

    parts: int = 40
    speed_px_s: float = 300.0
    lanes: int = 1
    overlaps: float = 0.3
    steady: bool = False
    rate_hz: float = 30.0


@dataclass(frozen=True)
class Noise:
    """How bad the detector is.

    Attributes:
        missed: Share of the boxes that are missing.
        jitter: How far each edge of a box is off, in lengths of the part: one standard deviation.
        false: Boxes where nothing is, in each frame.
        double: Share of the boxes that come twice.
        dropped: Share of the frames that are missing.
    """

    missed: float = 0.1
    jitter: float = 0.03
    false: float = 0.1
    double: float = 0.05
    dropped: float = 0.0


@dataclass(frozen=True)
class Counted:
    """What came of a run: each part that was told, and whose boxes the last ones were that it was told from."""

    complete: tuple[Complete, ...]
    owners: tuple[tuple[int, ...], ...]
    frames: int
    seconds: float
    """Of the processor's time, for following alone."""

    @property
    def mixed(self) -> int:
        """Parts whose last five boxes were not all of the same one."""
        return sum(len(set(owners)) > 1 for owners in self.owners)


def count(seed: int, belt: Belt, noise: Noise) -> Counted:
    """Follow all parts of a belt through the view."""
    follower = Follower(Track(label="part", report_at=LINE))
    boxes_of: dict[int, list[int]] = {}
    complete: list[Complete] = []
    owners: list[tuple[int, ...]] = []
    seen, spent = 0, 0.0
    for seconds, parts, boxes in frames(seed, belt, noise):
        seen += 1
        start = thread_time()
        step = follower.look(boxes, round(seconds * 1e9), VIEW)
        spent += thread_time() - start
        for place, number in step.seen.items():
            boxes_of.setdefault(number, []).append(_owner(boxes[place], parts))
        complete += step.complete
        owners += [tuple(boxes_of[told.number][-5:]) for told in step.complete]
    return Counted(tuple(complete), tuple(owners), seen, spent)


def frames(seed: int, belt: Belt, noise: Noise) -> Iterator[tuple[float, list[Carried], list[Box]]]:
    """The time of each frame in seconds, the parts that are in view, and the boxes that are found."""
    laid = load(
        seed, belt.parts, WIDTH, HEIGHT, belt.speed_px_s, belt.lanes, belt.overlaps, steady=belt.steady
    )
    rng = np.random.default_rng((seed, 9))
    for frame in range(int((laid.seconds + 1) * belt.rate_hz)):
        if rng.random() < noise.dropped:
            continue
        parts = carried(laid, frame / belt.rate_hz)
        yield frame / belt.rate_hz, parts, _found(rng, parts, noise, part_px(WIDTH, HEIGHT, belt.lanes))


def _found(rng: np.random.Generator, parts: list[Carried], noise: Noise, length: float) -> list[Box]:
    shown: list[Box] = []
    for part in parts:
        seen = part.box.intersection(VIEW)
        hidden = any(seen.iou(other) > MOST_IOU for other in shown)
        if seen.area >= SEEN_SHARE * part.box.area and not hidden:
            shown.append(seen)
    boxes = [
        _off(rng, seen, noise.jitter * length)
        for seen in shown
        if rng.random() >= noise.missed
        for _ in range(2 if rng.random() < noise.double else 1)
    ]
    for _ in range(rng.poisson(noise.false)):
        x, y, width, height = rng.random(4) * (WIDTH, HEIGHT, length, length)
        boxes.append(Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2).intersection(VIEW))
    return [boxes[place] for place in rng.permutation(len(boxes)) if boxes[place].area > 0]


def _off(rng: np.random.Generator, box: Box, jitter_px: float) -> Box:
    return Box(
        *(edge + off for edge, off in zip(box, rng.normal(0, jitter_px, 4), strict=True))
    ).intersection(VIEW)


def _owner(box: Box, parts: list[Carried]) -> int:
    """The number of the part that a box shows; 0 where it shows none."""
    best = max(parts, key=lambda part: part.box.intersection(VIEW).iou(box), default=None)
    return best.number if best is not None and best.box.intersection(VIEW).iou(box) > SEEN_SHARE else 0
