from pathlib import Path

import numpy as np
import parts
import pytest
import tiny_bundle
import tiny_model

from edge.config import Check, Quality, Rectangle, Rules
from edge.errors import BundleError, InferenceError
from edge.geometry import Box
from edge.model import examples
from edge.model.arrays import pack, unpack
from edge.model.bundle import load
from edge.model.checks import open_check
from edge.model.golden import replay, score
from edge.model.manifest import Input
from edge.model.runner import Model, open_model
from edge.model.tables.anomaly import AnomalyHead
from edge.pipeline import judge_frame, prepare_frame
from edge.prediction import Anomaly, Classification
from edge.preprocess.layout import lay_out
from edge.preprocess.quality import QualityGate
from edge.preprocess.tensor import InputSpec, prepare
from edge.teach.examples import look, make_examples
from edge.types import Finding, Verdict

LEFT = Rectangle(x_min=0, y_min=0, x_max=64, y_max=64)
GREY, RED = (128, 128, 128), (255, 0, 0)


@pytest.fixture
def anomaly(tmp_path: Path) -> Model:
    return open_model(load(tiny_bundle.anomaly(tmp_path / "part")))


def test_what_was_taught_is_near_and_what_was_not_is_far(anomaly: Model) -> None:
    half = np.full((32, 32, 3), GREY, np.uint8)
    half[:16, 16:] = RED
    prepared = prepare(half, anomaly.spec)
    found = anomaly.decode(anomaly.run(prepared), prepared)
    assert isinstance(found, Anomaly)
    # Red is ±1 in each channel; spread 0.5 and limit 2 make √3 of it.
    assert found.anomaly_map == pytest.approx(np.array([[0, 3**0.5], [0, 0]]), abs=0.02)
    assert found.box == Box(0, 0, 32, 32)


def test_tiles_are_scored_one_by_one_and_joined(tmp_path: Path) -> None:
    folder = tiny_bundle.anomaly(tmp_path / "part", input=Input(width=32, height=32, tiles_x=2))
    model = open_model(load(folder))
    picture = np.full((64, 128, 3), GREY, np.uint8)
    picture[:, 96:] = RED
    prepared = prepare(picture, model.spec)
    found = model.decode(model.run(prepared), prepared)
    assert isinstance(found, Anomaly)
    assert found.anomaly_map.shape == (2, 4)
    assert (found.anomaly_map > 1).tolist() == [[False, False, False, True]] * 2


@pytest.mark.parametrize(("own", "seen"), [(None, Box(64, 0, 128, 64)), (LEFT, Box(0, 0, 64, 64))])
def test_a_check_looks_where_its_model_was_taught_to_unless_it_says_where(
    tmp_path: Path, own: Rectangle | None, seen: Box
) -> None:
    right = Rectangle(x_min=64, y_min=0, x_max=128, y_max=64)
    tiny_bundle.anomaly(tmp_path / "part", input=Input(width=32, height=32, roi=right))
    check = open_check(Check(name="surface", bundle=tmp_path / "part", roi=own), verified=None)
    picture = np.random.default_rng(0).integers(0, 255, (64, 128, 3), np.uint8)
    gate = QualityGate(check.model.quality, Quality(enabled=False))
    finding = judge_frame(prepare_frame(parts.frame(picture), gate, [check])).findings[0]
    assert isinstance(finding.prediction, Anomaly)
    assert finding.prediction.box == seen


def taught_with_examples(folder: Path) -> Path:
    """A bundle for which grey is good; it keeps a light and a dark picture."""
    spec, looks = InputSpec(32, 32), []
    for name, grey in (("dark.png", -0.2), ("light.png", 0.2)):
        cells = np.full((2, 2, 3), grey, np.float32)
        picture = np.full((64, 64, 3), 100, np.uint8)
        looks.append(look(name, picture, lay_out(64, 64, spec), [cells], np.random.default_rng(0)))
    return with_file(folder, make_examples(looks, np.random.default_rng(0)))


def with_file(folder: Path, content: bytes) -> Path:
    """The tiny bundle with these examples."""
    bare = load(tiny_bundle.anomaly(folder.parent / "bare"))
    return tiny_bundle.save(folder, bare.manifest, {**bare.files, examples.FILE: content})


def judged_half_red(folder: Path) -> Finding:
    rules = Rules(fail_at=0.5, pass_below=0.5)
    check = open_check(Check(name="surface", bundle=folder, rules=rules), verified=None)
    picture = np.full((64, 64, 3), 160, np.uint8)
    picture[32:, 32:] = RED
    gate = QualityGate(check.model.quality, Quality(enabled=False))
    return judge_frame(prepare_frame(parts.frame(picture), gate, [check])).findings[0]


