"""Whole lessons: from pictures to a bundle that judges."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from washers import QUICK, ROI, Lesson, album, listing, on_a_belt, quick_lesson, washer

from edge.config import Rectangle
from edge.errors import BundleError, ConfigError
from edge.model import examples, shipped
from edge.model.bundle import load
from edge.model.golden import replay, score
from edge.model.runner import open_model
from edge.model.tables import MANIFEST
from edge.model.verify import verify
from edge.preprocess.quality import complaints, measure
from edge.teach import notebook
from edge.teach.conclusion import FIGURES, HEAD, REPORT
from edge.teach.coreset import choose
from edge.teach.lesson import Taught, Wishes, extend, teach


@pytest.fixture(scope="module")
def close(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """Taught on the part alone, in 2 × 2 tiles."""
    folder = tmp_path_factory.mktemp("close")
    paths = [folder / f"{seed}.png" for seed in range(5)]
    for seed, path in enumerate(paths):
        PIL.Image.fromarray(on_a_belt(seed)).save(path)
    return teach("washer", paths, folder / "shelf", wishes=replace(QUICK, roi=ROI, tiles=2))


@pytest.fixture(scope="module")
def again(quick: Lesson, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """The quick lesson once more, on a copy of its shelf."""
    folder = tmp_path_factory.mktemp("again")
    return quick_lesson(folder, quick.copied(folder)).taught


def test_a_taught_bundle_tells_a_damaged_part_from_good_ones(taught: Taught) -> None:
    model = open_model(load(taught.bundle.folder))
    good = [score(model, washer(seed)) for seed in range(100, 106)]
    bad = [score(model, washer(seed, scratched=True)) for seed in range(100, 106)]
    assert max(good) < model.limits.pass_below
    assert min(bad) >= 1.0


def test_a_taught_bundle_proves_itself(taught: Taught) -> None:
    bundle = load(taught.bundle.folder)
    verify(bundle)
    expected = [golden.score for golden in bundle.manifest.golden]
    assert replay(bundle, open_model(bundle)) == pytest.approx(expected, abs=1e-6)


def test_golden_pictures_are_good_and_damaged_ones(taught: Taught) -> None:
    names = [golden.file for golden in taught.bundle.manifest.golden]
    assert sorted(names) == ["damaged-0.png", "damaged-1.png", "good-0.png", "good-1.png"]


def test_what_was_found_is_active_and_can_be_looked_at(taught: Taught) -> None:
    assert taught.activated
    assert load(taught.bundle.folder.parent).folder == taught.bundle.folder
    assert taught.report.read_bytes() == taught.bundle.files[REPORT]
    figures = json.loads(taught.bundle.files[FIGURES])
    assert taught.to_json() | figures == taught.to_json()
    assert figures["pictures"] == 10


def test_held_out_scores_keep_the_order_of_the_pictures(taught: Taught) -> None:
    assert [name for name, _ in taught.record.good] == [f"{seed:03}.png" for seed in range(10)]
    assert all(0 < found < 1 for _, found in taught.record.good)


def test_known_bad_parts_are_scored(taught: Taught) -> None:
    assert len(taught.record.bad) == 2
    assert min(taught.record.bad) >= 1.0


def test_known_bad_parts_are_shown_with_what_is_wrong(taught: Taught) -> None:
    shown = taught.record.bad_shown
    assert {one.title for one in shown} == {"scratched-050.png", "scratched-051.png"}
    assert [one.score for one in shown] == sorted(taught.record.bad, reverse=True)
    assert [str(one.anomaly_map.shape) for one in shown] == ["(14, 14)"] * 2
    rows, columns = zip(*(np.unravel_index(one.anomaly_map.argmax(), (14, 14)) for one in shown), strict=True)
    assert all(6 <= row <= 8 for row in rows)  # the scratch is at 48…56 and 66…82 of 96 pixels
    assert all(9 <= column <= 12 for column in columns)


def test_every_setting_and_method_was_compared(taught: Taught) -> None:
    tried = taught.record.candidates
    assert {"memory_bank", "gaussian", "position_gaussian"} <= {one.method for one in tried}
    assert {one.contrast for one in tried} == {"none", "stretch"}
    assert {one.strides_px for one in tried} == {(16,), (8, 16)}
    assert [one.chosen for one in tried].count(True) == 1


def test_the_bundle_does_what_was_chosen(taught: Taught) -> None:
    chosen, manifest = taught.record.chosen, taught.bundle.manifest
    assert chosen is not None
    assert manifest.anomaly is not None
    assert (manifest.anomaly.method, tuple(manifest.anomaly.strides_px)) == (chosen.method, chosen.strides_px)
    assert (manifest.input.width, manifest.input.contrast) == (chosen.width, chosen.contrast)


def test_pictures_like_the_taught_ones_are_fit_to_be_judged(taught: Taught) -> None:
    quality = open_model(taught.bundle).quality
    assert complaints(measure(washer(100)), quality) == ()
    assert complaints(measure(washer(100) // 4), quality) != ()


def test_the_summary_says_what_was_taught(taught: Taught) -> None:
    lines = taught.summary()
    assert lines[0].startswith("taught washer, version 1, on 10 pictures: ")
    assert any(line.startswith("of 10 good parts, each held out, 0 would fail") for line in lines)
    assert lines[-1] == f"report {taught.report}"


def test_a_closer_look_at_the_part_finds_what_is_too_small_for_the_whole_frame(close: Taught) -> None:
    model = open_model(load(close.bundle.folder))
    good = [score(model, on_a_belt(seed)) for seed in range(100, 104)]
    bad = [score(model, on_a_belt(seed, speck=True)) for seed in range(100, 104)]
    assert max(good) < 1.0 <= min(bad)


def test_what_lies_beside_the_region_of_interest_does_not_count(close: Taught) -> None:
    model = open_model(load(close.bundle.folder))
    picture = on_a_belt(100)
    expected = score(model, picture)
    picture[:, : ROI.x_min - 8] = 255
    assert score(model, picture) == expected


def test_the_bundle_keeps_where_and_how_closely_it_looks(close: Taught) -> None:
    kept = load(close.bundle.folder).manifest.input
    assert (kept.roi, kept.tiles_x, kept.tiles_y) == (ROI, 2, 2)
    assert open_model(close.bundle).spec.roi == ROI


def test_golden_pictures_of_a_part_of_the_frame_prove_the_bundle(close: Taught) -> None:
    bundle = load(close.bundle.folder)
    verify(bundle)
    scores = {golden.file: golden.score for golden in bundle.manifest.golden}
    for number in range(2):
        assert scores[f"good-{number}.png"] < 1.0
        assert scores[f"good-{number}.png"] < scores[f"damaged-{number}.png"]


def test_a_region_moved_by_hand_is_not_what_the_golden_pictures_prove(close: Taught, tmp_path: Path) -> None:
    shutil.copytree(close.bundle.folder, tmp_path / "moved")
    manifest = tmp_path / "moved" / MANIFEST
    manifest.write_text(manifest.read_text().replace(f"x_min = {ROI.x_min}", f"x_min = {ROI.x_min - 40}"))
    with pytest.raises(BundleError, match=r"golden picture .* teach the bundle again"):
        verify(load(tmp_path / "moved"))


def test_quality_limits_are_of_the_whole_frame(close: Taught) -> None:
    quality = open_model(close.bundle).quality
    assert (quality.width, quality.height) == (224, 160)


def test_a_picture_that_does_not_hold_the_region_is_named(tmp_path: Path) -> None:
    paths = album(tmp_path / "good", range(5))
    with pytest.raises(
        ConfigError, match=r"000\.png: is 96×96, but the region of interest is x 64…160, y 32…128"
    ):
        teach("washer", paths, tmp_path / "shelf", wishes=Wishes(roi=ROI))


@pytest.mark.parametrize(
    ("wishes", "complaint"),
    [
        (Wishes(tiles=0), "tiles: 0 will not do; give 1 to 4"),
        (Wishes(tiles=5), "tiles: 5 will not do; give 1 to 4"),
        (Wishes(tiles=2, method="position_gaussian"), "position_gaussian needs the whole in one tile"),
        (Wishes(budget_mb=0), "budget_mb: 0 will not do"),
        (Wishes(budget_mb=float("nan")), "budget_mb: nan will not do"),
        (Wishes(false_reject=0), "false_reject: 0 will not do"),
        (Wishes(confidence=1.5), "confidence: 1.5 will not do"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(tmp_path: Path, wishes: Wishes, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        teach("washer", [], tmp_path / "shelf", wishes=wishes)
    assert not (tmp_path / "shelf").exists()


def test_the_same_pictures_and_wishes_teach_the_same_model(quick: Lesson, again: Taught) -> None:
    assert again.record.limit == quick.taught.record.limit
    told = {REPORT, FIGURES}  # they tell the time
    first, second = (
        {name: content for name, content in each.bundle.files.items() if name not in told}
        for each in (quick.taught, again)
    )
    assert first == second
    assert again.bundle.manifest.golden == quick.taught.bundle.manifest.golden


def test_teaching_again_makes_a_next_version(again: Taught) -> None:
    shelf = again.bundle.folder.parent
    assert load(shelf).folder == shelf / "0002" == again.bundle.folder
    assert again.record.version == again.bundle.manifest.version == 2
    assert (shelf / "0001").is_dir()


def test_progress_is_told_to_the_end_of_each_stage(quick: Lesson) -> None:
    last = {stage: (done, total) for stage, done, total in quick.told}
    assert list(last) == [
        "reading pictures",
        "making up defects",
        "reading bad parts",
        "comparing",
        "finding the limits",
        "writing the bundle",
    ]
    assert all(done == total for done, total in last.values())


def test_a_picture_that_is_dropped_is_left_out(quick: Lesson) -> None:
    assert [name for name, _ in quick.taught.record.good] == [path.name for path in quick.good]


def test_a_few_unreadable_pictures_are_left_out_and_listed(quick: Lesson) -> None:
    (skipped,) = quick.taught.record.skipped
    assert "090.png" in skipped
    assert f"not used: {skipped}" in quick.taught.summary()


def test_a_method_that_is_wished_for_is_taken(quick: Lesson) -> None:
    assert quick.taught.bundle.manifest.anomaly is not None
    assert quick.taught.bundle.manifest.anomaly.method == "gaussian"


@pytest.mark.parametrize("budget_mb", [0.25])
def test_what_was_learned_keeps_to_the_budget(tmp_path: Path, budget_mb: float) -> None:
    wishes = Wishes(method="memory_bank", budget_mb=budget_mb, force=True)
    lesson = teach("washer", album(tmp_path / "good", range(5)), tmp_path / "shelf", wishes=wishes)
    learned = (HEAD, examples.FILE, notebook.FILE)
    assert sum(len(lesson.bundle.files.get(name, b"")) for name in learned) <= budget_mb * 1e6
    verify(load(tmp_path / "shelf"))


def test_where_time_is_short_the_quick_backbone_is_taken(tmp_path: Path) -> None:
    wishes = replace(QUICK, budget_ms=0.001)
    lesson = teach("washer", album(tmp_path / "good", range(5)), tmp_path / "shelf", wishes=wishes)
    assert lesson.bundle.manifest.model == shipped.QUICK


def test_a_bad_part_among_good_ones_is_named(tmp_path: Path) -> None:
    scratched = album(tmp_path / "good", [50], scratched=True)
    paths = [*album(tmp_path / "good", range(10)), *scratched]
    lesson = teach("washer", paths, tmp_path / "shelf", wishes=QUICK)
    assert [line for line in lesson.record.outliers if "scratched-050.png" in line]
    assert len(lesson.record.outliers) == 1
    assert any(line.startswith("look at scratched-050.png") and "--drop" in line for line in lesson.summary())


def test_what_is_to_be_dropped_must_be_there(tmp_path: Path) -> None:
    paths = album(tmp_path / "good", range(6))
    with pytest.raises(ConfigError, match=r"012\.png: is none of the pictures"):
        teach("washer", paths, tmp_path / "shelf", wishes=QUICK, drop=["012.png"])


def test_fewer_than_five_pictures_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="4 different pictures are too few to teach; give at least 5 of good parts"
    ):
        teach("washer", album(tmp_path / "good", range(4)), tmp_path / "shelf")


def test_a_picture_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    paths = album(tmp_path / "good", range(4))
    twin = tmp_path / "good" / "twin.png"
    twin.write_bytes(paths[0].read_bytes())
    with pytest.raises(ConfigError, match="4 different pictures are too few"):
        teach("washer", [*paths, twin], tmp_path / "shelf")


def test_many_unreadable_pictures_are_an_error(tmp_path: Path) -> None:
    paths = album(tmp_path / "good", range(8))
    for path in paths[:2]:
        path.write_bytes(b"")
    with pytest.raises(
        ConfigError, match=r"2 of 8 pictures cannot be read; look at the folder\n  .*000\.png"
    ):
        teach("washer", paths, tmp_path / "shelf")


def test_a_bad_part_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    bad = album(tmp_path / "bad", [50])
    bad[0].write_text("no picture")
    with pytest.raises(ConfigError, match=r"050\.png: .*take it out of the folder of bad parts"):
        teach("washer", album(tmp_path / "good", range(5)), tmp_path / "shelf", bad=bad, wishes=QUICK)


def test_pictures_that_hold_nothing_teach_a_model_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    paths = [tmp_path / "good" / f"{grey}.png" for grey in range(100, 106)]
    for grey, path in zip(range(100, 106), paths, strict=True):
        PIL.Image.fromarray(np.full((64, 64, 3), grey, np.uint8)).save(path)
    lesson = teach("nothing", paths, tmp_path / "shelf", wishes=Wishes(method="memory_bank", force=True))
    assert np.isfinite(lesson.record.limit.limit_distance)
    verify(load(tmp_path / "shelf"))


@pytest.mark.parametrize("stage", ["reading pictures", "finding the limits", "writing the bundle"])
def test_a_lesson_that_is_interrupted_leaves_the_shelf_as_it_was(
    quick: Lesson, tmp_path: Path, stage: str
) -> None:
    shelf, before = quick.copied(tmp_path), listing(quick.shelf)

    def interrupt(now: str, _done: int, _total: int) -> None:
        if now == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extend(shelf, album(tmp_path / "new", [20]), wishes=QUICK, progress=interrupt)
    assert listing(shelf) == before


def test_a_first_lesson_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teach("washer", album(tmp_path / "good", range(5)), tmp_path / "shelf", progress=interrupt)
    assert not (tmp_path / "shelf").exists()


def test_a_lesson_that_fails_leaves_the_active_version_as_it_was(quick: Lesson, tmp_path: Path) -> None:
    shelf, before = quick.copied(tmp_path), listing(quick.shelf)
    outside = Rectangle(x_min=0, y_min=0, x_max=500, y_max=500)
    with pytest.raises(ConfigError):
        teach("washer", album(tmp_path / "good", range(5)), shelf, wishes=Wishes(roi=outside))
    assert listing(shelf) == before


def test_a_shelf_that_is_a_single_bundle_is_refused(quick: Lesson, tmp_path: Path) -> None:
    paths = album(tmp_path / "good", range(5))
    with pytest.raises(BundleError, match="is a single bundle, not a shelf of versions"):
        teach("washer", paths, quick.taught.bundle.folder, wishes=QUICK)


def test_the_chosen_patches_are_spread_over_all_kinds() -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((8, 20)) * 30
    common = np.repeat(centres[:1], 500, axis=0)
    patches = np.concatenate([common, centres]) + rng.standard_normal((508, 20))
    chosen = patches[choose(patches.astype(np.float32), 16, rng)]
    kinds = {int(((centres - patch) ** 2).sum(axis=1).argmin()) for patch in chosen}
    assert kinds == set(range(8))


def test_no_patch_is_chosen_twice() -> None:
    patches = np.zeros((50, 4), np.float32)
    assert len(set(choose(patches, 20, np.random.default_rng(0)).tolist())) == 20


def test_all_patches_are_chosen_where_there_are_no_more() -> None:
    assert choose(np.zeros((3, 4), np.float32), 10, np.random.default_rng(0)).tolist() == [0, 1, 2]
