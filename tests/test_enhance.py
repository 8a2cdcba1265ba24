"""Steps of enhancement: what each does to the pixels that a model sees, and what cannot be asked of it."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import parts
import pytest
import tiny_bundle
import washers

from edge import config
from edge.cli.steps import steps_named
from edge.cli.teaching import chosen, wishes
from edge.config.enhance import Brightness, Clahe, Denoise, Enhance, Sharpen, WhiteBalance
from edge.errors import BundleError, ConfigError
from edge.geometry import Image
from edge.model.bundle import load
from edge.model.manifest import Input
from edge.model.runner import open_model
from edge.pipeline import Check, prepare_frame
from edge.preprocess.quality import QualityGate, QualityLimits
from edge.preprocess.tensor import InputSpec, prepare

EVERY: tuple[Enhance, ...] = (Denoise(), Brightness(), Clahe(), WhiteBalance(), Sharpen())
PLAIN = InputSpec(96, 96)


def seen(picture: Image, *steps: Enhance, spec: InputSpec = PLAIN) -> Image:
    tensor = prepare(picture, replace(spec, enhance=steps)).tensors[0]
    return (tensor[0].astype(np.int16) + 128).astype(np.uint8)


def noisy(sigma: float) -> Image:
    noise = np.random.default_rng(5).normal(0, sigma, (96, 96, 1))
    return np.clip(washers.washer(1).astype(np.float64) + noise, 0, 255).astype(np.uint8)


def test_without_steps_pixels_stay_as_they_are() -> None:
    picture = washers.washer(1)
    assert np.array_equal(seen(picture), picture)


@pytest.mark.parametrize("step", EVERY, ids=lambda step: step.type)
def test_a_step_changes_the_pixels_and_leaves_the_frame_alone(step: Enhance) -> None:
    picture = noisy(6) // np.array([1, 2, 1], np.uint8)
    before = picture.copy()
    assert not np.array_equal(seen(picture, step), picture)
    assert np.array_equal(picture, before)


def test_noise_is_smoothed_and_the_edge_of_the_part_stays() -> None:
    picture = noisy(4)
    smooth = seen(picture, Denoise(levels=20))
    ground = np.s_[2:9, 2:90]
    assert smooth[ground].std() < 0.6 * picture[ground].std()
    edge = np.s_[48, 8:16, 0]
    assert np.ptp(smooth[edge].astype(int)) > 0.9 * np.ptp(picture[edge].astype(int))


@pytest.mark.parametrize("light", [0.5, 1.0, 1.4])
def test_pictures_in_any_light_get_the_same_brightness(light: float) -> None:
    picture = np.clip(washers.washer(1) * light, 0, 255).astype(np.uint8)
    assert abs(seen(picture, Brightness(level=90)).mean() - 90) < 2


def test_brightness_is_raised_by_no_more_than_it_may() -> None:
    picture = np.full((96, 96, 3), 10, np.uint8)
    assert seen(picture, Brightness(level=200, most=2)).mean() == 20


def test_a_black_picture_stays_black() -> None:
    assert seen(np.zeros((96, 96, 3), np.uint8), *EVERY).max() <= 8


def test_a_colour_cast_becomes_grey() -> None:
    cast = (washers.washer(1) * np.array([1.0, 0.8, 0.6])).astype(np.uint8)
    balanced = seen(cast, WhiteBalance()).reshape(-1, 3).mean(axis=0)
    assert np.ptp(balanced) < 2


def test_contrast_is_raised_where_shade_has_taken_it() -> None:
    shade = np.linspace(1.0, 0.25, 96)[None, :, None]
    picture = (np.random.default_rng(1).integers(90, 130, (96, 96, 1)) * shade).astype(np.uint8)
    picture = np.repeat(picture, 3, axis=2)
    raised = seen(picture, Clahe(clip=4))
    dark = np.s_[:, 72:]
    assert raised[dark].std() > 1.5 * picture[dark].std()


def test_a_soft_edge_becomes_steeper() -> None:
    soft = cv2.GaussianBlur(washers.washer(1), (0, 0), 2)
    assert np.abs(np.diff(seen(soft, Sharpen(amount=2, radius_px=2)).astype(int), axis=1)).max() > 1.3 * (
        np.abs(np.diff(soft.astype(int), axis=1)).max()
    )


def test_steps_are_taken_in_their_order() -> None:
    picture = noisy(8)
    first, second = Denoise(levels=40), Sharpen(amount=3)
    assert not np.array_equal(seen(picture, first, second), seen(picture, second, first))


def test_tiles_of_a_picture_get_the_same_gain() -> None:
    picture = np.repeat(np.linspace(20, 200, 192, dtype=np.uint8)[None, :, None], 96, axis=0)
    picture = np.repeat(picture, 3, axis=2)
    spec = InputSpec(96, 96, tiles_x=2, enhance=(Brightness(level=110),))
    left, right = (tensor.astype(int) + 128 for tensor in prepare(picture, spec).tensors)
    assert (left.mean() < 80, right.mean() > 140) == (True, True)


def test_pixels_outside_the_polygon_do_not_count() -> None:
    picture = np.full((96, 96, 3), 250, np.uint8)
    picture[:, :48] = 50
    left = ((0, 0), (48, 0), (48, 96), (0, 96))
    spec = replace(PLAIN, enhance=(Brightness(level=100),))
    tensor = prepare(picture, spec, polygon=left).tensors[0]
    assert abs(int(tensor[0, 48, 20, 0]) + 128 - 100) <= 1


def test_a_check_may_have_its_own_steps_or_none() -> None:
    picture = washers.washer(1)
    spec = replace(PLAIN, enhance=(Brightness(level=200),))
    assert prepare(picture, spec, enhance=()).tensors[0].mean() == prepare(picture, PLAIN).tensors[0].mean()
    own = prepare(picture, PLAIN, enhance=(Brightness(level=200),))
    assert np.array_equal(own.tensors[0], prepare(picture, spec).tensors[0])


def test_the_pipeline_shows_a_model_what_the_check_wants(tmp_path: Path) -> None:
    folder = tiny_bundle.anomaly(tmp_path / "grey")
    table = {"name": "a", "bundle": folder, "enhance": [{"type": "brightness", "level": 100}]}
    check = Check(config.Check.model_validate(table), open_model(load(folder)))
    frame = parts.frame(washers.washer(1))
    ready = prepare_frame(frame, QualityGate(QualityLimits(), config.Quality(enabled=False)), [check])
    (view,) = ready.views
    assert abs(view.tensors[0].mean() + 128 - 100) < 1  # type: ignore[union-attr]


def test_a_bundle_keeps_its_steps(tmp_path: Path) -> None:
    steps = (Clahe(clip=3), Denoise())
    folder = tiny_bundle.anomaly(tmp_path / "grey", input=Input(width=32, height=32, enhance=steps))
    bundle = load(folder)
    assert bundle.manifest.input.enhance == steps
    assert open_model(bundle).spec.enhance == steps


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        ('type = "claeh"', "input.enhance[0].type: 'claeh' is unknown; use one of"),
        ('type = "claeh"', "did you mean 'clahe'?"),
        ("clip = 2.0", "input.enhance[0].type: is missing; add it"),
        ('type = "clahe"\nclipp = 2.0', "input.enhance[0].clipp: unknown key; did you mean 'clip'?"),
        ('type = "clahe"\nclip = 100', "input.enhance[0].clip: input should be less than or equal to 40"),
        ('type = "sharpen"\nradius_px = nan', "input.enhance[0].radius_px: "),
        ('type = "denoise"\nlevels = 0', "input.enhance[0].levels: "),
    ],
)
def test_a_step_that_cannot_be_is_named(tmp_path: Path, step: str, complaint: str) -> None:
    folder = tiny_bundle.anomaly(tmp_path / "grey", input=Input(width=32, height=32, enhance=(Clahe(),)))
    manifest = folder / "model.toml"
    text = manifest.read_text()
    block = '[[input.enhance]]\ntype = "clahe"\nclip = 2.0\nzones = 4\n'
    assert block in text
    manifest.write_text(text.replace(block, f"[[input.enhance]]\n{step}\n"))
    with pytest.raises(BundleError) as refusal:
        load(folder)
    assert complaint in str(refusal.value)


def test_a_lesson_with_steps_makes_a_bundle_with_them(tmp_path: Path) -> None:
    good = washers.album(tmp_path / "good", range(6))
    wishes = replace(washers.QUICK, enhance=(Clahe(), Sharpen()))
    taught = washers.teach("washer", good, tmp_path / "shelf", wishes=wishes)
    assert taught.bundle.manifest.input.enhance == wishes.enhance


def test_steps_on_the_command_line_have_settings() -> None:
    assert steps_named(["clahe:clip=3,zones=8", "sharpen"], "--enhance") == (
        Clahe(clip=3, zones=8),
        Sharpen(),
    )


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("sharpenn", "--enhance: steps[0].type: 'sharpenn' is unknown"),
        ("sharpen:amount", "--enhance: 'amount' in 'sharpen:amount' is no setting"),
        ("sharpen:amount=7", "--enhance: steps[0].amount: input should be less than or equal to 5"),
        ("sharpen:amonut=1", "did you mean 'amount'?"),
        ("sharpen:amount=inf", "--enhance: steps[0].amount: "),
        ("", "--enhance: steps[0].type: '' is unknown"),
    ],
)
def test_a_step_on_the_command_line_that_cannot_be_is_named(word: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        steps_named([word], "--enhance")
    assert complaint in str(refusal.value)


def test_a_lesson_takes_steps_from_the_command_line() -> None:
    given: dict[str, object] = defaultdict(lambda: None, {"--enhance": ["clahe", "sharpen:amount=2"]})
    assert wishes(given).enhance == (Clahe(), Sharpen(amount=2))


def test_steps_go_with_a_lesson_from_good_parts_alone() -> None:
    assert chosen(["--good", "--enhance"]) == "--good"
    with pytest.raises(ConfigError, match="--enhance goes with --good, not with --add"):
        chosen(["--add", "--enhance"])
