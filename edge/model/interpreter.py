"""A TFLite model that is ready to run in this process, on whichever delegate."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import BundleError, DeviceError, InferenceError
from edge.geometry import Tensor
from edge.model.delegates import CPU, DELEGATES, DelegateConfig
from edge.model.pixels import LEVELS, Pixels, as_numbers
from edge.model.runtime import RUNTIME_ERRORS, Size

NUMBERS = {np.dtype(kind) for kind in (np.int8, np.uint8, np.float32)}
COUNTS = {np.dtype(kind) for kind in (np.int32, np.int64)}
"""What an output may hold beside: numbers of labels, and how many there are."""


class TensorSpec(NamedTuple):
    """An input or output: `real = scale × (number - zero_point)`; scale 0: its numbers are real already."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int


class Engine(Protocol):
    """What a model runs in: here, or in a process of its own."""

    delegate: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def invoke(self, tensor: Tensor) -> list[npt.NDArray[Any]]:
        """Run the model on 1×h×w×3; the outputs are copies, in the order of `outputs`. Raises `InferenceError`."""
        ...

    def close(self) -> bool:
        """Let go of the device; says whether that is free now."""
        ...


class Interpreter:
    """A model that is ready to run. Made on any thread, then used by one."""

    def __init__(
        self,
        content: bytes,
        threads: int = 1,
        delegate: DelegateConfig = CPU,
        name: str = "model",
        size: Size = None,
        *,
        floats: bool = False,
        pixels: Pixels | None = None,
    ) -> None:
        """Load exactly these bytes; `name` is what complaints call them.

        `size` (height, width) is the input that is wanted, where the model can take pictures of any size.
        `floats` allows for a model whose input is float32: it gets (pixel - 127) / 128. `pixels` are what another
        model wants, float32 or not; without them a quantized one gets the pixels as they are.

        Raises `BundleError` where they are no model for this runtime, and `DeviceError` where there is none, or
        the delegate cannot have it. A delegate's library may do worse: see `DelegateProcess`.
        """
        self.delegate = delegate.name
        try:
            self._loaded = DELEGATES[delegate.name](content, threads, delegate, size)
            inputs, outputs = self._loaded.get_input_details(), self._loaded.get_output_details()
        except (OSError, *RUNTIME_ERRORS) as err:
            if delegate.name != CPU.name:
                raise DeviceError(_why_not(delegate, err)) from err
            raise BundleError(f"{name}: {_refusal(_sentence(err))}") from err
        self.inputs, self.outputs = _specs(inputs, name, NUMBERS), _specs(outputs, name, NUMBERS | COUNTS)
        self._input = _picture_input(self.inputs, name, floats=floats or pixels is not None)
        self._bgr = pixels is not None and pixels.order == "bgr"
        self._table = None if pixels is None else _table(pixels, self._input)
        self._input_index = inputs[0]["index"]
        self._output_indices = [details["index"] for details in outputs]

    def invoke(self, tensor: Tensor) -> list[npt.NDArray[Any]]:
        """Run the model on 1×h×w×3; the outputs are copies, in the order of `outputs`.

        Raises `InferenceError`. Other threads run meanwhile.
        """
        if self._table is not None:
            pixels = self._looked_up(tensor, self._table)
        elif self._input.dtype == np.uint8:
            pixels = tensor.view(np.uint8) ^ np.uint8(0x80)
        elif self._input.dtype == np.float32:
            pixels = (tensor.astype(np.float32) + 1) / 128
        else:
            pixels = tensor
        try:
            # Copies of 150 kB in and 55 kB out cost 15 µs; views would have to be let go before every call.
            self._loaded.set_tensor(self._input_index, pixels)
            self._loaded.invoke()
            return [self._loaded.get_tensor(index) for index in self._output_indices]
        except RUNTIME_ERRORS as err:
            raise InferenceError(
                f"the model did not run on delegate '{self.delegate}': {_sentence(err)}"
            ) from err

    def close(self) -> bool:
        """Goes with its last user: there is no device to be let go."""
        return True

    def _looked_up(self, tensor: Tensor, table: npt.NDArray[Any]) -> npt.NDArray[Any]:
        picture = np.ascontiguousarray(tensor[0, ..., ::-1]) if self._bgr else tensor[0]
        return np.asarray(cv2.LUT(picture.view(np.uint8), table))[np.newaxis]


