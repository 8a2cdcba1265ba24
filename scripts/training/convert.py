"""From a trained network to its int8 .tflite: folded, converted, quantized, and looked at again."""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path

import backbone_int8
import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.loop import TrainingError
from training.network import normalise

Pixels = NDArray[np.uint8]

LARGEST_DIFFERENCE = 0.02
"""Between the network's outputs and the converted graph's, as a share of the largest output."""
INT8_INPUT = (1 / 128, -1)
"""Scale and zero point with which the tensor is exactly `pixel - 128`."""


def to_float(network: nn.Module, height: int, width: int, outputs: Sequence[str]) -> bytes:
    """The float .tflite, NHWC, its outputs named in the order in which the network returns them.

    Raises `TrainingError` where the converted graph computes something else than the network.
    """
    folded = fold(network)
    with quiet():
        maps = [place for place, tensor in enumerate(_outputs(folded, height, width)) if tensor.ndim == 4]
        module = litert_torch.to_channel_last_io(folded, args=[0], outputs=maps).eval()
        converted = litert_torch.convert(module, (torch.zeros(1, height, width, 3),))
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "float.tflite"
            converted.export(str(path))
            model = _name(path.read_bytes(), outputs)
    _confirm(folded, model, height, width, outputs)
    return model


def to_int8(
    float_model: bytes, pictures: Sequence[Pixels], known: Mapping[str, tuple[float, float]] | None = None
) -> bytes:
    """The int8 .tflite; activations get the ranges that these pictures (height×width×3) call for.

    Of tensors whose names are `known`, what lies outside the given range does not matter. Raises `TrainingError`
    where something in it is not integer, or its input is not exactly `pixel - 128`.
    """
    with quiet():
        ranges = backbone_int8.activation_ranges(float_model, tuple(pictures))
        model = backbone_int8.quantize_with(float_model, ranges | dict(known or {}))
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    if entry["quantization"] != INT8_INPUT:
        raise TrainingError(f"the input's scale and zero point are {entry['quantization']}, not 1/128 and -1")
    left = [t["name"] for t in interpreter.get_tensor_details() if t["dtype"] not in (np.int8, np.int32)]
    if left:
        raise TrainingError(f"tensors are left that are not integer: {', '.join(left)}")
    return model


def run(model: bytes, pictures: Sequence[Pixels]) -> Iterator[Mapping[str, NDArray[np.float32]]]:
    """Each picture's outputs by name, dequantized, from a float or an int8 model: to compare the two."""
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    entry, leaving = interpreter.get_input_details()[0], interpreter.get_output_details()
    for picture in pictures:
        if entry["dtype"] == np.int8:
            seen = (picture ^ np.uint8(128)).view(np.int8)
        else:
            seen = (picture.astype(np.float32) - 127) / 128
        interpreter.set_tensor(entry["index"], seen[None])
        interpreter.invoke()
        yield {_plain(t["name"]): _real(interpreter.get_tensor(t["index"]), t) for t in leaving}


def fold(network: nn.Module) -> nn.Module:
    """A copy whose batch normalisations are folded into the convolutions before them."""
    folded = deepcopy(network).cpu().eval()
    for module in folded.modules():
        if isinstance(module, nn.Sequential):
            for place in range(len(module) - 1):
                if isinstance(module[place], nn.Conv2d) and isinstance(module[place + 1], nn.BatchNorm2d):
                    module[place] = fuse_conv_bn_eval(module[place], module[place + 1])
                    module[place + 1] = nn.Identity()
    for weight in folded.parameters():
        # The converter knows constants by their address: of one that it must copy first it may later meet another
        # at the same address.
        weight.data = weight.data.contiguous()
        weight.requires_grad_(requires_grad=False)
    return folded


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the converters' own chatter off the terminal; what they raise still comes through."""
    logging.disable(logging.WARNING)
    hidden = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(hidden), contextlib.redirect_stderr(hidden):
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


@torch.no_grad()
def _confirm(network: nn.Module, model: bytes, height: int, width: int, outputs: Sequence[str]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    wanted = _together(network(normalise(picture[None])))
    got = next(run(model, [picture]))
    for name, tensor in zip(outputs, wanted, strict=True):
        right = (tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor).numpy()
        if np.abs(got[name] - right).max() > LARGEST_DIFFERENCE * np.abs(right).max():
            raise TrainingError(
                f"the converted graph's '{name}' is not that of the network: this version of litert-torch converts"
                " it wrongly, try another"
            )


@torch.no_grad()
def _outputs(network: nn.Module, height: int, width: int) -> tuple[torch.Tensor, ...]:
    return _together(network(torch.zeros(1, 3, height, width)))


def _together(outputs: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _name(model_bytes: bytes, outputs: Sequence[str]) -> bytes:
    """Inputs and outputs get names for people, and every other tensor its number."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(model_bytes))
    graph = model.subgraphs[0]
    for index, tensor in enumerate(graph.tensors):
        tensor.name = f"tensor{index}".encode()
    signature = model.signatureDefs[0]
    # The signature's outputs are sorted as the network returns them: "output_0", "output_1", …
    places = [entry.tensorIndex for entry in sorted(signature.outputs, key=lambda entry: entry.name)]
    named = {graph.inputs[0]: "pixels"} | dict(zip(places, outputs, strict=True))
    for index, name in named.items():
        graph.tensors[index].name = name.encode()
    for entry in (*signature.inputs, *signature.outputs):
        entry.name = named[entry.tensorIndex].encode()
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _plain(name: str) -> str:
    return name.removeprefix("serving_default_").split(":")[0]


def _real(value: NDArray[np.generic], details: Mapping[str, object]) -> NDArray[np.float32]:
    scale, zero_point = details["quantization"]  # type: ignore[misc]
    if value.dtype == np.int8:
        return (value.astype(np.float32) - zero_point) * np.float32(scale)
    return value.astype(np.float32)
