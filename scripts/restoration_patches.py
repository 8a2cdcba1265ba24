"""Patches to train a restoration on: what it sees, and what it should have seen; the same seed, the same bytes."""

from collections.abc import Callable, Sequence
from functools import cache

import cv2
import numpy as np
from calibration_pictures import render_pictures
from restoration_pictures import Pixels, Random, enlarged, photograph, read, shrunk, trained_on

RENDERED = 240
RENDERED_PX = 512
LABELS = 120
REDUCTIONS = (1 / 2, 2 / 3, 1.0)
"""How much a real picture is reduced first: at a half, little of its JPEG blocks is left."""
LOWEST_GAIN, HIGHEST_GAIN = 1.0, 32.0
CLEAN_SHARE = 0.05
"""So many patches have no noise at all: what is clean is to stay as it is."""

Pair = tuple[Pixels, Pixels]


@cache
def scenes() -> Sequence[Pixels]:
    """Every clean picture: real ones, rendered surfaces and parts, rendered labels. RGB. Raises `Absent`."""
    random = np.random.default_rng(11)
    real = [_reduced(read(path), float(random.choice(REDUCTIONS))) for path in trained_on()]
    # Halved, what they have of noise is under two grey levels.
    rendered = [shrunk(picture) for picture in render_pictures(RENDERED, RENDERED_PX, seed=12)]
    return real + rendered + [label(random) for _ in range(LABELS)]


def label(random: Random, side_px: int = 384) -> Pixels:
    """Print on a label, with a bar code, turned a little: the sharp edges that photographs have few of."""
    big = 2 * side_px
    dark, light = random.integers(0, 110, 3), random.integers(140, 256, 3)
    if random.integers(2):
        dark, light = light, dark
    sheet = np.full((big, big, 3), light, np.uint8)
    down = 20
    while down < big - 40:
        size = random.uniform(0.5, 2.5)
        if random.random() < 0.25:
            _bars(sheet, random, down, int(40 * size), dark.tolist())
        else:
            letters = "".join(chr(code) for code in random.integers(33, 127, 40))
            font = int(random.choice((cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX)))
            place = int(random.integers(-40, 40)), down + int(22 * size)
            cv2.putText(
                sheet, letters, place, font, size, dark.tolist(), int(random.integers(1, 5)), cv2.LINE_AA
            )
        down += int(45 * size)
    turn = cv2.getRotationMatrix2D((side_px, side_px), random.uniform(-20, 20), random.uniform(1.0, 1.3))
    turned = cv2.warpAffine(sheet, turn, (big, big), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return shrunk(np.asarray(cv2.GaussianBlur(turned, (0, 0), random.uniform(0.3, 1.2)), np.uint8))


def noisy_patches(count: int, side_px: int, seed: int) -> Pair:
    """Noisy patches and what a sensor without noise would have given: two arrays of count×side×side×3."""

    def spoil(patch: Pixels, random: Random) -> Pair:
        gain = np.exp(random.uniform(np.log(LOWEST_GAIN), np.log(HIGHEST_GAIN)))
        noisy, clean = photograph(patch, float(gain), random, bayer=bool(random.integers(2)))
        return (clean, clean) if random.random() < CLEAN_SHARE else (noisy, clean)

    return _patches(count, side_px, seed, spoil)


def small_patches(count: int, side_px: int, seed: int) -> tuple[Pixels, Pixels, Pixels]:
    """Patches of half the resolution, the originals of twice the side, and the cubic enlargement between them."""
    # The enlargement of a patch knows nothing of its surroundings: it is made of a larger one, and cut.
    around = 4

    def spoil(patch: Pixels, _random: Random) -> Pair:
        small = shrunk(patch)
        return small, np.concatenate((patch, enlarged(small)), axis=-1)

    small, both = _patches(count, 2 * (side_px + 2 * around), seed, spoil)
    inner, large = slice(around, -around), slice(2 * around, -2 * around)
    return small[:, inner, inner], both[:, large, large, :3], both[:, large, large, 3:]


def _patches(count: int, side_px: int, seed: int, spoil: Callable[[Pixels, Random], Pair]) -> Pair:
    random = np.random.default_rng(seed)
    clean = scenes()
    pairs = [
        spoil(_cut(clean[int(random.integers(len(clean)))], side_px, random), random) for _ in range(count)
    ]
    seen, wanted = zip(*pairs, strict=True)
    return np.stack(seen), np.stack(wanted)


def _cut(picture: Pixels, side_px: int, random: Random) -> Pixels:
    """Of a few places the one with the most detail: flat ones teach little, and are still met."""
    height, width = picture.shape[:2]
    places = [
        picture[y : y + side_px, x : x + side_px]
        for y, x in zip(
            random.integers(0, height - side_px + 1, 3),
            random.integers(0, width - side_px + 1, 3),
            strict=True,
        )
    ]
    if random.random() < 0.4:
        return places[0]
    return max(places, key=lambda patch: float(patch.std()))


def _reduced(picture: Pixels, share: float) -> Pixels:
    if share == 1.0:
        return picture
    height, width = picture.shape[:2]
    size = round(width * share), round(height * share)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _bars(sheet: Pixels, random: Random, down: int, tall: int, colour: Sequence[int]) -> None:
    across = int(random.integers(0, 100))
    unit = int(random.integers(2, 6))
    while across < sheet.shape[1]:
        wide = unit * int(random.integers(1, 5))
        cv2.rectangle(sheet, (across, down), (across + wide - 1, down + tall), list(colour), -1)
        across += wide + unit * int(random.integers(1, 5))
