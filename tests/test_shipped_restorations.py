"""The restorations that come with the program, on rendered parts that they have never seen."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.config import SyntheticSource
from edge.geometry import Image
from edge.model.restorations import load_restorer
from edge.sources.synthetic import Synthetic


@pytest.fixture(scope="module")
def part() -> Image:
    """A rendered part, without what the renderer has of noise."""
    with Synthetic(SyntheticSource(type="synthetic", width=1280, height=960, seed=41, count=1)) as conveyor:
        return np.asarray(cv2.resize(conveyor.read().image, (320, 240), interpolation=cv2.INTER_AREA))


def error(picture: Image, wanted: Image) -> float:
    """Mean square, grey levels."""
    return float(np.mean(np.square(picture.astype(float) - wanted)))


def test_the_denoiser_takes_out_most_of_the_noise(part: Image) -> None:
    noise = np.random.default_rng(5).normal(0, 8, part.shape)
    noisy = np.clip(np.rint(part + noise), 0, 255).astype(np.uint8)
    assert error(load_restorer(Path("denoiser")).restore(noisy), part) < error(noisy, part) / 4


def test_the_denoiser_hardly_changes_a_picture_without_noise(part: Image) -> None:
    assert error(load_restorer(Path("denoiser")).restore(part), part) < 4  # it has some grain of its own


def test_twice_the_size_is_nearer_to_the_original_than_cubic_interpolation(part: Image) -> None:
    small = np.asarray(cv2.resize(part, (160, 120), interpolation=cv2.INTER_AREA))
    cubic = np.asarray(cv2.resize(small, (320, 240), interpolation=cv2.INTER_CUBIC))
    doubled = load_restorer(Path("super-resolution-x2")).restore(small)
    assert doubled.shape == part.shape
    assert error(doubled, part) < 0.9 * error(cubic, part)


@pytest.mark.parametrize("name", ["denoiser", "super-resolution-x2"])
def test_no_seam_shows_on_an_even_picture(name: str) -> None:
    restored = load_restorer(Path(name)).restore(np.full((300, 520, 3), 130, np.uint8)).astype(int)
    assert np.ptp(restored) <= 2
