"""A one-class support vector machine over cells that stand for all of them.

Trained by sequential minimal optimisation: always the pair of weights that gains most (Fan, Chen and Lin, 2005).
"""

import numpy as np
import numpy.typing as npt

from edge.model.arrays import Arrays, Floats
from edge.teach.coreset import choose
from edge.teach.methods.standard import moments, standardised

CANDIDATES = 1000
"""Cells of which some become support vectors. They bound the time: a kernel of 1,000 rows is trained in 0.1 s."""
OUTSIDE = 0.05
"""Schölkopf's nu: at most this share of the candidates lies outside, at least this share are support vectors."""
NARROWER = 4.0
"""Than the median distance between candidates is the kernel. At 1, damage near the middle is not seen."""
TOLERANCE = 1e-3
MOST_STEPS = 20_000

Doubles = npt.NDArray[np.float64]


def fit(cells: Floats, budget_bytes: int, rng: np.random.Generator) -> Arrays:
    """See `edge.teach.methods.Fit`."""
    flat = cells.reshape(-1, cells.shape[-1])
    mean, spread = moments(flat)
    points = standardised(flat, mean, spread)
    room = max(1, budget_bytes // points[0].nbytes - 3)
    candidates = points[choose(points, min(CANDIDATES, room), rng)]
    squared = _squared_distances(candidates)
    middle = np.median(squared)
    gamma = NARROWER / middle if middle > 0 else 1.0
    weights = _weights(np.exp(-gamma * squared))
    kept = weights > 0
    return {
        "mean": mean,
        "spread": spread,
        "vectors": candidates[kept],
        "weights": weights[kept].astype(np.float32),
        "gamma": np.array([gamma], np.float32),
    }


def _squared_distances(points: Floats) -> Doubles:
    squares = np.einsum("ij,ij->i", points, points)
    squared: Floats = squares[:, None] + squares - 2 * (points @ points.T)
    return np.asarray(np.maximum(squared, 0), np.float64)


def _weights(kernel: Doubles) -> Doubles:
    """The least of w·kernel·w over weights between 0 and 1 / (nu × n) whose sum is 1."""
    count = len(kernel)
    most = max(1 / (OUTSIDE * count), 1 / count)
    weights = np.full(count, 1 / count)
    slope = kernel @ weights
    for _ in range(MOST_STEPS):
        gainer = int(np.where(weights < most, slope, np.inf).argmin())
        loser = int(np.where(weights > 0, slope, -np.inf).argmax())
        gap = slope[loser] - slope[gainer]
        if gap <= TOLERANCE * slope.mean():
            break
        curve = kernel[gainer, gainer] + kernel[loser, loser] - 2 * kernel[gainer, loser]
        step = min(gap / max(curve, 1e-12), most - weights[gainer], weights[loser])
        moved = most if step == most - weights[gainer] else weights[gainer] + step
        weights[gainer], weights[loser] = moved, 0.0 if step == weights[loser] else weights[loser] - step
        slope += step * (kernel[gainer] - kernel[loser])
    return weights
