"""A model on the GPU: LiteRT's compiled model, which speaks of buffers, in the words of an interpreter."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.model.runtime import Size, compile_for_gpu, open_interpreter

WARM_UPS = 4
"""Attempts at the first run: on two busy cores a software GPU compiles for a minute, too long for one attempt."""


class OnGpu:
    """A model that runs on the GPU as a whole. For one thread.

    The compiled model does not know its tensors' scales, so they are read by an interpreter that never runs.
    """

    def __init__(self, content: bytes, size: Size) -> None:
        """Raises `OSError` where there is no GPU for it, and the runtime's errors."""
        plain = open_interpreter(content, 1, size)
        self._inputs, self._outputs = plain.get_input_details(), plain.get_output_details()
        self._compiled = compile_for_gpu(content)
        if not self._compiled.is_fully_accelerated():
            raise OSError("the GPU can run a part of the model only")
        (signature,) = self._compiled.get_signature_list()
        shape = [int(length) for length in self._inputs[0]["shape"]]
        (taken,) = self._compiled.get_input_tensor_details(signature).values()
        if taken["shape"] != shape:
            self._compiled.resize_input_tensor(0, shape, strict=False)
        self._order = [
            details["index"] for details in self._compiled.get_output_tensor_details(signature).values()
        ]
        self._warm_up()

    def get_input_details(self) -> Sequence[Mapping[str, Any]]:
        """As an interpreter of this model has them."""
        return list(self._inputs)

    def get_output_details(self) -> Sequence[Mapping[str, Any]]:
        """As an interpreter of this model has them."""
        return list(self._outputs)

    def set_tensor(self, _tensor_index: int, value: npt.NDArray[Any]) -> None:
        """Fill the one input."""
        self._input_buffers[0].write(value)

    def invoke(self) -> None:
        """Run the model; its outputs may still be on their way."""
        self._compiled.run_by_index(0, self._input_buffers, list(self._output_buffers.values()))

    def get_tensor(self, tensor_index: int) -> npt.NDArray[np.generic]:
        """A copy of an output, once it is there."""
        details = next(output for output in self._outputs if output["index"] == tensor_index)
        shape = [int(length) for length in details["shape"]]
        flat = self._output_buffers[tensor_index].read(prod(shape), details["dtype"])
        numbers: npt.NDArray[np.generic] = flat.reshape(shape)
        return numbers

    def _warm_up(self) -> None:
        """The first run compiles the shaders; LiteRT gives up on it after a while, but what is compiled stays."""
        taken = self._inputs[0]
        nothing = np.zeros([int(length) for length in taken["shape"]], taken["dtype"])
        for attempts_left in reversed(range(WARM_UPS)):
            # A run that was given up keeps its buffers locked.
            self._input_buffers = self._compiled.create_input_buffers(0)
            self._output_buffers = dict(
                zip(self._order, self._compiled.create_output_buffers(0), strict=True)
            )
            try:
                self.set_tensor(0, nothing)
                self.invoke()
                for output in self._order:
                    self.get_tensor(output)
            except RuntimeError:
                if not attempts_left:
                    raise
            else:
                return