def test_a_part_that_fails_is_compared_with_the_taught_place_most_like_it(tmp_path: Path) -> None:
    finding = judged_half_red(taught_with_examples(tmp_path / "part"))
    assert finding.decision.verdict is Verdict.FAIL
    (region,) = finding.decision.regions
    assert region.peak_at == (48, 48)
    assert region.nearest is not None
    assert region.nearest.box == Box(32, 32, 64, 64)
    assert region.nearest.picture == "dark.png"


def test_a_bundle_without_examples_judges_all_the_same(tmp_path: Path) -> None:
    finding = judged_half_red(tiny_bundle.anomaly(tmp_path / "part"))
    assert finding.decision.verdict is Verdict.FAIL
    assert finding.decision.regions[0].nearest is None


def test_examples_of_another_model_are_refused(tmp_path: Path) -> None:
    content = load(taught_with_examples(tmp_path / "taught" / "part")).files[examples.FILE]
    arrays = unpack(content, examples.FILE)
    folder = with_file(tmp_path / "part", pack({**arrays, "mean": np.zeros(7, np.float32)}))
    with pytest.raises(BundleError, match=r"examples.npz: array 'mean'"):
        open_model(load(folder))


def test_a_classification_gives_a_probability_for_each_label(tmp_path: Path) -> None:
    model = open_model(load(tiny_bundle.classification(tmp_path / "part")))
    prepared = tiny_bundle.plain(RED, 8)
    found = model.decode(model.run(prepared), prepared)
    assert isinstance(found, Classification)
    assert found.labels == ("red", "green", "blue")
    assert found.scores == pytest.approx((1, 0, 0), abs=0.01)
    assert model.labels == ("red", "green", "blue")


def test_a_prediction_stays_as_it_is_when_the_model_runs_again(anomaly: Model) -> None:
    grey, red = tiny_bundle.plain(GREY), tiny_bundle.plain(RED)
    first = anomaly.decode(anomaly.run(red), red)
    anomaly.decode(anomaly.run(grey), grey)
    assert isinstance(first, Anomaly)
    assert (first.anomaly_map > 1).all()


def test_the_identity_says_which_model_runs_on_what(tmp_path: Path) -> None:
    bundle = load(tiny_bundle.anomaly(tmp_path / "part", version=7))
    identity = open_model(bundle, threads=2).identity
    assert (identity.name, identity.version, identity.digest) == ("grey", 7, bundle.digest)
    assert (identity.delegate, identity.threads, identity.fallback) == ("cpu", 2, None)


def test_on_the_cpu_there_is_nothing_to_fall_back_to(anomaly: Model) -> None:
    assert not anomaly.fall_back("failed 5 times in a row")
    assert (anomaly.identity.delegate, anomaly.identity.fallback) == ("cpu", None)


def test_a_tensor_of_the_wrong_shape_is_an_inference_error(anomaly: Model) -> None:
    with pytest.raises(InferenceError):
        anomaly.run(prepare(np.zeros((8, 8, 3), np.uint8), InputSpec(16, 16)))


def test_limits_and_quality_are_those_of_the_manifest(anomaly: Model) -> None:
    assert anomaly.limits.pass_below == 1.0
    assert anomaly.quality.max_brightness == 255.0
    assert anomaly.spec == InputSpec(32, 32)
    assert anomaly.labels == ()


def test_a_backbone_takes_pictures_of_the_size_that_the_manifest_says(tmp_path: Path) -> None:
    model = open_model(load(tiny_bundle.anomaly(tmp_path / "part", model=tiny_model.backbone(64))))
    assert model.run(tiny_bundle.plain(GREY)).scores[0].shape == (2, 2)


def test_a_model_that_takes_another_size_is_refused(tmp_path: Path) -> None:
    folder = tiny_bundle.classification(tmp_path / "part", input=Input(width=16, height=16))
    with pytest.raises(
        BundleError, match=r"takes pictures of 8×8, but \[input\] in .*model\.toml says 16×16"
    ):
        open_model(load(folder))


def test_a_model_without_the_features_that_the_bank_needs_is_refused(tmp_path: Path) -> None:
    folder = tiny_bundle.anomaly(tmp_path / "part", model=tiny_model.passthrough((1, 32, 32, 3)))
    with pytest.raises(BundleError, match=r"its outputs are 1×32×32×3; anomaly\.strides_px 16 needs 1×2×2×n"):
        open_model(load(folder))


