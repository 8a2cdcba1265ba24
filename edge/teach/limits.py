"""Where good ends: limits from the scores of good pictures that were held out of the bank.

Scores of pictures that are in the bank would all be too good to be true.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from edge.judge.metrics import auroc

Scores = npt.NDArray[np.float64]

FAIL_SIGMA = 2.5
"""The limit: one good part in 160 scores higher, as far as the logarithms of scores are normally distributed."""
PASS_SIGMA = 1.5
"""One good part in 15 scores higher: under this a part passes, and what lies between is inconclusive.

With 3 and 2, overkill on solar cells fell from 2 % to 1 %, but of the bad biscuits 75 % passed instead of 53 %.
"""
LOWEST = 1.0
"""No limit is under one standard deviation of a single channel: pictures that are all the same teach nothing."""


@dataclass(frozen=True)
class HeldOut:
    """Distances of pictures that the bank had not seen: good ones, and the same with made-up defects."""

    good: Scores
    damaged: Scores

    @property
    def auroc(self) -> float:
        """How often a damaged picture scores higher than a good one."""
        return auroc(self.good, self.damaged)

    @property
    def separation(self) -> float:
        """Distance of the two means of the logarithms, in standard deviations of the good ones."""
        good, damaged = np.log(np.maximum(self.good, LOWEST)), np.log(np.maximum(self.damaged, LOWEST))
        return float((damaged.mean() - good.mean()) / max(float(good.std()), 0.01))


@dataclass(frozen=True)
class Limit:
    """Where good ends, and what that promises.

    `limit_distance` is score 1.0: at and over it a part fails; from `pass_below` (relative) up to it, it is
    inconclusive. It rests on the held-out scores of `parts`. Of good parts a share of `false_reject` at most
    shall fail, with this `confidence`. `expected` is the share that the fitted model expects; `proven` is the
    bound that holds whatever the distribution, from the number of `parts` alone; with `parts_needed` of them that
    bound would come down to `false_reject`.
    """

    limit_distance: float
    pass_below: float
    parts: int
    false_reject: float
    confidence: float
    expected: float
    proven: float
    parts_needed: int


def folds(pictures: int) -> Iterator[npt.NDArray[np.intp]]:
    """The pictures to hold out, fold by fold: neighbours together, since they may show the same part."""
    count = min(pictures, 10 if pictures <= 30 else 5)  # noqa: PLR2004 - few pictures: give the bank nearly all
    yield from np.array_split(np.arange(pictures), count)


def learn(good: Sequence[float] | Scores) -> tuple[float, float]:
    """The distance that is the limit (score 1.0), and the score under which a part passes.

    Of few scores little is known, so that few pictures make the limits wider: they are Student's prediction limits
    for one more good part.
    """
    logs = np.log(np.maximum(np.asarray(good), LOWEST))
    spread = float(logs.std(ddof=1)) * sqrt(1 + 1 / len(logs))
    fail = float(logs.mean()) + _student(FAIL_SIGMA, len(logs) - 1) * spread
    doubt = float(logs.mean()) + _student(PASS_SIGMA, len(logs) - 1) * spread
    return float(np.exp(fail)), float(np.exp(doubt - fail))


def _student(sigma: float, freedom: int) -> float:
    """The quantile of Student's t that has the rank of `sigma` (Cornish and Fisher; 5 % off for 4 degrees)."""
    cube, fifth = sigma**3, sigma**5
    return sigma + (cube + sigma) / (4 * freedom) + (5 * fifth + 16 * cube + 3 * sigma) / (96 * freedom**2)
