"""Following parts on a belt from box to box, and saying when each is complete. Geometry alone, without pixels.

A part is counted when its middle crosses the line: in the frame in which it must be there, seen or not, and once,
whatever the belt does then. What was on its way to the line and is gone, or is first seen beyond it, is told, too:
no part leaves in silence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import hypot
from statistics import median
from typing import NamedTuple

import numpy as np

from edge.config.track import Direction, Track
from edge.judge.track_assign import assign
from edge.judge.track_motion import Motion, Place, in_frame, on_belt
from edge.types import Box

REACH = 1.0
"""A box farther from where a part should be, in lengths and widths of the part, is another's …"""
SURE_REACH, PER_DOUBT = 0.2, 2.5
"""… and where it is well known where it should be: so much, and 3 standard deviations."""
TRAVEL = 0.5
"""What has not come so far, in its lengths, is no part: a stain on the belt or the lens."""
SAME_IOU, SAME_SHARE = 0.5, 0.75
"""Two boxes show one part that have so much in common, or where so much of one lies in the other."""
EDGE = 0.25
"""So near the end of the view, in lengths of the part, a box is cut off by it."""
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

    `seen` has the number of a part for each box that is one's, by the box's place in what was given; `complete` are
    due now, and of those in `gone` nothing will be heard again.
    """

    seen: dict[int, int] = field(default_factory=dict)
    complete: tuple[Complete, ...] = ()
    gone: tuple[int, ...] = ()


@dataclass(eq=False)
class Followed:
    """One track. `told`: its verdict was due already, or is nobody's business."""

    number: int
    motion: Motion
    born: float
    seen_ns: int
    seen_frames: int = 1
    misses: int = 0
    unseen_frames: int = 0
    is_part: bool = False
    told: bool = False
    early: bool = False
    """Seen when following began: what is beyond the line then was judged before."""
    returned: bool = False
    """First seen at the far end of the view: it had left, and the belt has brought it back."""


