"""Adding pictures to what was taught: from the bundle alone, as if all had been taught at once."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_bundle
from washers import QUICK, Lesson, album, washer

from edge.errors import BundleError, ConfigError
from edge.model import examples, shipped
from edge.model.anomaly_head import GAIN
from edge.model.arrays import Arrays, pack, unpack
from edge.model.bundle import described, load, write
from edge.model.golden import score
from edge.model.runner import open_model
from edge.model.verify import verify
from edge.model.versions import Shelf
from edge.preprocess.tensor import InputSpec
from edge.teach import limits, notebook
from edge.teach.conclusion import HEAD
from edge.teach.contest import fit, fitted
from edge.teach.examples import recall
from edge.teach.eye import Eye
from edge.teach.gather import Gatherer
from edge.teach.lesson import Taught, Wishes, extend
from edge.teach.limits import Limit

NEW = range(20, 23)


def silent(*_: object) -> None:
    pass


@pytest.fixture(scope="module")
def extended(quick: Lesson, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """The quick lesson, and then three more pictures, a known bad one, and one that was taught already."""
    folder = tmp_path_factory.mktemp("extended")
    new, bad = album(folder / "new", NEW), album(folder / "bad", [50], scratched=True)
    twin = folder / "new" / "twin.png"
    twin.write_bytes(quick.good[3].read_bytes())
    return extend(quick.copied(folder), [*new, twin], bad=bad, wishes=QUICK)


def at_once(taught: Taught, paths: list[Path]) -> tuple[Arrays, Limit, list[float]]:
    """Head, limit and held-out distances of a lesson on all pictures in the same setting."""
    manifest = taught.bundle.manifest
    assert manifest.anomaly is not None
    eye = Eye.of(shipped.backbone(manifest.model), InputSpec(**dict(manifest.input)), threads=2)
    gathered = Gatherer([eye], None, QUICK.seed).gather(paths, [], 1, silent)
    sample = gathered.sample(eye, tuple(manifest.anomaly.strides_px))
    parts = list(limits.folds(len(paths)))
    trial, _ = fitted(manifest.anomaly.method, sample, parts, QUICK.head_bytes, QUICK.seed)
    arrays = fit(manifest.anomaly.method, sample.good, QUICK.head_bytes, QUICK.seed)
    limit = limits.learn(trial.good_scores)
    return {**arrays, GAIN: trial.gain}, limit, trial.good_scores.tolist()


def test_adding_pictures_teaches_what_all_at_once_would_have_taught(
    quick: Lesson, extended: Taught, tmp_path: Path
) -> None:
    arrays, limit, distances = at_once(extended, [*quick.good, *album(tmp_path / "new", NEW)])
    assert extended.bundle.files[HEAD] == pack(arrays)
    assert extended.record.limit == limit
    expected = [distance / limit.limit_distance for distance in distances]
    assert [found for _, found in extended.record.good] == pytest.approx(expected, rel=1e-6)


def test_the_setting_stays_as_it_was(quick: Lesson, extended: Taught) -> None:
    before, after = quick.taught.bundle.manifest, extended.bundle.manifest
    assert (after.name, after.input, after.model) == (before.name, before.input, before.model)
    assert before.anomaly is not None
    assert after.anomaly is not None
    assert (after.anomaly.method, after.anomaly.strides_px) == (
        before.anomaly.method,
        before.anomaly.strides_px,
    )


def test_the_pictures_of_both_lessons_are_told(quick: Lesson, extended: Taught) -> None:
    names = [path.name for path in quick.good] + [f"{seed:03}.png" for seed in NEW]
    assert [name for name, _ in extended.record.good] == names
    assert extended.record.pictures == 9


def test_a_picture_that_is_taught_already_is_skipped_and_named(extended: Taught) -> None:
    (skipped,) = extended.record.skipped
    assert skipped.endswith("twin.png: is taught already")


def test_a_next_version_is_active_and_proves_itself(extended: Taught) -> None:
    shelf = extended.bundle.folder.parent
    assert load(shelf).folder == shelf / "0002"
    verify(load(shelf))
    model = open_model(load(shelf))
    assert score(model, washer(100)) < 1.0 <= score(model, washer(100, scratched=True))


def test_examples_are_of_old_and_new_pictures(extended: Taught) -> None:
    channels = len(unpack(extended.bundle.files[examples.FILE], "")["mean"])
    looks = recall(extended.bundle.files[examples.FILE], examples.FILE, channels)
    assert {"000.png", "005.png", "020.png", "022.png"} <= {look.name for look in looks}


def test_known_bad_parts_are_scored_again(extended: Taught) -> None:
    assert len(extended.record.bad) == 1
    assert extended.record.bad[0] >= 1.0


def test_what_was_added_is_known_the_next_time(extended: Taught, tmp_path: Path) -> None:
    again = album(tmp_path / "new", NEW)
    before = sorted(extended.bundle.folder.parent.iterdir())
    with pytest.raises(ConfigError, match="there is no new picture to add: all are taught already"):
        extend(extended.bundle.folder.parent, again, wishes=QUICK)
    assert sorted(extended.bundle.folder.parent.iterdir()) == before


def test_a_taught_picture_can_be_left_out_from_now_on(quick: Lesson, tmp_path: Path) -> None:
    new = album(tmp_path / "new", [20, 21])
    found = extend(quick.copied(tmp_path), new, wishes=QUICK, drop=["003.png", "021.png"])
    left = [f"{seed:03}.png" for seed in (0, 1, 2, 4, 5, 20)]
    assert [name for name, _ in found.record.good] == left
    names = unpack(found.bundle.files[examples.FILE], examples.FILE)["names"].tobytes()
    assert json.loads(names) == left


@pytest.fixture(scope="module")
def lessened(quick: Lesson, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """The quick lesson without one of its pictures."""
    return extend(quick.copied(tmp_path_factory.mktemp("lessened")), [], wishes=QUICK, drop=["003.png"])


def test_pictures_can_be_left_out_without_new_ones(quick: Lesson, lessened: Taught) -> None:
    assert [name for name, _ in lessened.record.good] == [f"{seed:03}.png" for seed in (0, 1, 2, 4, 5)]
    names = unpack(lessened.bundle.files[examples.FILE], examples.FILE)["names"].tobytes()
    assert "003.png" not in json.loads(names)
    arrays, limit, _ = at_once(lessened, [path for path in quick.good if path.name != "003.png"])
    assert lessened.bundle.files[HEAD] == pack(arrays)
    assert lessened.record.limit == limit


def test_without_pictures_at_hand_nothing_is_made_up_and_the_golden_pictures_stay(
    quick: Lesson, lessened: Taught
) -> None:
    assert lessened.record.damaged == ()
    assert "not tried on defects: there is no picture at hand to make some up on" in lessened.summary()
    assert lessened.to_json()["candidates"][0]["auroc"] is None
    for golden in quick.taught.bundle.manifest.golden:
        assert lessened.bundle.files[golden.file] == quick.taught.bundle.files[golden.file]
    assert lessened.activated
    verify(load(lessened.bundle.folder.parent))


def test_without_new_pictures_and_without_any_to_drop_there_is_nothing_to_do(
    quick: Lesson, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="there is no new picture to add"):
        extend(quick.copied(tmp_path), [], wishes=QUICK)


def test_too_few_pictures_must_not_be_left(quick: Lesson, tmp_path: Path) -> None:
    names = [path.name for path in quick.good]
    with pytest.raises(
        ConfigError,
        match="only 1 pictures would be left, too few to teach; drop fewer, or add 4 more",
    ):
        extend(quick.copied(tmp_path), album(tmp_path / "new", [20]), wishes=QUICK, drop=names)


def test_what_is_to_be_dropped_must_be_old_or_new(quick: Lesson, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"777\.png: is none of the pictures"):
        extend(quick.copied(tmp_path), album(tmp_path / "new", [20]), wishes=QUICK, drop=["777.png"])


def test_wishes_that_cannot_be_are_refused(quick: Lesson, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="budget_mb: 0 will not do"):
        extend(quick.copied(tmp_path), album(tmp_path / "new", [20]), wishes=Wishes(budget_mb=0))


def changed(lesson: Lesson, folder: Path, files: Mapping[str, bytes | None]) -> Path:
    """A shelf whose one bundle has other files; None: lacks them."""
    bundle = lesson.taught.bundle
    kept = {name: content for name, content in ({**bundle.files, **files}).items() if content is not None}
    manifest = bundle.manifest.model_copy(update={"files": described(kept)})
    with Shelf(folder / "shelf") as shelf:
        write(shelf.next, manifest, kept)
        shelf.activate(shelf.number)
    return folder / "shelf"


def test_a_bundle_without_room_for_its_lesson_says_what_to_do(quick: Lesson, tmp_path: Path) -> None:
    shelf = changed(quick, tmp_path, {notebook.FILE: None})
    with pytest.raises(ConfigError, match=r"keeps nothing of its lesson, .* larger --budget-mb"):
        extend(shelf, album(tmp_path / "new", NEW), wishes=QUICK)


@pytest.mark.parametrize(("budget_mb", "kept"), [(0.3, {0}), (0.44, {5, 6})])
def test_of_a_small_budget_the_lesson_takes_what_is_left(
    quick: Lesson, tmp_path: Path, budget_mb: float, kept: set[int]
) -> None:
    wishes = replace(QUICK, budget_mb=budget_mb)
    found = extend(quick.copied(tmp_path), album(tmp_path / "new", [20]), wishes=wishes).bundle
    learned = [found.files.get(name, b"") for name in (HEAD, examples.FILE, notebook.FILE)]
    assert sum(map(len, learned)) <= budget_mb * 1e6
    pages = len(unpack(learned[2], notebook.FILE)["measures"]) if learned[2] else 0
    assert pages in kept


def test_a_lesson_that_was_changed_on_the_disk_is_refused(quick: Lesson, tmp_path: Path) -> None:
    shelf = quick.copied(tmp_path)
    path = shelf / "0001" / notebook.FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"lesson\.npz: was changed or damaged"):
        extend(shelf, album(tmp_path / "new", NEW), wishes=QUICK)


def test_a_lesson_of_another_kind_is_refused(quick: Lesson, tmp_path: Path) -> None:
    arrays = unpack(quick.taught.bundle.files[notebook.FILE], notebook.FILE)
    arrays["output0"] = arrays["output0"][:, :, 1:]
    shelf = changed(quick, tmp_path, {notebook.FILE: pack(arrays)})
    with pytest.raises(
        BundleError, match=r"lesson\.npz: is not what a lesson keeps .*; teach the product anew"
    ):
        extend(shelf, album(tmp_path / "new", NEW), wishes=QUICK)


def test_a_bundle_of_another_backbone_is_refused(quick: Lesson, tmp_path: Path) -> None:
    name = quick.taught.bundle.manifest.model
    shelf = changed(quick, tmp_path, {name: quick.taught.bundle.files[name] + b"\0"})
    with pytest.raises(BundleError, match=r"was taught with another backbone .*; teach the product anew"):
        extend(shelf, album(tmp_path / "new", NEW), wishes=QUICK)


def test_a_bundle_that_tells_classes_apart_is_refused(tmp_path: Path) -> None:
    bundle = load(tiny_bundle.classification(tmp_path / "part"))
    with Shelf(tmp_path / "shelf") as shelf:
        write(shelf.next, bundle.manifest, bundle.files)
        shelf.activate(shelf.number)
    with pytest.raises(ConfigError, match="tells classes apart; give a folder of pictures for each class"):
        extend(tmp_path / "shelf", album(tmp_path / "new", NEW), wishes=QUICK)


def test_a_shelf_without_a_bundle_cannot_be_added_to(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        extend(tmp_path / "shelf", album(tmp_path / "new", NEW), wishes=QUICK)
    assert not (tmp_path / "shelf").exists()


def test_pictures_of_the_first_lesson_are_kept_exactly(quick: Lesson) -> None:
    bundle = quick.taught.bundle
    eye = Eye.of(shipped.backbone(bundle.manifest.model), InputSpec(**dict(bundle.manifest.input)), threads=2)
    kept = notebook.read(bundle.files[notebook.FILE], notebook.FILE, eye.spec, eye.outputs)
    digests = [
        [hashlib.sha256(np.ascontiguousarray(output).tobytes()).hexdigest() for output in seen.outputs[0]]
        for seen in (kept.seen[3], eye.look(washer(3)))
    ]
    assert digests[0] == digests[1]
