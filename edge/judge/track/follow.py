"""Following parts on a belt from box to box, and saying when each is complete. Geometry alone, without pixels.

A part is counted when its middle crosses the line: in the frame in which it must be there, seen or not, and once,
whatever the belt does then. What was on its way to the line and is gone, or is first seen beyond it, is told, too:
no part leaves in silence.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import hypot, log
from statistics import median
from typing import NamedTuple

import numpy as np

from edge.config.track import Track
from edge.geometry import Box
from edge.judge.track.assign import assign
from edge.judge.track.motion import Motion, Place, completed, in_frame, on_belt, surprise

SURE = 0.2
"""A box so near to where a part should be, in lengths and widths of the part, may be its own, …"""
NEAR_DOUBTS, FAR_DOUBTS = 1.0, 2.5
"""… and farther by so many standard deviations of that place: at first, and where nothing else tells more, …"""
WITH_BELT, ALONE = 0.45, 1.0
"""… but never farther than so much: where the belt's movement is known from other parts, and where it is not."""
UNLIKE = 0.6
"""A box of e times the size, or a part of it, is as unlikely as one that lies so many lengths away."""
LEAP = 0.6
"""A lane that moves so far against what its speed says, in lengths, has to explain one box more for it."""
TRIED = 64
"""Movements of a lane that are looked at: the smallest."""
TRAVEL = 0.5
"""What has not come so far, in its lengths, is no part: a stain on the belt or the lens."""
RETURNED = 0.25
"""What is first seen so near the far end of the view, in its lengths, has come back."""
SAME_IOU, SAME_SHARE = 0.5, 0.75
"""Two boxes show one part that have so much in common, or where so much of one lies in the other."""
YOUNG_MISSES = 3
"""What was seen in too few frames to be a part is given up after so many without it."""


class How(StrEnum):
    """Why a part is complete."""

    CROSSED = "crossed"
    LATE = "late"
    """It is beyond the line, and was never seen before it."""
    LOST = "lost"
    """It was on its way to the line, and is not seen any more."""


class Complete(NamedTuple):
    """A part whose verdict is due."""

    number: int
    how: How


@dataclass(frozen=True)
class Step:
    """What a frame has changed.

    Attributes:
        seen: The number of the part that a box shows, by the box's place in what was given.
        complete: Whose verdicts are due now.
        gone: Of whom nothing will be heard again.
    """

    seen: dict[int, int] = field(default_factory=dict)
    complete: tuple[Complete, ...] = ()
    gone: tuple[int, ...] = ()


@dataclass(eq=False)
class Followed:
    """Something that is followed, and may turn out to be a part. Places are along the belt, in pixels."""

    number: int
    motion: Motion
    born: float
    seen_at: float
    seen_ns: int
    seen_frames: int = 1
    unseen_frames: int = 0
    misses: int = 0
    """Frames without it, in a row."""
    off: float = 0.0
    """How far it was from where its speed would have had it, when it was seen last."""
    is_part: bool = False
    told: bool = False
    """Its verdict was due already, or it had left the view once."""


class _Sight:
    """The boxes of a frame, and whose they are."""

    def __init__(self, boxes: Sequence[Box], places: list[Place]) -> None:
        self.boxes = boxes
        self.places = places
        self.owners: dict[int, int] = {}
        self.free = list(range(len(boxes)))

    def give(self, box: int, number: int) -> None:
        """This box, and all others that show the same, are taken."""
        self.owners[box] = number
        mine = self.boxes[box]
        self.free = [other for other in self.free if other != box and not _same(self.boxes[other], mine)]


