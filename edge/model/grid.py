"""Our detector's own outputs: a grid of class scores and one of distances, from which boxes are read.

`scores` are logits, a channel for each label; `distances` the natural logarithms of the way from the middle of the
cell to the left, upper, right and lower edge of the box, in cells (`scripts/training/detector.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import BundleError, InferenceError
from edge.model.interpreter import TensorSpec
from edge.model.nms import SCORE, Rows

SCORES, DISTANCES, EDGES = "scores", "distances", 4
MOST = 100
"""Candidates of a tensor that are looked at: the best ones."""
LONGEST = 12.0
"""Natural logarithm of cells: e¹² are 160,000. What reaches further is no box, and would overflow."""

Numbers = npt.NDArray[np.generic]
_HOOD = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Grid:
    """One pair of outputs: which they are, how their numbers are to be read, and how large a cell is."""

    scores: int
    distances: int
    score_spec: TensorSpec
    distance_spec: TensorSpec
    cell_x_px: float
    cell_y_px: float
    level: float
    """Where `min_score` lies among the numbers of `scores`, int8 or float."""


def grids(
    outputs: Sequence[TensorSpec], labels: int, size_px: tuple[int, int], min_score: float, name: str
) -> tuple[Grid, ...]:
    """The grids of a model with these outputs; `size_px` is (width, height) of its input, and `name` the model's.

    Raises `BundleError` where outputs and labels do not fit.
    """
    pairs: dict[tuple[int, ...], dict[str, int]] = {}
    for index, output in enumerate(outputs):
        kind = _kind(output, labels)
        if kind is None or kind in pairs.setdefault(output.shape[1:3], {}):
            raise BundleError(_misfit(outputs, labels, name))
        pairs[output.shape[1:3]][kind] = index
    if not pairs or not all(set(pair) == {SCORES, DISTANCES} for pair in pairs.values()):
        raise BundleError(_misfit(outputs, labels, name))
    return tuple(
        Grid(
            pair[SCORES],
            pair[DISTANCES],
            outputs[pair[SCORES]],
            outputs[pair[DISTANCES]],
            size_px[0] / columns,
            size_px[1] / rows,
            _level(min_score, outputs[pair[SCORES]]),
        )
        for (rows, columns), pair in pairs.items()
    )


def candidates(outputs: Sequence[Numbers], grid: Grid) -> Rows:
    """The best candidates of one grid, at most `MOST`, with boxes in tensor pixels.

    A cell is a candidate where its score is the highest of its label among its neighbours: what those would say
    of the same thing, suppression would take away again. Only candidates are dequantized. Raises `InferenceError`
    where numbers are none.
    """
    numbers = outputs[grid.scores][0]
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        raise InferenceError("the detector gave scores that are not numbers")
    places = np.flatnonzero((numbers >= grid.level) & (numbers >= _highest_around(numbers)))
    found = numbers.reshape(-1)[places]
    if len(places) > MOST:
        order = np.argsort(-found.astype(np.float32), kind="stable")
        places, found = places[order[:MOST]], found[order[:MOST]]
    cells, labels = np.divmod(places, numbers.shape[2])
    return _rows(labels, _chance(found, grid.score_spec), cells, outputs[grid.distances][0], grid)


def _rows(
    labels: npt.NDArray[np.int64],
    scores: Rows,
    cells: npt.NDArray[np.int64],
    distances: Numbers,
    grid: Grid,
) -> Rows:
    row, column = np.divmod(cells, distances.shape[1])
    reach = _real(distances.reshape(-1, EDGES)[cells], grid.distance_spec)
    if not np.isfinite(reach).all():
        raise InferenceError("the detector gave boxes that are not numbers")
    reach = np.exp(np.minimum(reach, LONGEST))
    x, y = column + 0.5, row + 0.5
    rows = np.empty((len(cells), 6), np.float32)
    rows[:, 0], rows[:, SCORE] = labels, scores
    rows[:, 2], rows[:, 4] = (x - reach[:, 0]) * grid.cell_x_px, (x + reach[:, 2]) * grid.cell_x_px
    rows[:, 3], rows[:, 5] = (y - reach[:, 1]) * grid.cell_y_px, (y + reach[:, 3]) * grid.cell_y_px
    return rows


def _highest_around(numbers: Numbers) -> Numbers:
    """Each label's highest number among a cell and its eight neighbours."""
    if numbers.dtype == np.int8:
        # OpenCV dilates unsigned bytes: the sign bit turned over keeps the order.
        unsigned = np.bitwise_xor(numbers.view(np.uint8), np.uint8(128))
        return np.bitwise_xor(_dilated(unsigned), np.uint8(128)).view(np.int8)
    return _dilated(numbers)


def _dilated(numbers: Numbers) -> Numbers:
    dilated: Numbers = cv2.dilate(np.ascontiguousarray(numbers), _HOOD).reshape(numbers.shape)
    return dilated


def _chance(numbers: Numbers, spec: TensorSpec) -> Rows:
    """Logits as probabilities; at ±80 they are 0 and 1, and nothing overflows."""
    chances: Rows = (1 / (1 + np.exp(-np.clip(_real(numbers, spec), -80, 80)))).astype(np.float32)
    return chances


def _real(numbers: Numbers, spec: TensorSpec) -> Rows:
    if spec.scale == 0:
        return numbers.astype(np.float32)
    return (numbers.astype(np.float32) - spec.zero_point) * np.float32(spec.scale)


def _level(min_score: float, spec: TensorSpec) -> float:
    """The smallest number of the scores tensor that stands for `min_score` or more."""
    logit = (
        log(min_score / (1 - min_score)) if 0 < min_score < 1 else float("-inf") if min_score <= 0 else 80.0
    )
    if spec.scale == 0:
        return logit
    if logit == float("-inf"):
        return floor(np.iinfo(spec.dtype).min)
    return ceil(logit / spec.scale + spec.zero_point - 1e-6)


def _kind(output: TensorSpec, labels: int) -> str | None:
    """Which of the two an output is: told by its channels, and by its name where those are as many."""
    if len(output.shape) != 4 or output.shape[3] not in {labels, EDGES}:  # noqa: PLR2004 - 1×rows×columns×channels
        return None
    if labels == EDGES:
        return DISTANCES if DISTANCES in output.name else SCORES
    return SCORES if output.shape[3] == labels else DISTANCES


def _misfit(outputs: Sequence[TensorSpec], labels: int, name: str) -> str:
    shapes = ", ".join("×".join(map(str, output.shape)) for output in outputs)
    return (
        f"{name}: its outputs are {shapes}; a detector of {labels} labels has, for each size of cell, one of"
        f" 1×rows×columns×{labels} ('{SCORES}') and one of 1×rows×columns×{EDGES} ('{DISTANCES}'); correct"
        " detection.labels, or export the model again"
    )
