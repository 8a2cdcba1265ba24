"""Classification head: the model's output as a probability for each label."""

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError
from edge.model.interpreter import TensorSpec
from edge.types import Classification

Floats = npt.NDArray[np.float32]


class Classifier:
    """Labels for the numbers of one output, float or quantized."""

    def __init__(self, labels: tuple[str, ...], output: TensorSpec, name: str) -> None:
        """`name` is what complaints call the model. Raises `BundleError` where labels and output do not fit."""
        if output.shape != (1, len(labels)):
            shape = "×".join(map(str, output.shape))
            raise BundleError(
                f"{name}: its output is {shape}, but classification.labels has {len(labels)};"
                f" an output of 1×{len(labels)} is needed, or as many labels as the model was trained with"
            )
        self._labels = labels
        self._output = output

    def score(self, numbers: npt.NDArray[np.generic]) -> Floats:
        """A probability for each label."""
        return real(numbers, self._output).reshape(-1)

    def decode(self, scores: Floats) -> Classification:
        """Labels and probabilities in the model's order."""
        return Classification(self._labels, tuple(scores.tolist()))


def real(numbers: npt.NDArray[np.generic], spec: TensorSpec) -> Floats:
    """What a tensor's numbers stand for."""
    if spec.scale == 0:
        return numbers.astype(np.float32)
    # int8 and uint8 would wrap around when the zero point is taken away.
    return ((numbers.astype(np.int64) - spec.zero_point) * spec.scale).astype(np.float32)
