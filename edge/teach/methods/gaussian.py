"""One normal distribution for all cells, wherever they lie in the picture."""

import numpy as np
import numpy.typing as npt

from edge.model.arrays import Arrays, Floats
from edge.teach.methods.standard import CHUNK, moments

SHRINKAGE = 0.01
"""The share of the unit matrix in a covariance of standardised features."""


def fit(cells: Floats, budget_bytes: int, rng: np.random.Generator) -> Arrays:  # noqa: ARG001 - a Fit
    """See `edge.teach.methods.Fit`."""
    flat = cells.reshape(-1, cells.shape[-1])
    mean, spread = moments(flat)
    covariance = np.zeros((flat.shape[1], flat.shape[1]))
    for start in range(0, len(flat), CHUNK):
        some = (flat[start : start + CHUNK] - mean) / spread
        covariance += some.T @ some
    return {"mean": mean, "spread": spread, "whitening": whitening(covariance / len(flat))}


def whitening(covariance: npt.NDArray[np.float64]) -> Floats:
    """What makes features with this covariance uncorrelated, each with spread 1: channels×channels."""
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(shrunk)
    return np.asarray(vectors / np.sqrt(values), np.float32)
