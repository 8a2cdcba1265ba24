"""The trunk under every network that is trained here: the backbone's features at stride 4, 8 and 16."""

from itertools import pairwise

import numpy as np
import torch
from backbone_graph import VARIANTS, Backbone
from numpy.typing import NDArray
from torch import Tensor, nn

CHANNELS = {4: 24, 8: 40, 16: 112}
"""Channels of the features at each stride, of Lite0 and Lite1 alike."""


class Trunk(nn.Module):
    """Normalised RGB pictures (N, 3, height, width) to their features, finest first. Its weights are frozen.

    `strides` says which; what lies beyond the last of them is not computed.
    """

    def __init__(self, variant: str = "lite0", strides: tuple[int, ...] = (8, 16)) -> None:
        super().__init__()
        backbone, sizes = Backbone(VARIANTS[variant]), VARIANTS[variant]
        ends = {4: sizes.halving[1], 8: sizes.last_at_stride_8 + 1, 16: sizes.last_at_stride_16 + 1}
        places = [0, *(ends[stride] for stride in strides)]
        self.strides = strides
        self.stem = backbone.stem
        self.stages = nn.ModuleList(
            nn.Sequential(*backbone.blocks[first:last]) for first, last in pairwise(places)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Run stem and blocks, and keep what each stride ends with."""
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return tuple(features)

    def thaw(self, stages: int) -> None:
        """Let the last so many stages learn."""
        for stage in list(self.stages)[len(self.stages) - stages :]:
            for weight in stage.parameters():
                weight.requires_grad_(requires_grad=True)


class Network(nn.Module):
    """Normalised pictures (N, 3, height, width) to what the head makes of the features of the trunk."""

    def __init__(self, trunk: Trunk, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Trunk, then head."""
        y: Tensor | tuple[Tensor, ...] = self.head(self.trunk(x))
        return y


class Separable(nn.Module):
    """A depthwise 3×3 convolution, then 1×1 and ReLU6: a ninth of the cost of a plain 3×3 one."""

    def __init__(self, entering: int, leaving: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(entering, entering, 3, padding=1, groups=entering, bias=False),
            nn.BatchNorm2d(entering),
            nn.ReLU6(),
            nn.Conv2d(entering, leaving, 1, bias=False),
            nn.BatchNorm2d(leaving),
            nn.ReLU6(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        y: Tensor = self.body(x)
        return y


def normalise(pictures: NDArray[np.uint8]) -> Tensor:
    """Pictures (N, height, width, 3) as the network takes them: (pixel - 127) / 128, channels first."""
    return (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - 127.0) / 128.0
