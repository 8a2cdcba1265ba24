"""The network of a restoration: a few plain convolutions that see a picture and say what is to be added to it.

It is trained with the roundings of int8 in it, on ranges that are fixed: conversion then has nothing to find out.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

HIDDEN_RANGE = 6.0
"""Hidden activations are 0…6 in 255 steps: training spreads what it needs over them."""
RESIDUAL_RANGE = 0.5
"""What is added is -64…63.5 grey levels (of 128 for 1.0) in steps of a half: the rounding alone is 65 dB PSNR."""
TASKS = ("denoise", "x2")
CELL_PX = {"denoise": 2, "x2": 1}
"""Pixels between two cells of the network; each gives 2×2 pixels of the result, that is 12 channels."""
CHANNELS = {"denoise": 24, "x2": 16}
HIDDEN_LAYERS = 5
LAST_GAIN = 1 / 16
"""Of the last layer's weights: what is added is small, and a step of the optimiser must be small beside it."""
CONTRAST = 6.0
"""Most first filters begin blind to brightness, and see contrast so much stronger: noise is a few hundredths."""


class Restoration(nn.Module):
    """RGB pictures (N, 3, h, w) of (pixel - 127) / 128 to residuals (N, 12, rows, columns), in the same unit.

    No convolution pads: the result is smaller by `margin_px` on each side, and does not know of a border. Hidden
    layers begin as little more than the identity: that is as far after 300 steps as random ones were after 6,500.
    """

    def __init__(self, task: str) -> None:
        super().__init__()
        width = CHANNELS[task]
        stride = CELL_PX[task]
        first = nn.Conv2d(3, width, 2 + stride, stride)
        hidden = [nn.Conv2d(width, width, 3) for _ in range(HIDDEN_LAYERS)]
        self.layers = nn.ModuleList([first, *hidden, nn.Conv2d(width, 12, 3)])
        self.margin_px = 1 + stride * (HIDDEN_LAYERS + 1)
        self.rounding, self.gain = True, LAST_GAIN
        for layer in (first, *hidden, self.layers[-1]):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            _sharpen(first.weight)
            for layer in hidden:
                layer.weight.copy_(nn.init.dirac_(torch.empty_like(layer.weight)) + 0.1 * layer.weight)
            self.layers[-1].weight *= 0.1  # begin with almost no change

    def forward(self, pictures: Tensor) -> Tensor:
        """What is to be added, on the grid of cells."""
        x = pictures
        *hidden, last = self.layers
        for layer in hidden:
            x = functional.relu6(self._convolved(layer, x))
            x = self._stepped(x, HIDDEN_RANGE / 255)
        x = self._convolved(last, x, self.gain)
        if self.rounding:
            step = RESIDUAL_RANGE / 128
            x = self._stepped(x.clamp(-RESIDUAL_RANGE, RESIDUAL_RANGE - step), step)
        return x

    def _convolved(self, layer: nn.Module, x: Tensor, gain: float = 1.0) -> Tensor:
        assert isinstance(layer, nn.Conv2d)  # noqa: S101 - nothing else is put there
        assert layer.bias is not None  # noqa: S101 - likewise
        if not self.rounding and gain == 1.0:
            return functional.conv2d(x, layer.weight, layer.bias, layer.stride)
        weight = layer.weight * gain
        scale = weight.detach().abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-8) / 127
        return functional.conv2d(x, self._stepped(weight, scale), layer.bias * gain, layer.stride)

    def _stepped(self, x: Tensor, step: Tensor | float) -> Tensor:
        """Rounded to steps; the gradient passes as if it were not."""
        return x + (torch.round(x / step) * step - x).detach() if self.rounding else x


def folded(network: Restoration) -> Restoration:
    """A copy without roundings, whose last layer has its gain in its weights: what is converted."""
    plain = deepcopy(network)
    plain.rounding, plain.gain = False, 1.0
    last = plain.layers[-1]
    with torch.no_grad():
        last.weight *= network.gain
        last.bias *= network.gain
    return plain


def to_pixels(cells: Tensor) -> Tensor:
    """Residuals (N, 12, rows, columns) as (N, 3, 2·rows, 2·columns): channels are row, column, colour."""
    count, _, rows, columns = cells.shape
    split = cells.reshape(count, 2, 2, 3, rows, columns)
    return split.permute(0, 3, 4, 1, 5, 2).reshape(count, 3, 2 * rows, 2 * columns)


def _sharpen(filters: Tensor) -> None:
    """Let three of four filters begin with differences between neighbours alone."""
    blind = filters[: 3 * len(filters) // 4]
    blind -= blind.mean((2, 3), keepdim=True)
    blind *= CONTRAST
