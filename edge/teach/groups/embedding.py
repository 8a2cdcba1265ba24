"""One vector for each failed part: what the shipped backbone sees where it looks wrong, and how large that is.

What was tried is in docs/clustering.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.errors import CaptureError, ConfigError
from edge.model import shipped
from edge.preprocess.picture import read
from edge.preprocess.tensor import InputSpec
from edge.teach.eye import Eye
from edge.teach.gather import Progress
from edge.teach.groups.cutout import Cutout, cut_out
from edge.teach.groups.failed import Suspect
from edge.teach.groups.kmeans import Vectors

SIDE_PX = 128
STRIDES_PX = (8, 16)
DIMENSIONS = 16
SHAPE_WEIGHT = 0.3
"""Of each number of the region's shape (standard deviation 1), against all that the backbone sees (length 1)."""
LEAST_SPREAD = 1e-6


@dataclass(frozen=True, eq=False)
class Embedded:
    """The parts whose pictures could be read, a vector for each (parts×n), and why others could not."""

    suspects: tuple[Suspect, ...]
    vectors: Vectors
    skipped: tuple[str, ...]


def embed(suspects: Sequence[Suspect], progress: Progress) -> Embedded:
    """Look at each part. One picture is in memory at a time. Raises `ConfigError` where none can be read."""
    eye = Eye.of(shipped.backbone(), InputSpec(SIDE_PX, SIDE_PX))
    used, skipped = [], []
    seen: list[npt.NDArray[np.float32]] = []
    shapes: list[tuple[float, float]] = []
    for number, suspect in enumerate(suspects):
        try:
            cutout = cut_out(read(suspect.picture), suspect)
        except CaptureError as err:
            skipped.append(str(err))
        else:
            seen.append(_looked_at(eye, cutout))
            shapes.append(cutout.shape)
            used.append(suspect)
        progress("looking", number + 1, len(suspects))
    if not used:
        raise ConfigError("none of the failed parts' pictures can be read\n  " + "\n  ".join(skipped[:10]))
    return Embedded(tuple(used), joined(np.array(seen), np.array(shapes)), tuple(skipped))


def joined(seen: npt.NDArray[np.float32], shapes: npt.NDArray[np.float64]) -> Vectors:
    """The directions in which the parts differ most, and their shapes beside them."""
    directions = _standard(seen.astype(np.float64))
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), LEAST_SPREAD)
    directions -= directions.mean(axis=0)
    left, sizes, _ = np.linalg.svd(directions, full_matrices=False)
    most = left[:, :DIMENSIONS] * sizes[:DIMENSIONS]
    length = np.sqrt((most**2).sum(axis=1).mean())
    most = most / length if length > LEAST_SPREAD else np.zeros_like(most)
    return np.hstack([most, SHAPE_WEIGHT * _standard(shapes)])


def _standard(numbers: Vectors) -> Vectors:
    """Each column with mean 0 and standard deviation 1; 0 where all are the same."""
    away = numbers - numbers.mean(axis=0)
    spread = away.std(axis=0)
    away[:, spread <= LEAST_SPREAD] = 0.0
    standard: Vectors = away / np.where(spread > LEAST_SPREAD, spread, 1.0)
    return standard


def _looked_at(eye: Eye, cutout: Cutout) -> npt.NDArray[np.float32]:
    """The mean of the cells that the region touches."""
    cells = eye.look(cutout.pixels).cells(eye.taps(STRIDES_PX))[0]
    rows, columns = cells.shape[:2]
    box = cutout.region
    top, bottom = _touched(box.y_min, box.y_max, rows)
    left, right = _touched(box.x_min, box.x_max, columns)
    found: npt.NDArray[np.float32] = cells[top:bottom, left:right].mean(axis=(0, 1))
    return found


def _touched(start: float, stop: float, count: int) -> tuple[int, int]:
    first = min(int(start * count), count - 1)
    return first, max(first + 1, min(count, int(np.ceil(stop * count))))
