from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest

from edge.model.arrays import Arrays, Floats, pack, unpack
from edge.model.detectors import open_detector
from edge.model.methods import Method
from edge.teach.methods import FITS

METHODS: tuple[Method, ...] = get_args(Method)
PICTURES, ROWS, COLUMNS, CHANNELS = 10, 6, 8, 12
BUDGET = 1_000_000
Fitted = Callable[[Method], Arrays]


def parts(count: int, seed: int) -> Floats:
    """Pictures whose cells look different from place to place and have few degrees of freedom."""
    fixed, rng = np.random.default_rng(0), np.random.default_rng(seed)
    look = fixed.standard_normal((ROWS, COLUMNS, CHANNELS)) * 2
    mixing = fixed.standard_normal((4, CHANNELS))
    free = rng.standard_normal((count, ROWS, COLUMNS, 4))
    noise = rng.standard_normal((count, ROWS, COLUMNS, CHANNELS)) * 0.1
    return (look + free @ mixing + noise + 5).astype(np.float32)


GOOD, FRESH = parts(PICTURES, seed=1), parts(6, seed=2)


def fitted(method: Method, cells: Floats = GOOD, budget_bytes: int = BUDGET, seed: int = 0) -> Arrays:
    return FITS[method](cells, budget_bytes, np.random.default_rng(seed))


def score(method: Method, arrays: Arrays, cells: Floats) -> np.ndarray:
    """The highest distance in each picture."""
    rows, columns, channels = cells.shape[1:]
    detector = open_detector(method, arrays, "head.npz", rows * columns, channels)
    return np.array([detector.distances(picture.reshape(-1, channels)).max() for picture in cells])


def test_every_method_can_be_fitted() -> None:
    assert set(FITS) == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_parts_with_a_strange_cell_are_told_from_good_ones_that_were_not_taught(method: Method) -> None:
    damaged = FRESH.copy()
    damaged[:, 3, 4] += 8 * np.random.default_rng(3).standard_normal(CHANNELS).astype(np.float32)
    arrays = fitted(method)
    assert score(method, arrays, damaged).min() > score(method, arrays, FRESH).max()


@pytest.mark.parametrize("method", METHODS)
def test_the_same_pictures_and_seed_give_the_same_bytes(method: Method) -> None:
    assert pack(fitted(method)) == pack(fitted(method))


@pytest.mark.parametrize("method", METHODS)
def test_what_was_fitted_can_be_written_and_read(method: Method) -> None:
    arrays = fitted(method)
    again = unpack(pack(arrays), "head.npz")
    assert np.array_equal(score(method, again, FRESH), score(method, arrays, FRESH))


@pytest.mark.parametrize("method", METHODS)
def test_fitting_leaves_the_cells_as_they_are(method: Method) -> None:
    cells = GOOD.copy()
    fitted(method, cells)
    assert np.array_equal(cells, GOOD)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [1, 2])
def test_very_few_pictures_give_finite_distances(method: Method, count: int) -> None:
    assert np.isfinite(score(method, fitted(method, GOOD[:count]), FRESH)).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("error")
def test_pictures_that_are_all_the_same_give_finite_distances(method: Method) -> None:
    same = np.repeat(GOOD[:1], 5, axis=0)
    assert np.isfinite(score(method, fitted(method, same), FRESH)).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("error")
def test_pictures_without_anything_in_them_give_finite_distances(method: Method) -> None:
    assert np.isfinite(score(method, fitted(method, np.zeros_like(GOOD)), FRESH)).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_channel_that_never_moved_does_not_drown_the_others(method: Method) -> None:
    still, seen = GOOD.copy(), FRESH.copy()
    still[..., 5] = 1
    seen[..., 5] = 1
    flicker = seen.copy()
    flicker[..., 5] += 0.01
    arrays = fitted(method, still)
    assert score(method, arrays, flicker) == pytest.approx(score(method, arrays, seen), rel=0.1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget_bytes", [8_000, 20_000, BUDGET])
def test_the_arrays_keep_to_the_budget(method: Method, budget_bytes: int) -> None:
    assert sum(array.nbytes for array in fitted(method, budget_bytes=budget_bytes).values()) <= budget_bytes


def test_a_part_in_the_wrong_place_is_strange_to_a_position_gaussian_alone() -> None:
    swapped = FRESH.copy()
    swapped[:, 2, 2], swapped[:, 4, 6] = FRESH[:, 4, 6], FRESH[:, 2, 2]
    by_place, anywhere = (fitted(method) for method in ("position_gaussian", "memory_bank"))
    assert (score("position_gaussian", by_place, swapped) > score("position_gaussian", by_place, FRESH)).all()
    assert score("memory_bank", anywhere, swapped) == pytest.approx(
        score("memory_bank", anywhere, FRESH), rel=1e-3
    )


def test_cells_share_covariances_where_the_budget_is_small() -> None:
    blocks = [len(fitted("position_gaussian", budget_bytes=size)["whitening"]) for size in (8_000, BUDGET)]
    assert blocks[0] < blocks[1] == ROWS * COLUMNS


@pytest.mark.parametrize("method", ["gaussian", "position_gaussian"])
def test_a_gaussian_measures_about_one_for_each_channel_however_they_hang_together(method: Method) -> None:
    rng = np.random.default_rng(4)
    mixing = np.eye(CHANNELS) + 0.2 * rng.standard_normal((CHANNELS, CHANNELS))
    cells = (rng.standard_normal((600, 4, 5, CHANNELS)) @ mixing).astype(np.float32)
    detector = open_detector(method, fitted(method, cells[:300]), "head.npz", 20, CHANNELS)
    squared = [detector.distances(picture.reshape(-1, CHANNELS)) ** 2 for picture in cells[300:]]
    assert np.mean(squared) == pytest.approx(CHANNELS, rel=0.1)


def test_the_weights_of_a_machine_are_the_least_that_the_conditions_allow() -> None:
    arrays = fitted("one_class_svm")
    vectors, weights = arrays["vectors"].astype(np.float64), arrays["weights"].astype(np.float64)
    squared = ((vectors[:, None] - vectors) ** 2).sum(axis=2)
    said = np.exp(-float(arrays["gamma"][0]) * squared) @ weights
    most = 1 / (0.05 * PICTURES * ROWS * COLUMNS)
    assert weights.sum() == pytest.approx(1, rel=1e-4)
    assert weights.max() <= most * 1.0001
    # All vectors that are not held at the greatest weight lie on one level: Karush, Kuhn and Tucker.
    free = said[weights < most * 0.999]
    assert np.ptp(free) <= 3e-3 * said.mean()


def test_an_autoencoder_loses_little_of_what_it_was_taught() -> None:
    rng = np.random.default_rng(5)
    two_ways = rng.standard_normal((20, ROWS, COLUMNS, 2)) @ rng.standard_normal((2, CHANNELS))
    cells = two_ways.astype(np.float32)
    detector = open_detector(
        "autoencoder", fitted("autoencoder", cells[:10]), "head.npz", ROWS * COLUMNS, CHANNELS
    )
    lost = np.array([detector.distances(picture.reshape(-1, CHANNELS)) for picture in cells[10:]])
    assert np.median(lost) < 0.25 * np.sqrt(CHANNELS)
