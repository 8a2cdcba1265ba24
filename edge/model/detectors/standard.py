"""Standardised features: each channel with mean 0 and spread 1 over the good parts that were taught."""

import numpy as np

from edge.errors import BundleError
from edge.model.arrays import Arrays, Floats, take


def read_standard(arrays: Arrays, name: str, channels: int) -> tuple[Floats, Floats]:
    """The taught `mean` of each channel and its `spread`. Raises `BundleError`."""
    mean = take(arrays, "mean", (channels,), name)
    spread = take(arrays, "spread", (channels,), name)
    if spread.min() <= 0:
        raise BundleError(f"{name}: array 'spread' must be over 0; teach the bundle again")
    return mean, spread


class Standardised:
    """Features of one shape, as (feature - mean) / spread, in a place that is used again."""

    def __init__(self, mean: Floats, spread: Floats, out: Floats) -> None:
        """`out` is cells×channels; the last one stays there until the next."""
        # A product and a sum are faster than a difference and a quotient.
        self._gain = (1 / spread).astype(np.float32)
        self._shift = (-mean / spread).astype(np.float32)
        self._out = out

    def of(self, cells: Floats) -> Floats:
        """These cells×channels."""
        np.multiply(cells, self._gain, out=self._out)
        self._out += self._shift
        return self._out
