"""Limits and their guarantee: what is promised, what is proven, and what is refused."""

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest

from edge.errors import ConfigError
from edge.teach import tolerance
from edge.teach.limits import HeldOut, folds, learn

FEW = [8.0, 9.0, 10.0, 11.0, 12.5]


def lognormal(parts: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(2, 0.1, parts)


def gumbel(parts: int, seed: int) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).gumbel(2, 0.1, parts))


def test_each_picture_is_held_out_once() -> None:
    for count in (5, 6, 29, 30, 31, 60, 333):
        held = np.concatenate(list(folds(count)))
        assert sorted(held.tolist()) == list(range(count))


def test_held_out_scores_say_how_well_made_up_defects_are_told() -> None:
    held = HeldOut(np.array([10.0, 11.0, 12.0]), np.array([20.0, 11.5]))
    assert held.auroc == pytest.approx(5 / 6)
    assert held.separation > 3


def test_limits_lie_above_the_scores_that_they_are_learned_from() -> None:
    scores = lognormal(60)
    limit = learn(scores)
    assert scores.max() < limit.limit_distance < 1.5 * scores.max()
    assert np.quantile(scores, 0.9) < limit.pass_below * limit.limit_distance < limit.limit_distance


def test_limits_from_few_scores_are_wider() -> None:
    assert learn(FEW).limit_distance > 1.2 * learn(FEW * 12).limit_distance


def test_the_order_of_the_scores_does_not_matter() -> None:
    assert learn(FEW) == replace(learn(FEW[::-1]), spread=learn(FEW).spread)


@pytest.mark.parametrize(
    ("parts", "factor"), [(5, 4.666), (10, 3.532), (20, 3.052), (50, 2.735), (100, 2.601)]
)
def test_without_skewness_the_factors_are_those_of_the_tables(parts: int, factor: float) -> None:
    assert tolerance.factor(parts, 0.0, 0.01, 0.9) == pytest.approx(factor, rel=0.015)


def test_the_next_part_is_predicted_as_student_has_it() -> None:
    student = 1.7291  # 95 %, 19 degrees of freedom
    assert tolerance.predicted(20, 0.0, 0.05) == pytest.approx(student * (1 + 1 / 20) ** 0.5, rel=0.015)


def test_a_longer_tail_makes_the_limit_wider() -> None:
    factors = [tolerance.factor(20, skewness, 0.01, 0.9) for skewness in (0.0, 0.5, 1.0, 2.0)]
    assert factors == sorted(factors)
    assert factors[2] > 1.3 * factors[0]


@pytest.mark.parametrize(("over", "parts", "bound"), [(0, 20, 0.1087), (2, 20, 0.2448), (0, 230, 0.00996)])
def test_a_count_proves_what_clopper_and_pearson_say(over: int, parts: int, bound: float) -> None:
    assert tolerance.proven(over, parts, 0.9) == pytest.approx(bound, abs=1e-4)


def test_all_parts_over_the_limit_prove_nothing() -> None:
    assert tolerance.proven(7, 7, 0.9) == 1.0


def test_230_parts_prove_one_per_cent_and_229_do_not() -> None:
    assert tolerance.parts_to_prove(0.01, 0.9) == 230
    assert tolerance.spared(229, 0.01, 0.9) == -1
    assert tolerance.spared(230, 0.01, 0.9) == 0
    assert tolerance.proven(tolerance.spared(1000, 0.01, 0.9), 1000, 0.9) <= 0.01
    assert tolerance.proven(tolerance.spared(1000, 0.01, 0.9) + 1, 1000, 0.9) > 0.01


@pytest.mark.parametrize("parts", [20, 60])
def test_the_promise_is_kept_in_the_stated_share_of_lessons(parts: int) -> None:
    """Scores of a longer tail than the limits take them to have."""
    kept = []
    for seed in range(200):
        limit = learn(gumbel(parts, seed))
        kept.append(1 - exp(-exp(-(log(limit.limit_distance) - 2) / 0.1)) <= limit.false_reject)
    assert np.mean(kept) >= 0.9


def test_a_wider_promise_gives_a_lower_limit() -> None:
    scores = lognormal(60)
    limits = [learn(scores, false_reject=rate).limit_distance for rate in (0.001, 0.01, 0.05, 0.2)]
    assert limits == sorted(limits, reverse=True)


