"""From scores to a verdict: nothing missing, broken or doubtful passes."""

from collections.abc import Sequence
from math import fsum, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge.config import Check, Point, Rules
from edge.errors import ConfigError
from edge.geometry import Box, Map, Mask
from edge.judge.deviation import Limits
from edge.judge.rules import check_rules, judge
from edge.prediction import Anomaly, Classification
from edge.types import Decision, Verdict

FRAME = Box(0, 0, 1400, 700)
LIMITS = Limits(pass_below=0.9)


def cold(rows: int = 14, columns: int = 14) -> Map:
    return np.full((rows, columns), 0.2, np.float32)


def hot(*cells: tuple[int, int], score: float = 1.5) -> Map:
    scores = cold()
    for cell in cells:
        scores[cell] = score
    return scores


def strip(row: int, column: int) -> list[tuple[int, int]]:
    """Five cells side by side, so many as make a score: 500×50 pixels and 25,000 px² in a map of 14×14."""
    return [(row, column + along) for along in range(5)]


def anomaly(scores: Map, valid: Mask | None = None) -> Anomaly:
    return Anomaly(scores, np.ones(scores.shape, np.bool_) if valid is None else valid, FRAME)


def judged(scores: Map, rules: Rules | None = None, *, was_failing: bool = False) -> Decision:
    return judge(anomaly(scores), LIMITS, rules or Rules(), was_failing=was_failing)


def square(x_min: int, y_min: int, x_max: int, y_max: int) -> list[Point]:
    return [(x_min, y_min), (x_max, y_min), (x_max, y_max), (x_min, y_max)]


def test_a_score_under_the_taught_limit_passes() -> None:
    assert judged(cold()) == Decision(Verdict.PASS, (), pytest.approx(0.2))


def test_a_score_at_fail_at_fails() -> None:
    decision = judged(hot(*strip(3, 4), score=1.0))
    assert (decision.verdict, decision.score) == (Verdict.FAIL, 1.0)
    assert decision.reasons == ("score 1.000 is at or over 1.000 (fail)",)


@pytest.mark.parametrize("score", [0.9001, 0.97, 0.9999])
def test_a_score_between_the_limits_is_inconclusive_and_says_both(score: float) -> None:
    decision = judged(hot(*strip(3, 4), score=score))
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reasons == (f"score {score:.3f} lies between 0.900 (pass) and 1.000 (fail)",)


def test_limits_of_the_rules_go_before_the_taught_ones() -> None:
    scores = hot(*strip(3, 4), score=0.95)
    assert judged(scores, Rules(pass_below=0.96)).verdict is Verdict.PASS
    assert judged(scores, Rules(pass_below=0.5, fail_at=0.94)).verdict is Verdict.FAIL


GRIDS = pytest.mark.parametrize(("rows", "columns"), [(4, 4), (14, 14), (112, 196)])


@GRIDS
def test_a_score_is_the_mean_of_the_five_highest_cells_of_any_grid(rows: int, columns: int) -> None:
    scores = cold(rows, columns)
    scores[[0, 1, 1, 2, 3, 3], [3, 0, 2, 1, 1, 3]] = (20, 50, 10, 40, 9, 30)
    assert judged(scores).score == pytest.approx(30)


@GRIDS
def test_five_cells_of_a_defect_fail_wherever_the_rest_is_cold(rows: int, columns: int) -> None:
    scores = cold(rows, columns)
    scores[1, 1:4] = scores[2, 1:3] = 1.0
    decision = judged(scores)
    assert (decision.verdict, decision.score) == (Verdict.FAIL, 1.0)
    (region,) = decision.regions
    cell_px = FRAME.width * FRAME.height / scores.size
    assert 0 < region.area_px < 5 * cell_px


@GRIDS
def test_one_odd_cell_is_no_defect_and_counts_as_one_of_five(rows: int, columns: int) -> None:
    scores = cold(rows, columns)
    scores[2, 3] = 1.5
    decision = judged(scores)
    assert (decision.verdict, decision.regions) == (Verdict.PASS, ())
    assert decision.score == pytest.approx((1.5 + 4 * 0.2) / 5)


