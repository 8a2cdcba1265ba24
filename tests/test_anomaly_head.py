import numpy as np
import pytest

from edge.errors import BundleError
from edge.model.anomaly_head import GAIN, AnomalyScorer
from edge.model.arrays import Arrays, Floats
from edge.model.interpreter import TensorSpec
from edge.model.manifest import Input
from edge.model.tables.anomaly import AnomalyHead

FEATURES = TensorSpec("features", (1, 2, 2, 3), np.dtype(np.float32), 0.0, 0)
BANK: Arrays = {
    "bank": np.zeros((1, 3), np.float32),
    "mean": np.zeros(3, np.float32),
    "spread": np.ones(3, np.float32),
}
"""Distances from it are the lengths of the cells."""
LENGTHS = np.array([[1.0, 2.0], [4.0, 8.0]], np.float32)


def scorer(arrays: Arrays = BANK, limit_distance: float = 2.0) -> AnomalyScorer:
    head = AnomalyHead(method="memory_bank", head="head.npz", limit_distance=limit_distance)
    return AnomalyScorer(head, Input(width=32, height=32), arrays, [FEATURES], "head.npz")


def outputs(lengths: Floats) -> list[Floats]:
    """What the backbone would give for cells of these lengths."""
    cells = np.zeros((1, 2, 2, 3), np.float32)
    cells[0, :, :, 1] = lengths
    return [cells]


def test_the_limit_has_the_score_one() -> None:
    assert scorer(limit_distance=4.0).score(outputs(LENGTHS)) == pytest.approx(LENGTHS / 4, abs=1e-5)


def test_a_gain_makes_distances_mean_more_or_less() -> None:
    gain = np.array([[1.0, 0.5], [2.0, 1.0]], np.float32)
    found = scorer({**BANK, GAIN: gain}).score(outputs(LENGTHS))
    assert found == pytest.approx(LENGTHS * gain / 2, abs=1e-5)


def test_a_feature_that_is_not_a_number_is_a_score_that_is_none() -> None:
    broken = LENGTHS.copy()
    broken[0, 1] = np.nan
    found = scorer({**BANK, GAIN: np.ones((2, 2), np.float32)}).score(outputs(broken))
    assert np.isnan(found).tolist() == [[False, True], [False, False]]


def test_a_score_stays_as_it_is_when_the_next_one_is_given() -> None:
    one = scorer()
    first = one.score(outputs(LENGTHS))
    one.score(outputs(3 * LENGTHS))
    assert first == pytest.approx(LENGTHS / 2, abs=1e-5)


@pytest.mark.parametrize("least", [0.0, -1.0])
def test_a_gain_that_would_hide_a_place_is_refused(least: float) -> None:
    gain = np.array([[1.0, least], [1.0, 1.0]], np.float32)
    with pytest.raises(BundleError, match=r"head\.npz: array 'gain' must be over 0; teach the bundle again"):
        scorer({**BANK, GAIN: gain})


def test_a_gain_of_another_grid_is_refused() -> None:
    with pytest.raises(BundleError, match=r"array 'gain' is float32 3×2, but must be float32 2×2"):
        scorer({**BANK, GAIN: np.ones((3, 2), np.float32)})


def test_a_gain_that_is_not_finite_is_refused() -> None:
    gain = np.array([[1.0, np.inf], [1.0, 1.0]], np.float32)
    with pytest.raises(BundleError, match="array 'gain' holds numbers that are not finite"):
        scorer({**BANK, GAIN: gain})