class Follower:
    """The parts in view. For one thread; times are `time.monotonic_ns`."""

    def __init__(self, config: Track) -> None:
        self._direction: Direction = config.direction
        backwards = config.direction in {"left", "up"}
        self._line = float(-config.report_at if backwards else config.report_at)
        self._gap_ns = round(config.longest_gap_s * 1e9)
        self._seen_frames = config.seen_frames
        self._tracks: list[Followed] = []
        self._number = 0
        self._began_ns: int | None = None
        self._now_ns = 0

    def box(self, number: int) -> Box | None:
        """Where a part is now, in frame pixels; None where it is not followed any more."""
        found = [track for track in self._tracks if track.number == number]
        return in_frame(found[0].motion.place, self._direction) if found else None

    @property
    def numbers(self) -> tuple[int, ...]:
        """Who is in view."""
        return tuple(track.number for track in self._tracks)

    def blind(self, at_ns: int, view: Box) -> Step:
        """A frame in which nothing could be seen: parts are where their speed has taken them."""
        self._let_pass(at_ns)
        return self._conclude({}, view, blind=True)

    def look(self, boxes: Sequence[Box], at_ns: int, view: Box) -> Step:
        """A frame with these boxes of parts, in which `view` could be seen."""
        self._let_pass(at_ns)
        belt = on_belt(view, self._direction)
        places = [on_belt(box, self._direction) for box in boxes]
        left = list(range(len(places)))
        seen: dict[int, int] = {}
        # Parts first: a false box may not have what is theirs.
        for tracks in (self._parts(), [track for track in self._tracks if not track.is_part]):
            gains = np.array([[_gain(track.motion, places[box]) for box in left] for track in tracks])
            pairs = assign(gains.reshape(len(tracks), len(left)))
            for row, column in pairs:
                seen[left[column]] = tracks[row].number
                self._meet(tracks[row], places[left[column]])
            taken = {column for _, column in pairs}
            left = [box for column, box in enumerate(left) if column not in taken]
        known = [boxes[box] for box in seen]
        for box in left:
            if not any(_same(boxes[box], other) for other in known):
                seen[box] = self._bear(places[box], belt)
                known.append(boxes[box])
        self._go_on(set(seen.values()))
        self._drop_doubles()
        return self._conclude(seen, view, blind=False)

    def _let_pass(self, at_ns: int) -> None:
        if self._began_ns is None:
            self._began_ns = self._now_ns = at_ns
        # However long nothing came, a part is not looked for beyond where it can be.
        seconds = min(max(0, at_ns - self._now_ns), self._gap_ns) / 1e9
        self._now_ns = max(self._now_ns, at_ns)
        for track in self._tracks:
            track.motion.predict(seconds)

    def _parts(self) -> list[Followed]:
        return [track for track in self._tracks if track.is_part]

    def _meet(self, track: Followed, place: Place) -> None:
        track.motion.correct(place)
        track.seen_ns, track.misses = self._now_ns, 0
        track.seen_frames += 1
        if track.seen_frames >= max(self._seen_frames, track.unseen_frames):
            track.is_part = True

    def _bear(self, place: Place, belt: Place) -> int:
        self._number += 1
        assert self._began_ns is not None  # noqa: S101 - time has passed before anything was born
        track = Followed(
            self._number,
            Motion(place, self._speed_at(place)),
            place.along,
            self._now_ns,
            early=self._now_ns - self._began_ns <= self._gap_ns,
            returned=place.front >= belt.front - EDGE * place.length,
        )
        self._tracks.append(track)
        return track.number

    def _go_on(self, seen: set[int]) -> None:
        """Parts that are not seen now stop and start with those that are."""
        for track in self._tracks:
            if track.number in seen:
                continue
            track.misses += 1
            track.unseen_frames += 1
            speed = self._speed_at(track.motion.place)
            if speed is not None:
                track.motion.go_with(speed)

    def _drop_doubles(self) -> None:
        """What keeps beside a part, and was not there before it, is a second box of that part."""
        parts = [in_frame(track.motion.place, self._direction) for track in self._parts()]
        self._tracks = [
            track
            for track in self._tracks
            if track.is_part
            or not any(_same(in_frame(track.motion.place, self._direction), part) for part in parts)
        ]

    def _speed_at(self, place: Place) -> float | None:
        """How fast the belt is there, px/s, from the parts seen just now that share some of its width."""
        speeds = [
            track.motion.speed
            for track in self._parts()
            if track.seen_ns == self._now_ns and _shares_lane(track.motion.place, place)
        ]
        return median(speeds) if speeds else None

    def _conclude(self, seen: dict[int, int], view: Box, *, blind: bool) -> Step:
        """Who has crossed the line, who is gone, and what is to be said of it."""
        belt = on_belt(view, self._direction)
        complete: list[Complete] = []
        gone: list[Followed] = []
        for track in self._tracks:
            how = self._due(track)
            is_gone = self._is_gone(track, belt, blind=blind)
            if is_gone:
                gone.append(track)
                how = how or self._lost(track, belt)
            if how is not None and not track.told:
                track.told = True
                complete.append(Complete(track.number, how))
        self._tracks = [track for track in self._tracks if track not in gone]
        return Step(seen, tuple(complete), tuple(track.number for track in gone))

    def _due(self, track: Followed) -> How | None:
        place, travel = track.motion.place, track.motion.place.along - track.born
        if not track.is_part or abs(travel) < TRAVEL * place.length:
            return None
        if track.born < self._line:
            return How.CROSSED if place.along >= self._line and travel > 0 else None
        # What comes back over the line was judged on its way out.
        track.told = track.told or track.early or travel < 0 or track.returned
        return How.LATE

    def _is_gone(self, track: Followed, belt: Place, *, blind: bool) -> bool:
        if self._now_ns - track.seen_ns > self._gap_ns:
            return True
        if not track.is_part:
            return not blind and track.misses >= YOUNG_MISSES
        place = track.motion.place
        outside = place.back > belt.front or place.front < belt.back
        return outside and track.misses > 0

    def _lost(self, track: Followed, belt: Place) -> How | None:
        """A part that came towards the line and vanished; not one that the belt has taken back."""
        place = track.motion.place
        came = place.along - track.born >= TRAVEL * place.length
        return How.LOST if track.is_part and came and place.back > belt.back else None


def _gain(motion: Motion, seen: Place) -> float:
    """How well a box fits where a part should be, 0…1; 0 where it cannot be the same part."""
    place = motion.place
    away = hypot(
        (seen.along - place.along) / max(1.0, place.length), (seen.across - place.across) / max(1.0, place.width)
    )
    reach = min(REACH, SURE_REACH + PER_DOUBT * motion.doubt)
    return max(0.0, 1 - (away / reach) ** 2)


def _shares_lane(one: Place, other: Place) -> bool:
    return abs(one.across - other.across) < (one.width + other.width) / 2


def _same(one: Box, other: Box) -> bool:
    shared = one.intersection(other).area
    return one.iou(other) >= SAME_IOU or shared >= SAME_SHARE * min(one.area, other.area)
