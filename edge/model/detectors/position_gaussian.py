"""Mahalanobis distance to the mean of good parts at the same place.

Defard et al., "PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and Localization", 2021; but
neighbouring cells share a covariance, which is better known so, and takes less memory.
"""

import numpy as np

from edge.errors import BundleError
from edge.model.arrays import Arrays, Floats, take


class PositionGaussian:
    """Arrays: `mean`, cells×channels; `whitening`, blocks×channels×n; and `block`, the block of each cell.

    Features less their mean, times the `whitening` of their block, have the unit matrix as their covariance over
    the good parts. 49 blocks take 0.4 ms for 196 cells of 152 channels; 1 ms where 4.5 MB do not fit the cache.
    """

    def __init__(self, arrays: Arrays, name: str, cells: int, channels: int) -> None:
        whitening = take(arrays, "whitening", (None, channels, None), name)
        block = take(arrays, "block", (cells,), name)
        if not np.isin(block, np.arange(len(whitening))).all():
            raise BundleError(
                f"{name}: array 'block' names blocks that are not there; teach the bundle again"
            )
        # Block by block: the cells of one lie together, for one product.
        self._order = np.argsort(block, kind="stable")
        ends = np.searchsorted(block[self._order], np.arange(len(whitening)), side="right")
        self._mean = take(arrays, "mean", (cells, channels), name)[self._order]
        self._moved = np.empty((cells, channels), np.float32)
        self._whitened = np.empty((cells, whitening.shape[2]), np.float32)
        spans = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        self._products = [
            (self._moved[span], np.ascontiguousarray(matrix), self._whitened[span])
            for span, matrix in zip(spans, whitening, strict=True)
        ]

    def distances(self, cells: Floats) -> Floats:
        """See `Detector`."""
        np.take(cells, self._order, axis=0, out=self._moved)
        self._moved -= self._mean
        for moved, whitening, whitened in self._products:
            np.matmul(moved, whitening, out=whitened)
        squared: Floats = np.einsum("ij,ij->i", self._whitened, self._whitened)
        found = np.empty_like(squared)
        found[self._order] = np.sqrt(squared, out=squared)
        return found
