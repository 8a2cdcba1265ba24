"""The classifier's network: a number for each class, from what lies anywhere in a picture, and from all of it."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from training.network import CHANNELS, Network

STRIDES = (4, 8, 16)
USED = (8, 16)
"""Strides that the head looks at; the trunk is cut at 4 as well, so that it can be thawed from there on."""
OUTPUTS = ("probabilities",)
WIDTH = 96
FORGOTTEN = 0.2
"""Share of the features that a training step does without."""


class ClassifierHead(nn.Module):
    """Of each stride the mean and the maximum of its features; the maximum sees a defect of one cell."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.sides = nn.ModuleList(_side(CHANNELS[stride]) for stride in USED)
        self.forget = nn.Dropout(FORGOTTEN)
        self.classes = nn.Conv2d(2 * WIDTH * len(USED), classes, 1)

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        """A number for each class, (N, classes); their softmax are probabilities."""
        found = []
        for side, feature in zip(self.sides, features[-len(USED) :], strict=True):
            seen = side(feature)
            # Pooling and not mean and amax: those have no int8 form in the converter.
            whole = tuple(seen.shape[2:])
            found += [functional.avg_pool2d(seen, whole), functional.max_pool2d(seen, whole)]
        numbers: Tensor = self.classes(self.forget(torch.cat(found, 1)))
        return numbers.flatten(1)


def with_probabilities(network: Network) -> nn.Module:
    """The network as it is converted: it ends in probabilities."""
    return nn.Sequential(network, nn.Softmax(1))


def _side(entering: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(entering, WIDTH, 1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU6())
