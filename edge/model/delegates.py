"""What can run a model: a function for each delegate, by the name that the settings have for it."""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge.config import Check
from edge.model.gpu import OnGpu
from edge.model.runtime import Size, load_delegate, open_interpreter, without_xnnpack

EDGETPU_LIBRARY = Path("libedgetpu.so.1")
"""As the packages libedgetpu1-std and libedgetpu1-max install it."""


@dataclass(frozen=True)
class DelegateConfig:
    """What is to run the model, and how; `options` are named as the library names them."""

    name: str = "cpu"
    library: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    deadline_ms: float = 500.0
    """A run that takes longer is a fault."""
    load_s: float = 60.0
    """Loading it, and the first run, may take so long."""
    retry_s: float = 60.0
    """After a fault, it is tried again so often."""

    @classmethod
    def of(cls, check: Check) -> "DelegateConfig":
        """The one that a check of the recipe asks for."""
        return cls(
            check.delegate,
            check.delegate_library,
            check.delegate_options,
            check.delegate_deadline_ms,
            check.delegate_load_s,
            check.delegate_retry_s,
        )


CPU = DelegateConfig()


class Loaded(Protocol):
    """A model that a delegate has taken: the part of the runtime's interpreter that is used here."""

    def get_input_details(self) -> Sequence[Mapping[str, Any]]:
        """Name, shape, type and scale of each input."""
        ...

    def get_output_details(self) -> Sequence[Mapping[str, Any]]:
        """The same of each output."""
        ...

    def set_tensor(self, tensor_index: int, value: npt.NDArray[Any]) -> None:
        """Fill an input."""
        ...

    def invoke(self) -> None:
        """Run the model."""
        ...

    def get_tensor(self, tensor_index: int) -> npt.NDArray[np.generic]:
        """A copy of an output."""
        ...


Open = Callable[[bytes, int, DelegateConfig, Size], Loaded]
"""From a model's bytes, threads of the CPU, settings and size. Raises `OSError` and the runtime's errors."""


def _on_cpu(content: bytes, threads: int, _: DelegateConfig, size: Size) -> Loaded:
    """Nothing to load: XNNPACK is part of the runtime."""
    loaded: Loaded = open_interpreter(content, threads, size)
    return loaded


def _on_edgetpu(content: bytes, threads: int, delegate: DelegateConfig, size: Size) -> Loaded:
    return _with_library(content, threads, delegate.library or EDGETPU_LIBRARY, delegate.options, size)


def _on_gpu(content: bytes, _threads: int, _delegate: DelegateConfig, size: Size) -> Loaded:
    return OnGpu(content, size)


def _on_npu(content: bytes, threads: int, delegate: DelegateConfig, size: Size) -> Loaded:
    if delegate.library is None:
        raise OSError("no delegate_library is set; name the vendor's library")
    return _with_library(content, threads, delegate.library, delegate.options, size)


DELEGATES: dict[str, Open] = {
    "cpu": _on_cpu,
    "edgetpu": _on_edgetpu,
    "gpu": _on_gpu,
    "npu": _on_npu,
}


def _with_library(
    content: bytes, threads: int, library: Path, options: Mapping[str, str], size: Size
) -> Loaded:
    # The runtime's own loader leaves a half-made object behind, whose destructor prints a traceback.
    if not hasattr(ctypes.CDLL(str(library)), "tflite_plugin_create_delegate"):
        raise OSError("is not a TFLite delegate: it has no function tflite_plugin_create_delegate")
    # A delegate may load and then take nothing. Once XNNPACK has taken what is left, that cannot be seen.
    probe = open_interpreter(
        content,
        threads,
        size,
        experimental_delegates=[load_delegate(library, options)],
        **without_xnnpack(),
    )
    if all(operation["op_name"] != "DELEGATE" for operation in probe._get_ops_details()):  # noqa: SLF001
        raise OSError("can run none of the model's operations")
    del probe  # some devices can be opened once only
    loaded: Loaded = open_interpreter(
        content, threads, size, experimental_delegates=[load_delegate(library, options)]
    )
    return loaded
