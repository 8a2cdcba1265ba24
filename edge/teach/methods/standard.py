"""What standardises features: the mean and the spread of each channel over the good parts."""

import numpy as np

from edge.model.arrays import Floats

LEAST_SPREAD = 0.05
"""Of the middle channel's: one that hardly moved is not known to stay as still as that."""
CHUNK = 4096


def moments(cells: Floats) -> tuple[Floats, Floats]:
    """The mean and the spread of each channel, of cells×channels; no spread is 0."""
    mean = cells.mean(axis=0, dtype=np.float64)
    squares = np.zeros_like(mean)
    for start in range(0, len(cells), CHUNK):
        squares += ((cells[start : start + CHUNK] - mean) ** 2).sum(axis=0)
    spread = np.sqrt(squares / len(cells))
    moved = spread[spread > 0]
    least = LEAST_SPREAD * np.median(moved) if len(moved) else 1.0
    return mean.astype(np.float32), np.maximum(spread, least).astype(np.float32)


def standardised(cells: Floats, mean: Floats, spread: Floats) -> Floats:
    """The same cells×channels in units of the spread, from the mean."""
    found: Floats = cells - mean
    found /= spread
    return found
