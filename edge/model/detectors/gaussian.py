"""Mahalanobis distance to the mean of all cells of good parts.

Rippel, Mertens and Merhof, "Modeling the Distribution of Normal Data in Pre-Trained Deep Features", 2021.
"""

import numpy as np

from edge.model.arrays import Arrays, Floats, take
from edge.model.detectors.standard import read_standard


class Gaussian:
    """Arrays: `mean` and `spread` (channels), and `whitening`, channels×n.

    Standardised features times `whitening` have, over the good parts, the unit matrix as their covariance.
    """

    def __init__(self, arrays: Arrays, name: str, cells: int, channels: int) -> None:
        self._mean, spread = read_standard(arrays, name, channels)
        whitening = take(arrays, "whitening", (channels, None), name)
        self._whitening = np.ascontiguousarray(whitening / spread[:, None])
        self._moved = np.empty((cells, channels), np.float32)
        self._whitened = np.empty((cells, whitening.shape[1]), np.float32)

    def distances(self, cells: Floats) -> Floats:
        """See `Detector`."""
        np.subtract(cells, self._mean, out=self._moved)
        np.matmul(self._moved, self._whitening, out=self._whitened)
        squared: Floats = np.einsum("ij,ij->i", self._whitened, self._whitened)
        return np.sqrt(squared, out=squared)
