"""Distance to the nearest of the cells of good parts that were kept.

Roth et al., "Towards Total Recall in Industrial Anomaly Detection", 2022 (PatchCore), without its re-weighting.
"""

import numpy as np

from edge.model.arrays import Arrays, Floats, take
from edge.model.detectors.standard import Standardised, read_standard


class MemoryBank:
    """Arrays: `mean` and `spread` (channels), and `bank`, n×channels, standardised.

    A bank of 1,024 cells of 112 channels takes 0.8 ms for 196 cells, given a BLAS that uses one thread
    (OPENBLAS_NUM_THREADS=1, set before NumPy is imported; with more, it is slower and robs other threads).
    """

    def __init__(self, arrays: Arrays, name: str, cells: int, channels: int) -> None:
        bank = take(arrays, "bank", (None, channels), name)
        # |x - b|² = |x|² - (2 x·b - |b|²): the greatest bracket is the nearest of the bank, and with a column of
        # ones beside x, one matrix product gives all brackets.
        squares = np.einsum("ij,ij->i", bank, bank)
        self._bank = np.ascontiguousarray(np.vstack([2 * bank.T, -squares]), np.float32)
        self._with_ones = np.ones((cells, channels + 1), np.float32)
        self._standardised = Standardised(
            *read_standard(arrays, name, channels), out=self._with_ones[:, :channels]
        )
        self._brackets = np.empty((cells, len(bank)), np.float32)

    def distances(self, cells: Floats) -> Floats:
        """See `Detector`."""
        x = self._standardised.of(cells)
        np.matmul(self._with_ones, self._bank, out=self._brackets)
        squared: Floats = np.einsum("ij,ij->i", x, x) - self._brackets.max(axis=1)
        return np.sqrt(np.maximum(squared, 0, out=squared), out=squared)