def test_less_confidence_gives_a_lower_limit() -> None:
    scores = lognormal(20)
    assert learn(scores, confidence=0.5).limit_distance < learn(scores, confidence=0.99).limit_distance


def test_where_parts_suffice_the_promise_is_proven_whatever_the_distribution() -> None:
    scores = lognormal(300)
    scores[0] = 100.0
    limit = learn(scores)
    assert limit.limit_distance > 100.0
    assert limit.is_proven
    assert limit.over == 0


def test_one_outlier_of_many_parts_does_not_make_the_limit() -> None:
    scores = lognormal(1000)
    scores[0] = 100.0
    limit = learn(scores)
    assert limit.limit_distance < 50.0
    assert limit.is_proven


def test_the_parts_over_the_limits_are_counted() -> None:
    scores = lognormal(1000)
    limit = learn(scores, false_reject=0.05)
    relative = scores / limit.limit_distance
    assert limit.over == (relative >= 1).sum() > 0
    assert limit.between == ((relative >= limit.pass_below) & (relative < 1)).sum() > 0
    assert limit.expected == pytest.approx((relative >= 1).mean(), abs=0.01)


def test_five_in_a_hundred_good_parts_are_expected_over_the_lower_limit() -> None:
    limit = learn(lognormal(60))
    assert limit.expected + limit.doubtful == pytest.approx(0.05, abs=0.001)


def test_a_promise_of_many_false_rejects_leaves_a_band_or_none_but_never_an_inverted_one() -> None:
    for rate in (0.01, 0.1, 0.3, 0.49):
        limit = learn(lognormal(300), false_reject=rate, confidence=0.5)
        assert 0 < limit.pass_below <= 1
        assert limit.doubtful >= 0


def test_too_few_parts_promise_nothing_and_say_how_many_would() -> None:
    limit = learn(lognormal(12))
    assert not limit.promised
    assert "12 parts are too few" in limit.sentence()
    assert "30 parts let their spread promise 1 %" in limit.sentence()
    assert "230 parts would prove 1 %" in limit.sentence()


def test_a_promise_says_what_it_rests_on() -> None:
    limit = learn(lognormal(60))
    assert limit.promised
    assert not limit.is_proven
    assert limit.sentence().startswith("of 60 good parts, each held out, 0 would fail")
    assert "at most 1 % false rejects with 90 % confidence" in limit.sentence()
    assert "proven are at most 3.8 %" in limit.sentence()


def test_no_part_that_was_taught_fails_where_the_parts_are_too_few_to_prove_the_promise() -> None:
    scores = lognormal(60)
    scores[7] = 100.0
    assert learn(scores).limit_distance > 100.0
    assert learn(scores).over == 0


def test_a_proven_promise_asks_for_no_more_parts() -> None:
    assert "would prove" not in learn(lognormal(300)).sentence()


def test_scores_that_are_all_the_same_give_a_limit_over_them_and_no_promise() -> None:
    limit = learn([7.0] * 30)
    assert 7.0 < limit.limit_distance < 10.0
    assert limit.pass_below * limit.limit_distance > 7.0
    assert not limit.promised
    assert "nearly all the same" in limit.sentence()


def test_scores_of_nothing_give_a_limit_all_the_same() -> None:
    assert 1.0 < learn([0.0] * 6).limit_distance < 2.0


def test_four_scores_are_too_few() -> None:
    with pytest.raises(ConfigError, match="4 held-out scores are too few"):
        learn([1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -1.0])
def test_a_score_that_is_none_is_named(score: float) -> None:
    with pytest.raises(ConfigError, match="score of good part 3 of 6"):
        learn([8.0, 9.0, score, 10.0, 11.0, 12.0])


@pytest.mark.parametrize("rate", [0.0, 0.5, float("nan")])
def test_a_rate_that_no_limit_can_keep_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="false_reject"):
        learn(FEW, false_reject=rate)


@pytest.mark.parametrize("confidence", [0.4, 1.0, float("nan")])
def test_a_confidence_that_is_none_is_refused(confidence: float) -> None:
    with pytest.raises(ConfigError, match="confidence"):
        learn(FEW, confidence=confidence)
