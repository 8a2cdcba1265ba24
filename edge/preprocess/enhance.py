"""Steps that make a picture easier to judge: noise, light, colour and sharpness of the pixels that a model sees.

They come after the reduction, where a picture has 50 thousand pixels and not a million.
"""

from collections.abc import Sequence
from functools import reduce
from typing import assert_never

import cv2
import numpy as np
import numpy.typing as npt

from edge.config.enhance import Brightness, Clahe, Denoise, Enhance, Sharpen, WhiteBalance
from edge.geometry import Image

Inside = Sequence[Image | None]
"""For each tile the pixels that count, h×w and not 0; None: all of them."""


def enhanced(tiles: Sequence[Image], inside: Inside, steps: Sequence[Enhance]) -> Sequence[Image]:
    """The tiles of one picture after these steps. What is measured, is measured over all tiles together."""
    return reduce(lambda pixels, step: _apply(pixels, inside, step), steps, tiles)


def _apply(tiles: Sequence[Image], inside: Inside, step: Enhance) -> Sequence[Image]:
    match step:
        case Denoise():
            return [_denoised(pixels, step) for pixels in tiles]
        case Brightness():
            grey = np.average(_means(tiles, inside), keepdims=True)
            return _multiplied(tiles, np.repeat(step.level / np.maximum(grey, 1), 3), step.most)
        case Clahe():
            return [_equalised(pixels, step) for pixels in tiles]
        case WhiteBalance():
            means = np.maximum(_means(tiles, inside), 1)
            return _multiplied(tiles, means.mean() / means, step.most)
        case Sharpen():
            return [_sharpened(pixels, step) for pixels in tiles]
        case _:
            assert_never(step)


def _denoised(pixels: Image, step: Denoise) -> Image:
    # Two sigmas each way have 95 % of the weight.
    side = 2 * round(2 * step.radius_px) + 1
    return np.asarray(cv2.bilateralFilter(pixels, side, step.levels, step.radius_px), np.uint8)


def _equalised(pixels: Image, step: Clahe) -> Image:
    """Lightness alone: each colour by itself would lose its hue."""
    parts = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb)
    # A new one each time: it keeps buffers, and several threads prepare pictures.
    equaliser = cv2.createCLAHE(step.clip, (step.zones, step.zones))
    cv2.insertChannel(equaliser.apply(cv2.extractChannel(parts, 0)), parts, 0)
    return np.asarray(cv2.cvtColor(parts, cv2.COLOR_YCrCb2RGB), np.uint8)


def _sharpened(pixels: Image, step: Sharpen) -> Image:
    soft = cv2.GaussianBlur(pixels, (0, 0), step.radius_px)
    return np.asarray(cv2.addWeighted(pixels, 1 + step.amount, soft, -step.amount, 0), np.uint8)


def _means(tiles: Sequence[Image], inside: Inside) -> npt.NDArray[np.float64]:
    """Of each channel, over the pixels that count; zeros where none does."""
    sums, count = np.zeros(3), 0
    for pixels, mask in zip(tiles, inside, strict=True):
        counted = pixels[..., 0].size if mask is None else cv2.countNonZero(mask)
        sums += np.array(cv2.mean(pixels, mask)[:3]) * counted
        count += counted
    return sums / max(1, count)


def _multiplied(tiles: Sequence[Image], gains: npt.NDArray[np.float64], most: float) -> list[Image]:
    """Each channel times its gain, in one look-up."""
    bounded = np.clip(gains, 1 / most, most)
    levels = np.clip(np.rint(np.arange(256)[:, np.newaxis] * bounded), 0, 255).astype(np.uint8)
    return [np.asarray(cv2.LUT(pixels, levels[np.newaxis]), np.uint8) for pixels in tiles]
