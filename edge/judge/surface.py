"""The cells of a map as a smooth surface, pixel by pixel: what is drawn, measured and evaluated is the same."""

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Level = TypeVar("Level", np.float32, np.uint8)

_AROUND = np.ones((3, 3), np.uint8)


def smooth(cells: npt.NDArray[Level], size: tuple[int, int]) -> npt.NDArray[Level]:
    """The surface through the cells at `size` (width, height): cubic, and nowhere higher than the cells around.

    A cubic alone overshoots beside steep edges: it would raise pixels over a limit that no cell near them reaches.
    The cells must be finite.
    """
    surface = cv2.resize(cells, size, interpolation=cv2.INTER_CUBIC)
    ceiling = cv2.resize(cv2.dilate(cells, _AROUND), size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.min(surface, ceiling), cells.dtype)
