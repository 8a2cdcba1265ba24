"""Does int8 cost accuracy? The shipped float backbone looks at the same pictures, and the maps are compared."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.judge.metrics import auroc
from edge.model.arrays import Floats
from edge.teach.contest import Sample, scores
from edge.teach.coreset import choose
from edge.teach.limits import Scores
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
    correlation = float(np.corrcoef(found[0].ravel(), found[1].ravel())[0, 1])
    good, damaged = (
        np.array([scores(maps[part]) for maps in found])
        for part in (np.s_[: len(tried)], np.s_[len(tried) :])
    )
    ranks = [auroc(*pair) for pair in zip(good, damaged, strict=True)]
    return Agreement(ranks[1], ranks[0], correlation, _chance(good, damaged, seed))


def _chance(good: Scores, damaged: Scores, seed: int) -> float:
    """The standard error of the difference of the two AUROCs, had other pictures been taken (Efron 1979).

    Scores are 2×pictures: the same pictures, judged in both ways.
    """
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(RESAMPLED):
        some = (
            pictures[:, rng.integers(pictures.shape[1], size=pictures.shape[1])]
            for pictures in (good, damaged)
        )
        first, second = (auroc(*pair) for pair in zip(*some, strict=True))
        differences.append(first - second)
    return float(np.std(differences))


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
    # One defect for each picture that is tried: the first.
    damaged = [list(sample.parents).index(place) for place in tried]
    pictures = [*sample.good[list(tried)], *sample.damaged[damaged]]
    found = []
    for picture in pictures:
        x = (picture.reshape(-1, channels) - mean) / spread
        squared = (x * x).sum(1) - (2 * x @ bank.T - (bank * bank).sum(1)).max(1)
        found.append(sample.whole(np.sqrt(np.maximum(squared, 0))))
    return np.array(found, np.float32)
