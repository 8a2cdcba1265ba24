"""How little of the mass of a support vector machine lies near.

Schölkopf et al., "Estimating the Support of a High-Dimensional Distribution", 2001, with a Gaussian kernel.
"""

import numpy as np

from edge.errors import BundleError
from edge.model.arrays import Arrays, Floats, take
from edge.model.detectors.standard import Standardised, read_standard


class OneClassSVM:
    """Arrays: `mean` and `spread` (channels); `vectors`, n×channels, standardised; `weights` (n); `gamma` (1).

    The machine says Σ weight × exp(-gamma × distance²), at most 1. Its logarithm over -gamma is a squared distance
    again, to all vectors at once, of which the near ones count most; and it still rises where the sum is long 0.
    350 vectors take 0.5 ms for 196 cells of 152 channels.
    """

    def __init__(self, arrays: Arrays, name: str, cells: int, channels: int) -> None:
        vectors = take(arrays, "vectors", (None, channels), name)
        weights = take(arrays, "weights", (len(vectors),), name)
        self._gamma = take(arrays, "gamma", (1,), name)
        if min(weights.min(), self._gamma[0]) <= 0:
            raise BundleError(f"{name}: arrays 'weights' and 'gamma' must be over 0; teach the bundle again")
        # As in a memory bank, one product with a column of ones beside x: log weight - gamma × (|v|² - 2 x·v).
        constants = np.log(weights / weights.sum()) - self._gamma * np.einsum("ij,ij->i", vectors, vectors)
        self._vectors = np.ascontiguousarray(np.vstack([2 * self._gamma * vectors.T, constants]), np.float32)
        self._with_ones = np.ones((cells, channels + 1), np.float32)
        self._standardised = Standardised(
            *read_standard(arrays, name, channels), out=self._with_ones[:, :channels]
        )
        self._terms = np.empty((cells, len(vectors)), np.float32)

    def distances(self, cells: Floats) -> Floats:
        """See `Detector`."""
        x = self._standardised.of(cells)
        np.matmul(self._with_ones, self._vectors, out=self._terms)
        greatest: Floats = self._terms.max(axis=1)
        self._terms -= greatest[:, None]
        np.exp(self._terms, out=self._terms)
        logarithm = greatest + np.log(self._terms.sum(axis=1))
        squared: Floats = np.einsum("ij,ij->i", x, x) - logarithm / self._gamma
        return np.sqrt(np.maximum(squared, 0, out=squared), out=squared)
