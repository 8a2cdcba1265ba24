"""The detector's network: for every cell of stride 8 a score for each class, and how far its box reaches."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.network import CHANNELS, Separable

STRIDE = 8
OUTPUTS = ("scores", "distances")
SCORE_RANGE = (-8.0, 6.0)
"""Of the logits: below, a score is under 0.0004, and above over 0.997, which are none and certain."""
RARE = -4.6
"""Bias of the scores at first: a probability of 1 %, as nearly all cells are empty (RetinaNet's prior)."""


class Neck(nn.Module):
    """Features of every stride to one map at stride 8: coarser ones enlarged, finer ones reduced, then added."""

    def __init__(self, strides: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.strides = strides
        self.sides = nn.ModuleList(self._side(stride, width) for stride in strides)
        self.body = nn.Sequential(Separable(width, width), Separable(width, width))

    @staticmethod
    def _side(stride: int, width: int) -> nn.Module:
        halving = 2 if stride < STRIDE else 1
        size = 3 if halving > 1 else 1
        return nn.Sequential(
            nn.Conv2d(CHANNELS[stride], width, size, halving, padding=size // 2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU6(),
        )

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        """Add what the strides see of each cell."""
        together: Tensor | None = None
        for stride, side, feature in zip(self.strides, self.sides, features, strict=True):
            seen = side(feature)
            if stride > STRIDE:
                seen = functional.interpolate(seen, scale_factor=stride // STRIDE, mode="nearest")
            together = seen if together is None else together + seen
        y: Tensor = self.body(together)
        return y


class DetectorHead(nn.Module):
    """From features to the two outputs.

    `scores` are logits, a channel for each class; `distances` the natural logarithms of the way from the cell's
    middle to the box's left, upper, right and lower edge, in cells: int8 then has the same relative step for a
    small box as for a large one.
    """

    def __init__(self, classes: int, strides: tuple[int, ...] = (8, 16), width: int = 64) -> None:
        super().__init__()
        self.neck = Neck(strides, width)
        self.score = nn.Sequential(Separable(width, width), nn.Conv2d(width, classes, 1))
        self.reach = nn.Sequential(Separable(width, width), nn.Conv2d(width, 4, 1))
        nn.init.constant_(self.score[1].bias, RARE)  # type: ignore[arg-type]

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Scores and distances, (N, channels, rows, columns)."""
        seen = self.neck(features)
        return self.score(seen), self.reach(seen)


def targets(
    boxes: Tensor, classes: Tensor, rows: int, columns: int, kinds: int
) -> tuple[Tensor, Tensor, Tensor]:
    """What one picture's outputs should be: a heat for each class (0…1), log distances, and where those count.

    `boxes` are (n, 4) in cells. The heat falls off from the middle of a box as in CenterNet, with a spread of a
    tenth of its size in each direction; distances count where the heat is over a fifth, and belong to the smallest
    box there.
    """
    y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
    heat = torch.zeros(kinds, rows, columns)
    reach = torch.zeros(4, rows, columns)
    counts = torch.zeros(rows, columns)
    largest_first = torch.argsort(-(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    for box, kind in zip(boxes[largest_first], classes[largest_first], strict=True):
        left, upper, right, lower = box
        # From the middle of the cell that holds the box's middle, so that one cell has heat 1.
        middle_x = torch.floor((left + right) / 2).clamp(0, columns - 1) + 0.5
        middle_y = torch.floor((upper + lower) / 2).clamp(0, rows - 1) + 0.5
        spread_x = torch.clamp((right - left) / 10, min=0.6)
        spread_y = torch.clamp((lower - upper) / 10, min=0.6)
        bump = torch.exp(-((x - middle_x) ** 2) / (2 * spread_x**2) - (y - middle_y) ** 2 / (2 * spread_y**2))
        heat[kind] = torch.maximum(heat[kind], bump)
        near = (bump > 0.2) & (x > left) & (x < right) & (y > upper) & (y < lower)
        if not near.any():
            near = bump >= bump.max()
        away = torch.stack((x - left, y - upper, right - x, lower - y)).clamp(min=0.05).log()
        reach = torch.where(near, away, reach)
        counts = torch.where(near, bump, counts)
    return heat, reach, counts


def detection_loss(outputs: tuple[Tensor, Tensor], heat: Tensor, reach: Tensor, counts: Tensor) -> Tensor:
    """CenterNet's focal loss on the heat, and 1 - GIoU of the boxes where they count."""
    logits, distances = outputs
    chance = logits.sigmoid()
    peak = heat >= 1.0
    hit = -functional.logsigmoid(logits) * (1 - chance) ** 2
    miss = -functional.logsigmoid(-logits) * chance**2 * (1 - heat) ** 4
    found = torch.where(peak, hit, miss).sum() / peak.sum().clamp(min=1)
    overlap = giou(distances.exp(), reach.exp())
    boxed = ((1 - overlap) * counts).sum() / counts.sum().clamp(min=1)
    return found + 2.0 * boxed


def giou(found: Tensor, right: Tensor) -> Tensor:
    """Generalised overlap (-1…1) of boxes that are given by their distances from the same place, (N, 4, …)."""
    least, most = torch.minimum(found, right), torch.maximum(found, right)
    shared = (least[:, 0] + least[:, 2]) * (least[:, 1] + least[:, 3])
    hull = (most[:, 0] + most[:, 2]) * (most[:, 1] + most[:, 3])
    areas = [(box[:, 0] + box[:, 2]) * (box[:, 1] + box[:, 3]) for box in (found, right)]
    union = areas[0] + areas[1] - shared
    return shared / union - (hull - union) / hull
