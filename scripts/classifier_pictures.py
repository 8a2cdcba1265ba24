"""What a classifier learns from: pictures in a folder for each class, or the screws of a board, place by place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from accuracy_sets import folder_of
from numpy.typing import NDArray
from segmenter_pictures import read_split
from torch import Tensor
from training.network import normalise
from training.variation import varied

from edge.config import Rectangle
from edge.preprocess.picture import read
from edge.preprocess.tensor import InputSpec, prepare

Pixels = NDArray[np.uint8]

SMALLEST_CROP = 0.88
SCREW_LABELS = ("missing", "present")
PLACES = {"upper left": (0, 65), "upper right": (300, 65), "lower left": (0, 425), "lower right": (320, 425)}
"""Where a screw may be on a board of 600×789 pixels: the corner of a square, in the order of the digits in a
file's name. They are the squares that the set draws in its folder bounding_boxes."""
PLACE_PX = 265
STRAY_PX = 24
"""A board may lie so far off: each place is learned from as many pixels away, too."""
STRAYS = 3
TEST_PLACES = (
    "101 0000 102 0111 103 1001 104 1110 105 0000 106 0001 107 0000 108 1111 109 0001 110 1111 111 0001 112 1011"
    " 113 1110 114 1001 115 1101 116 1011 117 0001 118 0001 119 0001 120 1011 121 1110 122 1001 123 0000 124 1011"
    " 125 0110 126 1101 127 1011 128 1110 129 1110 130 1001 131 0000 132 1001 133 1001 134 1101 135 1011 136 0101"
    " 137 0111 138 1011 139 1111 140 1001 141 1001 142 0010 143 1111 144 1111 145 1111 146 1001"
)
"""The set does not say what its test pictures show. Read by eye; no place leaves a doubt."""


@dataclass(frozen=True)
class Labelled:
    """A picture, where to look in it, and the number of its label."""

    path: Path
    label: int
    roi: Rectangle | None = None


@dataclass(frozen=True)
class Course:
    """What is learned from, what is looked at on the way, and what is scored."""

    labels: tuple[str, ...]
    train: Sequence[Labelled]
    held: Sequence[Labelled]
    test: Sequence[Labelled]


def classes_in(folder: Path, good: str) -> Course:
    """The pictures of FOLDER/split.json, whose labels are the names of their folders."""
    parts, labels = read_split(folder, good)
    named = {
        part: [Labelled(path, labels.index(path.parent.name)) for path in paths]
        for part, paths in parts.items()
    }
    return Course(labels, named["train"], named["val"], named["test"])


def screws(seed: int) -> Course:
    """Every fifth board of train_val_set is held back. Raises `Absent`."""
    root = folder_of("screws")
    boards = sorted(root.glob("train_val_set/*.jpg"), key=lambda path: int(path.stem.split("_")[0]))
    known = [each for board in boards for each in _places(board, board.stem.split("_")[1])]
    test = TEST_PLACES.split()
    shown = [
        each
        for number, digits in zip(test[::2], test[1::2], strict=True)
        for each in _places(root / "test_set" / f"{number}.jpg", digits)
    ]
    size = 5 * len(PLACES)
    train = [each for place, each in enumerate(known) if place % size >= len(PLACES)]
    held = [each for place, each in enumerate(known) if place % size < len(PLACES)]
    return Course(SCREW_LABELS, [*train, *_strayed(train, np.random.default_rng(seed))], held, shown)


def look(each: Labelled, spec: InputSpec) -> Pixels:
    """The picture as the model sees it, height×width×3."""
    prepared = prepare(read(each.path), replace(spec, roi=each.roi))
    return prepared.tensors[0][0].view(np.uint8) ^ np.uint8(128)


def batches(
    seen: Sequence[tuple[Pixels, int]], size: int, steps: int, chance: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Varied pictures, normalised, with the numbers of their labels; each label is drawn equally often."""
    labels = np.array([label for _, label in seen])
    weights = 1 / np.bincount(labels)[labels]
    for _ in range(steps):
        drawn = chance.choice(len(seen), size, p=weights / weights.sum())
        pictures = [_varied(seen[index][0], chance) for index in drawn]
        tensor = normalise(np.stack(pictures)).contiguous(memory_format=torch.channels_last)
        yield tensor, torch.from_numpy(labels[drawn])


def _varied(picture: Pixels, chance: np.random.Generator) -> Pixels:
    return varied(picture, np.zeros(picture.shape[:2], np.uint8), chance, SMALLEST_CROP)[0]


def _places(board: Path, digits: str) -> Iterator[Labelled]:
    for digit, corner in zip(digits, PLACES.values(), strict=True):
        yield Labelled(board, int(digit), _square(*corner))


def _strayed(known: Sequence[Labelled], chance: np.random.Generator) -> Iterator[Labelled]:
    for each in known:
        assert each.roi is not None  # noqa: S101 - of a place on a board
        for x, y in chance.integers(-STRAY_PX, STRAY_PX + 1, (STRAYS, 2)).tolist():
            yield replace(each, roi=_square(max(0, int(each.roi.x_min) + x), int(each.roi.y_min) + y))


def _square(left: int, top: int) -> Rectangle:
    return Rectangle(x_min=left, y_min=top, x_max=left + PLACE_PX, y_max=top + PLACE_PX)
