"""A belt that carries parts through the view: where each part is when. Pure functions of a seed and a time."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.geometry import Box

Floats = npt.NDArray[np.float64]

APART, OVERLAPPED = (1.08, 2.2), (0.62, 0.95)
"""From the middle of a part to the next one's, in lengths of a part; and where they lie on each other."""
SIZES, ASIDE = (0.92, 1.08), 0.06
"""How long and wide parts are, and how far off the middle of their lane, in lengths of a part."""
STEP_S, RAMP_STEPS = 0.01, 15
"""The belt's place is known for each step; so many steps pass from one speed to the next."""
RUNS_S, RUN_SPEEDS = (0.6, 3.0), (0.5, 1.0, 1.6)
STOPS_S = (0.2, 1.6)
BACK_SPEED, BACK_LENGTHS = 0.6, 0.6
"""An unsteady belt runs back so fast, as a share of its speed, and at most so many lengths of a part."""


class Carried(NamedTuple):
    """A part on the belt: its number (the first is 1), and its box, which may lie outside the view in part."""

    number: int
    box: Box


@dataclass(frozen=True, eq=False)
class Load:
    """Parts on a belt that runs from left to right through `width` by `height` pixels.

    `starts` are the middles of the parts before the belt moves, all left of the view; `rows` lie across the belt.
    `moved` is how far the belt has come after each `STEP_S`.
    """

    width: int
    height: int
    starts: Floats
    rows: Floats
    sizes: Floats
    moved: Floats

    @property
    def seconds(self) -> float:
        """After so long, the last part has left the view."""
        return (len(self.moved) - 1) * STEP_S


def part_px(width: int, height: int, lanes: int) -> float:
    """How long and wide a part is, about, so that four are in view and lanes keep apart."""
    return min(0.75 * height / lanes, 0.24 * width)


def load(
    seed: int,
    parts: int,
    width: int,
    height: int,
    speed_px_s: float,
    lanes: int,
    overlaps: float,
    *,
    steady: bool,
) -> Load:
    """Lay `parts` parts on a belt; a share of `overlaps` lies on the part before in part.

    A belt that is not steady changes its speed, stops, and runs back a little.
    """
    rng = np.random.default_rng((seed, 2))
    length = part_px(width, height, lanes)
    starts, lane_of = np.zeros(parts), np.arange(parts) % lanes
    for lane in range(lanes):
        mine = lane_of == lane
        close = rng.random(mine.sum()) < overlaps
        pitch = np.where(close, rng.uniform(*OVERLAPPED, mine.sum()), rng.uniform(*APART, mine.sum()))
        starts[mine] = -length * (1 + rng.random() + np.cumsum(pitch) - pitch[:1])
    rows = height * (lane_of + 0.5) / lanes + rng.uniform(-ASIDE, ASIDE, parts) * length
    sizes = length * rng.uniform(*SIZES, parts)
    distance = width + length - starts.min(initial=0.0)
    speeds = _speeds(rng, distance, speed_px_s, length, steady=steady)
    return Load(width, height, starts, rows, sizes, np.concatenate([[0.0], np.cumsum(speeds) * STEP_S]))


def carried(belt: Load, seconds: float) -> list[Carried]:
    """The parts that are in view then, at least in part; the first comes first."""
    x = belt.starts + belt.moved[min(max(0, round(seconds / STEP_S)), len(belt.moved) - 1)]
    half = belt.sizes / 2
    inside = np.flatnonzero((x + half > 0) & (x - half < belt.width))
    sides = np.stack([x - half, belt.rows - half, x + half, belt.rows + half], axis=-1)
    return [Carried(int(place) + 1, Box(*map(float, sides[place]))) for place in inside]


def _speeds(
    rng: np.random.Generator, distance: float, speed_px_s: float, length: float, *, steady: bool
) -> Floats:
    """The belt's speed in each step, px/s, until it has come so far."""
    if steady:
        return np.full(int(np.ceil(distance / speed_px_s / STEP_S)), speed_px_s)
    phases: list[Floats] = []
    come = 0.0
    while come < distance + speed_px_s * RAMP_STEPS * STEP_S:
        # The sample is of 0…9: five runs, three stops and two runs back.
        match int(rng.integers(10)):
            case 0 | 1 | 2 | 3 | 4:
                phase, share = rng.uniform(*RUNS_S), float(rng.choice(RUN_SPEEDS))
            case 5 | 6 | 7:
                phase, share = rng.uniform(*STOPS_S), 0.0
            case _:
                phase, share = rng.uniform(0, BACK_LENGTHS) * length / (BACK_SPEED * speed_px_s), -BACK_SPEED
        phases.append(np.full(int(phase / STEP_S), share * speed_px_s))
        come += float(phases[-1].sum()) * STEP_S
    return np.convolve(np.concatenate(phases), np.full(RAMP_STEPS, 1 / RAMP_STEPS))
