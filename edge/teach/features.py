"""What the backbone sees of pictures, and a bank made of it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.judge import anomaly
from edge.model.interpreter import Interpreter, TensorSpec
from edge.model.memory_bank import Bank, MemoryBank
from edge.preprocess.layout import Layout
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.stitch import stitch
from edge.preprocess.tensor import InputSpec, prepare
from edge.teach.coreset import choose
from edge.types import Image

Features = npt.NDArray[np.int8]
"""As the interpreter gives them; the last axis are the channels."""


@dataclass(frozen=True, eq=False)
class View:
    """What the backbone sees of one picture: tiles×rows×columns×channels, and where the tiles lie."""

    features: Features
    layout: Layout

    @property
    def patches(self) -> Features:
        """Those of all tiles: patches×channels."""
        return self.features.reshape(-1, self.features.shape[-1])


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

    def look(self, picture: Image | Pyramid, spec: InputSpec) -> View:
        """At a picture, tile by tile."""
        prepared = prepare(picture, spec)
        tiles = [self._interpreter.invoke(tensor)[self._output][0] for tensor in prepared.tensors]
        return View(np.stack(tiles), prepared.layout)


def make_bank(patches: Features, spec: TensorSpec, size: int, rng: np.random.Generator) -> Bank:
    """Those of the patches (patches×channels) that stand for all of them, standardised over all of them."""
    mean, spread = _moments(patches, spec)
    real = (patches.astype(np.float32) - np.float32(spec.zero_point)) * np.float32(spec.scale)
    standardised = (real - mean) / spread
    return Bank(standardised[choose(standardised, size, rng)], mean, spread)


def scores(bank: Bank, spec: TensorSpec, views: Iterable[View]) -> list[float]:
    """The score of each picture, as a distance: the limit is not known yet."""
    head = MemoryBank(bank, spec, limit_distance=1.0)
    found = (stitch(view.layout, [head.score(tile) for tile in view.features]) for view in views)
    return [anomaly.score(whole.anomaly_map[whole.valid]) for whole in found]


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
