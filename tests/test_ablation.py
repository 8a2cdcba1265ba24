"""`edge eval --ablate`: which variants are tried, and what is said of them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_bundle
import washers

from edge.cli.ablation import Outcome, Row, Variant, ablate, lines, name_of, row, variants
from edge.config.enhance import Clahe, Denoise, Sharpen
from edge.errors import ConfigError
from edge.judge.metrics import auroc, auroc_error

DENOISE, CLAHE, SHARPEN = Denoise(), Clahe(), Sharpen()


def outcome(good: list[float], bad: list[float], name: str = "x") -> Outcome:
    return Outcome(Variant(name, ()), np.array(good), np.array(bad), 1, 2, 0.5)


def names(*steps: Denoise | Clahe | Sharpen) -> list[str]:
    return [variant.name for variant in variants(steps)]


def test_each_step_is_tried_alone_and_left_out() -> None:
    assert names(DENOISE, CLAHE, SHARPEN) == [
        "none", "denoise", "clahe", "sharpen", "all",
        "all without denoise", "all without clahe", "all without sharpen",
    ]  # fmt: skip


def test_nothing_is_tried_twice() -> None:
    assert names(CLAHE) == ["none", "clahe"]
    assert names(DENOISE, CLAHE) == ["none", "denoise", "clahe", "all"]
    assert len({variant.steps for variant in variants((DENOISE, CLAHE, SHARPEN))}) == 8


def test_a_step_is_called_as_the_command_line_takes_it() -> None:
    assert name_of(Clahe()) == "clahe"
    assert name_of(Clahe(clip=3, zones=8)) == "clahe:clip=3,zones=8"


def test_a_clear_gain_earns_its_place_and_a_clear_loss_harms() -> None:
    rng = np.random.default_rng(1)
    good, bad = rng.normal(0, 1, 200), rng.normal(1, 1, 200)
    weak, strong = outcome(list(good), list(bad)), outcome(list(good), list(bad + 1))
    assert row(strong, weak).verdict == "earns its place"
    assert row(weak, strong).verdict == "harms"


def test_a_gain_that_chance_explains_is_none() -> None:
    one, other = outcome([1, 2, 3], [2.5, 4, 5]), outcome([1, 2, 2.4], [2.5, 4, 5])
    assert row(other, one).gain > 0
    assert row(other, one).verdict.startswith("makes no difference")


def test_only_pictures_that_both_have_scored_are_compared() -> None:
    one, other = outcome([1, np.nan, 2], [3, 4, np.nan]), outcome([1, 9, 2], [3, 4, 0])
    assert row(one, other).gain == 0


def test_too_few_pictures_tell_nothing() -> None:
    found = row(outcome([1], [2]), outcome([1], [0]))
    assert found.to_json()["doubt"] is None
    assert found.verdict.startswith("makes no difference")


def test_the_error_of_a_difference_is_that_of_many_repetitions() -> None:
    rng = np.random.default_rng(3)
    differences, errors = [], []
    for _ in range(300):
        good, bad = rng.normal(0, 1, (2, 40)), rng.normal(1, 1, (2, 50))
        good[1] = 0.6 * good[0] + 0.8 * good[1]
        differences.append(auroc(good[0], bad[0]) - auroc(good[1], bad[1]))
        errors.append(auroc_error((good[0], bad[0]), (good[1], bad[1])))
    assert abs(np.mean(errors) / np.std(differences) - 1) < 0.15


def test_the_bundles_own_steps_are_tried_where_none_is_named(quick: washers.Lesson, tmp_path: Path) -> None:
    good = washers.album(tmp_path / "good", range(20, 23))
    washers.album(tmp_path / "bad", range(60, 63), scratched=True)
    wishes = replace(washers.QUICK, enhance=(CLAHE,))
    bundle = washers.teach("washer", quick.good, tmp_path / "shelf", wishes=wishes).bundle
    figures, told = ablate(bundle.folder, good[0].parent, tmp_path / "bad", None, ())
    assert [one["steps"] for one in figures["variants"]] == ["none", "clahe"]
    assert json.loads(json.dumps(figures)) == figures
    assert told[0].split()[:2] == ["steps", "AUROC"]


def test_taught_anew_a_variant_is_judged_by_what_it_has_learned(
    quick: washers.Lesson, tmp_path: Path
) -> None:
    """Noise made five times as strong: to the bundle as it is, good parts are unlike all that it knows."""
    good = washers.album(tmp_path / "good", range(20, 24))
    washers.album(tmp_path / "bad", range(60, 64), scratched=True)
    taught = tmp_path / "taught"
    washers.album(taught, range(6))
    steps = (Sharpen(amount=5, radius_px=3),)
    overkill = []
    for lessons in (None, taught):
        figures, _ = ablate(quick.shelf, good[0].parent, tmp_path / "bad", lessons, steps)
        overkill.append(figures["variants"][1]["overkill"])
    assert overkill[0] > overkill[1]


def test_classes_have_no_separation_to_compare(tmp_path: Path) -> None:
    folder = tiny_bundle.classification(tmp_path / "colours")
    with pytest.raises(ConfigError, match="its task is classification; steps are compared by anomaly scores"):
        ablate(folder, tmp_path, tmp_path, None, ())


def test_a_person_reads_what_each_step_is_worth() -> None:
    none, step = (Row(name, 0.9, 0.0, 0.01, 2.0, 1, 2, 0.4) for name in ("none", "clahe"))
    said = list(lines([none, step]))
    assert said[-1] == "clahe: makes no difference that these pictures show"
    assert len(said) == 5