def _table(pixels: Pixels, taken: TensorSpec) -> npt.NDArray[Any]:
    """For each number of a tensor, seen as uint8, the one that the model takes for it; 1×256×3.

    OpenCV 4 counts the rows of a table for int8 from -128, and OpenCV 5 from 0: with uint8 they agree.
    """
    by_level = as_numbers(pixels.real(), taken.dtype, taken.scale, taken.zero_point)
    table: npt.NDArray[Any] = by_level[np.arange(LEVELS) ^ 128]
    return table[np.newaxis]


def _specs(
    details: Sequence[Mapping[str, Any]], name: str, kinds: Collection[np.dtype[Any]]
) -> tuple[TensorSpec, ...]:
    return tuple(_spec(tensor, name, kinds) for tensor in details)


def _spec(tensor: Mapping[str, Any], name: str, kinds: Collection[np.dtype[Any]]) -> TensorSpec:
    what = f"{name}: tensor '{tensor['name']}'"
    if -1 in tensor["shape_signature"]:
        raise BundleError(f"{what}: its shape changes from call to call; convert the model with fixed shapes")
    dtype = np.dtype(tensor["dtype"])
    if dtype not in kinds:
        raise BundleError(f"{what}: holds {dtype}; convert the model to int8")
    quantization = tensor["quantization_parameters"]
    scales, zero_points = quantization["scales"], quantization["zero_points"]
    if dtype == np.float32 or (dtype in COUNTS and len(scales) == 0):
        return TensorSpec(str(tensor["name"]), _shape(tensor), dtype, 0.0, 0)
    if len(scales) != 1 or len(zero_points) != 1:
        raise BundleError(
            f"{what}: has {len(scales)} scales; convert the model with one scale for each tensor"
        )
    if not 0 < scales[0] < np.inf:
        raise BundleError(f"{what}: its scale is {scales[0]}; it must be a number over 0")
    return TensorSpec(str(tensor["name"]), _shape(tensor), dtype, float(scales[0]), int(zero_points[0]))


def _shape(tensor: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(length) for length in tensor["shape"])


def _picture_input(inputs: Sequence[TensorSpec], name: str, *, floats: bool) -> TensorSpec:
    """The one input, checked: a single int8 or uint8 RGB picture."""
    if len(inputs) != 1:
        raise BundleError(
            f"{name}: takes {len(inputs)} inputs; a model must take one picture, and nothing beside"
        )
    (wanted,) = inputs
    shape = "×".join(map(str, wanted.shape))
    if len(wanted.shape) != 4 or wanted.shape[0] != 1 or wanted.shape[3] != 3 or 0 in wanted.shape:  # noqa: PLR2004
        raise BundleError(f"{name}: its input is {shape}; it must be one RGB picture, 1×h×w×3")
    if wanted.dtype == np.float32 and not floats:
        raise BundleError(f"{name}: its input is {shape} {wanted.dtype}; convert the model to int8")
    return wanted


def _why_not(delegate: DelegateConfig, err: BaseException) -> str:
    """The reason that stands in every report: which delegate, which library, and what is wrong, each once."""
    if delegate.library is None:
        return f"delegate '{delegate.name}': {_sentence(err)}"
    said = _sentence(err).removeprefix(f"{delegate.library}: ")
    return f"delegate '{delegate.name}': {delegate.library}: {said}"


def _refusal(sentence: str) -> str:
    if "Select TensorFlow op" in sentence or "Flex" in sentence:
        return f"needs TensorFlow's own operations; convert the model with TFLite's alone ({sentence})"
    if "edgetpu-custom-op" in sentence:
        return "is compiled for the Edge TPU, which has to be there; use the model that it was compiled from"
    if "custom op" in sentence:
        return f"needs an operation that this TFLite runtime lacks ({sentence})"
    return f"is not a model that can be loaded; copy or build it again ({sentence})"


def _sentence(err: BaseException) -> str:
    # The older runtime says std::bad_alloc; the newer one, without a word, that it got no memory.
    if isinstance(err, MemoryError):
        return "too little memory"
    return " ".join(str(err).split()) or "no reason given; too little memory?"
