"""Classes from a few pictures of each: taught, told apart, not known, and added to without the old pictures."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

from edge.cli.main import app
from edge.config import Check, Rules
from edge.errors import BundleError, ConfigError
from edge.geometry import Image
from edge.judge.deviation import Limits
from edge.judge.rules import check_rules, judge
from edge.model.arrays import pack, unpack
from edge.model.bundle import load
from edge.model.golden import check, replay
from edge.model.prototypes import Calibration, probabilities
from edge.model.runner import open_model
from edge.prediction import Classification
from edge.preprocess.tensor import prepare
from edge.teach.classes.discriminant import calibrate, choose_ridge, fit, hold_out
from edge.teach.classes.keepsakes import Keepsakes
from edge.teach.classes.lesson import TaughtClasses, add_class, teach_classes
from edge.teach.classes.packing import HEAD, LESSON
from edge.teach.folds import difference_hash, folds
from edge.types import Verdict

SIDE_PX = 128
KINDS = ("bare", "dotted", "lined")


def plate(kind: str, seed: int) -> Image:
    """A plate in light from one side, with nothing, a dot, a line, a ring or stripes somewhere on it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:96, 0:96]
    grey = 120 + x * rng.uniform(-0.3, 0.3) + rng.normal(0, 3, (96, 96))
    down, right = rng.integers(20, 76, 2)
    radius = np.hypot(y - down, x - right)
    match kind:
        case "dotted":
            grey[radius < 7] -= 70
        case "lined":
            grey[np.abs(y - down + (x - right) * 0.5) < 2] += 80
        case "striped":
            grey += 60 * np.sign(np.sin((x + right) * 0.8))
        case _:
            pass
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def pictures(folder: Path, kind: str, seeds: Sequence[int]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{seed:03}.png" for seed in seeds]
    for seed, path in zip(seeds, paths, strict=True):
        PIL.Image.fromarray(plate(kind, seed)).save(path)
    return paths


def folders(folder: Path, kinds: Sequence[str] = KINDS, count: int = 6) -> dict[str, list[Path]]:
    return {
        kind: pictures(folder / kind, kind, range(100 * place, 100 * place + count))
        for place, kind in enumerate(kinds)
    }


def taught_on(given: Mapping[str, Sequence[Path]], shelf: Path) -> TaughtClasses:
    return teach_classes("plate", given, shelf, side_px=SIDE_PX)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> TaughtClasses:
    folder = tmp_path_factory.mktemp("classes")
    return taught_on(folders(folder, count=10), folder / "shelf")


@pytest.fixture
def shelf(taught: TaughtClasses, tmp_path: Path) -> Path:
    """A copy of the shelf that a test may change."""
    return Path(shutil.copytree(taught.bundle.folder.parent, tmp_path / "shelf"))


def named(shelf: Path, pictures: Sequence[Image]) -> list[Classification]:
    model = open_model(load(shelf))
    found = []
    for picture in pictures:
        prepared = prepare(picture, model.spec)
        prediction = model.decode(model.run(prepared), prepared)
        assert isinstance(prediction, Classification)
        found.append(prediction)
    return found


def best(prediction: Classification) -> str:
    return prediction.labels[int(np.argmax(prediction.scores))]


def complaint(given: Mapping[str, Sequence[Path]], shelf: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        taught_on(given, shelf)
    assert not shelf.exists()
    return str(caught.value)


def test_new_pictures_get_the_name_of_their_class(taught: TaughtClasses) -> None:
    for kind in KINDS:
        answers = [best(p) for p in named(taught.bundle.folder, [plate(kind, s) for s in range(900, 908)])]
        assert answers.count(kind) >= 6, (kind, answers)


def test_probabilities_are_of_all_labels_and_add_up_to_one(taught: TaughtClasses) -> None:
    (prediction,) = named(taught.bundle.folder, [plate("dotted", 901)])
    assert prediction.labels == (*KINDS, "unknown")
    assert sum(prediction.scores) == pytest.approx(1, abs=1e-5)


def test_what_is_like_no_class_is_unknown(taught: TaughtClasses) -> None:
    answers = named(taught.bundle.folder, [plate("striped", seed) for seed in range(900, 908)])
    assert {best(answer) for answer in answers} == {"unknown"}


def test_unknown_is_inconclusive_whatever_the_rules_say() -> None:
    prediction = Classification(("good", "unknown"), (0.1, 0.9))
    decision = judge(prediction, Limits(), Rules(good_labels=["good", "unknown"], min_probability=0.0))
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reasons == ("unknown: is like none of the taught classes; probability 0.900",)


def test_without_a_label_that_passes_nothing_is_said_to_fail_either() -> None:
    decision = judge(Classification(("good", "unknown"), (0.9, 0.1)), Limits(), Rules())
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reasons == ("good: probability 0.900; no label is said to pass (good_labels)",)


def test_score_prints_the_label_beside_the_verdict(taught: TaughtClasses, tmp_path: Path) -> None:
    (path,) = pictures(tmp_path / "new", "dotted", [903])
    printed = CliRunner().invoke(app, ["score", str(taught.bundle.folder), str(path)]).stdout.split()
    assert (printed[0], printed[2], printed[4]) == (str(path), "inconclusive", "dotted")


def test_rules_that_let_unknown_pass_are_refused(tmp_path: Path) -> None:
    config = Check(name="plate", bundle=tmp_path, rules=Rules(good_labels=["good", "unknown"]))
    with pytest.raises(ConfigError, match="'unknown' is what is like no taught class, and cannot pass"):
        check_rules(config, Limits(), "classification", ["good", "bad", "unknown"])


def test_the_bundle_proves_itself_with_a_picture_of_each_class(taught: TaughtClasses) -> None:
    bundle = load(taught.bundle.folder)
    assert [golden.label for golden in bundle.manifest.golden] == list(KINDS)
    assert min(golden.score for golden in bundle.manifest.golden) > 0.5
    check(bundle, replay(bundle, open_model(bundle)))


def test_the_summary_says_what_held_out_pictures_were_called(taught: TaughtClasses) -> None:
    assert taught.record.trust.confusion.sum() == 30
    assert taught.record.trust.balanced_accuracy > 0.7
    lines = taught.summary()
    assert lines[0] == "taught plate 3 classes on 30 pictures: bare 10, dotted 10, lined 10"
    assert any(line.split()[:1] == ["dotted"] and len(line.split()) == 5 for line in lines)


def test_the_figures_are_plain_data_too(taught: TaughtClasses) -> None:
    facts = taught.to_json()
    assert facts["pictures"] == {"bare": 10, "dotted": 10, "lined": 10}
    assert np.shape(facts["confusion"]) == (3, 4)


def test_the_same_pictures_give_the_same_model(tmp_path: Path) -> None:
    given = folders(tmp_path)
    first, second = (taught_on(given, tmp_path / shelf) for shelf in ("one", "two"))
    assert first.bundle.files[HEAD] == second.bundle.files[HEAD]
    assert first.bundle.files[LESSON] == second.bundle.files[LESSON]


def test_a_class_is_added_without_the_old_pictures(shelf: Path, tmp_path: Path) -> None:
    added = add_class(shelf, {"striped": pictures(tmp_path / "striped", "striped", range(500, 510))})
    assert added.record.pictures == {"bare": 10, "dotted": 10, "lined": 10, "striped": 10}
    for kind in (*KINDS, "striped"):
        answers = [best(p) for p in named(shelf, [plate(kind, seed) for seed in range(900, 908)])]
        assert answers.count(kind) >= 6, (kind, answers)


def test_adding_makes_a_version_and_leaves_the_old_one_whole(shelf: Path, tmp_path: Path) -> None:
    before = load(shelf)
    added = add_class(shelf, {"striped": pictures(tmp_path / "striped", "striped", range(500, 506))})
    assert (before.manifest.version, added.bundle.manifest.version) == (1, 2)
    assert load(shelf).digest == added.bundle.digest
    assert load(before.folder).digest == before.digest


def test_more_pictures_of_a_known_class_can_be_added_one_by_one(shelf: Path, tmp_path: Path) -> None:
    added = add_class(shelf, {"dotted": pictures(tmp_path / "dotted", "dotted", [501])})
    assert added.record.pictures == {"bare": 10, "dotted": 11, "lined": 10}


def test_a_picture_that_is_added_to_another_class_is_named(shelf: Path, tmp_path: Path) -> None:
    again = pictures(tmp_path / "dotted", "lined", [*range(300, 306), 200])
    with pytest.raises(ConfigError, match=r"200\.png: is the same picture as one that was taught as 'lined'"):
        add_class(shelf, {"dotted": again})


def test_a_bundle_of_an_anomaly_model_cannot_be_added_to(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        add_class(tmp_path / "nothing", {"dotted": []})


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    assert "dotted: one class cannot be told from another" in complaint(
        folders(tmp_path, ["dotted"]), tmp_path / "shelf"
    )


def test_a_class_with_too_few_pictures_is_named(tmp_path: Path) -> None:
    given = folders(tmp_path)
    given["lined"] = given["lined"][:4]
    assert "class 'lined': 4 different pictures are too few to teach; give at least 5" in complaint(
        given, tmp_path / "shelf"
    )


def test_the_same_picture_in_two_classes_is_named_with_both(tmp_path: Path) -> None:
    given = folders(tmp_path)
    shutil.copy(given["bare"][2], given["dotted"][2])
    text = complaint(given, tmp_path / "shelf")
    assert f"{given['dotted'][2]}: is the same picture as {given['bare'][2]}, but of class 'dotted'" in text


def test_a_damaged_picture_is_left_out_and_said(tmp_path: Path) -> None:
    given = folders(tmp_path, count=7)
    given["bare"][0].write_bytes(b"no picture")
    found = taught_on(given, tmp_path / "shelf")
    assert found.record.pictures["bare"] == 6
    assert any(str(given["bare"][0]) in line for line in found.summary())


def test_many_damaged_pictures_are_refused(tmp_path: Path) -> None:
    given = folders(tmp_path, count=8)
    for path in given["dotted"][:2]:
        path.write_bytes(b"no picture")
    assert "class 'dotted': 2 of 8 pictures cannot be read" in complaint(given, tmp_path / "shelf")


@pytest.mark.parametrize("label", ["unknown", "Unknown", "", "two\nlines", " dotted", "x" * 129])
def test_a_class_whose_name_will_not_do_is_refused(label: str, tmp_path: Path) -> None:
    given = folders(tmp_path)
    text = complaint({**given, label: given.pop("dotted")}, tmp_path / "shelf")
    assert "cannot be the name of a class" in text


def test_a_head_that_does_not_fit_its_labels_is_refused(taught: TaughtClasses) -> None:
    bundle = load(taught.bundle.folder)
    table = bundle.manifest.classification
    assert table is not None
    fewer = table.model_copy(update={"labels": ["bare", "dotted", "unknown"]})
    wrong = bundle.manifest.model_copy(update={"classification": fewer})
    with pytest.raises(BundleError, match="must be float32"):
        open_model(type(bundle)(bundle.folder, wrong, bundle.source, bundle.files, bundle.digest))


def test_a_head_whose_labels_lack_unknown_is_refused(taught: TaughtClasses) -> None:
    bundle = load(taught.bundle.folder)
    table = bundle.manifest.classification
    assert table is not None
    renamed = table.model_copy(update={"labels": ["bare", "dotted", "lined", "other"]})
    wrong = bundle.manifest.model_copy(update={"classification": renamed})
    with pytest.raises(BundleError, match="must end with 'unknown'"):
        open_model(type(bundle)(bundle.folder, wrong, bundle.source, bundle.files, bundle.digest))


def test_keepsakes_that_do_not_fit_the_classes_are_refused(taught: TaughtClasses) -> None:
    content = taught.bundle.files[LESSON]
    with pytest.raises(BundleError, match="does not fit the bundle's classes"):
        Keepsakes.read(content, "lesson.npz", ("bare", "dotted"))
    arrays = unpack(content, "lesson.npz")
    del arrays["looks"]
    with pytest.raises(BundleError, match="does not fit the bundle's classes"):
        Keepsakes.read(pack(arrays), "lesson.npz", KINDS)


def test_pictures_that_look_alike_are_held_out_together() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.integers(0, 256, (24, 24, 3)).astype(np.uint8).repeat(4, 0).repeat(4, 1) for _ in range(6)]
    brighter = [np.clip(part.astype(int) // 2 + 60, 0, 255).astype(np.uint8) for part in parts]
    hashes = np.stack([difference_hash(picture) for picture in (*parts, *brighter)])
    found = folds(hashes, np.zeros(12, np.intp))
    assert sorted(np.concatenate(found).tolist()) == list(range(12))
    for held in found:
        assert {int(place) % 6 for place in held if place < 6} == {
            int(place) % 6 for place in held if place >= 6
        }


def test_a_class_of_pictures_that_are_all_alike_is_never_held_out_as_a_whole() -> None:
    hashes = np.zeros((10, 32), np.uint8)
    classes = np.repeat([0, 1], 5)
    for held in folds(hashes, classes):
        assert set(np.delete(classes, held).tolist()) == {0, 1}


def clouds(seed: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of three classes that overlap the more, the more noise there is."""
    rng = np.random.default_rng(seed)
    classes = np.repeat(np.arange(3), 20)
    centres = np.random.default_rng(0).normal(size=(3, 12))
    return (centres[classes] + noise * rng.normal(size=(60, 12))).astype(np.float32), classes


@pytest.mark.parametrize("noise", [0.5, 1.5, 3.0])
def test_answers_are_right_as_often_as_they_say(noise: float) -> None:
    vectors, classes = clouds(1, noise)
    held = [np.arange(start, 60, 10) for start in range(10)]
    ridge, found = choose_ridge(vectors, classes, held)
    new, truth = clouds(2, noise)
    calibration = calibrate(found)
    answers = fit(vectors, classes, ridge).probabilities(new, calibration)[:, :3]
    answers /= answers.sum(axis=1, keepdims=True)
    right = float((answers.argmax(axis=1) == truth).mean())
    assert float(answers.max(axis=1).mean()) == pytest.approx(right, abs=0.15)


def test_few_held_out_pictures_of_taught_classes_are_unknown() -> None:
    vectors, classes = clouds(1, 1.0)
    found = hold_out(vectors, classes, [np.arange(start, 60, 10) for start in range(10)], 1.0)
    answers = probabilities(found.scores, found.distances, calibrate(found))
    assert (answers.argmax(axis=1) == 3).mean() <= 0.05


def test_unknown_is_as_likely_as_not_at_the_limit_and_grows_beyond() -> None:
    calibration = Calibration(1.0, steepness=10.0, limits=np.array([4, 4], np.float32))
    scores = np.zeros((3, 2), np.float32)
    distances = np.array([[2, 2], [4, 4], [8, 8]], np.float32)
    unknown = probabilities(scores, distances, calibration)[:, -1]
    assert unknown[1] == pytest.approx(0.5)
    assert unknown[0] < 0.01
    assert unknown[2] > 0.99


def test_features_that_are_not_numbers_give_no_probabilities() -> None:
    calibration = Calibration(1.0, steepness=10.0, limits=np.array([4, 4], np.float32))
    broken = probabilities(*np.array([[np.nan, 1], [np.nan, 2]], np.float32), calibration)
    decision = judge(
        Classification(("a", "b", "unknown"), tuple(broken.tolist())), Limits(), Rules(good_labels=["a"])
    )
    assert decision.verdict is Verdict.ERROR
