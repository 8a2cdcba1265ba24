"""The segmenter's network: numbers for each class and cell, from features at stride 4, 8 and 16."""

from torch import Tensor, nn
from torch.nn import functional
from training.network import CHANNELS, Separable

STRIDES = (4, 8, 16)
CELL_PX = 2
"""Input pixels between two cells of the output."""
OUTPUTS = ("classes",)
COARSE_WIDTH, FINE_WIDTH = 64, 32
"""At stride 4 there are sixteen times as many cells as at stride 16, and each costs time."""


class SegmenterHead(nn.Module):
    """From coarse to fine: what the coarse features say is enlarged, and the finer ones are added."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.coarse = nn.Sequential(
            Separable(CHANNELS[16], COARSE_WIDTH), Separable(COARSE_WIDTH, COARSE_WIDTH)
        )
        self.middle_side = _side(CHANNELS[8], COARSE_WIDTH)
        self.middle = nn.Sequential(
            Separable(COARSE_WIDTH, COARSE_WIDTH), Separable(COARSE_WIDTH, FINE_WIDTH)
        )
        self.fine_side = _side(CHANNELS[4], FINE_WIDTH)
        self.fine = nn.Sequential(Separable(FINE_WIDTH, FINE_WIDTH), Separable(FINE_WIDTH, FINE_WIDTH))
        self.classes = nn.Conv2d(FINE_WIDTH, classes, 1)

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        """Numbers at stride 2: decided at stride 4, and mixed halfway between."""
        fine, middle, coarse = features
        y = self.middle(_twice(self.coarse(coarse)) + self.middle_side(middle))
        y = self.classes(self.fine(_twice(y) + self.fine_side(fine)))
        return functional.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)


def segmentation_loss(numbers: Tensor, shares: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross entropy, and 1 - Dice of each class that the batch has and of all defects together.

    `shares` (N, classes, rows, columns) says how much of each cell belongs to each class, and adds up to 1. Cross
    entropy alone is content with missing a defect of 0.05 % of the picture; Dice counts each class alike.
    """
    certain = functional.log_softmax(numbers, 1)
    chance = certain.exp()
    entropy = -(certain * shares * weights[None, :, None, None]).sum(1).mean()
    missed = 1 - _dice((chance * shares).sum((0, 2, 3)), (chance + shares).sum((0, 2, 3)))
    there = shares.sum((0, 2, 3))[1:] > 1
    kinds = (missed[1:] * there).sum() / (len(weights) - 1)
    defect, right = 1 - chance[:, 0], 1 - shares[:, 0]
    return entropy + kinds + 1 - _dice((defect * right).sum(), (defect + right).sum())


def _dice(shared: Tensor, both: Tensor) -> Tensor:
    return (2 * shared + 1) / (both + 1)


def _side(entering: int, leaving: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(entering, leaving, 1, bias=False), nn.BatchNorm2d(leaving))


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")
