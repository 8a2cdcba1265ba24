"""From a network's raw scores to probabilities."""

import numpy as np
import numpy.typing as npt

from edge.model.tables.outputs import Activation

Floats = npt.NDArray[np.float32]
STEEPEST = 80.0
"""Beyond, a float32 overflows, and a sigmoid is 0 or 1 long before."""


def activated(scores: Floats, activation: Activation) -> Floats:
    """Probabilities, row by row: the labels are the last axis."""
    match activation:
        case "none":
            return scores
        case "sigmoid":
            return (1 / (1 + np.exp(-np.clip(scores, -STEEPEST, STEEPEST)))).astype(np.float32)
        case "softmax":
            powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)
