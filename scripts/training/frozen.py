"""The frozen trunk as the int8 graph that runs on a line: a tenth of the time of the network it is made from.

So nothing needs to be kept: every picture is changed anew before it is looked at, and a head learns from exactly
the features that it will get.
"""

from collections.abc import Sequence

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from torch import Tensor

from training import convert
from training.network import Trunk

Pixels = NDArray[np.uint8]


class Frozen:
    """A trunk's features of pictures of one size, height×width×3. For one thread."""

    def __init__(self, trunk: Trunk, pictures: Sequence[Pixels]) -> None:
        """Activations get the ranges that these pictures call for. Raises `TrainingError`."""
        height, width = pictures[0].shape[:2]
        names = [f"stride{stride}" for stride in trunk.strides]
        model = convert.to_int8(convert.to_float(trunk, height, width, names), pictures)
        self._interpreter = Interpreter(model_content=model, num_threads=1)
        self._interpreter.allocate_tensors()
        self._entry = self._interpreter.get_input_details()[0]["index"]
        leaving = {details["name"]: details for details in self._interpreter.get_output_details()}
        self._leaving = [leaving[name] for name in names]

    def of(self, pictures: Sequence[Pixels]) -> tuple[Tensor, ...]:
        """Features stride by stride, finest first: (N, channels, rows, columns)."""
        seen: list[list[NDArray[np.int8]]] = [[] for _ in self._leaving]
        for picture in pictures:
            self._interpreter.set_tensor(self._entry, (picture ^ np.uint8(128)).view(np.int8)[None])
            self._interpreter.invoke()
            for kept, details in zip(seen, self._leaving, strict=True):
                kept.append(self._interpreter.get_tensor(details["index"]))
        return tuple(
            self._real(kept, *details["quantization"])
            for kept, details in zip(seen, self._leaving, strict=True)
        )

    @staticmethod
    def _real(kept: list[NDArray[np.int8]], scale: float, zero_point: int) -> Tensor:
        return (torch.from_numpy(np.concatenate(kept)).permute(0, 3, 1, 2).float() - zero_point) * scale
