"""Does int8 cost accuracy? The shipped float backbone looks at the same pictures, and the maps are compared."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.judge.metrics import auroc
from edge.model.arrays import Floats
from edge.teach.contest import Sample, looker, scores
from edge.teach.coreset import choose
from edge.teach.methods.memory_bank import middles, nearest
from edge.teach.methods.standard import moments
from edge.teach.record import Agreement

BANK = 512
RESAMPLED = 200


def compare(int8: Sample, real: Sample, seed: int) -> Agreement:
    """Both samples are of the same pictures, seen by the int8 backbone and by the float one.

    A memory bank of every second picture judges the others and their made-up defects. Both banks stand for the
    same cells, shared out once: two choices would differ by chance more than by rounding.
    """
    taught = list(range(0, len(int8.good), 2))
    tried = list(range(1, len(int8.good), 2))
    channels = int8.good.shape[-1]
    flat = int8.good[taught].reshape(-1, channels)
    mean, spread = moments(flat)
    points = (flat - mean) / spread
    groups = nearest(points[choose(points, BANK, np.random.default_rng(seed))], points)
    found = [_maps(sample, taught, tried, groups) for sample in (int8, real)]
    maps = np.array(found, np.float32)
    auroc_int8, auroc_float = _aurocs(maps)
    return Agreement(auroc_float, auroc_int8, _correlation(maps), *_chance(maps, seed))


def _correlation(maps: Floats) -> float:
    """Of all cells, of maps 2×pictures×rows×columns: the same pictures, judged in both ways."""
    return float(np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1])


def _aurocs(maps: Floats) -> tuple[float, float]:
    """Of either way to judge; the first half of the pictures is good, the second has defects."""
    good, damaged = np.split(np.array([scores(judged) for judged in maps]), 2, axis=1)
    first, second = (auroc(*pair) for pair in zip(good, damaged, strict=True))
    return first, second


def _chance(maps: Floats, seed: int) -> tuple[float, float]:
    """Standard errors of the difference of the AUROCs, and of the correlation (Efron 1979).

    That is how far they would be off had other pictures been taken, of which a defect is made up on each.
    """
    rng, tried = np.random.default_rng(seed), maps.shape[1] // 2
    differences, correlations = [], []
    for _ in range(RESAMPLED):
        some = rng.integers(tried, size=tried)
        drawn = maps[:, np.concatenate([some, some + tried])]
        first, second = _aurocs(drawn)
        differences.append(first - second)
        correlations.append(_correlation(drawn))
    return float(np.std(differences)), float(np.std(correlations))


def _maps(
    sample: Sample,
    taught: Sequence[int],
    tried: Sequence[int],
    groups: npt.NDArray[np.intp],
) -> Floats:
    channels = sample.good.shape[-1]
    flat = sample.good[list(taught)].reshape(-1, channels)
    mean, spread = moments(flat)
    bank = middles((flat - mean) / spread, groups)
    look = looker("memory_bank", {"bank": bank, "mean": mean, "spread": spread}, sample)
    # One defect for each picture that is tried: the first.
    damaged = [list(sample.parents).index(place) for place in tried]
    return np.array(
        [look(cells) for cells in (*sample.good[list(tried)], *sample.damaged[damaged])], np.float32
    )