def test_one_cell_that_is_very_hot_fails_alone() -> None:
    decision = judged(hot((3, 4), score=4.3))
    assert decision.verdict is Verdict.FAIL
    assert decision.score == pytest.approx((4.3 + 4 * 0.2) / 5)
    assert len(decision.regions) == 1


@pytest.mark.parametrize("cells", [(1.5,), (0.5, 1.4), (0.4, 1.5, 1.4), (2.1, 0.5, 0.7, 1.1)])
def test_of_fewer_than_five_cells_all_count(cells: tuple[float, ...]) -> None:
    mean = sum(cells) / len(cells)
    verdict = Verdict.FAIL if mean >= 1 else Verdict.INCONCLUSIVE
    whole = judged(np.array([cells], np.float32))
    assert (whole.verdict, whole.score) == (verdict, pytest.approx(mean))
    scores = cold()
    scores[7, : len(cells)] = cells
    valid = np.zeros((14, 14), np.bool_)
    valid[7, : len(cells)] = True
    rest = judge(anomaly(scores, valid), LIMITS, Rules())
    assert (rest.verdict, rest.score) == (verdict, pytest.approx(mean))


def test_regions_are_in_frame_pixels_with_the_highest_peak_first() -> None:
    scores = hot((0, 0), (0, 1), score=1.2)
    scores[10:12, 5] = (1.4, 1.7)
    first, second = judged(scores).regions
    assert first.peak == pytest.approx(1.7)
    assert first.peak_at == (550, 575)
    assert near(first.box, Box(500, 500, 600, 600))
    assert near(second.box, Box(0, 0, 200, 50))


def near(box: Box, cells: Box) -> bool:
    """Whether a box hugs the cells that are over the limit, to half a cell: the surface runs between cells."""
    return all(
        abs(edge - expected) <= most for edge, expected, most in zip(box, cells, (50, 25) * 2, strict=True)
    )


def test_a_region_ends_where_the_smooth_map_falls_under_the_limit() -> None:
    scores = cold()
    scores[:, 7:] = 1.8  # a step of 1.6 at x = 700: half of it is reached there
    (region,) = judged(scores).regions
    assert region.box.x_min == pytest.approx(700, abs=10)
    assert region.box[1:] == (0, 1400, 700)
    assert region.area_px == pytest.approx(region.box.area)


def test_a_cell_that_just_reaches_the_limit_is_in_a_region() -> None:
    scores = hot(*strip(3, 4), score=1.0)
    (region,) = judged(scores).regions
    assert region.box.x_min <= 450
    assert region.box.x_max >= 850
    assert region.area_px > 0


def test_cells_that_touch_at_a_corner_are_one_region() -> None:
    (region,) = judged(hot((3, 3), (4, 4), (5, 5), (4, 6), (3, 7), score=3)).regions
    assert near(region.box, Box(300, 150, 800, 300))


def test_at_most_twenty_regions_are_listed() -> None:
    assert (
        len(judged(hot(*((row, column) for row in range(0, 14, 2) for column in range(0, 14, 2)))).regions)
        == 20
    )


def test_an_area_smaller_than_the_least_is_no_defect() -> None:
    decision = judged(hot(*strip(3, 4)), Rules(min_area_px=25_001))
    assert decision.verdict is Verdict.PASS
    assert decision.reasons == ("areas under 25001 px² do not count as defects (min_area_px)",)
    assert decision.score == pytest.approx(0.9)
    assert decision.regions == ()


def test_a_speck_does_not_make_a_part_doubtful_either() -> None:
    scores = hot((3, 4), score=4)
    assert judged(scores).verdict is Verdict.INCONCLUSIVE
    assert judged(scores, Rules(min_area_px=5_001)).verdict is Verdict.PASS


def test_what_a_speck_leaves_is_judged_like_any_other() -> None:
    scores = hot(*strip(3, 4))
    scores[9, 8:] = 0.95
    decision = judged(scores, Rules(min_area_px=25_001))
    assert (decision.verdict, decision.score) == (Verdict.INCONCLUSIVE, pytest.approx(0.95))


def test_an_area_counts_as_far_as_it_is_in_doubt() -> None:
    scores = hot((3, 4), (3, 5), score=2.5)
    scores[2:5, 3:7][scores[2:5, 3:7] < 1] = 0.95
    decision = judged(scores, Rules(min_area_px=50_000))
    assert decision.verdict is Verdict.FAIL