def test_a_bank_of_other_channels_is_refused(tmp_path: Path) -> None:
    bank = {"bank": np.zeros((1, 4)), "mean": np.zeros(4), "spread": np.ones(4)}
    content = pack({key: array.astype(np.float32) for key, array in bank.items()})
    folder = tiny_bundle.anomaly(tmp_path / "part", bank=content)
    with pytest.raises(BundleError, match=r"bank\.npz: array 'bank' is float32 1×4, but must be float32 n×3"):
        open_model(load(folder))


def test_a_label_too_few_is_refused(tmp_path: Path) -> None:
    folder = tiny_bundle.classification(tmp_path / "part", labels=("red", "green"))
    with pytest.raises(BundleError, match=r"its output is 1×3, but classification\.labels has 2"):
        open_model(load(folder))


def test_a_classification_of_several_outputs_is_refused(tmp_path: Path) -> None:
    model, seen = tiny_model.backbone(32), Input(width=32, height=32)
    folder = tiny_bundle.classification(tmp_path / "part", model=model, input=seen)
    with pytest.raises(BundleError, match="has 2 outputs; a classification has one"):
        open_model(load(folder))


def test_the_other_stride_can_be_looked_at(tmp_path: Path) -> None:
    head = AnomalyHead(method="memory_bank", head="bank.npz", strides_px=[8], limit_distance=1.0)
    model = open_model(load(tiny_bundle.anomaly(tmp_path / "part", anomaly=head)))
    assert model.run(tiny_bundle.plain(GREY)).scores[0].shape == (4, 4)


def test_both_strides_can_be_looked_at_together(tmp_path: Path) -> None:
    bank = pack(
        {key: np.concatenate([array, array], axis=-1) for key, array in tiny_bundle.GREY_BANK.items()}
    )
    head = AnomalyHead(method="memory_bank", head="bank.npz", strides_px=[8, 16], limit_distance=1.0)
    both = open_model(load(tiny_bundle.anomaly(tmp_path / "both", bank=bank, anomaly=head)))
    coarse = head.model_copy(update={"strides_px": [16]})
    one = open_model(load(tiny_bundle.anomaly(tmp_path / "one", anomaly=coarse)))
    picture = np.full((32, 32, 3), GREY, np.uint8)
    picture[:8, :8] = RED
    prepared = prepare(picture, both.spec)
    found, expected = both.run(prepared).scores[0], one.run(prepared).scores[0]
    # Of a cell, the mean at stride 8 is what the tiny backbone sees at stride 16.
    assert found == pytest.approx(2**0.5 * expected, abs=0.05)
    assert found[0, 0] > 1


def test_what_was_learned_of_a_place_counts_there(tmp_path: Path) -> None:
    gain = np.array([[1.0, 0.25], [1.0, 1.0]], np.float32)
    folder = tiny_bundle.anomaly(tmp_path / "part", bank=pack({**tiny_bundle.GREY_BANK, "gain": gain}))
    found = open_model(load(folder)).run(tiny_bundle.plain(RED)).scores[0]
    assert found == pytest.approx(3**0.5 * gain, abs=0.02)


def test_a_gain_of_another_grid_is_refused(tmp_path: Path) -> None:
    gain = np.ones((3, 3), np.float32)
    folder = tiny_bundle.anomaly(tmp_path / "part", bank=pack({**tiny_bundle.GREY_BANK, "gain": gain}))
    with pytest.raises(BundleError, match=r"bank\.npz: array 'gain' is float32 3×3, but must be float32 2×2"):
        open_model(load(folder))


def test_a_backbone_takes_pictures_that_are_wider_than_high(tmp_path: Path) -> None:
    model = open_model(load(tiny_bundle.anomaly(tmp_path / "part", input=Input(width=96, height=64))))
    picture = np.full((64, 96, 3), GREY, np.uint8)
    picture[48:, 80:] = RED
    found = model.run(prepare(picture, model.spec)).scores[0]
    assert np.argwhere(found > 1).tolist() == [[3, 5]]


def test_a_score_is_of_the_highest_cells_or_the_probability_of_the_label(
    tmp_path: Path, anomaly: Model
) -> None:
    colours = open_model(load(tiny_bundle.classification(tmp_path / "colours")))
    red = np.full((32, 32, 3), RED, np.uint8)
    assert score(anomaly, red) == pytest.approx(3**0.5, abs=0.02)
    assert score(colours, red, "red") == pytest.approx(1, abs=0.01)
    assert np.isnan(score(colours, red, "violet"))


def test_a_bundle_without_golden_pictures_has_no_scores_to_replay(tmp_path: Path) -> None:
    bundle = load(tiny_bundle.anomaly(tmp_path / "part"))
    assert replay(bundle, open_model(bundle)) == ()
