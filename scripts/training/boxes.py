"""What a detector's head learns from, and how good it is: pictures, the things in them, targets, figures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.geometry import Box, Image
from edge.judge.precision import mean_average_precision
from edge.model.grid import DISTANCES, SCORES, candidates, grids
from edge.model.interpreter import TensorSpec
from edge.model.nms import BOX, CLASS, SCORE, Rows, suppress
from edge.preprocess.tensor import InputSpec, prepare
from edge.types import Defect
from training.detector import STRIDE, detection_loss, targets
from training.frozen import Frozen

MIN_SCORE, MAX_IOU = 0.05, 0.5
"""What a bundle says by default; all figures here are with it."""
Batch = tuple[tuple[Tensor, ...], Tensor, Tensor, Tensor]
Things = tuple[Defect, ...]
Seen = tuple[Image, Things]
"""A picture as the network sees it, and what is in it, in its pixels."""


def seen(image: Image, things: Sequence[Defect], size_px: int) -> Seen:
    """The picture squeezed to the network's size, as the daemon does it."""
    (tensor,) = prepare(image, InputSpec(size_px, size_px)).tensors
    x, y = size_px / image.shape[1], size_px / image.shape[0]
    moved = (Defect(thing.label, Box(*np.multiply(thing.box, (x, y, x, y)).tolist())) for thing in things)
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


def transposed(picture: Seen) -> Seen:
    """Rows for columns."""
    image, things = picture
    turned = (
        Defect(thing.label, Box(thing.box.y_min, thing.box.x_min, thing.box.y_max, thing.box.x_max))
        for thing in things
    )
    return np.ascontiguousarray(image.transpose(1, 0, 2)), tuple(turned)


def turned(picture: Seen, random: np.random.Generator) -> Seen:
    """One of the eight ways to lay a square picture."""
    for changes in ((mirrored,), (transposed, mirrored, transposed), (transposed,)):
        if random.random() < 0.5:
            for change in changes:
                picture = change(picture)
    return picture


def cut_out(picture: Seen, random: np.random.Generator, size_px: int) -> Seen:
    """A square of the picture, mostly around a thing; things that have their middle outside it are left out."""
    image, things = picture
    most = image.shape[1] - size_px, image.shape[0] - size_px
    corner = np.array([random.integers(0, most[0] + 1), random.integers(0, most[1] + 1)])
    if things and random.random() < 0.75:
        around = things[random.integers(len(things))].box.middle - random.uniform(0.1, 0.9, 2) * size_px
        corner = np.clip(around.astype(int), 0, most)
    x, y = corner.tolist()
    inside = Box(x, y, x + size_px, y + size_px)
    kept = (
        Defect(thing.label, Box(*np.subtract(thing.box, (x, y, x, y)).tolist()))
        for thing in things
        if inside.x_min < thing.box.middle[0] < inside.x_max
        and inside.y_min < thing.box.middle[1] < inside.y_max
    )
    return np.ascontiguousarray(image[y : y + size_px, x : x + size_px]), tuple(kept)


def relit(picture: Seen, random: np.random.Generator) -> Seen:
    """A little brighter or darker, flatter or harder."""
    image, things = picture
    levels = (np.arange(256) - 128) * random.uniform(0.8, 1.2) + 128 + random.uniform(-20, 20)
    return np.clip(levels, 0, 255).astype(np.uint8)[image], things


@dataclass(frozen=True)
class Lessons:
    """Pictures to learn from: `look` gives the one with this number, changed as chance has it."""

    frozen: Frozen
    labels: tuple[str, ...]
    count: int
    look: Callable[[int, np.random.Generator], Seen]

    def batches(self, random: np.random.Generator, at_once: int, steps: int) -> Iterator[Batch]:
        """So many batches; a picture comes again only when all have come."""
        order: NDArray[np.int64] = np.empty(0, np.int64)
        for _ in range(steps):
            if len(order) < at_once:
                order = np.concatenate([order, random.permutation(self.count)])
            numbers, order = order[:at_once], order[at_once:]
            pictures = [self.look(int(number), random) for number in numbers]
            wanted = [self._targets(*picture) for picture in pictures]
            heat, reach, counts = (torch.stack(tensors) for tensors in zip(*wanted, strict=True))
            yield self.frozen.of([image for image, _ in pictures]), heat, reach, counts

    def _targets(self, image: Image, things: Things) -> tuple[Tensor, Tensor, Tensor]:
        boxes = torch.tensor([thing.box for thing in things], dtype=torch.float32).reshape(-1, 4) / STRIDE
        kinds = torch.tensor([self.labels.index(thing.label) for thing in things], dtype=torch.int64)
        rows, columns = image.shape[0] // STRIDE, image.shape[1] // STRIDE
        return targets(boxes, kinds, rows, columns, len(self.labels))


def loss(head: nn.Module, batch: Batch) -> Tensor:
    """What the head has to learn on a batch."""
    features, heat, reach, counts = batch
    return detection_loss(head(features), heat, reach, counts)


def boxes_of(scores: NDArray[np.float32], distances: NDArray[np.float32], size_px: int) -> Rows:
    """Rows of boxes from one picture's real outputs (1×rows×columns×channels), read as the daemon reads them."""
    specs = [
        TensorSpec(name, numbers.shape, numbers.dtype, 0.0, 0)
        for name, numbers in ((SCORES, scores), (DISTANCES, distances))
    ]
    (grid,) = grids(specs, scores.shape[3], (size_px, size_px), MIN_SCORE, "network")
    rows = suppress(candidates((scores, distances), grid), MAX_IOU)
    rows[:, BOX] = rows[:, BOX].clip(0, size_px)
    return rows


def figures(rows: Sequence[Rows], things: Sequence[Things], labels: Sequence[str]) -> dict[str, float]:
    """`map50`, `map50_95` and each label's `ap50`."""
    found = {
        label: [
            [(float(row[SCORE]), Box(*row[BOX].tolist())) for row in picture if row[CLASS] == number]
            for picture in rows
        ]
        for number, label in enumerate(labels)
    }
    true = {
        label: [[thing.box for thing in picture if thing.label == label] for picture in things]
        for label in labels
    }
    return mean_average_precision(found, true)


def judge(
    frozen: Frozen, pictures: Sequence[Seen], labels: Sequence[str]
) -> Callable[[nn.Module], dict[str, float]]:
    """What a head is worth on pictures that it does not learn from."""

    def worth(head: nn.Module) -> dict[str, float]:
        rows = []
        for image, _ in pictures:
            scores, distances = (y.permute(0, 2, 3, 1).numpy() for y in head(frozen.of([image])))
            rows.append(boxes_of(scores, distances, image.shape[0]))
        found = figures(rows, [things for _, things in pictures], labels)
        return {name: found[name] for name in ("map50", "map50_95")}

    return worth
