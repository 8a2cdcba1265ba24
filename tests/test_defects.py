import cv2
import numpy as np
import pytest

from edge.config import Rectangle
from edge.geometry import Image, Mask
from edge.teach.defects import KINDS, SEVERITIES, TRIED, Kind, damage
from edge.teach.places import survey

SEEDS = range(12)
ROI = Rectangle(x_min=64, y_min=32, x_max=160, y_max=128)


def disc(*, noise: float = 3.0, grey: int = 150, ground: int = 40) -> tuple[Image, Mask]:
    """A part with a hole, on an even background; and where it lies."""
    y, x = np.mgrid[0:160, 0:200]
    radius = np.hypot(x - 110, y - 80)
    part = (radius < 50) & (radius > 15)
    levels = np.where(part, grey, ground) + np.random.default_rng(0).normal(0, noise, part.shape)
    return np.repeat(np.clip(levels, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2), part


def change(before: Image, after: Image) -> np.ndarray:
    return np.abs(before.astype(int) - after).max(axis=2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_changes_the_copy_where_its_mask_says_and_not_the_original(kind: Kind) -> None:
    picture, _ = disc()
    kept = picture.copy()
    for seed in SEEDS:
        found = damage(picture, np.random.default_rng(seed), kind=kind)
        changed = change(picture, found.picture) > 0
        assert found.kind == kind
        assert found.mask.any()
        assert (changed & found.mask).sum() > 0.8 * found.mask.sum()
        assert changed.mean() < 0.5
    assert np.array_equal(picture, kept)


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_stands_out_of_the_noise(kind: Kind) -> None:
    picture, _ = disc(noise=6)
    for seed in SEEDS:
        found = damage(picture, np.random.default_rng(seed), kind=kind)
        step = cv2.blur(found.picture.astype(np.float32) - picture, (3, 3))
        assert np.abs(step)[found.mask].max(axis=1).mean() >= 1.5 * 6


@pytest.mark.parametrize("kind", KINDS)
def test_severe_defects_are_larger_and_plainer_than_mild_ones(kind: Kind) -> None:
    picture, _ = disc()
    made = {
        name: [
            damage(picture, np.random.default_rng(seed), kind=kind, severity=SEVERITIES[name])
            for seed in range(30)
        ]
        for name in ("mild", "severe")
    }
    mild, severe = (np.median([found.mask.sum() for found in each]) for each in made.values())
    assert severe > 2 * mild


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grey", [0, 128, 255])
def test_something_can_be_seen_even_on_a_picture_that_holds_nothing(kind: Kind, grey: int) -> None:
    picture = np.full((80, 60, 3), grey, np.uint8)
    for seed in SEEDS:
        found = damage(picture, np.random.default_rng(seed), kind=kind)
        assert change(picture, found.picture)[found.mask].mean() >= 4


@pytest.mark.parametrize("shape", [(8, 8, 3), (16, 400, 3), (33, 17, 3)])
def test_small_and_slim_pictures_can_be_damaged_too(shape: tuple[int, int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    for seed in range(40):
        assert damage(picture, np.random.default_rng(seed)).mask.any()


def test_damage_stays_inside_the_region_of_interest() -> None:
    picture = np.random.default_rng(1).integers(0, 120, (160, 224, 3)).astype(np.uint8)
    beside = np.ones(picture.shape[:2], bool)
    beside[ROI.y_min : ROI.y_max, ROI.x_min : ROI.x_max] = False
    for seed in range(20):
        found = damage(picture, np.random.default_rng(seed), ROI)
        assert found.mask.any()
        assert not (change(picture, found.picture) > 0)[beside].any()
        assert not found.mask[beside].any()


def test_defects_lie_on_the_part_rather_than_on_an_even_background() -> None:
    picture, part = disc()
    near = cv2.dilate(part.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    masks = [damage(picture, np.random.default_rng(seed)).mask for seed in range(60)]
    on_it = sum(bool((mask & near).any()) for mask in masks)
    assert near.mean() < 0.4
    assert 40 <= on_it < 60


def test_a_picture_that_its_part_fills_is_all_part() -> None:
    fabric = cv2.blur(np.random.default_rng(0).integers(0, 255, (120, 200)).astype(np.uint8), (5, 5))
    assert survey(np.repeat(fabric[:, :, None], 3, axis=2)).part.all()


def test_screws_are_what_a_board_of_uneven_light_is_about() -> None:
    _, x = np.mgrid[0:240, 0:240]
    board = 60 + x // 3
    board[40:60, 40:60] = 20
    board[180:200, 150:170] = 20
    picture = np.repeat(board.astype(np.uint8)[:, :, None], 3, axis=2)
    ground = survey(picture)
    assert ground.part[50 // ground.step, 42 // ground.step]
    assert not ground.part[120 // ground.step, 120 // ground.step]
    assert ground.part.mean() < 0.1


def test_all_kinds_that_are_tried_are_made_and_they_are_of_all_strengths() -> None:
    picture, _ = disc()
    made = [damage(picture, np.random.default_rng(seed)) for seed in range(80)]
    steps = [change(picture, found.picture)[found.mask].mean() for found in made]
    assert {found.kind for found in made} == set(TRIED)
    assert np.quantile(steps, 0.9) > 3 * np.quantile(steps, 0.1)


def test_the_same_seed_makes_the_same_defect() -> None:
    picture, _ = disc()
    first, again = (damage(picture, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first.picture, again.picture)
    assert np.array_equal(first.mask, again.mask)


def test_a_grey_picture_stays_grey() -> None:
    picture, _ = disc()
    for seed in SEEDS:
        for kind in KINDS:
            assert np.ptp(damage(picture, np.random.default_rng(seed), kind=kind).picture, axis=2).max() == 0
