"""Which of the pictures of good parts may show a bad one: their held-out scores stand out from the others'."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FEWEST = 5
"""Of fewer scores nobody can tell which one is odd."""
FALSE_ALARMS = 0.1
"""So many sets of good parts alone have a picture that stands out all the same, if scores have a tail as long as
Gumbel's; most have a shorter one. Of one defect among 20 good parts it finds 8 of 12 on bottles, 5 on cookies, 3
on solar cells; without the defect, 2 of 12 sets of solar cells have one that stands out, the others none."""
LEAST_SPREAD = 0.03
"""Of log scores: pictures that are nearly the same do not stand out for a difference of a few per cent."""
TO_SIGMA = 1.4826
"""Times the median absolute deviation: the standard deviation, where the distribution is normal (Hampel 1974)."""
MOST_SIMULATED = 400_000
"""Numbers: 20 ms."""

Floats = npt.NDArray[np.float64]


class Outlier(NamedTuple):
    """A picture that stands out: `times` the score of the middle picture, `sigmas` robust deviations over it."""

    name: str
    times: float
    sigmas: float

    def __str__(self) -> str:
        """Why, for a person."""
        return (
            f"{self.name}: scores {self.times:.1f} times the middle good picture, and no other one is like it"
        )


def stand_out(scores: Sequence[tuple[str, float]]) -> tuple[Outlier, ...]:
    """The pictures (name, held-out score, as a distance or relative) that stand out, the worst first.

    A robust z-score (Iglewicz and Hoaglin 1993) of the logarithms. How high it gets among good parts alone grows
    with their number, and with few of them the median absolute deviation is rough: both are simulated. Scores
    have a long tail, so Gumbel's distribution stands for them. Defects that are alike vouch for each other: of
    two of a kind, none may stand out.
    """
    if len(scores) < FEWEST:
        return ()
    logs = np.log(np.maximum([score for _, score in scores], 1e-9))
    middle = float(np.median(logs))
    spread = max(float(np.median(abs(logs - middle))) * TO_SIGMA, LEAST_SPREAD)
    sigmas = ((logs - middle) / spread).tolist()
    limit = highest_usual(len(scores))
    found = [
        Outlier(name, score / float(np.exp(middle)), sigma)
        for (name, score), sigma in zip(scores, sigmas, strict=True)
        if sigma > limit
    ]
    return tuple(sorted(found, key=lambda outlier: -outlier.sigmas))


@lru_cache(maxsize=64)
def highest_usual(count: int) -> float:
    """The robust z-score that the highest of so many good parts exceeds in one of `1 / FALSE_ALARMS` sets."""
    sets = max(400, MOST_SIMULATED // count)
    drawn = np.random.default_rng(0).gumbel(size=(sets, count))
    middles = np.median(drawn, axis=1, keepdims=True)
    spreads = np.median(abs(drawn - middles), axis=1) * TO_SIGMA
    highest: Floats = (drawn.max(axis=1) - middles[:, 0]) / spreads
    return float(np.quantile(highest, 1 - FALSE_ALARMS))
