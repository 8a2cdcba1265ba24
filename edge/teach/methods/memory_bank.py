"""A memory bank: cells that stand for all those of good parts.

It starts with cells far apart, so that none is forgotten (k-centre, see `edge.teach.coreset`), and then moves each
to the middle of those that it stands for (Lloyd 1982). Without the second step the commonest cells, of an even
ground, say, lie at any distance from their nearest by chance: with 209 bottles taught it brought good ones from
1.15 times the held-out scores to 1.01, and magnetic tile from 0.864 to 0.883 (AUROC, 100 pictures).
"""

import numpy as np
import numpy.typing as npt

from edge.model.arrays import Arrays, Floats
from edge.teach.coreset import choose
from edge.teach.methods.standard import moments, standardised

MOST = 1024
"""Cells in a bank. With 2,048 solar cells gain 0.1 to 0.4 points and magnetic tile loses 0.3 (AUROC), and a
picture takes a millisecond longer."""
STEPS = 3
CHUNK = 4096


def fit(cells: Floats, budget_bytes: int, rng: np.random.Generator) -> Arrays:
    """See `edge.teach.methods.Fit`."""
    flat = cells.reshape(-1, cells.shape[-1])
    mean, spread = moments(flat)
    points = standardised(flat, mean, spread)
    size = max(1, min(MOST, budget_bytes // points[0].nbytes - 2))
    bank = points[choose(points, size, rng)]
    for _ in range(STEPS):
        bank = middles(points, nearest(bank, points))
    return {"bank": bank, "mean": mean, "spread": spread}


def nearest(bank: Floats, points: Floats) -> npt.NDArray[np.intp]:
    """Which of the bank is nearest to each of the points; both are n×channels."""
    squares = np.einsum("ij,ij->i", bank, bank)
    found = np.empty(len(points), np.intp)
    for start in range(0, len(points), CHUNK):
        some = points[start : start + CHUNK]
        found[start : start + CHUNK] = (2 * some @ bank.T - squares).argmax(axis=1)
    return found


def middles(points: Floats, groups: npt.NDArray[np.intp]) -> Floats:
    """The mean of the points of each group; groups that have none are left out."""
    order = np.argsort(groups, kind="stable")
    _, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    sums = np.add.reduceat(points[order], starts, axis=0)
    means: Floats = (sums / counts[:, None]).astype(np.float32)
    return means
