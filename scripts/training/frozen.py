"""The frozen trunk as the int8 graph that runs on a line: a tenth of the time of the network it is made from.

So nothing needs to be kept: every picture is changed anew before it is looked at, and a head learns from exactly
the features that it will get.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from torch import Tensor

from training import convert
from training.network import Trunk

Pixels = NDArray[np.uint8]


class Frozen:
    """A trunk's features of pictures of one size, height×width×3. For one thread.

    It is converted when it is first needed: a training that is already at its end needs it no more.
    """

    def __init__(self, trunk: Trunk, pictures: Sequence[Pixels]) -> None:
        """Activations get the ranges that these pictures call for."""
        self._trunk, self._pictures = trunk, pictures

    @cached_property
    def _opened(self) -> tuple[Interpreter, int, list[dict[str, Any]]]:
        """The graph, the number of its input, and its outputs in the order of the strides."""
        height, width = self._pictures[0].shape[:2]
        names = [f"stride{stride}" for stride in self._trunk.strides]
        model = convert.to_int8(convert.to_float(self._trunk, height, width, names), self._pictures)
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
        leaving = {details["name"]: details for details in interpreter.get_output_details()}
        return interpreter, interpreter.get_input_details()[0]["index"], [leaving[name] for name in names]

    def of(self, pictures: Sequence[Pixels]) -> tuple[Tensor, ...]:
        """Features stride by stride, finest first: (N, channels, rows, columns). Raises `TrainingError`."""
        interpreter, entry, leaving = self._opened
        seen: list[list[NDArray[np.int8]]] = [[] for _ in leaving]
        for picture in pictures:
            interpreter.set_tensor(entry, (picture ^ np.uint8(128)).view(np.int8)[None])
            interpreter.invoke()
            for kept, details in zip(seen, leaving, strict=True):
                kept.append(interpreter.get_tensor(details["index"]))
        return tuple(
            self._real(kept, *details["quantization"]) for kept, details in zip(seen, leaving, strict=True)
        )

    @staticmethod
    def _real(kept: list[NDArray[np.int8]], scale: float, zero_point: int) -> Tensor:
        return (torch.from_numpy(np.concatenate(kept)).permute(0, 3, 1, 2).float() - zero_point) * scale
