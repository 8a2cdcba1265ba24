"""One normal distribution for all cells, wherever they lie in the picture."""

import numpy as np
import numpy.typing as npt

from edge.model.arrays import Arrays, Floats
from edge.teach.methods.standard import moments

CHUNK = 4096
DOUBT = 2.0
"""The cells of a picture are alike: so many pictures weigh as much as the guess that channels are uncorrelated."""


def fit(cells: Floats, budget_bytes: int, rng: np.random.Generator) -> Arrays:  # noqa: ARG001 - a Fit
    """See `edge.teach.methods.Fit`."""
    flat = cells.reshape(-1, cells.shape[-1])
    mean, spread = moments(flat)
    together = np.zeros((flat.shape[1], flat.shape[1]))
    for start in range(0, len(flat), CHUNK):
        some = (flat[start : start + CHUNK] - mean) / spread
        together += some.T @ some
    return {"mean": mean, "spread": spread, "whitening": whitening(together / len(flat), doubt(len(cells)))}


def doubt(pictures: int) -> float:
    """The share of the guess in a covariance that so many pictures were measured for."""
    return DOUBT / (DOUBT + pictures)


def whitening(covariance: npt.NDArray[np.float64], guess: float) -> Floats:
    """What makes features of this covariance uncorrelated, each with spread 1: channels×channels.

    `guess` is the share that is taken from the unit matrix instead.
    """
    values, vectors = np.linalg.eigh((1 - guess) * covariance + guess * np.eye(len(covariance)))
    return np.asarray(vectors / np.sqrt(values), np.float32)
