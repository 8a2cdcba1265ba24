"""A picture at half, a quarter, an eighth of its size: each made once, for everyone who looks at it."""

from typing import Protocol

import cv2
import numpy as np

from edge.types import Image


class Restores(Protocol):
    """What gives a better picture of the same size. Any thread."""

    def restore(self, image: Image) -> Image:
        """The picture restored. Raises `InferenceError`."""
        ...


class Pyramid:
    """Exact means of 2×2 pixels, made when first asked for. For one thread, and one frame.

    Straight from 1280×960 to 224×224 by area takes OpenCV 8.5 ms (one thread of the development machine).
    Halving has a vector path: twice takes 0.9 ms, and the little that is then left may be interpolated. The
    quality gate and all checks of a recipe share the halves.
    """

    def __init__(self, image: Image) -> None:
        self._levels = {(0, 0): image}
        self._restored: dict[Restores, Pyramid] = {}

    @property
    def image(self) -> Image:
        """The picture itself."""
        return self._levels[0, 0]

    def restored(self, restorer: Restores) -> "Pyramid":
        """Of the restored picture, once for all checks that ask for the same. Raises `InferenceError`."""
        if restorer not in self._restored:
            self._restored[restorer] = Pyramid(restorer.restore(self.image))
        return self._restored[restorer]

    def level(self, halved_x: int, halved_y: int) -> Image:
        """The picture with its width and its height halved so many times.

        Where a side is odd, its last pixel is left out. A side of one pixel cannot be halved.
        """
        key = halved_x, halved_y
        if key not in self._levels:
            self._levels[key] = self._halve(halved_x, halved_y)
        return self._levels[key]

    def _halve(self, halved_x: int, halved_y: int) -> Image:
        # Both axes at once first: one axis alone has no vector path, so it gets the smaller picture.
        along_x, along_y = halved_x >= halved_y, halved_y >= halved_x
        larger = self.level(halved_x - along_x, halved_y - along_y)
        rows, columns = larger.shape[:2]
        height, width = rows >> along_y, columns >> along_x
        even = larger[: height << along_y, : width << along_x]
        # At exactly one half, linear interpolation is the mean.
        return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
