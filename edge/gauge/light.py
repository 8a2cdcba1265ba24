"""Grey levels that grow with the light: where a blurred edge lies is half-way in light, not in a camera's code."""

from functools import cache
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from edge.geometry import Image

Encoding = Literal["srgb", "linear"]
Grey = npt.NDArray[np.float32]
"""Light, rows×columns, 0…255."""

TOE = 0.04045
"""Below it, the curve of sRGB (IEC 61966-2-1) is a straight line."""


def light(image: Image, encoding: Encoding) -> Grey:
    """The light of RGB pixels. Cameras that make pictures for people give `srgb`; `linear` are raw values."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.LUT(grey, _table(encoding)), np.float32)


@cache
def _table(encoding: Encoding) -> Grey:
    code = np.arange(256) / 255
    if encoding == "srgb":
        code = np.where(code <= TOE, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return (255 * code).astype(np.float32)
