"""Which setting and which method tell good parts from defective ones best? They are tried on the pictures at hand.

Every picture is held out, then compared with what the others teach, as it is and with a made-up defect. Where
there are known-bad parts, these count instead. What is measured so agrees with real defects on some products, and
on others not at all (six public sets: rank correlation from -0.5 to 0.9), so that a candidate which is usually
better is chosen unless another is clearly better here: over these sets that came closer to the best choice (AUROC
0.957 of 0.963) than either alone (0.951).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edge.geometry import Map
from edge.judge import anomaly
from edge.model.arrays import Arrays, Floats
from edge.model.detectors import open_detector
from edge.model.methods import Method
from edge.preprocess.layout import Layout
from edge.preprocess.stitch import stitch
from edge.teach.evenly import evenly
from edge.teach.gain import calibrated, gain
from edge.teach.limits import HeldOut, Scores
from edge.teach.methods import FITS
from edge.teach.methods.standard import moments
from edge.teach.parallel import each
from edge.teach.setting import Setting

WEIGHT = 0.5
"""Of an AUROC against made-up defects, beside the points that a candidate is usually better by; see below."""
WEIGHT_OF_BAD = 1.0
ENOUGH_BAD = 10
"""So many known-bad parts are believed."""
STRETCHED = 0.05
COARSE = 0.05
BANK = 0.05
"""Over the six sets, of 96 candidates: stretched contrast, stride 16 alone and the memory bank were best on
average, and none of the ways to read the trials of made-up defects found a better one for each set. With a few
dozen pictures, chance alone moves an AUROC by several points: so it takes 10 points to leave what is usual."""
MOST_CELLS = 40_000
"""What a method is fitted to: more cells are thinned out, so that time and memory stay bounded."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Cells of pictures that are compared: pictures×tiles×rows×columns×channels, real features.

    `damaged` belong to good pictures: `parents` says to which. `bad` are known-bad parts. `layout` is how the
    tiles of all of them lie.
    """

    good: Floats
    damaged: Floats
    parents: Sequence[int]
    bad: Floats
    layout: Layout

    def whole(self, distances: Floats) -> Map:
        """The map of a picture from the distances of its cells, tile by tile."""
        tiles = distances.reshape(self.good.shape[1:4])
        return stitch(self.layout, list(tiles)).anomaly_map

    def of(self, pictures: Sequence[int]) -> "Sample":
        """The same of these good pictures alone, and what belongs to them."""
        mine, parents = belonging(self.parents, pictures)
        return replace(self, good=self.good[list(pictures)], damaged=self.damaged[mine], parents=parents)


@dataclass(frozen=True, eq=False)
class Trial:
    """What became of a candidate. Maps are distances, pictures×rows×columns, each of a picture held out."""

    good: Floats
    damaged: Floats
    bad: Floats
    calibrate: bool = True

    @property
    def gain(self) -> Floats:
        """What distances are multiplied by, rows×columns: ones where places are not told apart."""
        return gain(self.good) if self.calibrate else np.ones(self.good.shape[1:], np.float32)

    @property
    def good_scores(self) -> Scores:
        """Of good parts, as distances."""
        return scores(calibrated(self.good) if self.calibrate else self.good)

    @property
    def damaged_scores(self) -> Scores:
        """Of the same with made-up defects."""
        return scores(self.damaged * self.gain)

    @property
    def bad_scores(self) -> Scores:
        """Of known-bad parts."""
        return scores(self.bad * self.gain)

    @property
    def auroc(self) -> float:
        """How often a defective part scores higher than a good one."""
        return self._held_out.auroc

    @property
    def separation(self) -> float:
        """Distance of the mean logarithms of the two, in standard deviations of the good ones."""
        return self._held_out.separation

    @property
    def _held_out(self) -> HeldOut:
        return HeldOut(self.good_scores, self.bad_scores if len(self.bad) else self.damaged_scores)


def belonging(parents: Sequence[int], pictures: Sequence[int]) -> tuple[list[int], list[int]]:
    """Which made-up defects are on some of the good pictures, and on which of these, by its place among them."""
    places = {picture: place for place, picture in enumerate(pictures)}
    mine = [number for number, parent in enumerate(parents) if parent in places]
    return mine, [places[parents[number]] for number in mine]


def scores(maps: Floats) -> Scores:
    """The score of each map."""
    found = [anomaly.score(cells.ravel()) for cells in maps]
    return np.array(found, np.float64)


def usually(setting: Setting, method: Method) -> float:
    """Points of AUROC by which a candidate is usually better."""
    stretched = STRETCHED if setting.spec.contrast == "stretch" else 0.0
    coarse = COARSE if setting.strides_px == (16,) else 0.0
    return stretched + coarse + (BANK if method == "memory_bank" else 0.0)


def merit(setting: Setting, method: Method, trial: Trial) -> float:
    """What candidates are compared by: what is measured here, and what is usual."""
    weight = WEIGHT_OF_BAD if len(trial.bad) >= ENOUGH_BAD else WEIGHT
    return weight * trial.auroc + usually(setting, method)


def nearest(sample: Sample) -> Trial:
    """A memory bank that holds every cell of all other pictures: quick to make, since nothing is chosen."""
    channels = sample.good.shape[-1]
    mean, spread = moments(sample.good.reshape(-1, channels))
    cells = sample.good[0].size // channels
    good, damaged, bad = (
        ((seen - mean) / spread).reshape(len(seen), cells, channels)
        for seen in (sample.good, sample.damaged, sample.bad)
    )
    flat = good.reshape(-1, channels)
    bank = np.vstack([2 * flat.T, -np.einsum("ij,ij->i", flat, flat)])

    def look(picture: Floats, parent: int | None) -> Map:
        brackets = np.hstack([picture, np.ones((len(picture), 1), np.float32)]) @ bank
        if parent is not None:
            brackets[:, parent * cells : (parent + 1) * cells] = -np.inf
        squared = np.einsum("ij,ij->i", picture, picture) - brackets.max(axis=1)
        return sample.whole(np.sqrt(np.maximum(squared, 0)))

    pairs: list[tuple[Floats, int | None]] = [
        *zip(good, range(len(good)), strict=True),
        *zip(damaged, sample.parents, strict=True),
        *((picture, None) for picture in bad),
    ]
    maps = np.array(each(lambda pair: look(*pair), pairs), np.float32)
    ends = len(good), len(good) + len(damaged)
    return Trial(maps[: ends[0]], maps[ends[0] : ends[1]], maps[ends[1] :], _one_tile(sample))


def fitted(
    method: Method,
    sample: Sample,
    parts: Sequence[npt.NDArray[np.intp]],
    budget_bytes: int,
    seed: int,
    done: Callable[[], None] = lambda: None,
) -> tuple[Trial, Arrays]:
    """The method, fitted once for each of the `parts`, the pictures that are held out; and its first arrays."""
    parents = np.asarray(sample.parents, np.intp)

    def hold_out(part: npt.NDArray[np.intp]) -> tuple[list[Map], list[Map], list[Map], Arrays]:
        rest = np.setdiff1d(np.arange(len(sample.good)), part)
        arrays = fit(method, sample.good[rest], budget_bytes, seed)
        look = looker(method, arrays, sample)
        damaged = np.flatnonzero(np.isin(parents, part))
        seen = sample.good[part], sample.damaged[damaged], sample.bad
        good, made_up, bad = ([look(cells) for cells in pictures] for pictures in seen)
        done()
        return good, made_up, bad, arrays

    found = each(hold_out, parts)
    good = np.array([cells for part in found for cells in part[0]], np.float32)
    order = np.argsort(np.concatenate(list(parts)))
    whose = [number for part in parts for number in np.flatnonzero(np.isin(parents, part))]
    damaged = np.array([cells for part in found for cells in part[1]], np.float32).reshape(
        -1, *good.shape[1:]
    )
    bad = np.array([part[2] for part in found], np.float32).reshape(len(found), -1, *good.shape[1:])
    trial = Trial(good[order], damaged[np.argsort(whose)], bad.mean(axis=0), _one_tile(sample))
    return trial, found[0][3]


def fit(method: Method, cells: Floats, budget_bytes: int, seed: int) -> Arrays:
    """A method, fitted to pictures×tiles×rows×columns×channels: to as many of the cells as there is time for."""
    rng = np.random.default_rng(seed)
    grids = cells.reshape(-1, *cells.shape[2:])
    share = MOST_CELLS / (grids.size / grids.shape[-1])
    if share < 1 and method == "position_gaussian":
        grids = grids[evenly(len(grids), max(2, int(share * len(grids))))]
    elif share < 1:
        flat = grids.reshape(len(grids), -1, 1, grids.shape[-1])
        kept = max(1, int(share * flat.shape[1]))
        grids = np.stack([grid[rng.choice(flat.shape[1], kept, replace=False)] for grid in flat])
    return FITS[method](grids, budget_bytes, rng)


def looker(method: Method, arrays: Arrays, sample: Sample) -> Callable[[Floats], Map]:
    """From the cells of a picture to its map of distances. For one thread."""
    _, tiles, rows, columns, channels = sample.good.shape
    detector = open_detector(method, arrays, method, rows * columns, channels)

    def look(picture: Floats) -> Map:
        flat = picture.reshape(tiles, rows * columns, channels)
        return sample.whole(np.stack([detector.distances(tile) for tile in flat]))

    return look


def _one_tile(sample: Sample) -> bool:
    """Places are told apart only where a tile is the whole."""
    return bool(sample.good.shape[1] == 1)
