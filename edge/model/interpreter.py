"""The TFLite runtime: the one file that knows which of its two packages is installed, and how it behaves."""

import ctypes
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.config import Check
from edge.errors import BundleError, DeviceError, InferenceError
from edge.types import Tensor

log = logging.getLogger(__name__)

# tflite-runtime, 30 times slower with int8 on x86, is for 32-bit ARM, where there is no wheel of the other.
RUNTIMES = (
    ("ai_edge_litert.interpreter", "ai-edge-litert"),
    ("tflite_runtime.interpreter", "tflite-runtime"),
)
NUMBERS = {np.dtype(kind) for kind in (np.int8, np.uint8, np.float32)}
Size = tuple[int, int] | None
"""Height and width of the input in pixels; None: as the model has it."""
# What the runtime raises, from a tensor that is too small up to a delegate whose device is gone.
RUNTIME_ERRORS = (RuntimeError, ValueError, SystemError, MemoryError)


@dataclass(frozen=True)
class DelegateConfig:
    """What is to run the model, and how; `options` are named as the library names them."""

    name: str = "cpu"
    library: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, check: Check) -> "DelegateConfig":
        """The one that a check of the recipe asks for."""
        return cls(check.delegate, check.delegate_library, check.delegate_options)


CPU = DelegateConfig()


