import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from edge.config import Rectangle
from edge.errors import BundleError, ConfigError
from edge.model import shipped
from edge.model.bundle import load
from edge.model.golden import replay, score
from edge.model.interpreter import TensorSpec
from edge.model.manifest import MANIFEST
from edge.model.memory_bank import read_bank
from edge.model.runner import open_model
from edge.model.verify import verify
from edge.preprocess.quality import complaints, measure
from edge.preprocess.tensor import InputSpec
from edge.teach.album import MOST
from edge.teach.coreset import choose
from edge.teach.features import Backbone, make_bank
from edge.teach.lesson import Taught, teach
from edge.teach.views import MOST_CANDIDATES, Views
from edge.types import Image

BANK_SIZE = 128
ROI = Rectangle(x_min=64, y_min=32, x_max=160, y_max=128)


def washer(seed: int, *, scratched: bool = False) -> Image:
    """A ring on a dark ground, never in quite the same place and light."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:96, 0:96] - (48 + rng.uniform(-1, 1, (2, 1, 1)))
    radius = np.hypot(x, y)
    grey = np.where((radius > 14) & (radius < 36), 170.0, 45.0) + rng.uniform(-5, 5)
    if scratched:
        grey[48:56, 66:82] = 20
    noise = rng.normal(0, 3, (96, 96))
    return np.repeat(np.clip(grey + noise, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def album(folder: Path, seeds: Sequence[int]) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{seed:03}.png" for seed in seeds]
    for seed, path in zip(seeds, paths, strict=True):
        PIL.Image.fromarray(washer(seed)).save(path)
    return paths


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    folder = tmp_path_factory.mktemp("taught")
    return teach("washer", album(folder / "good", range(10)), folder / "bundle", bank_size=BANK_SIZE)


def on_a_belt(seed: int, *, speck: bool = False) -> Image:
    """A washer in the middle of a frame of noise, never the same; with a dark speck of a few pixels."""
    picture = np.random.default_rng(1000 + seed).integers(0, 120, (160, 224, 3)).astype(np.uint8)
    part = washer(seed)
    if speck:
        part[50:55, 70:75] = 30
    picture[ROI.y_min : ROI.y_max, ROI.x_min : ROI.x_max] = part
    return picture


@pytest.fixture(scope="module")
def close(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """Taught on the part alone, in 2 × 2 tiles."""
    folder = tmp_path_factory.mktemp("close")
    paths = [folder / f"{seed}.png" for seed in range(10)]
    for seed, path in enumerate(paths):
        PIL.Image.fromarray(on_a_belt(seed)).save(path)
    return teach("washer", paths, folder / "bundle", roi=ROI, tiles=2, bank_size=BANK_SIZE)


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
    assert scores["good-0.png"] < 1.0 < scores["damaged-0.png"]


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
        teach("washer", paths, tmp_path / "bundle", roi=ROI)


@pytest.mark.parametrize("tiles", [0, 5])
def test_too_many_tiles_are_refused_before_any_work(tmp_path: Path, tiles: int) -> None:
    with pytest.raises(ConfigError, match=f"tiles: {tiles} will not do; give 1 to 4"):
        teach("washer", [], tmp_path / "bundle", tiles=tiles)


def test_a_lesson_keeps_no_more_of_many_pictures_than_of_a_few() -> None:
    path = shipped.backbone()
    backbone = Backbone(path.read_bytes(), str(path), 16)
    views = Views(backbone, InputSpec(backbone.width, backbone.height, tiles_x=2, tiles_y=2), MOST, seed=0)
    for seed in range(5):
        views.add(Path("washer"), washer(seed))
    assert [len(patches) for patches in views.patches["stretch"]] == [MOST_CANDIDATES // MOST] * 5
    # 4 tiles each: of four pictures, one is kept whole.
    assert len(views.good["stretch"]) == len(views.damaged["stretch"]) == 2


def test_golden_pictures_are_good_and_damaged_ones(taught: Taught) -> None:
    names = [golden.file for golden in taught.bundle.manifest.golden]
    assert sorted(names) == ["damaged-0.png", "damaged-1.png", "good-0.png", "good-1.png"]


def test_pictures_like_the_taught_ones_are_fit_to_be_judged(taught: Taught) -> None:
    quality = open_model(taught.bundle).quality
    assert complaints(measure(washer(100)), quality) == ()
    assert complaints(measure(washer(100) // 4), quality) != ()


def test_the_summary_says_what_was_taught(taught: Taught) -> None:
    lines = taught.summary()
    assert lines[0].startswith(f"taught washer on 10 pictures: {BANK_SIZE} patches, contrast ")
    assert str(taught.bundle.folder) in lines[-1]


def test_the_same_pictures_teach_the_same_model(taught: Taught, tmp_path: Path) -> None:
    again = teach("washer", album(tmp_path / "good", range(10)), tmp_path / "bundle", bank_size=BANK_SIZE)
    assert again.limit_distance == taught.limit_distance
    assert again.bundle.manifest.files == taught.bundle.manifest.files


def test_progress_is_told_to_the_end_of_each_stage(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    teach(
        "washer",
        album(tmp_path / "good", range(5)),
        tmp_path / "bundle",
        progress=lambda *step: told.append(step),
        bank_size=16,
    )
    last = {stage: (done, total) for stage, done, total in told}
    assert list(last) == ["reading pictures", "finding the limits", "choosing patches"]
    assert all(done == total for done, total in last.values())


def test_fewer_than_five_pictures_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="4 different pictures are too few to teach; give at least 5 of good parts"
    ):
        teach("washer", album(tmp_path / "good", range(4)), tmp_path / "bundle")


def test_a_picture_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    paths = album(tmp_path / "good", range(4))
    twin = tmp_path / "good" / "twin.png"
    twin.write_bytes(paths[0].read_bytes())
    with pytest.raises(ConfigError, match="4 different pictures are too few"):
        teach("washer", [*paths, twin], tmp_path / "bundle")


def test_a_few_unreadable_pictures_are_left_out_and_listed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = album(tmp_path / "good", range(6))
    paths[2].write_text("no picture")
    with caplog.at_level(logging.WARNING):
        lesson = teach("washer", paths, tmp_path / "bundle", bank_size=16)
    assert lesson.pictures == 5
    assert str(paths[2]) in lesson.skipped[0]
    assert str(paths[2]) in caplog.text
    assert any(line.startswith("not used: ") and str(paths[2]) in line for line in lesson.summary())


def test_many_unreadable_pictures_are_an_error(tmp_path: Path) -> None:
    paths = album(tmp_path / "good", range(8))
    for path in paths[:2]:
        path.write_bytes(b"")
    with pytest.raises(
        ConfigError, match=r"2 of 8 pictures cannot be read; look at the folder\n  .*000\.png"
    ):
        teach("washer", paths, tmp_path / "bundle")


def test_teaching_again_makes_a_next_version(tmp_path: Path) -> None:
    paths = album(tmp_path / "good", range(5))
    for _ in range(2):
        teach("washer", paths, tmp_path / "bundle", bank_size=16)
    assert load(tmp_path / "bundle").folder == tmp_path / "bundle" / "0002"


def test_pictures_that_hold_nothing_teach_a_model_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    paths = [tmp_path / "good" / f"{grey}.png" for grey in range(100, 106)]
    for grey, path in zip(range(100, 106), paths, strict=True):
        PIL.Image.fromarray(np.full((64, 64, 3), grey, np.uint8)).save(path)
    lesson = teach("nothing", paths, tmp_path / "bundle", bank_size=16)
    assert np.isfinite(lesson.limit_distance)
    verify(load(tmp_path / "bundle"))


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


def test_a_bank_is_standardised_over_all_taught_patches() -> None:
    rng = np.random.default_rng(0)
    spec = TensorSpec("features", (1, 4, 4, 3), np.dtype(np.int8), 0.5, 10)
    taught = rng.integers(-100, 100, (64, 3)).astype(np.int8)
    bank = make_bank(taught, spec, 1000, rng)
    assert len(bank.patches) == 64
    assert bank.patches.mean(axis=0) == pytest.approx(0, abs=1e-5)
    assert bank.patches.std(axis=0) == pytest.approx(1, abs=1e-5)


def test_a_channel_that_never_moves_does_not_blow_up() -> None:
    spec = TensorSpec("features", (1, 4, 4, 3), np.dtype(np.int8), 0.5, 10)
    bank = make_bank(np.full((16, 3), 7, np.int8), spec, 4, np.random.default_rng(0))
    assert bank.spread.tolist() == [0.5] * 3
    assert bank.mean.tolist() == [-1.5] * 3


def test_a_bank_of_a_bundle_is_as_large_as_asked_for(taught: Taught) -> None:
    bank = read_bank((taught.bundle.folder / "bank.npz").read_bytes(), "bank.npz")
    assert bank.patches.shape == (BANK_SIZE, 112)
