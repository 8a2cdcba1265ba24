"""Put weights on the int8 grid so that the outputs change least, not the weights: rounding by pictures.

Rounding each weight to the nearest step is what costs accuracy here, above all in the first depthwise layer.
Its filters are differences whose weights nearly cancel, so that half a step in one weight is a large false
signal on any bright, flat part of a picture. Chosen together, against the covariance of what the layer really
sees, the roundings cancel too.
"""

from collections.abc import Callable

import numpy as np
import torch
from backbone_graph import Backbone, Convolution
from torch import Tensor
from torch.nn import functional

SAMPLES = 4000
LARGEST = 127
# Share of the mean variance added to each input's: keeps the choice from relying on chance in few samples.
RIDGE = 0.01
SWEEPS = 12
# Less than this, in squared output units, is rounding noise of the sums themselves.
LEAST_GAIN = 1e-12


@torch.no_grad()
def round_weights(backbone: Backbone, pictures: Tensor, progress: Callable[[str], None]) -> None:
    """Round all weights in place, first layer to last, each on the outputs of those rounded before it."""
    random = np.random.default_rng(0)
    x = _round_and_run(backbone.stem, pictures, random)
    for number, block in enumerate(backbone.blocks, 1):
        progress(f"block {number} of {len(backbone.blocks)}")
        y = x
        for convolution in block.body:
            y = _round_and_run(convolution, y, random)
        x = x + y if block.skip else y


def _round_and_run(convolution: Convolution, x: Tensor, random: np.random.Generator) -> Tensor:
    seen = _samples(convolution, x, random)
    mean = seen.mean(1, keepdim=True)
    centred = seen - mean
    covariance = centred.transpose(1, 2) @ centred / seen.shape[1]
    diagonal = torch.diagonal(covariance, dim1=1, dim2=2)
    diagonal += RIDGE * diagonal.mean(-1, keepdim=True) + 1e-9

    groups, outputs = convolution.groups, convolution.weight.shape[0]
    exact = convolution.weight.double().reshape(groups, outputs // groups, -1)
    step = exact.abs().amax(-1, keepdim=True).clamp_min(1e-9) / LARGEST
    rounded = _choose(exact, step, covariance)
    # What the error adds on average belongs into the bias.
    drift = (rounded - exact) @ mean.transpose(1, 2)
    convolution.bias -= drift.reshape(-1).float()
    convolution.weight.copy_(rounded.reshape(convolution.weight.shape))
    return convolution(x)  # type: ignore[no-any-return]


def _samples(convolution: Convolution, x: Tensor, random: np.random.Generator) -> Tensor:
    """Return what the kernel sees at random places: (groups, samples, weights of one output channel)."""
    kernel, groups = convolution.weight.shape[-1], convolution.groups
    per_picture = -(-SAMPLES // len(x))
    rows = []
    for picture in x:
        columns = functional.unfold(convolution.pad(picture[None]), kernel, stride=convolution.stride)[0]
        places = random.permutation(columns.shape[1])[:per_picture]
        rows.append(columns[:, torch.from_numpy(places)].T)
    return torch.cat(rows).double().reshape(-1, groups, rows[0].shape[1] // groups).transpose(0, 1)


def _choose(exact: Tensor, step: Tensor, covariance: Tensor) -> Tensor:
    """Round each weight up or down, by coordinate descent on the variance of the output's error.

    `exact` is (groups, outputs, weights), `step` its grid, `covariance` (groups, weights, weights).
    """
    scaled = exact / step
    chosen, low, high = scaled.round(), scaled.floor(), scaled.ceil()
    slope = (chosen * step - exact) @ covariance
    for _ in range(SWEEPS):
        changed = False
        for k in range(exact.shape[-1]):
            other = torch.where(chosen[..., k] < high[..., k], high[..., k], low[..., k])
            move = (other - chosen[..., k]) * step[..., 0]
            better = 2 * move * slope[..., k] + move * move * covariance[:, k, k, None] < -LEAST_GAIN
            move = torch.where(better, move, torch.zeros_like(move))
            chosen[..., k] = torch.where(better, other, chosen[..., k])
            slope += move[..., None] * covariance[:, k, None, :]
            changed = changed or bool(better.any())
        if not changed:
            break
    return chosen * step
