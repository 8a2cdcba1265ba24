"""Counting parts on a belt by their boxes: each once, whatever the belt and the detector do."""

import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from tracking_noise import Belt, Noise, count

from edge.config.track import Direction, Track
from edge.geometry import Box
from edge.judge.track.assign import assign
from edge.judge.track.follow import Complete, Follower, How
from edge.sources.belt import carried, load

VIEW = Box(0, 0, 400, 200)
SIDE, LINE, STEP_NS = 60.0, 240, 33_000_000
Boxes = list[Box]


def a_part(x: float, y: float = 100.0, side: float = SIDE) -> Box:
    """As a detector sees it: what lies outside the view is cut off."""
    half = side / 2
    return Box(x - half, y - half, x + half, y + half).intersection(VIEW)


def a_follower(**changes: object) -> Follower:
    return Follower(Track(label="part", report_at=LINE, **changes))  # type: ignore[arg-type]


def follow(
    frames: Sequence[Boxes | None], follower: Follower | None = None, step_ns: int = STEP_NS
) -> list[tuple[int, Complete]]:
    """Who is told in which frame; None is a frame in which nothing could be seen."""
    follower = follower or a_follower()
    told = []
    for number, boxes in enumerate(frames):
        at_ns = number * step_ns
        step = follower.blind(at_ns, VIEW) if boxes is None else follower.look(boxes, at_ns, VIEW)
        told += [(number, complete) for complete in step.complete]
    return told


def hows(told: list[tuple[int, Complete]]) -> list[How]:
    return [complete.how for _, complete in told]


def passing(start: float = -20.0, speed: float = 8.0, until: float = 440.0, y: float = 100.0) -> list[Boxes]:
    """One part that comes through, from frame to frame."""
    return [shown(x, y) for x in np.arange(start, until, speed)]


def shown(x: float, y: float = 100.0) -> Boxes:
    box = a_part(x, y)
    return [box] if box.area > 0 else []


def together(*films: Sequence[Boxes]) -> list[Boxes]:
    return [[*itertools.chain(*boxes)] for boxes in itertools.zip_longest(*films, fillvalue=[])]


def turned(box: Box, direction: Direction) -> Box:
    """A box of a belt that runs right, as it lies where the belt runs elsewhere."""
    match direction:
        case "right":
            return box
        case "left":
            return Box(400 - box.x_max, box.y_min, 400 - box.x_min, box.y_max)
        case "down":
            return Box(box.y_min, box.x_min, box.y_max, box.x_max)
        case "up":
            return Box(box.y_min, 400 - box.x_max, box.y_max, 400 - box.x_min)


def test_a_part_is_told_in_the_frame_in_which_its_middle_crosses_the_line() -> None:
    ((frame, complete),) = follow(passing())
    assert complete.how is How.CROSSED
    assert -20 + 8 * frame == pytest.approx(LINE, abs=8)


@pytest.mark.parametrize("direction", ["right", "left", "down", "up"])
def test_a_belt_may_run_any_way(direction: Direction) -> None:
    line = LINE if direction in {"right", "down"} else 400 - LINE
    follower = Follower(Track(label="part", report_at=line, direction=direction))
    view = turned(VIEW, direction)
    told = []
    for number, boxes in enumerate(passing()):
        step = follower.look([turned(box, direction) for box in boxes], number * STEP_NS, view)
        told += [(number, complete) for complete in step.complete]
    assert told == follow(passing())


def test_nothing_is_told_of_an_empty_belt() -> None:
    assert follow([[]] * 100) == []


def test_a_part_that_is_missed_for_some_frames_is_told_once_and_in_time() -> None:
    film = passing()
    (crossing, _), *_ = follow(film)
    for frame in [*range(8, 14), *range(20, 29)]:
        film[frame] = []
    assert follow(film)[0][0] == pytest.approx(crossing, abs=1)
    assert hows(follow(film)) == [How.CROSSED]


def test_a_part_that_is_not_seen_at_the_line_is_told_when_it_must_be_there() -> None:
    film = passing()
    ((crossing, _),) = follow(film)
    film[crossing - 4 : crossing + 4] = [[]] * 8
    assert [frame for frame, _ in follow(film)] == pytest.approx([crossing], abs=1)


