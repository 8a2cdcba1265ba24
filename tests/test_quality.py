"""Is a picture fit to be judged? On parts of the conveyor, in good light and in bad."""

from functools import cache

import cv2
import numpy as np
import pytest
from parts import frame

from edge.config import Quality, SyntheticSource
from edge.geometry import Image
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.quality import QualityGate, QualityLimits, learn_limits, measure
from edge.sources.synthetic import Synthetic


@cache
def conveyor(defect_rate: float, seed: int, count: int) -> list[Image]:
    source = Synthetic(
        SyntheticSource(
            type="synthetic", width=640, height=480, defect_rate=defect_rate, seed=seed, count=count
        )
    )
    return [source.read().image for _ in range(count)]


@cache
def taught() -> QualityLimits:
    return learn_limits([measure(image) for image in conveyor(0.0, 1, 20)])


def part() -> Image:
    return conveyor(0.0, 2, 20)[0]


def gate(limits: QualityLimits | None = None, **settings: float) -> QualityGate:
    return QualityGate(limits or taught(), Quality(**settings))


def complaints(image: Image, limits: QualityLimits | None = None, **settings: float) -> tuple[str, ...]:
    return gate(limits, **settings).examine(frame(image))


def lit(image: Image, gain: float) -> Image:
    return np.clip(image * gain, 0, 255).astype(np.uint8)


def with_noise(image: Image) -> Image:
    noise = np.random.default_rng(0).normal(0, 2, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_good_parts_that_were_not_taught_are_fit() -> None:
    assert [complaints(image) for image in conveyor(0.0, 2, 20)] == [()] * 20


def test_parts_with_defects_are_fit_to_be_judged() -> None:
    assert [complaints(image) for image in conveyor(1.0, 3, 20)] == [()] * 20


@pytest.mark.parametrize("gain", [0.75, 1.25])
def test_a_little_less_or_more_light_is_fit(gain: float) -> None:
    assert complaints(lit(part(), gain)) == ()


def test_a_dark_picture_is_refused_with_the_figure_and_its_limit() -> None:
    reasons = complaints(lit(part(), 0.3))
    brightness = measure(lit(part(), 0.3)).brightness
    assert reasons[0] == f"too dark: brightness {brightness:.1f} is under {taught().min_brightness:.1f}"


def test_an_overexposed_picture_is_refused() -> None:
    assert complaints(lit(part(), 3))[0].startswith("too bright: brightness ")


@pytest.mark.parametrize("sigma_px", [2, 4, 8])
def test_a_blurred_picture_is_refused_and_nothing_else_is_said_of_it(sigma_px: float) -> None:
    (reason,) = complaints(with_noise(cv2.GaussianBlur(part(), (0, 0), sigma_px)))
    assert reason.startswith("blurred: sharpness ")


def test_a_covered_lens_is_refused() -> None:
    covered = with_noise(np.full_like(part(), int(part().mean())))
    assert complaints(covered)[0].startswith("lens blocked or light off: contrast ")


def test_sharpness_does_not_change_with_the_light() -> None:
    assert measure(lit(part(), 0.7)).sharpness == pytest.approx(measure(part()).sharpness, rel=0.15)


def test_a_picture_of_another_size_than_was_taught_is_refused() -> None:
    reasons = complaints(cv2.resize(part(), (480, 480)))
    assert reasons[0] == "wrong size: 480×480 pixels; 640×480 were taught"


def test_any_size_is_fit_where_several_were_taught() -> None:
    sizes = [(640, 480), (600, 480), (500, 400)]
    limits = learn_limits([measure(cv2.resize(part(), size)) for size in sizes])
    assert complaints(cv2.resize(part(), (560, 420)), limits) == ()


def test_settings_go_before_what_was_taught() -> None:
    assert complaints(lit(part(), 0.3), min_brightness=0.0, min_contrast=0.0, min_sharpness=0.0) == ()
    assert complaints(part(), min_sharpness=99.0)[0].startswith("blurred")
    assert complaints(part(), max_brightness=10.0)[0].startswith("too bright")


def test_a_gate_that_is_switched_off_lets_everything_through() -> None:
    assert complaints(np.zeros((9, 9, 3), np.uint8), enabled=False) == ()


def test_the_same_picture_again_and_again_is_frozen() -> None:
    watching = gate(frozen_after=3)
    reasons = [watching.examine(frame(part().copy())) for _ in range(4)]
    assert reasons[:2] == [(), ()]
    assert reasons[2] == ("frozen: the same picture 3 times in a row; look at the camera and its cable",)
    assert "4 times" in reasons[3][0]


def test_a_picture_with_any_difference_ends_a_freeze() -> None:
    watching = gate(frozen_after=2)
    watching.examine(frame(part()))
    watching.examine(frame(part()))
    assert watching.examine(frame(with_noise(part()))) == ()


def test_a_part_that_lies_the_other_way_round_is_another_picture() -> None:
    watching = gate(frozen_after=2)
    watching.examine(frame(part()))
    assert watching.examine(frame(part()[::-1, ::-1].copy())) == ()


def test_the_same_part_seen_with_a_cameras_noise_is_not_frozen() -> None:
    watching = gate(frozen_after=2)
    rng = np.random.default_rng(1)
    for _ in range(5):
        noisy = np.clip(part() + rng.normal(0, 1, part().shape), 0, 255).astype(np.uint8)
        assert watching.examine(frame(noisy)) == ()


def test_zero_never_calls_a_picture_frozen() -> None:
    watching = gate(frozen_after=0)
    assert [watching.examine(frame(part())) for _ in range(5)] == [()] * 5


def test_a_pyramid_that_is_there_already_gives_the_same_answer() -> None:
    dark = lit(part(), 0.3)
    assert gate().examine(frame(dark), Pyramid(dark)) == complaints(dark)


@pytest.mark.parametrize("side", [1, 2, 3, 8])
def test_tiny_and_even_pictures_can_be_measured(side: int) -> None:
    measures = measure(np.full((side, side, 3), 50, np.uint8))
    assert (measures.brightness, measures.contrast, measures.sharpness) == (50, 0, 0)


def test_limits_survive_the_manifest() -> None:
    assert QualityLimits.from_table(taught().to_table()) == taught()
    assert QualityLimits.from_table({"width": 9, "of_the_future": 1}) == QualityLimits(width=9)