class Follower:
    """The parts in view. For one thread; times are `time.monotonic_ns`."""

    def __init__(self, config: Track) -> None:
        self._direction = config.direction
        backwards = config.direction in {"left", "up"}
        self._line = float(-config.report_at if backwards else config.report_at)
        self._gap_ns = round(config.longest_gap_s * 1e9)
        self._seen_frames = config.seen_frames
        self._tracks: list[Followed] = []
        self._count = 0
        self._began_ns: int | None = None
        self._now_ns = 0

    def boxes(self) -> dict[int, Box]:
        """Where each is now, in frame pixels, by its number."""
        return {track.number: in_frame(track.motion.place, self._direction) for track in self._tracks}

    def blind(self, at_ns: int, view: Box) -> Step:
        """A frame in which nothing could be seen: parts are where their speed has taken them."""
        self._let_pass(at_ns)
        belt = on_belt(view, self._direction)
        gone = self._gone(belt)
        return Step({}, self._conclude(self._tracks, belt, gone), _numbers(gone))

    def look(self, boxes: Sequence[Box], at_ns: int, view: Box) -> Step:
        """A frame with these boxes of parts, in which `view` could be seen."""
        seconds = self._let_pass(at_ns)
        belt = on_belt(view, self._direction)
        expired = self._expired()
        complete = self._conclude(expired, belt, expired)
        sight = _Sight(boxes, [on_belt(box, self._direction) for box in boxes])
        parts = [track for track in self._tracks if track.is_part]
        # Parts first, lest a false box take what is theirs; and of those, first the ones whose place is sure: they
        # show how the belt has moved, and the others have moved with it.
        if surprise(seconds) > SURE:
            for lane in _lanes(self._tracks):
                _move(lane, sight, belt, surprise(seconds))
        self._match(parts, sight, belt, NEAR_DOUBTS)
        met = _met(parts, sight)
        rest = [track for track in self._tracks if track not in met]
        self._match([track for track in rest if track.is_part], sight, belt, FAR_DOUBTS, met)
        self._match([track for track in rest if not track.is_part], sight, belt, FAR_DOUBTS, met)
        self._miss(sight)
        while sight.free:
            box = sight.free[0]
            sight.give(box, self._bear(sight.places[box], belt))
        joined = self._join_doubles()
        gone = self._gone(belt)
        complete += self._conclude(self._tracks, belt, gone)
        return Step(sight.owners, complete, _numbers(expired) + joined + _numbers(gone))

    def _let_pass(self, at_ns: int) -> float:
        if self._began_ns is None:
            self._began_ns = self._now_ns = at_ns
        # However long nothing came, a part is not looked for where it cannot be any more.
        seconds = min(max(0, at_ns - self._now_ns), self._gap_ns) / 1e9
        self._now_ns = max(self._now_ns, at_ns)
        for track in self._tracks:
            track.motion.predict(seconds)
        return seconds

    def _match(
        self, tracks: list[Followed], sight: _Sight, belt: Place, doubts: float, met: Sequence[Followed] = ()
    ) -> None:
        free = sight.free
        gains = np.zeros((len(tracks), len(free)))
        for row, track in enumerate(tracks):
            place = track.motion.place
            most = WITH_BELT if any(_shares_lane(other.motion.place, place) for other in met) else ALONE
            reach = min(most, SURE + doubts * track.motion.doubt)
            for column, box in enumerate(free):
                gains[row, column] = _gain(place, completed(sight.places[box], belt, place.length), reach)
        for row, column in assign(gains):
            track, box = tracks[row], free[column]
            sight.give(box, track.number)
            track.off = track.motion.correct(completed(sight.places[box], belt, track.motion.place.length))
            track.seen_at, track.seen_ns, track.misses = track.motion.place.along, self._now_ns, 0
            track.seen_frames += 1
            track.is_part |= track.seen_frames >= max(self._seen_frames, track.unseen_frames)

    def _miss(self, sight: _Sight) -> None:
        """What is not seen now stops and starts with what is."""
        met = _met(self._tracks, sight)
        for track in self._tracks:
            if track in met:
                continue
            track.misses += 1
            track.unseen_frames += 1
            speed = _speed_at(track.motion.place, met)
            if speed is not None:
                track.motion.go_with(speed)

    def _bear(self, seen: Place, belt: Place) -> int:
        assert self._began_ns is not None  # noqa: S101 - time has passed before anything was born
        parts = [track for track in self._tracks if track.is_part and track.misses == 0]
        lengths = [part.motion.place.length for part in parts if _shares_lane(part.motion.place, seen)]
        place = completed(seen, belt, median(lengths)) if lengths else seen
        beyond = place.along >= self._line
        # What is beyond the line when following begins was judged before, as was what has come back into view.
        early = self._now_ns - self._began_ns <= self._gap_ns
        back = seen.front >= belt.front - RETURNED * place.length
        self._count += 1
        motion = Motion(place, _speed_at(place, parts))
        told = beyond and (early or back)
        self._tracks.append(Followed(self._count, motion, place.along, place.along, self._now_ns, told=told))
        return self._count

    def _join_doubles(self) -> tuple[int, ...]:
        """Two that are in one place are one part: it has been lost and found, or has got a second box."""
        seen = [track for track in self._tracks if track.is_part and track.misses == 0]
        boxes = [in_frame(track.motion.place, self._direction) for track in seen]
        kept: list[Followed] = []
        for track in self._tracks:
            mine = in_frame(track.motion.place, self._direction)
            same = [
                part for part, box in zip(seen, boxes, strict=True) if part is not track and _same(mine, box)
            ]
            if same and (track.misses or not track.is_part):
                same[0].told |= track.told
                same[0].born = min(same[0].born, track.born)
            else:
                kept.append(track)
        joined = _numbers(track for track in self._tracks if track not in kept)
        self._tracks = kept
        return joined

    def _conclude(
        self, tracks: Iterable[Followed], belt: Place, gone: Sequence[Followed]
    ) -> tuple[Complete, ...]:
        """Who of these has crossed the line, and what is to be said of those who are gone, and are let go."""
        complete: list[Complete] = []
        for track in tracks:
            how = self._due(track) or (_lost(track, belt) if track in gone else None)
            if how is not None and not track.told:
                track.told = True
                complete.append(Complete(track.number, how))
        self._tracks = [track for track in self._tracks if track not in gone]
        return tuple(complete)

    def _gone(self, belt: Place) -> list[Followed]:
        return [track for track in self._tracks if self._is_gone(track, belt)]

    def _expired(self) -> list[Followed]:
        return [track for track in self._tracks if self._now_ns - track.seen_ns > self._gap_ns]

    def _due(self, track: Followed) -> How | None:
        place = track.motion.place
        if not track.is_part or place.along < self._line or not _came(track):
            return None
        return How.CROSSED if track.born < self._line else How.LATE

    def _is_gone(self, track: Followed, belt: Place) -> bool:
        if track.misses == 0 and track.seen_ns == self._now_ns:
            return False
        if not track.is_part and track.misses >= YOUNG_MISSES:
            return True
        place = track.motion.place
        outside = place.back > belt.front or place.front < belt.back
        return outside or self._now_ns - track.seen_ns > self._gap_ns


