"""Average precision against cases that were computed by hand."""

from math import isnan

import pytest

from edge.geometry import Box
from edge.judge.precision import average_precision, mean_average_precision

A, B, C = Box(0, 0, 10, 10), Box(20, 0, 30, 10), Box(40, 0, 50, 10)
NOWHERE = Box(80, 80, 90, 90)


def test_all_found_and_nothing_else_is_one() -> None:
    assert average_precision([[(0.9, A), (0.8, B)]], [[A, B]]) == pytest.approx(1)


def test_nothing_found_is_zero() -> None:
    assert average_precision([[]], [[A]]) == 0


def test_without_a_true_box_there_is_no_precision() -> None:
    assert isnan(average_precision([[(0.9, A)]], [[]]))


def test_a_hit_a_false_alarm_and_a_hit_of_three() -> None:
    # Precision 1 up to recall 1/3 (34 of the 101 points), 2/3 up to recall 2/3 (33 points), then 0.
    found = [[(0.9, A), (0.8, NOWHERE)], [(0.7, B)]]
    assert average_precision(found, [[A], [B, C]]) == pytest.approx((34 + 33 * 2 / 3) / 101)


def test_a_later_better_precision_counts_for_earlier_recalls() -> None:
    # False alarm first: precision 1/2 at recall 1/2 and 2/3 at recall 1, so 2/3 everywhere.
    assert average_precision([[(0.9, NOWHERE), (0.8, A), (0.7, B)]], [[A, B]]) == pytest.approx(2 / 3)


def test_a_second_box_on_the_same_thing_is_a_false_alarm() -> None:
    assert average_precision([[(0.9, A), (0.8, A), (0.7, B)]], [[A, B]]) == pytest.approx(
        (51 + 50 * 2 / 3) / 101
    )


def test_a_box_in_another_picture_is_no_hit() -> None:
    assert average_precision([[(0.9, A)], []], [[], [A]]) == 0


def test_each_box_takes_the_thing_that_it_covers_best() -> None:
    shifted = Box(4, 0, 14, 10)  # over A by 6/14, over the next one by 8/12
    near = Box(6, 0, 16, 10)
    assert average_precision([[(0.9, shifted), (0.8, A)]], [[A, near]], 0.4) == pytest.approx(1)


def test_the_overlap_decides_what_is_a_hit() -> None:
    half = Box(0, 0, 10, 5)
    assert average_precision([[(0.9, half)]], [[A]], 0.5) == pytest.approx(1)
    assert average_precision([[(0.9, half)]], [[A]], 0.55) == 0


def test_the_mean_is_over_labels_that_are_there_and_over_ten_overlaps() -> None:
    found = {"a": [[(0.9, A)]], "b": [[(0.9, Box(20, 0, 30, 7.2))]], "c": [[(0.4, C)]]}
    figures = mean_average_precision(found, {"a": [[A]], "b": [[B]], "c": [[]]})
    assert figures["map50"] == pytest.approx(1)
    assert figures["map50_95"] == pytest.approx((1 + 5 / 10) / 2)  # b is a hit from 0.50 to 0.70
    assert (figures["ap50 a"], figures["ap50 b"]) == (pytest.approx(1), pytest.approx(1))
    assert "ap50 c" not in figures


def test_pictures_without_anything_have_no_mean() -> None:
    assert isnan(mean_average_precision({"a": [[]]}, {"a": [[]]})["map50"])
