"""What restorations learn from is what it says it is; and what was trained is what runs in int8."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from picture_quality import psnr_db, ssim
from restoration_pictures import (
    FULL_WELL_ELECTRONS,
    GAMMA,
    READ_NOISE_ELECTRONS,
    photograph,
)


def grey(level: int, side_px: int = 256) -> np.ndarray:
    return np.full((side_px, side_px, 3), level, np.uint8)


@pytest.mark.parametrize("level", [40, 128, 220])
def test_noise_is_as_strong_as_its_model_says(level: int) -> None:
    gain = 4.0
    noisy, clean = photograph(grey(level), gain, np.random.default_rng(0), bayer=False)
    electrons = (level / 255) ** GAMMA * FULL_WELL_ELECTRONS / gain
    wanted = np.sqrt(electrons + READ_NOISE_ELECTRONS**2)
    found = np.std((noisy / 255.0) ** GAMMA) * FULL_WELL_ELECTRONS / gain
    assert found == pytest.approx(wanted, rel=0.03)
    assert np.array_equal(clean, grey(level))


def test_a_mosaic_makes_grains_of_the_noise() -> None:
    def neighbours(picture: np.ndarray) -> float:
        green = picture[:, :, 1].astype(float) - picture[:, :, 1].mean()
        return float((green[:, 1:] * green[:, :-1]).mean() / green.var())

    through, plain = (
        photograph(grey(120), 8.0, np.random.default_rng(1), bayer=bayer)[0] for bayer in (True, False)
    )
    assert neighbours(through) > 0.2 > abs(neighbours(plain)) + 0.15


def test_the_reference_of_a_mosaic_is_what_the_same_sensor_sees_without_noise() -> None:
    scene = np.random.default_rng(2).integers(60, 200, (64, 64, 3), np.uint8)
    noisy, reference = photograph(scene, 1e-6, np.random.default_rng(3), bayer=True)
    assert np.abs(noisy.astype(int) - reference).max() <= 1
    assert not np.array_equal(reference, scene)


def test_equal_pictures_are_as_near_as_can_be() -> None:
    picture = np.random.default_rng(4).integers(0, 256, (40, 40, 3), np.uint8)
    assert (psnr_db(picture, picture), ssim(picture, picture)) == (99.0, pytest.approx(1.0))


def test_psnr_of_one_grey_level_is_48_decibels() -> None:
    assert psnr_db(grey(100), grey(101)) == pytest.approx(48.13, abs=0.01)


def test_the_int8_network_computes_what_was_trained() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra train")
    pytest.importorskip("litert_torch", reason="needs the extra train")
    from restoration_int8 import to_int8
    from restoration_network import Restoration, folded
    from training import convert
    from training.network import normalise

    torch.manual_seed(0)
    network = Restoration("denoise").eval()
    picture = np.random.default_rng(5).integers(0, 256, (64, 64, 3), np.uint8)
    model = to_int8(convert.to_float(folded(network), 64, 64, ["residual"]))
    (found,) = convert.run(model, [picture])
    with torch.no_grad():
        wanted = network(normalise(picture[None])).permute(0, 2, 3, 1).numpy()
    # Both round: a sum on the edge between two steps of 1/256 may fall either way.
    assert np.abs(found["residual"] - wanted).max() <= 1 / 256
    assert np.std(wanted) > 4 / 256
