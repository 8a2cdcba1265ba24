from dataclasses import replace

import numpy as np
import pytest

from edge.judge import anomaly
from edge.model.arrays import Floats
from edge.model.methods import Method
from edge.preprocess.layout import lay_out
from edge.preprocess.tensor import InputSpec
from edge.teach import limits
from edge.teach.contest import Sample, Trial, fit, fitted, looker, merit, nearest, scores
from edge.teach.gain import calibrated, gain
from edge.teach.setting import Setting

METHODS: tuple[Method, ...] = ("memory_bank", "gaussian", "position_gaussian")
PLENTY = 10**6


def a_sample(good: int = 6, tiles: int = 1, seed: int = 0) -> Sample:
    """Good parts, two copies of each with a strange cell, and two known-bad ones, all cells 3, 4 or 6 long."""
    rng = np.random.default_rng(seed)
    cells = rng.normal(0, 1, (good, tiles**2, 4, 4, 6)).astype(np.float32)
    parents = [parent for parent in range(good) for _ in range(2)]
    damaged = cells[parents] + rng.normal(0, 0.1, (2 * good, tiles**2, 4, 4, 6)).astype(np.float32)
    damaged[:, 0, 1:3, 1:3] += 6
    bad = cells[:2] + np.float32(3)
    spec = InputSpec(64, 64, tiles_x=tiles, tiles_y=tiles)
    return Sample(cells, damaged, parents, bad, lay_out(64 * tiles, 64 * tiles, spec))


def brute_force(sample: Sample, picture: Floats, left_out: int | None) -> Floats:
    """Distances to the nearest standardised cell of all good pictures but one, of one tile."""
    flat = sample.good.reshape(-1, 6)
    mean, spread = flat.mean(0), flat.std(0)
    bank = (np.delete(sample.good, [] if left_out is None else left_out, 0).reshape(-1, 6) - mean) / spread
    cells = (picture.reshape(-1, 6) - mean) / spread
    return np.linalg.norm(cells[:, None] - bank, axis=2).min(1).reshape(4, 4)


def parts(sample: Sample, count: int = 3) -> list[np.ndarray]:
    return np.array_split(np.arange(len(sample.good)), count)


def test_settings_are_compared_by_the_nearest_cell_of_all_other_pictures() -> None:
    sample = a_sample()
    trial = nearest(sample)
    assert trial.good[2] == pytest.approx(brute_force(sample, sample.good[2], 2), abs=1e-2)
    assert trial.damaged[5] == pytest.approx(brute_force(sample, sample.damaged[5], 2), abs=1e-2)
    assert trial.bad[1] == pytest.approx(brute_force(sample, sample.bad[1], None), abs=1e-2)


def test_there_need_be_no_known_bad_part() -> None:
    sample = a_sample()
    bare = replace(sample, bad=sample.bad[:0])
    for trial in (nearest(bare), fitted("gaussian", bare, parts(bare), PLENTY, 0)[0]):
        assert trial.bad_scores.shape == (0,)
        assert trial.auroc > 0.9


def test_made_up_defects_tell_a_candidate_where_there_are_no_real_ones() -> None:
    sample = a_sample()
    harmless = replace(sample, bad=sample.good[:0], damaged=sample.good[list(sample.parents)])
    assert nearest(harmless).auroc == pytest.approx(0.5, abs=0.1)


def test_known_bad_parts_count_more_than_made_up_ones() -> None:
    sample = a_sample()
    harmless = replace(sample, damaged=sample.good[list(sample.parents)])
    assert nearest(harmless).auroc == 1.0


