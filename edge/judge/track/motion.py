"""Where a part on a belt is and how fast it moves: a Kalman filter of constant speed, in time, not in frames."""

from math import sqrt
from typing import NamedTuple

from edge.config.track import Direction
from edge.geometry import Box

NOISE = 0.08
"""How far a detector's box is off, in lengths of the part: one standard deviation."""
MISFIT = 0.2
"""A box whose size is off by so much, as a share, says half as much about where the part is."""
ACCELERATION = 8.0
"""How quickly a belt starts and stops, in lengths of a part a second, each second."""
UNKNOWN_SPEED = 8.0
"""How fast a part may be that was seen once, in its lengths a second: one standard deviation."""
BELT_SPREAD = 0.7
"""How far the speeds of two parts on a belt differ, in lengths a second."""
SURPRISE = 3.0
CUT = 0.1
"""So near the end of the view, in lengths of the part, a box is cut off by it."""
GROWTH = 0.3
"""How quickly the remembered size follows the seen one, 0…1."""


class Place(NamedTuple):
    """A box as the belt sees it: its middle, its length along the belt and its width across, in pixels.

    `along` grows the way the belt runs, whichever that is in the frame.
    """

    along: float
    across: float
    length: float
    width: float

    @property
    def front(self) -> float:
        """The end that crosses a line first."""
        return self.along + self.length / 2

    @property
    def back(self) -> float:
        """The end that crosses a line last."""
        return self.along - self.length / 2


def completed(seen: Place, view: Place, length: float) -> Place:
    """A box that the view cuts off, as that of a part of that length: only one of its ends is the part's own."""
    tolerance = CUT * length
    at_start, at_end = seen.back <= view.back + tolerance, seen.front >= view.front - tolerance
    if seen.length >= length or at_start == at_end:
        return seen
    along = seen.front - length / 2 if at_start else seen.back + length / 2
    return seen._replace(along=along, length=length)


def surprise(seconds: float) -> float:
    """How far a belt may be off after that time, in lengths of a part, as its speed may have changed: 3 sigma."""
    return 3 * ACCELERATION * sqrt(seconds**3 / 3)


def on_belt(box: Box, direction: Direction) -> Place:
    """A box in frame pixels as a place on a belt that runs in `direction`."""
    x, y = (box.x_min + box.x_max) / 2, (box.y_min + box.y_max) / 2
    match direction:
        case "right":
            return Place(x, y, box.width, box.height)
        case "left":
            return Place(-x, y, box.width, box.height)
        case "down":
            return Place(y, x, box.height, box.width)
        case "up":
            return Place(-y, x, box.height, box.width)


def in_frame(place: Place, direction: Direction) -> Box:
    """The box in frame pixels of a place on the belt."""
    along = place.along if direction in {"right", "down"} else -place.along
    half_length, half_width = place.length / 2, place.width / 2
    if direction in {"right", "left"}:
        x, y, half_x, half_y = along, place.across, half_length, half_width
    else:
        x, y, half_x, half_y = place.across, along, half_width, half_length
    return Box(x - half_x, y - half_y, x + half_x, y + half_y)


class Motion:
    """The state of one part. For one thread.

    Along and across have one uncertainty, in lengths or widths of the part: so no figure here depends on how
    many pixels a part has.
    """

    def __init__(self, place: Place, speed: float | None) -> None:
        """A part that was seen for the first time. `speed` is its belt's, in px/s, if that is known."""
        self.place = place
        self.speed = speed or 0.0
        self.drift = 0.0
        spread = UNKNOWN_SPEED if speed is None else BELT_SPREAD
        self._var, self._both, self._speed_var = NOISE**2, 0.0, spread**2

    @property
    def doubt(self) -> float:
        """How far off the place may be, in lengths of the part: one standard deviation."""
        return sqrt(self._var)

    def predict(self, seconds: float) -> None:
        """Let time pass."""
        place, step = self.place, ACCELERATION**2 * seconds
        self.place = place._replace(
            along=place.along + self.speed * seconds, across=place.across + self.drift * seconds
        )
        self._var += seconds * (2 * self._both + seconds * self._speed_var) + step * seconds**2 / 3
        self._both += seconds * self._speed_var + step * seconds / 2
        self._speed_var += step

    def correct(self, seen: Place) -> float:
        """Take in where the part was seen, and say how far along the belt that was off, in pixels.

        A box of another size, of two parts in one say, counts for less.
        """
        place = self.place
        misfit = max(_ratio(seen.length, place.length), _ratio(seen.width, place.width)) - 1
        noise = NOISE**2 * (1 + (misfit / MISFIT) ** 2)
        off_along, off_across = seen.along - place.along, seen.across - place.across
        gain, speed_gain = self._var / (self._var + noise), self._both / (self._var + noise)
        self.place = Place(
            place.along + gain * off_along,
            place.across + gain * off_across,
            place.length + GROWTH * (seen.length - place.length),
            place.width + GROWTH * (seen.width - place.width),
        )
        self.speed += speed_gain * off_along
        self.drift += speed_gain * off_across
        self._speed_var -= speed_gain * self._both
        self._both -= gain * self._both
        self._var -= gain * self._var
        return off_along

    def shift(self, along: float) -> None:
        """The belt has come so much farther than this part's speed says."""
        self.place = self.place._replace(along=self.place.along + along)

    def go_with(self, speed: float) -> None:
        """Unseen, a part does what its belt does."""
        self.speed, self.drift = speed, 0.0
        self._both, self._speed_var = 0.0, BELT_SPREAD**2


def _ratio(one: float, other: float) -> float:
    return max(one, other) / max(1e-9, min(one, other))
