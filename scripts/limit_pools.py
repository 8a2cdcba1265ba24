"""Pools of real parts for the proof of the limits, and how far each is from each, computed once.

The nearest patch of a bank is the nearest of the nearest of each of its pictures. So with the distances from every
cell of every picture to each good picture, any split into taught and unseen parts, and any fold, is a minimum.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from accuracy_sets import SPLITS

from edge.model import shipped
from edge.model.interpreter import Interpreter
from edge.preprocess.layout import InputSpec
from edge.preprocess.picture import read
from edge.preprocess.tensor import prepare

Floats = npt.NDArray[np.float32]
Tick = Callable[[int, int], None]

STRIDE_PX = 16
MOST_GOOD, MOST_BAD = 540, 150
PATCHES = 49
"""Of the 196 of a picture: a bank of 1,024 has 51 of each of 20 pictures, and 5 of each of 200."""
HASH_BITS = 16
"""Tiles that differ in no more of 256 bits are near duplicates, as in `split.json`: one of them is taken."""

POOLS = ("elpv-mono", "elpv-poly", "magnetic-tile", "bottle")


@dataclass(frozen=True)
class Pool:
    """Pictures of parts that are all different."""

    name: str
    good: Sequence[Path]
    bad: Sequence[Path]


@dataclass(frozen=True, eq=False)
class Nearness:
    """`distances` good pictures×all pictures×cells, the good ones first: from a cell to the nearest patch."""

    distances: Floats
    good: int


def pool(name: str) -> Pool:
    """The parts of a set, shuffled. Raises `Absent` where they are not on this machine."""
    split = SPLITS["bottle-209" if name == "bottle" else name]()
    good = [*split.taught, *split.good]
    if name == "magnetic-tile" and split.masks is not None:
        good = _distinct(sorted(split.masks.glob("free/*.jpg")))
        bad = [path for path in sorted(split.masks.glob("*/*.jpg")) if path.parent.name != "free"]
    else:
        bad = list(split.bad)
    rng = np.random.default_rng(0)
    chosen = ([paths[place] for place in rng.permutation(len(paths))] for paths in (good, bad))
    return Pool(name, *(paths[:most] for paths, most in zip(chosen, (MOST_GOOD, MOST_BAD), strict=True)))


def nearness(parts: Pool, contrast: str, tick: Tick) -> Nearness:
    """Distances in the features of the shipped backbone, standardised over all good pictures of the pool."""
    cells = _cells([*parts.good, *parts.bad], contrast, tick)
    good = len(parts.good)
    taught = cells[:good].reshape(-1, cells.shape[-1])
    cells -= taught.mean(axis=0)
    cells /= np.maximum(taught.std(axis=0), 1.0)
    rng = np.random.default_rng(0)
    kept = [rng.choice(cells.shape[1], PATCHES, replace=False) for _ in range(good)]
    patches = np.stack([cells[number, places] for number, places in enumerate(kept)], axis=1)
    flat = patches.reshape(-1, patches.shape[-1])
    # |x - b|² = |x|² - (2 x·b - |b|²)
    bank = np.vstack([2 * flat.T, -np.einsum("ij,ij->i", flat, flat)])
    found = np.empty((good, len(cells), cells.shape[1]), np.float32)
    for number, seen in enumerate(cells):
        brackets = np.hstack([seen, np.ones((len(seen), 1), np.float32)]) @ bank
        nearest = brackets.reshape(len(seen), PATCHES, good).max(axis=1)
        squared = np.einsum("ij,ij->i", seen, seen)[:, None] - nearest
        found[:, number] = np.sqrt(np.maximum(squared, 0)).T
        tick(len(cells) + number + 1, 2 * len(cells))
    return Nearness(found, good)


def _cells(paths: Sequence[Path], contrast: str, tick: Tick) -> Floats:
    """Pictures×cells×channels, in steps of the int8 numbers."""
    path = shipped.backbone()
    backbone = Interpreter(path.read_bytes(), name=str(path))
    height, width = backbone.inputs[0].shape[1:3]
    shapes = [output.shape[1:3] for output in backbone.outputs]
    output = shapes.index((height // STRIDE_PX, width // STRIDE_PX))
    spec = InputSpec(width, height, contrast="stretch" if contrast == "stretch" else "none")
    found = []
    for number, picture in enumerate(paths):
        features = backbone.invoke(prepare(read(picture), spec).tensors[0])[output]
        found.append(features.reshape(-1, features.shape[-1]).astype(np.float32))
        tick(number + 1, 2 * len(paths))
    return np.stack(found)


def _distinct(paths: Sequence[Path]) -> list[Path]:
    """The first of each group of near duplicates."""
    kept: list[Path] = []
    seen: list[npt.NDArray[np.bool_]] = []
    for path in paths:
        small = cv2.resize(read(path)[:, :, 0], (17, 16), interpolation=cv2.INTER_AREA)
        bits = (small[:, 1:] > small[:, :-1]).ravel()
        if all((bits != other).sum() > HASH_BITS for other in seen):
            kept.append(path)
            seen.append(bits)
    return kept
