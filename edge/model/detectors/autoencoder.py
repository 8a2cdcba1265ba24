"""What is lost of a cell on its way through a narrow network that has learned to let good ones through.

Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", 2006.
"""

import numpy as np

from edge.model.arrays import Arrays, Floats, take
from edge.model.detectors.standard import Standardised, read_standard

LAYERS = 4
"""To hidden features, to the code, to hidden features, and back."""
BENT = (0, 2)
"""The layers whose outputs are cut off at 0."""


class Autoencoder:
    """Arrays: `mean` and `spread` (channels), and for each layer `weights-N`, inputs×outputs, and `bias-N`.

    A network of 152, 95, 25, 95 and 152 channels takes 0.3 ms for 196 cells.
    """

    def __init__(self, arrays: Arrays, name: str, cells: int, channels: int) -> None:
        self._standardised = Standardised(
            *read_standard(arrays, name, channels), out=np.empty((cells, channels), np.float32)
        )
        self._layers: list[tuple[Floats, Floats, Floats]] = []
        inputs = channels
        for layer in range(LAYERS):
            outputs = channels if layer == LAYERS - 1 else None
            weights = take(arrays, f"weights-{layer}", (inputs, outputs), name)
            inputs = weights.shape[1]
            bias = take(arrays, f"bias-{layer}", (inputs,), name)
            self._layers.append((weights, bias, np.empty((cells, inputs), np.float32)))

    def distances(self, cells: Floats) -> Floats:
        """See `Detector`."""
        x = features = self._standardised.of(cells)
        for layer, (weights, bias, out) in enumerate(self._layers):
            np.add(np.matmul(features, weights, out=out), bias, out=out)
            features = np.maximum(out, 0, out=out) if layer in BENT else out
        features -= x
        squared: Floats = np.einsum("ij,ij->i", features, features)
        return np.sqrt(squared, out=squared)
