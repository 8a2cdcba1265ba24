"""What a backbone sees of a picture, as the interpreter gives it: small, exact, and enough to teach from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from edge.geometry import Image
from edge.model.arrays import Floats
from edge.model.delegates import CPU
from edge.model.interpreter import Interpreter, TensorSpec
from edge.model.taps import Taps
from edge.preprocess.layout import Layout
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.tensor import InputSpec, prepare
from edge.teach.pace import pace_ms


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen of one picture: for each tile the backbone's outputs, 1×rows×columns×channels each."""

    outputs: tuple[tuple[npt.NDArray[Any], ...], ...]
    layout: Layout

    def cells(self, taps: Taps) -> Floats:
        """Real features, tiles×rows×columns×channels."""
        shape = (len(self.outputs), taps.rows, taps.columns, taps.channels)
        return np.stack([taps.cells(tile) for tile in self.outputs]).reshape(shape)


class Eye:
    """A backbone that looks in one way. For one thread."""

    def __init__(self, content: bytes, name: str, spec: InputSpec, threads: int = 1) -> None:
        """`content` is that of a .tflite file `name`, int8 or float.

        Raises `BundleError`, and `DeviceError` where there is no TFLite runtime.
        """
        self.spec, self.name, self.content = spec, name, content
        self._interpreter = Interpreter(content, threads, CPU, name, (spec.height, spec.width), floats=True)

    @classmethod
    def of(cls, backbone: Path, spec: InputSpec, threads: int = 1) -> Self:
        """With the backbone that lies in a file."""
        return cls(backbone.read_bytes(), backbone.name, spec, threads)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What it gives for each tile."""
        return self._interpreter.outputs

    def look(self, picture: Image | Pyramid) -> Seen:
        """At a picture, tile by tile. Raises `InferenceError`."""
        prepared = prepare(picture, self.spec)
        tiles = tuple(tuple(self._interpreter.invoke(tensor)) for tensor in prepared.tensors)
        return Seen(tiles, prepared.layout)

    def taps(self, strides_px: tuple[int, ...]) -> Taps:
        """The cells at these strides. Raises `BundleError` where the backbone has no such output."""
        spec = self.spec
        return Taps(strides_px, spec.height, spec.width, self.outputs, self.name)

    def pace_ms(self) -> float:
        """How long the backbone takes for a tensor, on one thread."""
        size = self.spec.height, self.spec.width
        alone = Interpreter(self.content, 1, CPU, self.name, size, floats=True)
        nothing = np.zeros((1, *size, 3), np.int8)
        return pace_ms(lambda: alone.invoke(nothing))