def _numbers(tracks: Iterable[Followed]) -> tuple[int, ...]:
    return tuple(track.number for track in tracks)


def _came(track: Followed) -> bool:
    """Whether it was seen to move with the belt."""
    return track.seen_at - track.born >= TRAVEL * track.motion.place.length


def _lost(track: Followed, belt: Place) -> How | None:
    """A part that came towards the line and is gone, unless the belt has taken it back out of the view."""
    return How.LOST if track.is_part and _came(track) and track.motion.place.back > belt.back else None


def _met(tracks: Iterable[Followed], sight: _Sight) -> list[Followed]:
    numbers = set(sight.owners.values())
    return [track for track in tracks if track.number in numbers]


def _lanes(tracks: Iterable[Followed]) -> list[list[Followed]]:
    """Tracks that share some of the belt's width, or have one between them that does."""
    lanes: list[list[Followed]] = []
    for track in sorted(tracks, key=lambda track: track.motion.place.across):
        if lanes and _shares_lane(lanes[-1][-1].motion.place, track.motion.place):
            lanes[-1].append(track)
        else:
            lanes.append([track])
    return lanes


def _move(lane: Sequence[Followed], sight: _Sight, belt: Place, most: float) -> None:
    """Start, stop or slow a lane as its boxes show it: all parts of it have moved alike.

    Tried is each movement that takes a part to a box; the one with which most parts lie on boxes has it.
    """
    parts = [track.motion.place for track in lane if track.is_part]
    boxes = [
        box for box in sight.places if any(abs(box.across - part.across) < 0.3 * part.width for part in parts)
    ]
    if not parts or not boxes:
        return
    lengths = np.array([part.length for part in parts])[:, None]
    ends = np.array([[completed(box, belt, part.length).along for box in boxes] for part in parts])
    off = (ends - np.array([part.along for part in parts])[:, None]) / lengths
    tried = np.append(off[np.abs(off) < most], 0.0)
    tried = tried[np.argsort(np.abs(tried))[:TRIED]]
    left = np.abs(off[None] - tried[:, None, None]) / SURE
    fit = np.maximum(0, 1 - left**2).max(axis=2).sum(axis=1) - (tried / LEAP) ** 2
    best = tried[fit.argmax()]
    if abs(best) < SURE:
        return
    near = np.abs(off - best) < SURE
    moved = float(np.median(off[near])) if near.any() else 0.0
    for track in lane:
        track.motion.shift(moved * track.motion.place.length)


def _speed_at(place: Place, met: Iterable[Followed]) -> float | None:
    """How fast the belt is there, px/s, as the parts show it that were seen just now."""
    speeds = [
        track.motion.speed for track in met if track.is_part and _shares_lane(track.motion.place, place)
    ]
    return median(speeds) if speeds else None


def _gain(place: Place, seen: Place, reach: float) -> float:
    """How well a box fits where a part should be, 0…1; 0 where it cannot be the same part."""
    along, across = seen.along - place.along, seen.across - place.across
    length, width = max(1.0, place.length), max(1.0, place.width)
    if abs(along) >= reach * length or abs(across) >= reach * width:
        return 0.0
    longer, wider = log(max(1.0, seen.length) / length), log(max(1.0, seen.width) / width)
    away = hypot(along / length, across / width, UNLIKE * longer, UNLIKE * wider)
    return max(0.0, 1 - (away / reach) ** 2)


def _shares_lane(one: Place, other: Place) -> bool:
    return abs(one.across - other.across) < (one.width + other.width) / 2


def _same(one: Box, other: Box) -> bool:
    apart = one.x_min >= other.x_max or other.x_min >= one.x_max
    if apart or one.y_min >= other.y_max or other.y_min >= one.y_max:
        return False
    shared = one.intersection(other).area
    return one.iou(other) >= SAME_IOU or shared >= SAME_SHARE * min(one.area, other.area)
