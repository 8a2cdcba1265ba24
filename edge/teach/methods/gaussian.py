"""One normal distribution for all cells, wherever they lie in the picture."""

import numpy as np
import numpy.typing as npt

from edge.model.arrays import Arrays, Floats
from edge.teach.methods.standard import moments, standardised

CHUNK = 4096
"""Cells that are worked on at a time."""
DOUBT = 2.0
"""The cells of a picture are alike: so many pictures weigh as much as the guess that channels are uncorrelated."""

Doubles = npt.NDArray[np.float64]


def fit(cells: Floats, budget_bytes: int, rng: np.random.Generator) -> Arrays:  # noqa: ARG001 - a Fit
    """See `edge.teach.methods.Fit`."""
    flat = cells.reshape(-1, cells.shape[-1])
    mean, spread = moments(flat)
    covariance = correlation(flat, mean, spread)
    return {"mean": mean, "spread": spread, "whitening": whitening(covariance, doubt(len(cells)))}


def correlation(flat: Floats, mean: Floats, spread: Floats) -> Doubles:
    """The covariance of standardised cells: channels×channels."""
    together = np.zeros((flat.shape[1], flat.shape[1]))
    for start in range(0, len(flat), CHUNK):
        some = standardised(flat[start : start + CHUNK], mean, spread)
        together += some.T @ some
    return together / len(flat)


def doubt(pictures: int) -> float:
    """The share of the guess in a covariance that so many pictures were measured for."""
    return DOUBT / (DOUBT + pictures)


def whitening(covariance: Doubles, guess: float) -> Floats:
    """What makes features of this covariance uncorrelated, each with spread 1: channels×channels.

    `guess` is the share that is taken from the unit matrix instead.
    """
    values, vectors = np.linalg.eigh((1 - guess) * covariance + guess * np.eye(len(covariance)))
    return np.asarray(vectors / np.sqrt(values), np.float32)
