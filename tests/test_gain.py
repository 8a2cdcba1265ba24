import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.arrays import Floats
from edge.teach.gain import LEAST, calibrated, gain

PLACES = st.integers(0, 13), st.integers(0, 13)


def maps(pictures: int, seed: int = 0, spread: float = 0.3) -> Floats:
    """Held-out distances of good parts that differ everywhere alike."""
    return np.random.default_rng(seed).lognormal(1.0, spread, (pictures, 14, 14)).astype(np.float32)


def with_an_edge(pictures: int, times: float = 4.0) -> Floats:
    """Likewise, but five columns differ so many times as much."""
    found = maps(pictures)
    found[:, :, 4:9] *= times
    return found


def test_parts_that_differ_everywhere_alike_have_no_gain() -> None:
    assert gain(np.full((10, 14, 14), 3.0, np.float32)) == pytest.approx(1.0)


@given(seed=st.integers(0, 100), pictures=st.integers(2, 60))
def test_distances_stay_as_large_on_average(seed: int, pictures: int) -> None:
    found = gain(maps(pictures, seed))
    assert found.dtype == np.float32
    assert found.mean() == pytest.approx(1.0, abs=0.05)


def test_distances_mean_less_where_good_parts_differ_more() -> None:
    found = gain(with_an_edge(200))
    assert found[:, 5:8].max() < 0.6
    assert found[:, :3].min() > 1.4


def test_few_pictures_are_trusted_less_than_many() -> None:
    few, many = (gain(with_an_edge(pictures))[:, 5:8].mean() for pictures in (5, 100))
    assert many < few < 1


def test_no_gain_depends_on_the_scale_of_the_distances() -> None:
    assert gain(1000 * with_an_edge(10)) == pytest.approx(gain(with_an_edge(10)), rel=1e-4)


def test_a_place_where_good_parts_never_differ_is_not_trusted_without_end() -> None:
    still = np.zeros((1000, 14, 14), np.float32)
    still[:, 7:] = 1
    found = gain(still)
    assert np.isfinite(found).all()
    assert found.max() <= 1 / LEAST


def test_distances_that_are_all_zero_have_a_gain_that_does_no_harm() -> None:
    found = gain(np.zeros((5, 14, 14), np.float32))
    assert np.isfinite(found).all()
    assert (found > 0).all()


@given(place=st.tuples(*PLACES), picture=st.integers(0, 7), times=st.floats(0.1, 1000))
def test_no_picture_is_judged_by_itself(place: tuple[int, int], picture: int, times: float) -> None:
    before = maps(8)
    after = before.copy()
    after[picture][place] *= np.float32(times)
    expected = calibrated(before)[picture] / before[picture] * after[picture]
    assert calibrated(after)[picture] == pytest.approx(expected, rel=1e-2)


def test_each_picture_has_the_gain_that_the_others_give() -> None:
    three = with_an_edge(3)
    expected = three[0] * gain(three[1:])
    assert calibrated(three)[0] == pytest.approx(expected, rel=1e-4)


def test_a_single_picture_stays_as_it_is() -> None:
    one = maps(1)
    assert np.array_equal(calibrated(one), one)
