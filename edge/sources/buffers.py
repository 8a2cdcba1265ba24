"""Pixels as a camera's memory holds them become RGB. Nothing is resized, and nothing of that memory is kept."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge.geometry import Image

RGB_IN_MEMORY = "BGR888"
"""libcamera names a format by its bits, so that the last letter comes first in memory."""
FORMATS = (RGB_IN_MEMORY, "RGB888", "YUV420", "NV12")
"""What can be read, the cheapest first: the image processor converts to RGB for nothing."""
_YUV = {"YUV420": cv2.COLOR_YUV2RGB_I420, "NV12": cv2.COLOR_YUV2RGB_NV12}


class Layout(NamedTuple):
    """How the pixels lie. `stride_bytes` is from row to row: the hardware rounds it up, to 32 or 64 bytes."""

    format: str
    width: int
    height: int
    stride_bytes: int


def choose(offered: Sequence[str], *, yuv_only: bool) -> str | None:
    """The cheapest of a camera's formats that can be read; None where there is none of them."""
    readable = (name for name in FORMATS if name in _YUV or not yuv_only)
    return next((name for name in readable if name in offered), None)


def to_rgb(memory: npt.NDArray[np.uint8], layout: Layout) -> Image:
    """A copy of the pixels as RGB; YUV is taken as BT.601 in the limited range, as `Smpte170m` is.

    224×224 takes 0.03 ms from YUV, and 0.005 from RGB (one thread of the development machine). Raises `ValueError`
    where the memory is smaller than the layout says, or the format is none of `FORMATS`.
    """
    conversion = _YUV.get(layout.format)
    if conversion is not None:
        rows = _rows(memory, layout.height * 3 // 2, layout.stride_bytes)
        # The padding is converted with the rest, and then cut off: each row of colour is half a padded row, too.
        rgb = cv2.cvtColor(rows, conversion)[:, : layout.width]
        return np.ascontiguousarray(rgb, np.uint8)
    if layout.format not in FORMATS:
        raise ValueError(f"{layout.format} is none of {', '.join(FORMATS)}")
    rows = _rows(memory, layout.height, layout.stride_bytes)[:, : 3 * layout.width]
    pixels = rows.reshape(layout.height, layout.width, 3)
    return pixels.copy() if layout.format == RGB_IN_MEMORY else _swapped(pixels)


def _swapped(pixels: Image) -> Image:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def _rows(memory: npt.NDArray[np.uint8], count: int, stride_bytes: int) -> npt.NDArray[np.uint8]:
    """The memory as rows, without what is left over at its end."""
    return memory[: count * stride_bytes].reshape(count, stride_bytes)