@pytest.mark.parametrize("method", METHODS)
def test_every_picture_is_judged_by_what_the_others_teach(method: Method) -> None:
    sample = a_sample()
    held_out = [np.array([1, 4]), np.array([0, 5]), np.array([2, 3])]
    trial, _ = fitted(method, sample, held_out, PLENTY, 0)
    others = fit(method, sample.good[[0, 2, 3, 5]], PLENTY, 0)
    look = looker(method, others, sample)
    assert np.array_equal(trial.good[4], look(sample.good[4]))
    assert np.array_equal(trial.damaged[2], look(sample.damaged[2]))  # a copy of picture 1


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_pictures_and_defects_is_kept(method: Method) -> None:
    sample = a_sample()
    shuffled = replace(sample, damaged=sample.damaged[::-1].copy(), parents=list(reversed(sample.parents)))
    expected, _ = fitted(method, sample, parts(sample), PLENTY, 0)
    found, _ = fitted(method, shuffled, parts(sample), PLENTY, 0)
    assert np.array_equal(found.damaged, expected.damaged[::-1])
    assert np.array_equal(found.good, expected.good)


def test_a_known_bad_part_has_the_mean_of_all_folds() -> None:
    sample = a_sample()
    trial, _ = fitted("gaussian", sample, parts(sample), PLENTY, 0)
    rests = [np.setdiff1d(np.arange(6), part) for part in parts(sample)]
    looks = [looker("gaussian", fit("gaussian", sample.good[rest], PLENTY, 0), sample) for rest in rests]
    expected = np.mean([look(sample.bad[0]) for look in looks], axis=0)
    assert trial.bad[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_pictures_and_seed_give_the_same_trial(method: Method) -> None:
    first, second = (fitted(method, a_sample(), parts(a_sample()), PLENTY, 3)[0] for _ in range(2))
    assert np.array_equal(first.good, second.good)
    assert np.array_equal(first.damaged, second.damaged)


def test_each_fold_is_told_when_it_is_done() -> None:
    told: list[None] = []
    fitted("gaussian", a_sample(), parts(a_sample()), PLENTY, 0, lambda: told.append(None))
    assert len(told) == 3


def test_scores_of_good_parts_are_calibrated_by_the_others() -> None:
    trial = nearest(a_sample())
    assert trial.good_scores == pytest.approx(scores(calibrated(trial.good)))
    assert trial.damaged_scores == pytest.approx(scores(trial.damaged * gain(trial.good)))


def test_tiles_have_no_gain() -> None:
    trial = nearest(a_sample(tiles=2))
    assert trial.good.shape == (6, 8, 8)
    assert (trial.gain == 1).all()
    assert trial.good_scores == pytest.approx(scores(trial.good))


def test_a_score_is_that_of_a_part_that_is_judged() -> None:
    maps = np.random.default_rng(0).random((3, 4, 4)).astype(np.float32)
    assert scores(maps).tolist() == [anomaly.score(one.ravel()) for one in maps]


def test_some_of_the_pictures_come_with_what_is_theirs() -> None:
    some = a_sample().of([1, 4])
    assert np.array_equal(some.good, a_sample().good[[1, 4]])
    assert np.array_equal(some.damaged, a_sample().damaged[[2, 3, 8, 9]])
    assert list(some.parents) == [0, 0, 1, 1]


def test_more_cells_than_there_is_time_for_are_thinned_out() -> None:
    cells = np.random.default_rng(0).normal(0, 1, (30, 4, 28, 28, 3)).astype(np.float32)
    arrays = fit("memory_bank", cells, 2000, 0)
    assert np.isfinite(arrays["bank"]).all()
    # Of 94 thousand cells 40 thousand count; their mean is not that of all, but near.
    assert arrays["mean"] == pytest.approx(cells.mean((0, 1, 2, 3)), abs=0.02)
    assert not np.allclose(arrays["mean"], cells.mean((0, 1, 2, 3)), atol=1e-7)


def test_what_tells_defects_better_has_more_merit_where_all_else_is_equal() -> None:
    sample = a_sample()
    harmless = replace(sample, bad=sample.good[:0], damaged=sample.good[list(sample.parents)])
    setting = Setting(InputSpec(64, 64), (16,))
    good, poor = nearest(sample), nearest(harmless)
    assert merit(setting, "gaussian", good) > merit(setting, "gaussian", poor)


def test_separation_is_that_of_the_held_out_scores() -> None:
    trial = Trial(*(nearest(a_sample()).__dict__[name] for name in ("good", "damaged", "bad")))
    assert trial.separation == limits.HeldOut(trial.good_scores, trial.bad_scores).separation