def test_an_area_of_the_least_size_is_a_defect() -> None:
    (region,) = judged(hot(*strip(3, 4), *strip(8, 8), (8, 13)), Rules(min_area_px=30_000)).regions
    assert near(region.box, Box(800, 400, 1400, 450))


def test_a_least_area_that_nothing_could_reach_is_an_error() -> None:
    for scores in (cold(), np.full((14, 14), 2, np.float32)):
        decision = judged(scores, Rules(min_area_px=1400 * 700 + 1))
        assert decision.verdict is Verdict.ERROR
        assert "min_area_px" in decision.reasons[0]


def test_what_is_ignored_does_not_count() -> None:
    scores = hot(*strip(3, 4))
    assert judged(scores, Rules(ignore=[square(400, 150, 900, 200)])).score == pytest.approx(0.2)
    assert judged(scores, Rules(ignore=[square(900, 150, 1400, 200)])).score == 1.5


def test_what_is_ignored_is_no_region_either() -> None:
    (region,) = judged(hot(*strip(3, 4), *strip(8, 8)), Rules(ignore=[square(400, 150, 900, 200)])).regions
    assert near(region.box, Box(800, 400, 1300, 450))


def test_ignoring_one_place_does_not_bring_back_what_lies_outside_the_polygon() -> None:
    valid = np.ones((14, 14), np.bool_)
    valid[3, 4:9] = False
    rules = Rules(ignore=[square(0, 0, 100, 50)])
    decision = judge(anomaly(hot(*strip(3, 4)), valid), LIMITS, rules)
    assert (decision.verdict, decision.score) == (Verdict.PASS, pytest.approx(0.2))


def test_a_cell_that_is_less_than_half_ignored_counts() -> None:
    scores = hot(*strip(3, 4), score=1.0)
    assert judged(scores, Rules(ignore=[square(400, 150, 430, 200)])).verdict is Verdict.FAIL
    assert judged(scores, Rules(ignore=[square(400, 150, 470, 200)])).verdict is Verdict.PASS


def test_what_lies_outside_the_polygon_does_not_count() -> None:
    valid = np.ones((14, 14), np.bool_)
    valid[3, 4:9] = False
    decision = judge(anomaly(hot(*strip(3, 4)), valid), LIMITS, Rules())
    assert (decision.verdict, decision.score) == (Verdict.PASS, pytest.approx(0.2))


def test_ignoring_everything_is_an_error_and_says_what_to_do() -> None:
    decision = judged(cold(), Rules(ignore=[square(-9, -9, 9999, 9999)]))
    assert decision == Decision(
        Verdict.ERROR, ("not judged: roi, polygon and ignore leave no cell of the anomaly map; correct them",)
    )


