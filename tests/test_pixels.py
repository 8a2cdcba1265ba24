"""Figures of anomaly maps against masks."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from edge.geometry import Box, Mask
from edge.judge.metrics import auroc, binned_au_pro
from edge.judge.pixels import PixelScores
from edge.judge.surface import smooth
from edge.prediction import Anomaly

Scores = npt.NDArray[np.float32]


def regions_of(bad: Mask) -> list[Mask]:
    """The connected areas, by flooding from each pixel that is left."""
    found, left = [], bad.copy()
    while left.any():
        start = tuple(np.argwhere(left)[0])
        region = np.zeros_like(bad)
        stack = [start]
        while stack:
            y, x = stack.pop()
            if 0 <= y < bad.shape[0] and 0 <= x < bad.shape[1] and left[y, x]:
                left[y, x], region[y, x] = False, True
                stack += [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        found.append(region)
    return found


def au_pro_by_force(pictures: list[tuple[Scores, Mask]], most_fpr: float = 0.3) -> float:
    """Threshold by threshold, region by region."""
    regions = [(scores, region) for scores, bad in pictures for region in regions_of(bad)]
    good = np.concatenate([scores[~bad] for scores, bad in pictures])
    curve = [(0.0, 0.0)]
    for threshold in sorted(
        {float(score) for scores, _ in pictures for score in scores.ravel()}, reverse=True
    ):
        overlap = np.mean([(scores[region] >= threshold).mean() for scores, region in regions])
        curve.append((float((good >= threshold).mean()), float(overlap)))
    area = 0.0
    for (x, y), (next_x, next_y) in pairwise(curve):
        stop = min(next_x, most_fpr)
        if stop > x:
            stop_y = y + (next_y - y) * (stop - x) / (next_x - x)
            area += (stop - x) * (y + stop_y) / 2
    return area / most_fpr


def whole(scores: Scores) -> Anomaly:
    """A map with a cell for each pixel."""
    rows, columns = scores.shape
    return Anomaly(scores, np.ones(scores.shape, np.bool_), Box(0, 0, columns, rows))


def some_pictures(seed: int) -> list[tuple[Scores, Mask]]:
    rng = np.random.default_rng(seed)
    pictures = []
    for number in range(4):
        bad = np.zeros((20, 24), np.bool_)
        for _ in range(number):  # the first one is good
            y, x = rng.integers(0, 16, 2)
            bad[y : y + rng.integers(1, 6), x : x + rng.integers(1, 6)] = True
        # In the middle of every sixteenth bin, so that both count the same ties.
        steps = rng.integers(-40, 40, bad.shape) + bad * rng.integers(0, 30)
        scores = 2.0 ** (steps / 16 + 1 / 512)
        pictures.append((scores.astype(np.float32), bad))
    return pictures


def counted(pictures: list[tuple[Scores, Mask]]) -> PixelScores:
    pixels = PixelScores()
    for scores, bad in pictures:
        pixels.add(whole(scores), bad)
    return pixels


@pytest.mark.parametrize("seed", range(5))
def test_au_pro_is_what_brute_force_finds(seed: int) -> None:
    pictures = some_pictures(seed)
    pixels = counted(pictures)
    assert pixels.regions == sum(len(regions_of(bad)) for _, bad in pictures)
    assert pixels.au_pro == pytest.approx(au_pro_by_force(pictures), abs=1e-9)


def test_pixel_auroc_counts_the_pixels_of_good_parts_too() -> None:
    pictures = some_pictures(1)
    good = np.concatenate([scores[~bad] for scores, bad in pictures])
    bad = np.concatenate([scores[bad] for scores, bad in pictures])
    assert counted(pictures).auroc == pytest.approx(auroc(good, bad), abs=1e-9)


def test_a_map_that_finds_every_defect_first_has_au_pro_one() -> None:
    bad = np.zeros((20, 20), np.bool_)
    bad[2:5, 3:8] = bad[12:18, 11:19] = True
    assert counted([(np.where(bad, 2, 0.5).astype(np.float32), bad)]).au_pro == pytest.approx(1)


def test_a_map_that_says_nothing_has_the_au_pro_of_chance() -> None:
    bad = np.zeros((20, 20), np.bool_)
    bad[2:5, 3:8] = True
    assert counted([(np.ones((20, 20), np.float32), bad)]).au_pro == pytest.approx(0.15)


def test_a_small_region_weighs_as_much_as_a_large_one() -> None:
    bad = np.zeros((20, 20), np.bool_)
    bad[0:10, 0:10] = True  # found
    bad[15, 15] = True  # missed
    scores = np.where(bad, 2, 0.5).astype(np.float32)
    scores[15, 15] = 0.1
    assert counted([(scores, bad)]).au_pro == pytest.approx(0.5)


def test_a_defect_outside_of_what_the_model_looks_at_is_not_found() -> None:
    bad = np.zeros((40, 40), np.bool_)
    bad[5:10, 5:10] = bad[30:35, 30:35] = True
    pixels = PixelScores()
    scores = np.where(bad[20:, 20:], 2, 0.5).astype(np.float32)
    pixels.add(Anomaly(scores, np.ones((20, 20), np.bool_), Box(20, 20, 40, 40)), bad)
    assert pixels.au_pro == pytest.approx(0.5)


def test_a_cell_that_is_no_number_is_the_worst() -> None:
    bad = np.zeros((4, 4), np.bool_)
    bad[1, 1] = True
    scores = np.ones((4, 4), np.float32)
    scores[1, 1] = np.nan
    assert counted([(scores, bad)]).auroc == 1


def test_without_bad_pixels_there_are_no_figures() -> None:
    pixels = counted([(np.ones((4, 4), np.float32), np.zeros((4, 4), np.bool_))])
    assert np.isnan(pixels.auroc)
    assert np.isnan(pixels.au_pro)
    assert np.isnan(binned_au_pro(np.zeros(4, np.int64), np.ones(4), 1))


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_a_surface_rises_no_higher_than_the_cells_around(kind: type) -> None:
    cells = np.zeros((6, 6), kind)
    cells[:, :3] = 100
    surface = smooth(cells, (96, 96))
    assert surface.dtype == kind
    assert surface[:, :40].min() >= 99
    assert surface.max() == 100


def test_a_surface_has_no_steps() -> None:
    rng = np.random.default_rng(0)
    cells = rng.random((6, 6), np.float32)
    assert np.abs(np.diff(smooth(cells, (192, 192)), axis=1)).max() < 0.15
