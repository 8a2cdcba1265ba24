"""One-sided tolerance limits: where a stated share of all parts ends, with a stated confidence, from a sample.

Two ways. By count: the order statistics alone, whatever the distribution (Wilks 1941; Clopper and Pearson 1934);
to prove a rate of 1 % so takes hundreds of parts. By shape: the parts are taken for a sample of a skewed normal
distribution, Pearson's type III in the form of Wilson and Hilferty (1931), a cubed normal variable; it is normal
where the skewness is 0. Its factors are simulated, always with the same seed; for a skewness of 0 they agree with
the tables, which are made with the noncentral t distribution, to 1 %.
"""

from functools import lru_cache
from math import ceil, erfc, exp, lgamma, log, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST_SIMULATED = 1_000_000
"""Numbers: 50 ms."""
SAMPLES = 10_000
SAMPLES_FOR_MEAN = 500
"""A mean is known from fewer than a quantile."""
LEAST_SKEWNESS = 0.01
"""Under this the cubed normal is a normal one, and its formula loses digits."""


def factor(parts: int, skewness: float, rate: float, confidence: float) -> float:
    """How many standard deviations over the mean of a sample at most `rate` of all parts lie beyond."""
    means, spreads = _samples(parts, skewness)
    end = float(_cubed(np.array(NormalDist().inv_cdf(1 - rate)), skewness))
    return float(np.quantile((end - means) / spreads, confidence))


def expected(parts: int, skewness: float, factor: float) -> float:
    """The share of all parts beyond so many standard deviations of a sample, on average over samples."""
    means, spreads = (figures[:SAMPLES_FOR_MEAN] for figures in _samples(parts, skewness))
    ends = means + factor * spreads
    shape = max(skewness, LEAST_SKEWNESS)
    normal = (np.cbrt(np.maximum(ends * shape / 2 + 1, 0)) - 1) * 6 / shape + shape / 6
    return sum(erfc(value / sqrt(2)) for value in normal.tolist()) / (2 * len(normal))


@lru_cache(maxsize=1000)
def predicted(parts: int, skewness: float, rate: float) -> float:
    """How many standard deviations over the mean of a sample the next part lies with the chance `rate`."""
    low, high = -10.0, 100.0
    while high - low > 1e-4:  # noqa: PLR2004 - far finer than the simulation
        middle = (low + high) / 2
        low, high = (middle, high) if expected(parts, skewness, middle) > rate else (low, middle)
    return high


@lru_cache(maxsize=200)
def _samples(parts: int, skewness: float) -> tuple[Floats, Floats]:
    """Means and standard deviations of simulated samples of the standardised distribution."""
    samples = max(1000, min(SAMPLES, MOST_SIMULATED // parts))
    drawn = _cubed(np.random.default_rng(0).standard_normal((samples, parts)), skewness)
    return drawn.mean(axis=1), drawn.std(axis=1, ddof=1)


def _cubed(normal: Floats, skewness: float) -> Floats:
    """From a standard normal variable to the standardised one of this skewness, 0 or more; keeps the order."""
    shape = max(skewness, LEAST_SKEWNESS)
    found: Floats = (np.maximum((normal - shape / 6) * shape / 6 + 1, 0) ** 3 - 1) * 2 / shape
    return found


def sample_skewness(values: Floats) -> float:
    """The adjusted sample skewness (Fisher and Pearson), for three values or more; 0 where all are the same."""
    count = len(values)
    centred = values - values.mean()
    spread = sqrt(float((centred**2).mean()))
    if spread == 0:
        return 0.0
    return float((centred**3).mean()) / spread**3 * sqrt(count * (count - 1)) / (count - 2)


def parts_to_prove(rate: float, confidence: float) -> int:
    """How many parts, all of them under a limit, prove that at most `rate` of all parts lie over it."""
    return ceil(log(1 - confidence) / log(1 - rate))


def proven(over: int, parts: int, confidence: float) -> float:
    """The highest rate that `over` of `parts` leave possible (Clopper and Pearson, one-sided), to 1e-9."""
    if over >= parts:
        return 1.0
    low, high = over / parts, 1.0
    while high - low > 1e-9:  # noqa: PLR2004 - told above
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(over, parts, middle) > 1 - confidence else (low, middle)
    return high


def spared(parts: int, rate: float, confidence: float) -> int:
    """How many of `parts` may lie over a limit that still proves `rate`; -1 where the parts are too few."""
    over = -1
    while over + 1 < parts and _at_most(over + 1, parts, rate) <= 1 - confidence:
        over += 1
    return over


def _at_most(count: int, parts: int, rate: float) -> float:
    """The chance that at most `count` of `parts` lie over a limit that `rate` of all lie over (binomial)."""
    if rate >= 1:
        return 0.0
    if rate <= 0:
        return 1.0
    found = 0.0
    for over in range(count + 1):
        ways = lgamma(parts + 1) - lgamma(over + 1) - lgamma(parts - over + 1)
        chance = ways + over * log(rate) + (parts - over) * log(1 - rate)
        found += exp(chance)
    return found
