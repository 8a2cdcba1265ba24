"""What a detector's head learns from: features and targets of every picture, in shuffled batches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from detection_sets import Boxed
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.judge.precision import Scored, mean_average_precision
from edge.model.grid import DISTANCES, SCORES, candidates, grids
from edge.model.interpreter import TensorSpec
from edge.model.nms import BOX, CLASS, SCORE, suppress
from edge.preprocess.tensor import InputSpec, prepare
from edge.types import Box, Defect, Image
from training.detector import STRIDE, detection_loss, targets
from training.features import Features

MIN_SCORE, MAX_IOU = 0.05, 0.5
"""What a bundle says by default, and all figures here are with."""
Batch = tuple[tuple[Tensor, ...], Tensor, Tensor, Tensor]
Seen = tuple[Image, tuple[Defect, ...]]
"""A picture as the network sees it, and what is in it, in its pixels."""


def seen(image: Image, things: Sequence[Defect], size_px: int) -> Seen:
    """The picture squeezed to the network's size, as the daemon does it."""
    (tensor,) = prepare(image, InputSpec(size_px, size_px)).tensors
    height, width = image.shape[:2]
    x, y = size_px / width, size_px / height
    moved = (
        Defect(
            thing.label,
            Box(thing.box.x_min * x, thing.box.y_min * y, thing.box.x_max * x, thing.box.y_max * y),
        )
        for thing in things
    )
    return tensor[0].view(np.uint8) ^ np.uint8(128), tuple(moved)


def mirrored(picture: Seen) -> Seen:
    """Left for right."""
    image, things = picture
    width = image.shape[1]
    turned = (
        Defect(thing.label, thing.box._replace(x_min=width - thing.box.x_max, x_max=width - thing.box.x_min))
        for thing in things
    )
    return np.ascontiguousarray(image[:, ::-1]), tuple(turned)


@dataclass(frozen=True)
class Lessons:
    """Pictures as the head learns from them."""

    features: Features
    things: Sequence[tuple[Defect, ...]]
    labels: tuple[str, ...]
    size_px: int

    def batches(self, random: np.random.Generator, at_once: int, steps: int) -> Iterator[Batch]:
        """So many batches of pictures in a new order; a picture comes again only when all have come."""
        order: NDArray[np.int64] = np.empty(0, np.int64)
        for _ in range(steps):
            if len(order) < at_once:
                order = np.concatenate([order, random.permutation(len(self.things))])
            numbers, order = order[:at_once], order[at_once:]
            wanted = [self._targets(number) for number in numbers]
            heat, reach, counts = (torch.stack(tensors) for tensors in zip(*wanted, strict=True))
            yield self.features.of(numbers), heat, reach, counts

    def _targets(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        things, cells = self.things[number], self.size_px // STRIDE
        boxes = torch.tensor([thing.box for thing in things], dtype=torch.float32).reshape(-1, 4) / STRIDE
        kinds = torch.tensor([self.labels.index(thing.label) for thing in things], dtype=torch.int64)
        return targets(boxes, kinds, cells, cells, len(self.labels))


def loss(head: nn.Module, batch: Batch) -> Tensor:
    """What the head has to learn on a batch."""
    features, heat, reach, counts = batch
    return detection_loss(head(features), heat, reach, counts)


def boxes_of(
    scores: NDArray[np.float32], distances: NDArray[np.float32], labels: int, size_px: int
) -> NDArray[np.float32]:
    """Rows of boxes from one picture's real outputs (1×rows×columns×channels), read as the daemon reads them."""
    specs = [
        TensorSpec(name, numbers.shape, numbers.dtype, 0.0, 0)
        for name, numbers in ((SCORES, scores), (DISTANCES, distances))
    ]
    (grid,) = grids(specs, labels, (size_px, size_px), MIN_SCORE, "network")
    return suppress(candidates((scores, distances), grid), MAX_IOU)


def figures(
    rows: Sequence[NDArray[np.float32]],
    things: Sequence[tuple[Defect, ...]],
    labels: Sequence[str],
    size_px: int,
) -> dict[str, float]:
    """`map50`, `map50_95` and each label's `ap50`."""
    found: Mapping[str, list[list[Scored]]] = {
        label: [
            [(float(row[SCORE]), _inside(row[BOX], size_px)) for row in picture if int(row[CLASS]) == number]
            for picture in rows
        ]
        for number, label in enumerate(labels)
    }
    true = {
        label: [[thing.box for thing in picture if thing.label == label] for picture in things]
        for label in labels
    }
    return mean_average_precision(found, true)


def judge(lessons: Lessons, at_once: int = 16) -> Callable[[nn.Module], dict[str, float]]:
    """What a head is worth on pictures that it does not learn from."""

    def worth(head: nn.Module) -> dict[str, float]:
        rows: list[NDArray[np.float32]] = []
        for first in range(0, len(lessons.things), at_once):
            numbers = range(first, min(len(lessons.things), first + at_once))
            scores, distances = (y.permute(0, 2, 3, 1).numpy() for y in head(lessons.features.of(numbers)))
            rows += [
                boxes_of(one[None], reach[None], len(lessons.labels), lessons.size_px)
                for one, reach in zip(scores, distances, strict=True)
            ]
        found = figures(rows, lessons.things, lessons.labels, lessons.size_px)
        return {name: found[name] for name in ("map50", "map50_95")}

    return worth


def _inside(box: NDArray[np.float32], size_px: int) -> Box:
    return Box(*(float(edge) for edge in np.clip(box, 0, size_px)))


__all__ = ["Boxed", "Lessons", "figures", "judge", "loss", "mirrored", "seen"]
