"""The TFLite runtime: the one file that knows which of its two packages is installed, and how it behaves."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from edge.errors import DeviceError

# tflite-runtime, 30 times slower with int8 on x86, is for 32-bit ARM, where there is no wheel of the other.
RUNTIMES = (
    ("ai_edge_litert.interpreter", "ai-edge-litert"),
    ("tflite_runtime.interpreter", "tflite-runtime"),
)
Size = tuple[int, int] | None
"""Height and width of the input in pixels; None: as the model has it."""
# What the runtime raises, from a tensor that is too small up to a delegate whose device is gone.
RUNTIME_ERRORS = (RuntimeError, ValueError, SystemError, MemoryError)


@cache
def runtime() -> str:
    """Package and version of the TFLite runtime. Raises `DeviceError` where there is none."""
    return _runtime()[1]


def open_interpreter(content: bytes, threads: int, size: Size, **options: Any) -> Any:
    """The runtime's own interpreter of these bytes, ready to run. Raises `RUNTIME_ERRORS`."""
    interpreter = _runtime()[0].Interpreter(model_content=content, num_threads=threads, **options)
    if size is not None:
        details = interpreter.get_input_details()[0]
        shape = [1, *size, 3]
        if details["shape"].tolist() != shape:
            interpreter.resize_tensor_input(details["index"], shape, strict=False)
    interpreter.allocate_tensors()
    return interpreter


def without_xnnpack() -> dict[str, Any]:
    """The option of `open_interpreter` that leaves to the plain CPU what no delegate takes."""
    return {"experimental_op_resolver_type": _runtime()[0].OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}


def load_delegate(library: Path, options: Mapping[str, str]) -> object:
    """An external delegate. Raises `OSError` and `RUNTIME_ERRORS`."""
    return _runtime()[0].load_delegate(str(library), dict(options))


def compile_for_gpu(content: bytes) -> Any:
    """LiteRT's compiled model on the GPU. Raises `OSError` where this runtime has none, and `RUNTIME_ERRORS`."""
    try:
        litert = import_module("ai_edge_litert.compiled_model")
    except ImportError as err:
        raise OSError(f"{runtime()} has no GPU accelerator; install ai-edge-litert 2.1 or newer") from err
    try:
        return litert.CompiledModel.from_buffer(content, hardware_accel=litert.HardwareAccelerator.GPU)
    except RuntimeError as err:  # which says where in its sources; the reason is in what it prints
        raise OSError(
            "no GPU takes the model; it needs a Vulkan driver: the vendor's, or Mesa 25 or newer"
        ) from err


@cache
def _runtime() -> tuple[ModuleType, str]:
    reasons = []
    for module, package in RUNTIMES:
        try:
            return import_module(module), f"{package} {metadata.version(package)}"
        except (ImportError, AttributeError) as err:
            reasons.append(f"{package}: {err}")
    raise DeviceError(f"no TFLite runtime; run 'pip install ai-edge-litert' ({'; '.join(reasons)})")