def test_a_frame_without_sight_is_no_frame_without_parts() -> None:
    film: list[Boxes | None] = [*passing()]
    film[15:25] = [None] * 10
    assert hows(follow(film)) == [How.CROSSED]


def test_a_belt_that_stops_on_the_line_and_trembles_counts_once() -> None:
    film = passing(until=LINE)
    rng = np.random.default_rng(1)
    film += [[a_part(LINE + off)] for off in rng.normal(0, 3, 200)]
    assert hows(follow([*film, *passing(start=LINE)])) == [How.CROSSED]


def test_a_part_that_stops_before_the_line_is_not_told() -> None:
    assert follow([*passing(until=LINE - 6), *[[a_part(LINE - 8)]] * 60]) == []


def test_a_part_that_stops_before_the_line_between_two_frames_is_not_told() -> None:
    film = passing(until=LINE - 20)
    follower = a_follower()
    assert follow(film, follower) == []
    for pause in range(1, 30):
        at_ns = (len(film) + 8 * pause) * STEP_NS  # at its speed, it would be beyond the line
        assert follower.look([a_part(LINE - 10)], at_ns, VIEW).complete == ()


def test_a_belt_that_runs_back_over_the_line_counts_once() -> None:
    back = [shown(x) for x in np.arange(320.0, 100.0, -8)]
    assert hows(follow([*passing(until=320), *back, *passing(start=100)])) == [How.CROSSED]


def test_a_part_that_comes_back_into_view_has_been_counted() -> None:
    back = [shown(x) for x in np.arange(440.0, 300.0, -8)]
    assert hows(follow([*passing(), *[[]] * 40, *back, *passing(start=300)])) == [How.CROSSED]


def test_a_part_that_the_belt_takes_back_out_of_view_is_no_part_yet() -> None:
    back = [shown(x) for x in np.arange(120.0, -60.0, -8)]
    assert follow([*passing(until=120), *back, *[[]] * 60]) == []


def test_lanes_are_counted_apart() -> None:
    film = together(passing(y=40), passing(y=110), [[]] * 9 + passing(y=175, speed=5))
    assert hows(follow(film)) == [How.CROSSED] * 3


def test_parts_that_touch_are_counted_apart() -> None:
    film = together(*([[]] * 7 * number + passing() for number in range(6)))
    assert hows(follow(film)) == [How.CROSSED] * 6


def test_two_boxes_of_one_part_are_one_part() -> None:
    film = [
        [*boxes, *(box._replace(x_max=box.x_min + box.width * 0.6) for box in boxes)] for boxes in passing()
    ]
    assert hows(follow(film)) == [How.CROSSED]


def test_a_stain_on_the_belt_is_no_part_however_long_it_is_there() -> None:
    rng = np.random.default_rng(2)
    assert follow([[a_part(LINE + off)] for off in rng.normal(0, 4, 500)]) == []
    assert follow([[a_part(LINE - 40 + off)] for off in rng.normal(0, 4, 200)] + [[]] * 100) == []


def test_boxes_where_nothing_is_are_no_parts() -> None:
    rng = np.random.default_rng(3)
    film = [[a_part(*rng.uniform(30, 170, 2))] if rng.random() < 0.2 else [] for _ in range(600)]
    assert follow(film) == []


def test_a_part_that_is_gone_before_the_line_is_told_as_lost() -> None:
    film = passing(until=100, speed=3)
    ((frame, complete),) = follow([*film, *[[]] * 60])
    assert complete.how is How.LOST
    assert frame <= len(film) + 1 / 0.033 + 1


def test_a_part_that_is_first_seen_beyond_the_line_is_told_as_late() -> None:
    film = [[]] * 60 + [[a_part(x)] for x in np.arange(LINE + 10, 360, 5)]
    assert hows(follow(film)) == [How.LATE]


def test_what_is_beyond_the_line_when_following_begins_was_judged_before() -> None:
    assert follow(passing(start=LINE + 10)) == []


