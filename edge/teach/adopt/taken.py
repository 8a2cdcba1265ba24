"""What a strange model takes for a pixel: said by its metadata or by a person, or plain from its input."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError, ConfigError
from edge.model.interpreter import TensorSpec
from edge.model.metadata import Metadata
from edge.model.pixels import CHANNELS, LEVELS, Pixels, as_numbers

YOLO = Pixels(mean=[0.0], std=[255.0])
"""0 to 1: what every YOLO was trained with."""
AS_GOOD = 1
"""A quantized number that is off by so much is rounded: the pixels themselves will do."""


class Taken(NamedTuple):
    """What goes into the manifest, and the same in words."""

    pixels: Pixels | None
    words: str


def said(found: Metadata, path: str) -> Pixels | None:
    """What the metadata says, if anything. Raises `BundleError` where that makes no sense."""
    if not found.mean and not found.std:
        return None
    mean, std = found.mean or (0.0,), found.std or (1.0,)
    lengths_fit = {len(mean), len(std)} <= {1, CHANNELS}
    if not lengths_fit or not np.isfinite([*mean, *std]).all() or min(std) <= 0:
        raise BundleError(
            f"{path}: its metadata says mean {list(mean)} and std {list(std)}, which cannot be;"
            " give --mean and --std"
        )
    return Pixels(mean=list(mean), std=list(std))


def settle(taken: TensorSpec, asked: Pixels | None, found: Pixels | None, *, yolo: bool, bgr: bool) -> Taken:
    """What the bundle is to say of the input. `asked` is the person's word, `found` that of the metadata.

    Raises `ConfigError` where a float model says nothing, and nobody else does.
    """
    shape = f"{taken.shape[2]}×{taken.shape[1]} {taken.dtype}"
    pixels, whence = (asked, "as given") if asked is not None else (found, "says its metadata")
    if pixels is None and taken.dtype == np.float32:
        if not yolo:
            raise ConfigError(
                f"its input is {shape}, and nothing says what for: give --mean 127.5 --std 127.5 for -1 to 1,"
                " --mean 0 --std 255 for 0 to 1, or what it was trained with"
            )
        pixels, whence = YOLO, "as every YOLO"
    if pixels is None and not bgr:
        return Taken(None, f"{shape}, pixels as they are")
    pixels = as_they_are(taken) if pixels is None else pixels
    if bgr:
        pixels = pixels.model_copy(update={"order": "bgr"})
    if taken.dtype != np.float32 and not bgr and _are_the_pixels(pixels, taken):
        return Taken(None, f"{shape}, pixels as they are ({whence})")
    words = f"(pixel - {_told(pixels.mean)}) / {_told(pixels.std)}, {pixels.order}"
    return Taken(pixels, f"{shape}, {words} ({whence})")


def as_they_are(taken: TensorSpec) -> Pixels:
    """The pixels themselves, for a quantized input."""
    black = 128 if taken.dtype == np.int8 else 0
    return Pixels(mean=[float(black + taken.zero_point)], std=[1 / taken.scale])


def _are_the_pixels(pixels: Pixels, taken: TensorSpec) -> bool:
    numbers = as_numbers(pixels.real(), taken.dtype, taken.scale, taken.zero_point).astype(np.int64)
    levels: npt.NDArray[Any] = np.arange(LEVELS)[:, None] - (128 if taken.dtype == np.int8 else 0)
    return bool(np.abs(numbers - levels).max() <= AS_GOOD)


def _told(numbers: list[float]) -> str:
    return f"{numbers[0]:g}" if len(set(numbers)) == 1 else f"({', '.join(f'{each:g}' for each in numbers)})"
