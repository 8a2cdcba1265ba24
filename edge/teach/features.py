"""What the backbone sees of pictures, and a bank made of it."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from edge.judge import anomaly
from edge.model.interpreter import Interpreter, TensorSpec
from edge.model.memory_bank import Bank, MemoryBank
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.tensor import InputSpec, prepare
from edge.teach.coreset import choose
from edge.types import Image

Features = npt.NDArray[np.int8]
"""One picture's: rows×columns×channels, as the interpreter gives them."""

MOST_CANDIDATES = 40_000
"""Patches that a bank is chosen from: at most 18 MB, and a few seconds."""


class Backbone:
    """The shipped feature extractor, at the stride that the bank looks at. For one thread."""

    def __init__(self, content: bytes, name: str, stride_px: int) -> None:
        """Raises `BundleError`, and `DeviceError` where there is no TFLite runtime."""
        self._interpreter = Interpreter(content, name=name)
        self.height, self.width = self._interpreter.inputs[0].shape[1:3]
        shape = (1, self.height // stride_px, self.width // stride_px)
        strides = [output.shape[:3] for output in self._interpreter.outputs]
        self._output = strides.index(shape)

    @property
    def spec(self) -> TensorSpec:
        """What the numbers of the features stand for."""
        return self._interpreter.outputs[self._output]

    def features(self, picture: Image | Pyramid, seen: InputSpec) -> Features:
        """Of the one tensor of a picture."""
        (tensor,) = prepare(picture, seen).tensors
        features: Features = self._interpreter.invoke(tensor)[self._output][0]
        return features


def make_bank(taught: Sequence[Features], spec: TensorSpec, size: int, rng: np.random.Generator) -> Bank:
    """The patches that stand for the taught pictures, standardised over all of them."""
    channels = spec.shape[3]
    patches = np.concatenate([features.reshape(-1, channels) for features in taught])
    mean, spread = _moments(patches, spec)
    if len(patches) > MOST_CANDIDATES:
        patches = patches[rng.choice(len(patches), MOST_CANDIDATES, replace=False)]
    real = (patches.astype(np.float32) - np.float32(spec.zero_point)) * np.float32(spec.scale)
    standardised = (real - mean) / spread
    return Bank(standardised[choose(standardised, size, rng)], mean, spread)


def scores(bank: Bank, spec: TensorSpec, pictures: Iterable[Features]) -> npt.NDArray[np.float64]:
    """The score of each picture, as a distance: the limit is not known yet."""
    head = MemoryBank(bank, spec, limit_distance=1.0)
    return np.array([anomaly.score(head.score(features).ravel()) for features in pictures])


def _moments(patches: Features, spec: TensorSpec) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    mean = patches.mean(axis=0, dtype=np.float64)
    squares = np.zeros_like(mean)
    for start in range(0, len(patches), 4096):
        squares += ((patches[start : start + 4096] - mean) ** 2).sum(axis=0)
    # A channel that never moved is known no better than to one step of its numbers.
    spread = np.maximum(np.sqrt(squares / len(patches)), 1.0)
    return ((mean - spec.zero_point) * spec.scale).astype(np.float32), (spread * spec.scale).astype(
        np.float32
    )