@pytest.mark.parametrize("broken", [nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_an_error_even_where_nothing_counts(broken: float) -> None:
    valid = np.ones((14, 14), np.bool_)
    valid[3, 4] = False
    decision = judge(anomaly(hot((3, 4), score=broken), valid), LIMITS, Rules())
    assert decision.verdict is Verdict.ERROR
    assert decision.reasons == ("not judged: the anomaly map has scores that are not numbers",)


def test_a_map_without_cells_is_an_error() -> None:
    assert judged(np.empty((0, 0), np.float32)).verdict is Verdict.ERROR


def test_a_part_that_failed_stays_failed_until_it_is_well_under_the_limit() -> None:
    rules = Rules(hysteresis=0.2)
    scores = hot(*strip(3, 4), score=0.85)
    assert judged(scores, rules).verdict is Verdict.PASS
    decision = judged(scores, rules, was_failing=True)
    assert decision.verdict is Verdict.FAIL
    assert decision.reasons == ("score 0.850 has not fallen under 0.800 since the part failed (hysteresis)",)
    assert len(decision.regions) == 1
    assert judged(hot(*strip(3, 4), score=0.79), rules, was_failing=True).verdict is Verdict.PASS


finite = st.floats(0, 4, width=32)
any_score = st.one_of(finite, st.floats(width=32))
sizes = st.sampled_from([(1, 1), (2, 2), (2, 3), (14, 14), (25, 20)])
maps = sizes.flatmap(
    lambda size: arrays(np.float32, size, elements=st.one_of(finite, any_score), fill=finite)
)
all_rules = st.builds(
    Rules,
    fail_at=st.floats(0.01, 3),
    pass_below=st.none() | st.floats(0.01, 3),
    hysteresis=st.floats(0, 1),
    ignore=st.just([]) | st.just([square(0, 0, 700, 700)]),
)


def highest(cells: Sequence[float]) -> float:
    """The score, told in another way than the code does."""
    top = sorted(map(float, cells), reverse=True)[:5]
    return fsum(top) / len(top)


@settings(deadline=None, max_examples=150)
@given(maps, all_rules, st.floats(0.01, 3), st.booleans(), st.integers(0, 99))
def test_nothing_passes_unless_all_scores_are_numbers_and_the_five_highest_under_the_limits(
    scores: Map,
    rules: Rules,
    taught: float,
    was_failing: bool,  # noqa: FBT001 - hypothesis gives it
    seed: int,
) -> None:
    valid = np.random.default_rng(seed).random(scores.shape) < 0.8
    decision = judge(anomaly(scores, valid), Limits(taught), rules, was_failing=was_failing)
    counts = valid.copy()
    if rules.ignore:
        counts[:, : (scores.shape[1] + 1) // 2] = False
    if not np.isfinite(scores).all() or not counts.any():
        assert decision.verdict is Verdict.ERROR
        return
    score = highest(scores[counts])
    fail_at = rules.fail_at - rules.hysteresis * was_failing
    pass_below = rules.pass_below or taught
    assert (decision.verdict is Verdict.FAIL) == (score >= fail_at)
    assert (decision.verdict is Verdict.PASS) == (score < min(fail_at, pass_below))
    assert bool(decision.regions) == (decision.verdict is Verdict.FAIL)


def largest_patch(over: Mask) -> int:
    """Cells of the largest connected area, by walking from cell to cell."""
    left = {(int(row), int(column)) for row, column in np.argwhere(over)}
    largest = 0
    while left:
        edge, cells = [left.pop()], 0
        while edge:
            row, column = edge.pop()
            cells += 1
            near = {(row + down, column + along) for down in (-1, 0, 1) for along in (-1, 0, 1)} & left
            left -= near
            edge += near
        largest = max(largest, cells)
    return largest


LEAST_AREAS = st.integers(0, 20).map(lambda cells: max(0, cells * 100 * 50 - 1))


@settings(deadline=None, max_examples=150)
@given(arrays(np.float32, (14, 14), elements=finite, fill=finite), LEAST_AREAS)
def test_with_a_least_area_nothing_of_that_area_is_lowered(scores: Map, min_area_px: int) -> None:
    plain, decision = judged(scores), judged(scores, Rules(min_area_px=min_area_px))
    assert decision.verdict.severity <= plain.verdict.severity
    doubtful = scores >= LIMITS.pass_below
    if largest_patch(doubtful) * 100 * 50 < min_area_px:
        assert decision.verdict is Verdict.PASS
    elif largest_patch(doubtful) >= max(5, min_area_px / (100 * 50)):
        assert decision.verdict is not Verdict.PASS
    if min_area_px == 0:
        assert decision == plain


@settings(deadline=None, max_examples=150)
@given(
    arrays(np.float32, (14, 14), elements=finite, fill=finite),
    LEAST_AREAS,
    st.tuples(st.integers(0, 13), st.integers(0, 13)),
    finite,
)
def test_with_a_least_area_a_higher_score_of_a_cell_is_never_better(
    scores: Map, min_area_px: int, cell: tuple[int, int], score: float
) -> None:
    rules = Rules(min_area_px=min_area_px)
    worse = scores.copy()
    worse[cell] = max(scores[cell], score)
    assert judged(worse, rules).verdict.severity >= judged(scores, rules).verdict.severity


GOOD = Rules(good_labels=["good", "shiny"], min_probability=0.8)


def classified(**scores: float) -> Decision:
    return judge(Classification(tuple(scores), tuple(scores.values())), LIMITS, GOOD)


def test_a_good_label_passes() -> None:
    assert classified(good=0.9, scratch=0.1) == Decision(Verdict.PASS, (), 0.9, "good")


def test_a_label_that_is_not_good_fails() -> None:
    decision = classified(good=0.1, scratch=0.9)
    assert (decision.verdict, decision.label, decision.score) == (Verdict.FAIL, "scratch", 0.9)
    assert decision.reasons == ("scratch: is not one of good_labels; probability 0.900",)


@pytest.mark.parametrize("good", [0.7, 0.3])
def test_a_label_that_hardly_wins_is_inconclusive(good: float) -> None:
    decision = classified(good=good, scratch=1 - good)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "probability 0.700 is under 0.800 (min_probability)" in decision.reasons[0]


def test_of_two_labels_that_tie_the_one_that_does_not_pass_wins() -> None:
    rules = Rules(good_labels=["good"], min_probability=0.5)
    assert judge(Classification(("good", "bad"), (0.5, 0.5)), LIMITS, rules).label == "bad"
    assert judge(Classification(("zinc", "good"), (0.5, 0.5)), LIMITS, rules).label == "zinc"


@pytest.mark.parametrize(
    "scores", [(nan, 1.0), (0.9, 0.9), (0.0, 0.0), (-0.5, 1.5), (np.inf, 0.0), (1.0,), (0.4, 0.3, 0.3), ()]
)
def test_probabilities_that_cannot_be_are_an_error(scores: tuple[float, ...]) -> None:
    decision = judge(Classification(("good", "scratch"), scores), LIMITS, GOOD)
    assert decision.verdict is Verdict.ERROR


@given(st.lists(st.floats(), max_size=4), st.sampled_from([[], ["a"], ["b", "c"]]), st.floats(0, 1))
def test_no_class_passes_unless_it_is_good_and_certain(
    scores: list[float], good_labels: list[str], min_probability: float
) -> None:
    rules = Rules(good_labels=good_labels, min_probability=min_probability)
    decision = judge(Classification(("a", "b", "c"), tuple(scores)), LIMITS, rules)
    if decision.verdict is Verdict.PASS:
        assert decision.label in good_labels
        assert decision.score == max(scores)
        assert decision.score >= min_probability


def a_check(**settings: object) -> Check:
    return Check.model_validate({"name": "surface", "bundle": "bundle", **settings})


def complaint(check: Check, limits: Limits = LIMITS, labels: Sequence[str] = ()) -> str:
    with pytest.raises(ConfigError) as caught:
        check_rules(check, limits, "classification" if labels else "anomaly", labels)
    return str(caught.value)


def test_rules_that_agree_are_accepted() -> None:
    check_rules(a_check(polygon=square(0, 0, 9, 9)), LIMITS)
    check_rules(a_check(rules={"good_labels": ["good"]}), LIMITS, "classification", ["good", "bad"])


def test_passing_over_the_fail_limit_is_refused_and_says_whose_limit_it_is() -> None:
    assert complaint(a_check(rules={"pass_below": 1.2})) == (
        "check surface: rules.pass_below: 1.2 (as configured) is over fail_at, which is 1; "
        "set pass_below to fail_at or less"
    )
    assert "0.9 (as taught) is over fail_at, which is 0.5" in complaint(a_check(rules={"fail_at": 0.5}))


def test_a_hysteresis_that_never_ends_is_refused() -> None:
    assert "hysteresis: 1 must be under fail_at" in complaint(a_check(rules={"hysteresis": 1.0}))


def test_a_limit_that_is_not_finite_is_refused() -> None:
    assert "must be finite" in complaint(a_check(rules={"fail_at": float("inf")}))
    assert "must be finite" in complaint(a_check(), Limits(nan))


def test_a_polygon_of_two_corners_is_refused() -> None:
    rules = {"ignore": [square(0, 0, 9, 9), [(0, 0), (1, 1)]]}
    assert "rules.ignore[1]: has 2 corners; give it at least 3" in complaint(a_check(rules=rules))
    assert "polygon: has 1 corners" in complaint(a_check(polygon=[(0, 0)]))


def test_a_classifier_without_good_labels_is_refused() -> None:
    assert "rules.good_labels: is empty" in complaint(a_check(), labels=["good", "scratch"])


def test_a_good_label_that_the_model_does_not_know_is_refused_with_the_nearest() -> None:
    text = complaint(a_check(rules={"good_labels": ["god"]}), labels=["good", "scratch"])
    assert text == "check surface: rules.good_labels: the model has no label 'god'; did you mean 'good'?"
