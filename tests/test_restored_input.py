"""A bundle that was taught on restored pictures: whoever uses it shows its network restored ones, too."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import parts
import pytest
import tiny_bundle
import tiny_model
import washers

from edge import config
from edge.config import Check as CheckConfig
from edge.errors import BundleError, ConfigError, InferenceError
from edge.geometry import Box, Image
from edge.model.bundle import Bundle, load
from edge.model.manifest import Input
from edge.model.restoration import open_restorer
from edge.model.runner import Model, open_model
from edge.model.verify import verify
from edge.pipeline import Check, Ready, judge_frame, prepare_frame
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.quality import QualityGate, QualityLimits
from edge.preprocess.tensor import InputSpec, prepare
from edge.teach.lesson import extend
from edge.types import Verdict

PLAIN = InputSpec(32, 32)


def restored_bundle(folder: Path, network: bytes | None = None) -> Path:
    """The tiny bundle whose good parts are grey, with the tiny restoration before its model."""
    bare = load(tiny_bundle.anomaly(folder.parent / "bare"))
    files = {**bare.files, "restore.tflite": network or tiny_model.smoother()}
    seen = Input(width=32, height=32, restore="restore.tflite")
    return tiny_bundle.save(folder, bare.manifest.model_copy(update={"input": seen}), files)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return open_model(load(restored_bundle(tmp_path_factory.mktemp("restored") / "bundle")))


def noisy() -> Image:
    return np.random.default_rng(1).integers(90, 160, (32, 32, 3), np.uint8)


def ready(*models: Model) -> Ready:
    checks = [Check(CheckConfig(name=f"c{n}", bundle=Path()), model) for n, model in enumerate(models)]
    gate = QualityGate(QualityLimits(), config.Quality(enabled=False))
    return prepare_frame(parts.frame(noisy()), gate, checks)


def test_the_model_sees_the_restored_picture(model: Model, tmp_path: Path) -> None:
    restorer = open_restorer(load(tiny_bundle.restoration(tmp_path / "smoother")))
    (view,) = ready(model).views
    wanted = prepare(restorer.restore(noisy()), PLAIN).tensors[0]
    assert np.array_equal(view.tensors[0], wanted)  # type: ignore[union-attr]
    assert not np.array_equal(wanted, prepare(noisy(), PLAIN).tensors[0])


def test_the_frame_itself_stays_as_the_camera_took_it(model: Model) -> None:
    frame = ready(model).frame
    assert np.array_equal(frame.image, noisy())  # type: ignore[union-attr]


def test_a_restored_frame_takes_time_that_is_told_of(model: Model, tmp_path: Path) -> None:
    assert "restore" in ready(model).stage_ms
    plain = open_model(load(tiny_bundle.anomaly(tmp_path / "plain")))
    assert "restore" not in ready(plain).stage_ms


class Counting:
    def __init__(self, failure: str | None = None) -> None:
        self.calls = 0
        self.failure = failure

    def restore_within(self, image: Image, _box: Box) -> Image:
        self.calls += 1
        if self.failure is not None:
            raise InferenceError(self.failure)
        return image


def test_two_checks_with_the_same_restoration_share_one_run() -> None:
    counting = Counting()
    pyramid = Pyramid(noisy())
    for width in (16, 32):
        prepare(pyramid, InputSpec(width, width, restore=counting))
    assert counting.calls == 1


def test_a_part_that_cannot_be_restored_is_an_error_and_says_why(model: Model, tmp_path: Path) -> None:
    broken = open_model(load(restored_bundle(tmp_path / "bundle")))
    broken.spec = replace(model.spec, restore=Counting("the restoration did not run"))
    inspection = judge_frame(ready(broken))
    assert inspection.decision.verdict is Verdict.ERROR
    assert inspection.decision.reasons == ("check c0: not judged: the restoration did not run",)


def test_a_restoration_that_is_not_among_the_files_is_refused(tmp_path: Path) -> None:
    folder = tiny_bundle.anomaly(tmp_path / "grey")
    manifest = folder / "model.toml"
    manifest.write_text(manifest.read_text().replace("[input]", '[input]\nrestore = "nowhere.tflite"'))
    with pytest.raises(BundleError, match=r"'nowhere\.tflite' is used but not among"):
        load(folder)


def test_a_restoration_that_makes_pictures_larger_is_refused(tmp_path: Path) -> None:
    folder = restored_bundle(tmp_path / "bundle", tiny_model.smoother(block=2))
    with pytest.raises(BundleError, match=r"restore\.tflite: its output is .* 1 times as large"):
        open_model(load(folder))


def test_a_lesson_cannot_be_given_on_larger_pictures(tmp_path: Path) -> None:
    doubling = tiny_bundle.restoration(tmp_path / "doubling", tiny_model.smoother(block=2), factor=2)
    good = washers.album(tmp_path / "good", range(5))
    with pytest.raises(ConfigError, match="makes pictures larger"):
        washers.teach("washer", good, tmp_path / "shelf", wishes=replace(washers.QUICK, restore=doubling))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Taught on restored pictures."""
    folder = tmp_path_factory.mktemp("taught")
    restoration = tiny_bundle.restoration(folder / "smoother")
    good = washers.album(folder / "good", range(6))
    wishes = replace(washers.QUICK, restore=restoration)
    return washers.teach("washer", good, folder / "shelf", wishes=wishes).bundle


def test_a_lesson_on_restored_pictures_takes_the_restoration_along(taught: Bundle, tmp_path: Path) -> None:
    assert taught.manifest.seen.restore == "restore.tflite"
    network = load(tiny_bundle.restoration(tmp_path / "smoother")).files["model.tflite"]
    assert taught.files["restore.tflite"] == network
    verify(taught)


def test_a_lesson_that_is_extended_keeps_its_restoration(taught: Bundle, tmp_path: Path) -> None:
    more = washers.album(tmp_path / "more", range(20, 22))
    extended = extend(taught.folder.parent, more, wishes=washers.QUICK).bundle
    assert extended.manifest.seen.restore == "restore.tflite"
    assert extended.files["restore.tflite"] == taught.files["restore.tflite"]


def test_a_bundle_without_a_restoration_has_none(tmp_path: Path) -> None:
    spec = open_model(load(tiny_bundle.anomaly(tmp_path / "plain"))).spec
    assert spec == PLAIN