class TensorSpec(NamedTuple):
    """An input or output: `real = scale × (number - zero_point)`; scale 0: its numbers are real already."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int


class Interpreter:
    """A model that is ready to run. Made on any thread, then used by one.

    `fallback` says why it runs on the CPU where another delegate was wanted; None where all is as configured.
    """

    def __init__(
        self,
        content: bytes,
        threads: int = 1,
        delegate: DelegateConfig = CPU,
        name: str = "model",
        size: Size = None,
        *,
        floats: bool = False,
    ) -> None:
        """Load exactly these bytes; `name` is what complaints call them.

        `size` (height, width) is the input that is wanted, where the model can take pictures of any size.
        `floats` allows for a model whose input is float32: it gets (pixel - 127) / 128.

        Raises `BundleError` where they are no model for this runtime, and `DeviceError` where there is none.
        """
        self.delegate, self.fallback = delegate.name, None
        opened = None
        if delegate.name != CPU.name:
            try:
                opened = DELEGATES[delegate.name](content, threads, delegate, size)
            except (OSError, *RUNTIME_ERRORS) as err:
                self.delegate, self.fallback = CPU.name, _why_not(delegate, err)
                log.warning("delegate cannot be used, the CPU does its work: %s", self.fallback)
        try:
            self._interpreter = opened or _on_cpu(content, threads, CPU, size)
            inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        except RUNTIME_ERRORS as err:
            lost = f"; it may need its delegate: {self.fallback}" if self.fallback else ""
            raise BundleError(f"{name}: {_refusal(_sentence(err))}{lost}") from err
        self.inputs, self.outputs = _specs(inputs, name), _specs(outputs, name)
        self._input = _picture_input(self.inputs, name, floats=floats)
        self._input_index = inputs[0]["index"]
        self._output_indices = [details["index"] for details in outputs]

    def invoke(self, tensor: Tensor) -> list[npt.NDArray[Any]]:
        """Run the model on 1×h×w×3; the outputs are copies, in the order of `outputs`.

        Raises `InferenceError`. Other threads run meanwhile.
        """
        if self._input.dtype == np.uint8:
            pixels: npt.NDArray[Any] = tensor.view(np.uint8) ^ np.uint8(0x80)
        elif self._input.dtype == np.float32:
            pixels = (tensor.astype(np.float32) + 1) / 128
        else:
            pixels = tensor
        try:
            # Copies of 150 kB in and 55 kB out cost 15 µs; views would have to be let go before every call.
            self._interpreter.set_tensor(self._input_index, pixels)
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index in self._output_indices]
        except RUNTIME_ERRORS as err:
            raise InferenceError(
                f"the model did not run on delegate '{self.delegate}': {_sentence(err)}"
            ) from err


@cache
def runtime() -> str:
    """Package and version of the TFLite runtime. Raises `DeviceError` where there is none."""
    return _runtime()[1]


@cache
def _runtime() -> tuple[ModuleType, str]:
    reasons = []
    for module, package in RUNTIMES:
        try:
            return import_module(module), f"{package} {metadata.version(package)}"
        except (ImportError, AttributeError) as err:
            reasons.append(f"{package}: {err}")
    raise DeviceError(f"no TFLite runtime; run 'pip install ai-edge-litert' ({'; '.join(reasons)})")


def _open(content: bytes, threads: int, size: Size, **options: Any) -> Any:
    interpreter = _runtime()[0].Interpreter(model_content=content, num_threads=threads, **options)
    if size is not None:
        details = interpreter.get_input_details()[0]
        shape = [1, *size, 3]
        if details["shape"].tolist() != shape:
            interpreter.resize_tensor_input(details["index"], shape, strict=False)
    interpreter.allocate_tensors()
    return interpreter


def _on_cpu(content: bytes, threads: int, _: DelegateConfig, size: Size) -> Any:
    """Nothing to load: XNNPACK is part of the runtime."""
    return _open(content, threads, size)


def _on_external(content: bytes, threads: int, delegate: DelegateConfig, size: Size) -> Any:
    if delegate.library is None:
        raise OSError("no delegate_library is set")
    # The runtime's own loader leaves a half-made object behind, whose destructor prints a traceback.
    if not hasattr(ctypes.CDLL(str(delegate.library)), "tflite_plugin_create_delegate"):
        raise OSError("is not a TFLite delegate: it has no function tflite_plugin_create_delegate")
    # A delegate may load and then take nothing. Once XNNPACK has taken what is left, that cannot be seen.
    alone = _runtime()[0].OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    probe = _open(
        content, threads, size, experimental_delegates=[_load(delegate)], experimental_op_resolver_type=alone
    )
    if all(operation["op_name"] != "DELEGATE" for operation in probe._get_ops_details()):  # noqa: SLF001
        raise OSError("can run none of the model's operations")
    del probe  # some devices can be opened once only
    return _open(content, threads, size, experimental_delegates=[_load(delegate)])


def _load(delegate: DelegateConfig) -> object:
    return _runtime()[0].load_delegate(str(delegate.library), dict(delegate.options))


DELEGATES: dict[str, Callable[[bytes, int, DelegateConfig, Size], Any]] = {
    "cpu": _on_cpu,
    "external": _on_external,
}


def _specs(details: Sequence[Mapping[str, Any]], name: str) -> tuple[TensorSpec, ...]:
    return tuple(_spec(tensor, name) for tensor in details)


def _spec(tensor: Mapping[str, Any], name: str) -> TensorSpec:
    what = f"{name}: tensor '{tensor['name']}'"
    if -1 in tensor["shape_signature"]:
        raise BundleError(f"{what}: its shape changes from call to call; convert the model with fixed shapes")
    dtype = np.dtype(tensor["dtype"])
    if dtype not in NUMBERS:
        raise BundleError(f"{what}: holds {dtype}; convert the model to int8")
    quantization = tensor["quantization_parameters"]
    scales, zero_points = quantization["scales"], quantization["zero_points"]
    if dtype == np.float32:
        scales, zero_points = [0.0], [0]
    if len(scales) != 1 or len(zero_points) != 1:
        raise BundleError(
            f"{what}: has {len(scales)} scales; convert the model with one scale for each tensor"
        )
    if dtype != np.float32 and not 0 < scales[0] < np.inf:
        raise BundleError(f"{what}: its scale is {scales[0]}; it must be a number over 0")
    shape = tuple(int(length) for length in tensor["shape"])
    return TensorSpec(str(tensor["name"]), shape, dtype, float(scales[0]), int(zero_points[0]))


def _picture_input(inputs: Sequence[TensorSpec], name: str, *, floats: bool) -> TensorSpec:
    """The one input, checked: a single int8 or uint8 RGB picture."""
    if len(inputs) != 1:
        raise BundleError(f"{name}: takes {len(inputs)} inputs; a model must take one picture")
    (wanted,) = inputs
    shape = "×".join(map(str, wanted.shape))
    if len(wanted.shape) != 4 or wanted.shape[0] != 1 or wanted.shape[3] != 3 or 0 in wanted.shape:  # noqa: PLR2004
        raise BundleError(f"{name}: its input is {shape}; it must be one RGB picture, 1×h×w×3")
    if wanted.dtype == np.float32 and not floats:
        raise BundleError(f"{name}: its input is {shape} {wanted.dtype}; convert the model to int8")
    return wanted


def _why_not(delegate: DelegateConfig, err: BaseException) -> str:
    """The reason that stands in every report: which library, and what is wrong with it, each once."""
    if delegate.library is None:
        return f"delegate '{delegate.name}': {_sentence(err)}"
    return f"{delegate.library}: {_sentence(err).removeprefix(f'{delegate.library}: ')}"


def _refusal(sentence: str) -> str:
    if "Select TensorFlow op" in sentence or "Flex" in sentence:
        return f"needs TensorFlow's own operations; convert the model with TFLite's alone ({sentence})"
    if "custom op" in sentence:
        return f"needs an operation that this TFLite runtime lacks ({sentence})"
    return f"is not a model that can be loaded; copy or build it again ({sentence})"


def _sentence(err: BaseException) -> str:
    # The older runtime says std::bad_alloc; the newer one, without a word, that it got no memory.
    if isinstance(err, MemoryError):
        return "too little memory"
    return " ".join(str(err).split()) or "no reason given; too little memory?"
