"""Which bytes of a bundle run on which delegate, and in which precision."""

from pathlib import Path
from typing import Literal

from edge.errors import DeviceError
from edge.model.bundle import Bundle
from edge.model.shipped import float_twin

Precision = Literal["int8", "float16"]
"""int8 is what the bundle was taught with; float16 is the same backbone before it was quantized."""


def content_for(bundle: Bundle, delegate: str, precision: Precision) -> bytes:
    """The model's bytes for this delegate. Raises `DeviceError` where the bundle has none for it."""
    if precision == "float16":
        twin = float_twin(bundle.files[bundle.manifest.network])
        if twin is None:
            raise DeviceError(f"{bundle.model_path}: there is no float16 model that it was made from")
        return twin
    if delegate != "edgetpu":
        return bundle.files[bundle.manifest.network]
    compiled = edgetpu_name(bundle)
    if compiled not in bundle.files:
        raise DeviceError(
            f"delegate 'edgetpu': {bundle.folder / compiled} is missing; compile the model with edgetpu_compiler,"
            " put that file there, and name it among [files]"
        )
    return bundle.files[compiled]


def edgetpu_name(bundle: Bundle) -> str:
    """What the Edge TPU's compiler calls the model that it has compiled."""
    return f"{Path(bundle.manifest.network).stem}_edgetpu.tflite"


def has_float_twin(bundle: Bundle) -> bool:
    """Whether the bundle's model is a shipped backbone, whose float model is at hand."""
    return float_twin(bundle.files[bundle.manifest.network]) is not None
