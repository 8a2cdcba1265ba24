"""Places of taught pictures that a person can compare a defect with: here it is, and so it should look.

Works beside every method: it has cells of its own, which are looked at only when a part has failed.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError, CaptureError
from edge.geometry import Box, Map
from edge.model.arrays import Arrays, Floats, take, unpack
from edge.model.detectors.standard import read_standard
from edge.preprocess.layout import Layout
from edge.preprocess.picture import decode
from edge.types import Decision, Example

FILE = "examples.npz"
"""Its name in a bundle. A bundle without it explains nothing, and is complete all the same."""
STEPS = 24
"""Of an int8 for one standard deviation of a channel."""
MOST_BYTES = 8 * 1024 * 1024


class Examples:
    """The taught places of a bundle. Any thread.

    Arrays: `mean` and `spread` (channels, float32). Of n places: `cells` (n×channels, int8, standardised in
    `STEPS`), `box` (n×4, float32, pixels of the taught picture), `place` (n×2, float32, x and y as shares of what
    is looked at) and `picture` (n, uint16). Of the pictures: `shown` (×4, float32, what the thumbnail shows),
    `jpeg` (uint8, all thumbnails one behind the other), `ends` (int64, of each) and `names` (uint8, a JSON list).
    """

    def __init__(self, content: bytes, name: str, channels: int) -> None:
        """Raises `BundleError`, in which the file is called `name`, where anything in it does not fit the rest."""
        arrays = unpack(content, name, MOST_BYTES)
        self._mean, spread = read_standard(arrays, name, channels)
        self._gain = STEPS / spread
        self._boxes = take(arrays, "box", (None, 4), name)
        self._places = take(arrays, "place", (len(self._boxes), 2), name)
        self._shown = take(arrays, "shown", (None, 4), name)
        self._cells = _numbers(arrays, "cells", np.int8, (len(self._boxes), channels), name).astype(
            np.float32
        )
        self._pictures = _numbers(arrays, "picture", np.uint16, (len(self._boxes),), name)
        self._names, self._jpegs = _thumbnails(arrays, name)
        if len({len(self._names), len(self._jpegs), len(self._shown)}) > 1 or (
            self._pictures.max() >= len(self._names)
        ):
            raise BundleError(
                f"{name}: its pictures and places do not fit each other; teach the bundle again"
            )

    def nearest(self, cell: Floats, x: float, y: float) -> Example:
        """The taught place that looks most like a cell (channels, real features).

        `x` and `y` say where the cell lies, as shares of what is looked at (0…1): of places that look alike, the
        one near it explains more. Half a picture away weighs as much as half a standard deviation.
        """
        steps = np.nan_to_num((cell - self._mean) * self._gain)
        unlike = ((self._cells - steps) ** 2).mean(axis=1) / STEPS**2
        away = ((self._places - np.array([x, y], np.float32)) ** 2).sum(axis=1)
        number = int((unlike + away).argmin())
        picture = int(self._pictures[number])
        return Example(
            self._names[picture],
            Box(*(float(edge) for edge in self._boxes[number])),
            Box(*(float(edge) for edge in self._shown[picture])),
            self._jpegs[picture],
        )


def explain(
    decision: Decision, examples: Examples, layout: Layout, cells: Sequence[Floats], maps: Sequence[Map]
) -> Decision:
    """The decision, with the nearest example of each of its regions.

    `cells` are the features of each tensor (rows×columns×channels, real), `maps` their scores.
    """
    box, regions = layout.box, []
    for region in decision.regions:
        x, y = region.peak_at
        seen = _cell_at(layout, x, y, maps)
        if seen is not None:
            tile, row, column = seen
            share_x, share_y = (x - box.x_min) / box.width, (y - box.y_min) / box.height
            nearest = examples.nearest(cells[tile][row, column], share_x, share_y)
            regions.append(replace(region, nearest=nearest))
        else:
            regions.append(region)
    return replace(decision, regions=tuple(regions))


def _cell_at(layout: Layout, x: float, y: float, maps: Sequence[Map]) -> tuple[int, int, int] | None:
    """Tile, row and column of what shows a place of the frame; where tiles overlap, the highest score."""
    rows, columns = maps[0].shape
    found = []
    for number, tile in enumerate(layout.tiles):
        row = (y - tile.geometry.offset_y) / tile.geometry.scale_y * rows / layout.spec.height
        column = (x - tile.geometry.offset_x) / tile.geometry.scale_x * columns / layout.spec.width
        if 0 <= row < rows and 0 <= column < columns:
            found.append((number, int(row), int(column)))
    return max(found, key=lambda place: float(maps[place[0]][place[1:]]), default=None)


def _thumbnails(arrays: Arrays, name: str) -> tuple[list[str], list[bytes]]:
    """Names and JPEGs, each looked at once: whoever draws them need not expect trouble."""
    jpeg = _numbers(arrays, "jpeg", np.uint8, (None,), name).tobytes()
    ends = [0, *(int(end) for end in _numbers(arrays, "ends", np.int64, (None,), name))]
    names = _names(_numbers(arrays, "names", np.uint8, (None,), name).tobytes(), name)
    if ends != sorted(ends) or ends[-1] != len(jpeg):
        raise BundleError(f"{name}: array 'ends' does not fit 'jpeg'; teach the bundle again")
    thumbnails = [jpeg[start:end] for start, end in pairwise(ends)]
    for number, thumbnail in enumerate(thumbnails):
        try:
            decode(thumbnail, f"{name}: thumbnail {number}")
        except CaptureError as err:
            raise BundleError(f"{err}; teach the bundle again") from err
    return names, thumbnails


def _names(content: bytes, name: str) -> list[str]:
    try:
        names = json.loads(content)
    except ValueError as err:
        raise BundleError(f"{name}: array 'names' is no JSON: {err}; teach the bundle again") from err
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise BundleError(f"{name}: array 'names' is no list of names; teach the bundle again")
    return names


def _numbers(
    arrays: Arrays, key: str, dtype: npt.DTypeLike, shape: tuple[int | None, ...], name: str
) -> npt.NDArray[np.generic]:
    array = arrays.get(key)
    fits = array is not None and len(shape) == array.ndim and array.dtype == dtype and array.size > 0
    if array is None or not fits or any(a not in {None, b} for a, b in zip(shape, array.shape, strict=True)):
        raise BundleError(f"{name}: array '{key}' is missing or not as it must be; teach the bundle again")
    return array