def test_what_is_before_the_line_when_following_begins_is_a_part() -> None:
    assert hows(follow(passing(start=100))) == [How.CROSSED]


@pytest.mark.parametrize("every", [1, 2, 4])
def test_the_rate_of_frames_does_not_matter(every: int) -> None:
    film = together(*([[]] * 14 * number + passing(speed=5) for number in range(4)))
    assert hows(follow(film[::every], step_ns=STEP_NS * every)) == [How.CROSSED] * 4


def test_time_that_stands_still_or_runs_back_is_no_trouble() -> None:
    follower = a_follower()
    told: list[Complete] = []
    for number, boxes in enumerate(passing()):
        told += follower.look(boxes, (number - number % 3) * STEP_NS - (number == 9) * 10**9, VIEW).complete
    assert [complete.how for complete in told] == [How.CROSSED]


def test_after_a_pause_nobody_is_taken_for_another() -> None:
    film = passing(until=100, speed=3)
    follower = a_follower()
    assert follow(film, follower) == []
    step = follower.look([a_part(200)], len(film) * STEP_NS + 3_600 * 10**9, VIEW)
    assert [complete.how for complete in step.complete] == [How.LOST]
    assert len(step.gone) == 1


def test_memory_is_bounded_whatever_is_detected() -> None:
    follower = a_follower()
    rng = np.random.default_rng(4)
    for frame in range(40):
        boxes = [a_part(*rng.uniform((0, 0), (400, 200)), side=20) for _ in range(25)]
        follower.look(boxes, frame * STEP_NS, VIEW)
    for frame in range(40, 80):
        follower.look([], frame * STEP_NS, VIEW)
    assert follower.boxes() == {}


HONEST = Noise(missed=0.1, jitter=0.03, false=0.05, double=0.05)


@given(
    seed=st.integers(0, 10_000),
    lanes=st.sampled_from([1, 1, 2]),
    overlaps=st.sampled_from([0.0, 0.3, 0.7]),
    rate_hz=st.sampled_from([20.0, 30.0, 60.0]),
    missed=st.sampled_from([0.0, 0.1, 0.2]),
)
@settings(max_examples=8, deadline=None, derandomize=True)
def test_every_part_of_a_belt_that_stops_and_runs_back_is_counted_once(
    seed: int, lanes: int, overlaps: float, rate_hz: float, missed: float
) -> None:
    belt = Belt(parts=6, lanes=lanes, overlaps=overlaps, rate_hz=rate_hz)
    counted = count(seed, belt, Noise(missed, HONEST.jitter, HONEST.false, HONEST.double))
    assert len(counted.complete) == belt.parts


def test_the_boxes_of_a_belt_come_and_go_in_order() -> None:
    belt = load(5, 8, 640, 480, 300.0, 2, 0.5, steady=False)
    assert carried(belt, 0.0) == []
    assert carried(belt, belt.seconds) == []
    seen: list[int] = []
    for step in range(int(belt.seconds * 30)):
        seen += [part.number for part in carried(belt, step / 30) if part.number not in seen]
    assert sorted(seen) == list(range(1, 9))


def brute_force(gains: np.ndarray) -> float:
    rows, columns = gains.shape
    if rows > columns:
        return brute_force(gains.T)
    return max(
        sum(gains[row, column] for row, column in enumerate(chosen))
        for chosen in itertools.permutations(range(columns), rows)
    )


def tables() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for _ in range(300):
        gains = rng.random(rng.integers(1, 6, 2))
        gains[rng.random(gains.shape) < 0.4] = 0
        yield np.round(3 * gains) if rng.random() < 0.3 else gains


def test_no_other_pairs_fit_better() -> None:
    for gains in tables():
        pairs = assign(gains)
        assert len(pairs) == len({row for row, _ in pairs}) == len({column for _, column in pairs})
        assert all(gains[pair] > 0 for pair in pairs)
        assert sum(gains[pair] for pair in pairs) == pytest.approx(brute_force(gains))


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nobody_is_nobodys(shape: tuple[int, int]) -> None:
    assert assign(np.zeros(shape)) == []
