"""What disturbs a picture: the same way each time, more with more strength, and where it is looked at."""

import numpy as np
import pytest
import washers

from edge.geometry import Box, Image
from edge.teach.disturbances import DISTURBANCES, Disturbance

PICTURE = np.kron(washers.on_a_belt(3), np.ones((4, 4, 1), np.uint8))
"""640×896 pixels."""
KNOWN = {one.name: one for one in DISTURBANCES}


def change(disturbed: Image) -> float:
    return float(np.abs(disturbed.astype(int) - PICTURE).mean())


@pytest.mark.parametrize("one", DISTURBANCES, ids=lambda one: one.name)
def test_a_picture_is_disturbed_the_same_way_each_time_and_never_itself(one: Disturbance) -> None:
    before = PICTURE.copy()
    first, again = (one.disturbed(PICTURE, one.strengths[-1], 4).picture for _ in range(2))
    assert first.shape == PICTURE.shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert np.array_equal(PICTURE, before)


@pytest.mark.parametrize("one", DISTURBANCES, ids=lambda one: one.name)
def test_more_strength_changes_more(one: Disturbance) -> None:
    beyond = [strength for strength in one.strengths if (strength > one.none) or one.none > 1]
    changes = [
        np.mean([change(one.disturbed(PICTURE, strength, number).picture) for number in range(4)])
        for strength in (beyond[0], beyond[-1])
    ]
    assert 0 < changes[0] < changes[1]


@pytest.mark.parametrize("name", ["occlusion", "printed patch"])
def test_something_in_the_way_lies_where_it_is_looked(name: str) -> None:
    area = Box(256, 128, 640, 512)
    for number in range(20):
        changed = (KNOWN[name].disturbed(PICTURE, 5, number, area).picture != PICTURE).any(axis=2)
        rows, columns = np.nonzero(changed)
        assert area.y_min <= rows.min() <= rows.max() < area.y_max
        assert area.x_min <= columns.min() <= columns.max() < area.x_max


def test_dirt_stays_at_its_place_while_a_sticker_does_not() -> None:
    white = np.full((200, 200, 3), 255, np.uint8)
    dirt, sticker = KNOWN["lens dirt"], KNOWN["printed patch"]
    assert np.array_equal(dirt.disturbed(white, 60, 1).picture, dirt.disturbed(white, 60, 2).picture)
    assert not np.array_equal(
        sticker.disturbed(white, 20, 1).picture, sticker.disturbed(white, 20, 2).picture
    )


def test_a_part_is_covered_by_as_much_as_was_said() -> None:
    covered = KNOWN["occlusion"].disturbed(np.full((200, 300, 3), 255, np.uint8), 10, 1).picture
    assert abs((covered < 255).all(axis=2).mean() - 0.10) < 0.005


def test_half_the_light_is_half_the_grey_level() -> None:
    assert (KNOWN["brightness"].disturbed(np.full((9, 9, 3), 100, np.uint8), 0.5, 1).picture == 50).all()


def test_a_picture_is_shifted_by_so_many_percent() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[48:52, 48:52] = 255
    rows, columns = np.nonzero(KNOWN["shift"].disturbed(picture, 8, 1).picture[:, :, 0] > 127)
    assert abs(np.hypot(rows.mean() - 49.5, columns.mean() - 49.5) - 8) < 0.7


def test_a_box_goes_where_its_pixels_go() -> None:
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[80:100, 120:150] = 255
    for name, strength in (("shift", 8), ("rotation", 10), ("blur", 1)):
        disturbed = KNOWN[name].disturbed(picture, strength, 3)
        rows, columns = np.nonzero(disturbed.picture[:, :, 0] > 127)
        found = Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        moved = disturbed.place(Box(120, 80, 150, 100))
        assert moved is not None
        assert moved.iou(found) > 0.9, name


def test_what_leaves_the_picture_has_no_box() -> None:
    disturbed = KNOWN["shift"].disturbed(np.zeros((200, 200, 3), np.uint8), 16, 1)
    gone = [disturbed.place(Box(x, y, x + 10, y + 10)) is None for x in (0, 190) for y in (0, 190)]
    assert any(gone)
