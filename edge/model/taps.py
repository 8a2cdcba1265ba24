"""Where a backbone is tapped: its outputs at one or two strides become the cells that a head looks at."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError
from edge.model.arrays import Floats
from edge.model.interpreter import TensorSpec

Outputs = Sequence[npt.NDArray[Any]]
"""What the interpreter gives for one tensor: 1×rows×columns×channels each, quantized or real."""


class Taps:
    """Cells from the outputs at some strides, on the grid of the largest. Of a finer output, a cell is the mean.

    `rows` × `columns` cells of `channels` real features: those of the smallest stride first.
    """

    def __init__(
        self, strides_px: Sequence[int], height: int, width: int, outputs: Sequence[TensorSpec], name: str
    ) -> None:
        """`height` and `width` are of the input in pixels. Raises `BundleError`, in which `name` is the model."""
        coarsest = max(strides_px)
        self.rows, self.columns = height // coarsest, width // coarsest
        if not self.rows or not self.columns:
            raise BundleError(
                f"{name}: its input of {width}×{height} holds no cell of {coarsest}×{coarsest} pixels; make"
                " input.width and input.height larger"
            )
        self._taps = []
        start = 0
        for stride_px in sorted(strides_px):
            index = _output(stride_px, height, width, outputs, name)
            stop = start + outputs[index].shape[3]
            self._taps.append((index, outputs[index], coarsest // stride_px, slice(start, stop)))
            start = stop
        self.channels = start

    def cells(self, outputs: Outputs) -> Floats:
        """Real features, cells×channels, row by row, in an array of its own. Any thread."""
        found = np.empty((self.rows * self.columns, self.channels), np.float32)
        for index, spec, times, place in self._taps:
            numbers = outputs[index][0]
            scale = np.float32(spec.scale or 1.0)
            if times > 1:
                numbers = _sums(numbers, times)
                scale /= times * times
            part = found[:, place]
            np.multiply(numbers.reshape(len(found), -1), scale, out=part, casting="unsafe")
            part -= np.float32(spec.zero_point * spec.scale)
        return found


def _sums(numbers: npt.NDArray[Any], times: int) -> npt.NDArray[Any]:
    """Sums over `times` × `times` cells; quantized numbers stay whole."""
    kind = np.int32 if np.issubdtype(numbers.dtype, np.integer) else np.float32
    total = numbers[::times, ::times].astype(kind)
    for down in range(times):
        for right in range(times):
            if down or right:
                total += numbers[down::times, right::times]
    return total


def _output(stride_px: int, height: int, width: int, outputs: Sequence[TensorSpec], name: str) -> int:
    """The number of the output that has a cell every `stride_px` pixels of the input."""
    rows, columns = height // stride_px, width // stride_px
    for index, output in enumerate(outputs):
        if len(output.shape) == 4 and output.shape[:3] == (1, rows, columns):  # noqa: PLR2004
            return index
    found = ", ".join("×".join(map(str, output.shape)) for output in outputs)
    raise BundleError(
        f"{name}: its outputs are {found}; anomaly.strides_px {stride_px} needs 1×{rows}×{columns}×n"
    )
