"""Fitting: from the cells of good parts to the arrays of a detector. One file for each method."""

from collections.abc import Callable

import numpy as np

from edge.model.arrays import Arrays, Floats
from edge.model.methods import Method
from edge.teach.methods import autoencoder, gaussian, memory_bank, one_class_svm, position_gaussian

Fit = Callable[[Floats, int, np.random.Generator], Arrays]
"""fit(cells, budget_bytes, rng): `cells` are pictures×rows×columns×channels, real features.

The same cells and the same generator give the same arrays, which take `budget_bytes` at most where that is enough
for the least that the method needs. Any thread.
"""

FITS: dict[Method, Fit] = {
    "memory_bank": memory_bank.fit,
    "gaussian": gaussian.fit,
    "position_gaussian": position_gaussian.fit,
    "one_class_svm": one_class_svm.fit,
    "autoencoder": autoencoder.fit,
}
