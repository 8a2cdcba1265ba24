"""Clean pictures that a restoration learns from and is measured on, and how each is spoilt, with known strength.

Needs OpenCV and NumPy alone: the benchmark uses it, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from accuracy_sets import folder_of
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Random = np.random.Generator

GAMMA = 2.2
FULL_WELL_ELECTRONS = 5000.0
READ_NOISE_ELECTRONS = 3.0
"""At gain 1, a small sensor as on a camera module: chosen, not measured. Full scale is the full well / gain."""


def photograph(scene: Pixels, gain: float, random: Random, *, bayer: bool) -> tuple[Pixels, Pixels]:
    """A scene as a sensor at that gain sees it, and as the same sensor would without noise; RGB pixels.

    Light becomes electrons (Poisson, here its normal limit), reading them adds normal noise (EMVA 1288's model);
    both are scaled by the gain. With `bayer` each pixel has one colour, and demosaicing (edge aware) guesses the
    others, which makes grains of the noise. Then come gamma and 8 bits.
    """
    light = (scene.astype(np.float32) / 255) ** np.float32(GAMMA)
    if bayer:
        light = _mosaic(light)
    full_scale = FULL_WELL_ELECTRONS / gain
    variance = light / full_scale + (READ_NOISE_ELECTRONS / full_scale) ** 2
    noisy = light + np.sqrt(variance) * random.standard_normal(light.shape, np.float32)
    return _develop(noisy, bayer=bayer), _develop(light, bayer=bayer) if bayer else scene


def _mosaic(light: NDArray[np.float32]) -> NDArray[np.float32]:
    raw = light[:, :, 1].copy()
    raw[::2, ::2], raw[1::2, 1::2] = light[::2, ::2, 0], light[1::2, 1::2, 2]
    return raw


def _develop(light: NDArray[np.float32], *, bayer: bool) -> Pixels:
    linear = np.clip(light, 0, 1)
    if bayer:
        raw = np.rint(linear * 65535).astype(np.uint16)
        linear = np.asarray(cv2.cvtColor(raw, cv2.COLOR_BayerRGGB2RGB_EA), np.float32) / 65535
    return np.rint(linear ** np.float32(1 / GAMMA) * 255).astype(np.uint8)


def shrunk(picture: Pixels) -> Pixels:
    """Half the width and height: each pixel is the mean of four, as in a sensor with pixels twice as large."""
    height, width = (side // 2 * 2 for side in picture.shape[:2])
    return _area(picture[:height, :width], width // 2, height // 2)


def enlarged(picture: Pixels) -> Pixels:
    """Twice the width and height by cubic interpolation: what a restoration starts from, and must beat."""
    height, width = picture.shape[:2]
    return np.asarray(cv2.resize(picture, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC), np.uint8)


def read(path: Path) -> Pixels:
    """A picture file as RGB. Raises `FileNotFoundError`."""
    stored = cv2.imread(str(path))
    if stored is None:
        raise FileNotFoundError(f"{path}: is not a picture that OpenCV reads")
    return np.ascontiguousarray(stored[:, :, ::-1])


@dataclass(frozen=True)
class Held:
    """Pictures that nothing was trained on. `kin`: others of the same set were."""

    name: str
    words: str
    paths: Sequence[Path]
    kin: bool


def held_out(count: int) -> Iterator[Held]:
    """So many pictures of each set, spread evenly. Raises `accuracy_sets.Absent` where they are not here."""
    sets = (
        ("caps", "test", "*.jpg", True),
        ("screws", "test_set", "*.jpg", True),
        ("cookies", "test-images", "*.jpg", False),
        ("bottle", "test", "*/*.jpg", False),
        ("magnetic_tile", ".", "*/*.jpg", False),
        ("pcb", ".", "**/*.jpg", False),
    )
    for name, part, pattern, kin in sets:
        paths = sorted(folder_of(name).joinpath(part).glob(pattern))
        yield Held(name, f"{name}/{part}".removesuffix("/."), _evenly(paths, count), kin)


def trained_on() -> list[Path]:
    """The real pictures for training, whose licences let the weights ship.

    caps/train is left out: salt and pepper has been strewn over it, which is not to be learned as clean.
    """
    caps = sorted(folder_of("caps").joinpath("valid").glob("*.jpg"))
    return caps + sorted(folder_of("screws").joinpath("train_val_set").glob("*.jpg"))


def _evenly(paths: Sequence[Path], count: int) -> list[Path]:
    return [paths[i * len(paths) // count] for i in range(count)] if len(paths) > count else list(paths)


def _area(picture: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
