"""Real defects on good parts: where they go, and that no seam shows."""

import numpy as np
import pytest

from edge.config import Rectangle
from edge.geometry import Image, Mask
from edge.teach.grafts import donors_of, graft

SEEDS = range(10)


def surface(grey: int, height: int = 120, width: int = 160, seed: int = 0) -> Image:
    levels = grey + np.random.default_rng(seed).normal(0, 2, (height, width))
    return np.repeat(np.clip(levels, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def dented(grey: int = 150) -> tuple[Image, Mask]:
    """A dark spot on a surface, and its mask."""
    picture = surface(grey, seed=1)
    mask = np.zeros(picture.shape[:2], bool)
    mask[40:52, 60:80] = True
    picture[mask] -= 60
    return picture, mask


def test_each_area_of_a_mask_is_a_donor() -> None:
    picture, mask = dented()
    mask[100:104, 10:14] = True
    first, second = donors_of(picture, mask)
    assert (first.mask.sum(), second.mask.sum()) == (240, 16)
    assert first.at == pytest.approx((70 / 160, 46 / 120))
    assert donors_of(picture, np.zeros_like(mask)) == []


def test_a_graft_is_as_much_darker_as_it_was_whatever_the_light() -> None:
    (donor,) = donors_of(*dented(grey=150))
    good = surface(90)
    for seed in SEEDS:
        made = graft(good, donor, np.random.default_rng(seed))
        step = made.picture.astype(float) - good
        assert -75 < step[made.mask].mean() < -45
        beside = ~made.mask
        assert abs(step[beside].mean()) < 1


def test_a_graft_changes_the_copy_alone_and_the_same_seed_gives_the_same() -> None:
    (donor,) = donors_of(*dented())
    good = surface(90)
    kept = good.copy()
    first, again = (graft(good, donor, np.random.default_rng(5)) for _ in range(2))
    assert (first.picture == again.picture).all()
    assert (first.mask == again.mask).all()
    assert (good == kept).all()


def test_a_graft_stays_inside_the_region_of_interest() -> None:
    (donor,) = donors_of(*dented())
    roi = Rectangle(x_min=30, y_min=20, x_max=110, y_max=90)
    good = surface(90)
    for seed in SEEDS:
        made = graft(good, donor, np.random.default_rng(seed), roi)
        outside = np.ones(good.shape[:2], bool)
        outside[roi.y_min : roi.y_max, roi.x_min : roi.x_max] = False
        assert made.mask.any()
        assert not made.mask[outside].any()
        assert (made.picture == good)[outside].all()


@pytest.mark.parametrize("edge", [np.s_[:6, :], np.s_[:, -5:], np.s_[:, :], np.s_[0:1, 0:1]])
@pytest.mark.parametrize("size", [(120, 160), (40, 30), (17, 300)])
def test_a_defect_at_an_edge_or_of_any_size_can_be_grafted(
    edge: tuple[slice, slice], size: tuple[int, int]
) -> None:
    picture, mask = dented()
    mask[:] = False
    mask[edge] = True
    picture[mask] = 30
    (donor,) = donors_of(picture, mask)
    for seed in SEEDS:
        made = graft(surface(120, *size), donor, np.random.default_rng(seed))
        assert made.picture.shape == (*size, 3)
        assert made.mask.any()
