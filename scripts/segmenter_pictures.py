"""What a segmenter learns from: pictures as the daemon prepares them, and the class of each of their pixels."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from training.loop import TrainingError
from training.network import normalise
from training.variation import varied

from edge.preprocess.picture import read
from edge.preprocess.tensor import InputSpec, prepare

Pixels = NDArray[np.uint8]

IN_MASK = 127
"""A mask's pixel counts where it is brighter: those of magnetic tile came through JPEG and have grey edges."""
SMALLEST_CROP = 0.75
COMMON_DEFECT, HEAVIEST = 2.0, 20.0
"""What a pixel of the most common defect counts, and of the rarest."""
PARTS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Lesson:
    """A picture as the model sees it, height×width×3, and the class of each pixel by number; 0 is good."""

    path: Path
    label: int
    picture: Pixels
    classes: Pixels


def read_split(folder: Path, good: str) -> tuple[dict[str, list[Path]], tuple[str, ...]]:
    """The pictures of each part of FOLDER/split.json, and the labels: `good`, then the other folders by name.

    Raises `TrainingError` where there is no split: near duplicates on both sides of a random one would be scored
    as if they were unseen.
    """
    path = folder / "split.json"
    if not path.is_file():
        raise TrainingError(
            f"{path}: is missing; name the pictures (LABEL/NAME.jpg) of 'train', 'val' and 'test' there,"
            " each group of like pictures in one of them"
        )
    parts = json.loads(path.read_text())
    names = {part: [folder / name for name in parts[part]] for part in PARTS}
    labels = sorted({each.parent.name for part in names.values() for each in part} - {good})
    return names, (good, *labels)


def read_lessons(paths: Sequence[Path], labels: Sequence[str], spec: InputSpec) -> list[Lesson]:
    """Each picture, and its mask (NAME_mask.png beside it); without one nothing of it is a defect."""
    return [_read_lesson(path, labels.index(path.parent.name), spec) for path in paths]


def _read_lesson(path: Path, label: int, spec: InputSpec) -> Lesson:
    seen = prepare(read(path), spec).tensors[0][0].view(np.uint8) ^ np.uint8(128)
    classes = np.zeros((spec.height, spec.width), np.uint8)
    mask = read_mask(path)
    if mask is not None and label > 0:
        shrunk = cv2.resize(mask.astype(np.float32), (spec.width, spec.height), interpolation=cv2.INTER_AREA)
        classes[shrunk > 0.5] = label
    return Lesson(path, label, seen, classes)


def read_mask(path: Path) -> NDArray[np.bool_] | None:
    """True where the picture has its defect, in its own pixels; None where it has no mask."""
    mask = cv2.imread(str(path.with_name(f"{path.stem}_mask.png")), cv2.IMREAD_GRAYSCALE)
    return None if mask is None else mask > IN_MASK


def batches(
    lessons: Sequence[Lesson], labels: int, cell_px: int, size: int, chance: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Varied pictures of an epoch, normalised, and the share of each class in each of their cells."""
    order = _drawn(lessons, chance)
    for first in range(0, len(order) - size + 1, size):
        some = order[first : first + size]
        pairs = [varied(each.picture, each.classes, chance, SMALLEST_CROP) for each in some]
        pictures = normalise(np.stack([picture for picture, _ in pairs]))
        shares = np.stack([shares_of(classes, labels, cell_px) for _, classes in pairs])
        yield pictures.contiguous(memory_format=torch.channels_last), torch.from_numpy(shares)


def epoch_size(lessons: Sequence[Lesson]) -> int:
    """Pictures of an epoch."""
    return len(_drawn(lessons, np.random.default_rng(0)))


def _drawn(lessons: Sequence[Lesson], chance: np.random.Generator) -> list[Lesson]:
    """Every picture with a defect, those of rare classes twice, and half as many good ones, shuffled."""
    counts = _counts(lessons)
    bad = [lesson for lesson in lessons if lesson.label > 0]
    often = sorted(counts.values())[len(counts) // 2] if counts else 0
    rare = [lesson for lesson in bad if counts[lesson.label] < often]
    good = [lesson for lesson in lessons if lesson.label == 0]
    some = min(len(good), (len(bad) + len(rare)) // 2)
    order = [*bad, *rare, *(good[index] for index in chance.choice(len(good), some, replace=False))]
    return [order[index] for index in chance.permutation(len(order))]


def _counts(lessons: Sequence[Lesson]) -> Mapping[int, int]:
    kinds, counts = np.unique([lesson.label for lesson in lessons if lesson.label > 0], return_counts=True)
    return dict(zip(kinds.tolist(), counts.tolist(), strict=True))


def weights_of(lessons: Sequence[Lesson], labels: int) -> Tensor:
    """What a pixel of each class counts: 1 where it is good, and more, the less there is of its class.

    By the root of its share, as cells beside a defect of few pixels are hard to tell from it; 20 at most.
    """
    pixels = sum(np.bincount(lesson.classes.ravel(), minlength=labels) for lesson in lessons)
    rarer = np.sqrt(pixels[1:].max() / np.maximum(pixels[1:], 1))
    return torch.tensor([1.0, *np.minimum(COMMON_DEFECT * rarer, HEAVIEST)], dtype=torch.float32)


def shares_of(classes: Pixels, labels: int, cell_px: int) -> NDArray[np.float32]:
    """How much of each cell belongs to each class: labels×rows×columns, adding up to 1."""
    rows, columns = classes.shape[0] // cell_px, classes.shape[1] // cell_px
    cells = classes.reshape(rows, cell_px, columns, cell_px)
    return np.stack([(cells == label).mean((1, 3), dtype=np.float32) for label in range(labels)])
