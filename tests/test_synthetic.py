"""The rendered conveyor: the same parts for the same seed, and truth that is true."""

import contextlib
import dataclasses
import threading
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from edge.config import SyntheticSource
from edge.sources import open_source
from edge.sources.conveyor import part, render
from edge.sources.pacing import Pace
from edge.sources.synthetic import Synthetic
from edge.sources.workpiece import paint
from edge.types import EndOfFrames, Frame

WIDTH, HEIGHT = 320, 240
SCENE = paint(WIDTH, HEIGHT)


def conveyor(**settings: object) -> Synthetic:
    return Synthetic(
        SyntheticSource.model_validate({"type": "synthetic", "width": WIDTH, "height": HEIGHT, **settings})
    )


def frames(source: Synthetic, count: int) -> list[Frame]:
    with source:
        return [source.read() for _ in range(count)]


def test_the_same_seed_renders_the_same_parts() -> None:
    for one, other in zip(frames(conveyor(seed=5), 6), frames(conveyor(seed=5), 6), strict=True):
        assert np.array_equal(one.image, other.image)
        assert one.truth == other.truth


def test_another_seed_renders_other_parts() -> None:
    assert not np.array_equal(frames(conveyor(seed=5), 1)[0].image, frames(conveyor(seed=6), 1)[0].image)


def test_a_part_is_the_same_whatever_was_rendered_before() -> None:
    tenth = frames(conveyor(seed=5, defect_rate=0.5), 10)[-1]
    image, truth = render(SCENE, part(5, 10, 0.5, HEIGHT))
    assert np.array_equal(image, tenth.image)
    assert truth == tenth.truth


def test_good_parts_differ_from_each_other() -> None:
    images = [frame.image for frame in frames(conveyor(defect_rate=0), 5)]
    assert all(not np.array_equal(one, other) for one, other in pairwise(images))


def test_a_frame_says_which_part_it_is() -> None:
    frame = frames(conveyor(), 3)[-1]
    assert (frame.part_id, frame.sequence, frame.camera) == ("P000003", 3, "synthetic")
    assert frame.image.shape == (HEIGHT, WIDTH, 3)
    assert frame.image.dtype == np.uint8


def test_a_good_part_has_a_truth_without_defects() -> None:
    assert [frame.truth for frame in frames(conveyor(defect_rate=0), 5)] == [()] * 5


def test_every_kind_of_defect_comes_up() -> None:
    seen = Counter(
        defect.label for frame in frames(conveyor(defect_rate=1), 60) for defect in frame.truth or ()
    )
    assert set(seen) == {"scratch", "dent", "missing_hole"}
    assert min(seen.values()) >= 6


def test_as_many_parts_are_defective_as_configured() -> None:
    flawed = sum(bool(part(1, number, 0.2, HEIGHT).flaws) for number in range(2000))
    assert 330 < flawed < 470


def test_a_defective_part_is_its_good_twin_outside_the_boxes_and_differs_up_to_their_edges() -> None:
    for number in range(1, 25):
        flawed = part(7, number, 1.0, HEIGHT)
        image, truth = render(SCENE, flawed)
        twin, nothing = render(SCENE, dataclasses.replace(flawed, flaws=()))
        assert nothing == ()
        changed = np.any(image != twin, axis=2)
        boxed = np.zeros_like(changed)
        for defect in truth:
            x_min, y_min, x_max, y_max = (int(side) for side in defect.box)
            boxed[y_min:y_max, x_min:x_max] = True
        assert changed.any()
        assert not changed[~boxed].any()
        if len(truth) == 1:
            ys, xs = np.nonzero(changed)
            # A change of a surface that lies in the dark may be lost to rounding.
            assert abs(xs.min() - x_min) <= 2
            assert abs(xs.max() + 1 - x_max) <= 2
            assert abs(ys.min() - y_min) <= 2
            assert abs(ys.max() + 1 - y_max) <= 2


@pytest.mark.parametrize(("width", "height"), [(64, 64), (64, 300), (300, 64), (333, 251)])
def test_boxes_lie_inside_frames_of_any_size(width: int, height: int) -> None:
    for frame in frames(conveyor(width=width, height=height, defect_rate=1), 40):
        assert frame.image.shape == (height, width, 3)
        for defect in frame.truth or ():
            assert 0 <= defect.box.x_min < defect.box.x_max <= width
            assert 0 <= defect.box.y_min < defect.box.y_max <= height


def test_the_conveyor_ends_after_its_last_part() -> None:
    with conveyor(count=2) as source:
        source.read()
        source.read()
        with pytest.raises(EndOfFrames):
            source.read()


def test_a_part_that_is_waited_for_can_be_interrupted() -> None:
    with conveyor(rate_hz=0.001) as source:
        source.read()
        threading.Timer(0.05, source.interrupt).start()
        with pytest.raises(EndOfFrames):
            source.read()


def test_the_settings_open_the_conveyor() -> None:
    assert isinstance(open_source(SyntheticSource(type="synthetic", width=64, height=64)), Synthetic)


def a_belt(**settings: object) -> Synthetic:
    belt = {"speed_px_s": 2000, "overlap_rate": 0.5, "steady": False, **settings}
    return conveyor(rate_hz=200, count=4, defect_rate=1, seed=3, belt=belt)


def whole_film(source: Synthetic) -> list[Frame]:
    shown = []
    with source, contextlib.suppress(EndOfFrames):
        while True:
            shown.append(source.read())
    return shown


def test_a_belt_carries_every_part_through_the_view() -> None:
    film = whole_film(a_belt(steady=True))
    bare = film[0].image.astype(int)
    changed = [np.abs(frame.image - bare).max(axis=2) > 60 for frame in film]
    assert not changed[-1].any()
    across = [mask.any(axis=0) for mask in changed]
    assert all(any(mask[column] for mask in across) for column in range(0, WIDTH, 10))


def test_a_belt_is_the_same_for_the_same_seed_and_says_what_is_wrong_with_its_parts() -> None:
    one, other = whole_film(a_belt()), whole_film(a_belt())
    assert len(one) == len(other)
    assert all(
        np.array_equal(this.image, that.image) for this, that in zip(one[::10], other[::10], strict=True)
    )
    assert all(this.truth == that.truth for this, that in zip(one, other, strict=True))
    boxes = [defect.box for frame in one for defect in frame.truth or ()]
    assert boxes
    assert all(0 <= box.x_min < box.x_max <= WIDTH and 0 <= box.y_min < box.y_max <= HEIGHT for box in boxes)


def test_frames_of_a_belt_are_no_parts_and_have_no_part_id() -> None:
    source = a_belt()
    assert not source.triggered
    assert source.read().part_id is None


def test_a_belt_without_end_begins_again() -> None:
    config = {"count": 0, "rate_hz": 1, "belt": {"speed_px_s": 10_000}}
    with conveyor(**config) as source:
        source._pace = Pace(0)
        numbers = [source.read().sequence for _ in range(30)]
    assert numbers == list(range(1, 31))
