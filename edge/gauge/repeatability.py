"""How far repeated measurements scatter, and why: a gauge R&R study by analysis of variance.

The method is that of AIAG, Measurement Systems Analysis, 4th edition, chapter III-B: parts and operators crossed,
each combination measured several times. An operator is whatever changes between series: a person, a fixture, a
camera, a shift. With one operator there is no reproducibility to be told.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, floor, isfinite, lgamma, log, log1p, sqrt
from typing import NamedTuple

import numpy as np

from edge.errors import ConfigError
from edge.gauge.fits import Floats

POOL_AT = 0.25
"""An interaction that chance alone brings about so often is counted as repeatability."""
GOOD_SHARE, FAIR_SHARE = 0.10, 0.30
"""AIAG: under 10 % of the variation a measuring system is good, over 30 % it is not acceptable."""
FEWEST_CATEGORIES = 5
"""AIAG: so many groups of parts must be told apart."""


class Trial(NamedTuple):
    """One measured value."""

    operator: str
    part: str
    value: float


@dataclass(frozen=True)
class Study:
    """Standard deviations of the components of variance, and what the study was made of.

    `interaction` is of operators with parts, 0 where it was pooled. `chance` is the probability of an interaction
    at least as large, if there were none; None where that cannot be told.
    """

    operators: int
    parts: int
    trials: int
    repeatability: float
    operator: float
    interaction: float
    part: float
    chance: float | None
    pooled: bool

    @property
    def reproducibility(self) -> float:
        """Of operators, alone and with parts."""
        return sqrt(self.operator**2 + self.interaction**2)

    @property
    def gauge(self) -> float:
        """Of the measuring system: repeatability and reproducibility."""
        return sqrt(self.repeatability**2 + self.reproducibility**2)

    @property
    def total(self) -> float:
        """Of everything."""
        return sqrt(self.gauge**2 + self.part**2)

    @property
    def share(self) -> float:
        """%GRR as a share: the measuring system's part of the total variation."""
        return self.gauge / self.total if self.total else 0.0

    @property
    def categories(self) -> int:
        """The number of distinct categories (ndc), at least 1."""
        return max(1, floor(1.41 * self.part / self.gauge)) if self.gauge else 999

    def of_tolerance(self, width: float) -> float:
        """Six standard deviations of the measuring system as a share of a tolerance."""
        return 6 * self.gauge / width


def study(trials: Iterable[Trial]) -> Study:
    """The components of variance. Raises `ConfigError` where the study is not complete."""
    values = _cells(list(trials))
    operators, parts, count = values.shape
    mean = values.mean()
    by_part, by_operator, by_cell = values.mean(axis=(0, 2)), values.mean(axis=(1, 2)), values.mean(axis=2)
    squares_part = operators * count * float(((by_part - mean) ** 2).sum())
    squares_operator = parts * count * float(((by_operator - mean) ** 2).sum())
    squares_cell = count * float(((by_cell - mean) ** 2).sum())
    squares_both = max(0.0, squares_cell - squares_part - squares_operator)
    squares_error = float(((values - by_cell[:, :, np.newaxis]) ** 2).sum())

    free_both, free_error = (operators - 1) * (parts - 1), operators * parts * (count - 1)
    mean_error = squares_error / free_error
    mean_both = squares_both / free_both if free_both else 0.0
    chance = chance_of(mean_both / mean_error, free_both, free_error) if free_both and mean_error else None
    pooled = free_both > 0 and chance is not None and chance > POOL_AT
    if pooled:
        mean_error = (squares_error + squares_both) / (free_error + free_both)
    against = mean_error if pooled or not free_both else mean_both
    mean_part = squares_part / (parts - 1)
    mean_operator = squares_operator / (operators - 1) if operators > 1 else against
    return Study(
        operators,
        parts,
        count,
        repeatability=sqrt(mean_error),
        operator=_root((mean_operator - against) / (parts * count)),
        interaction=0.0 if pooled or not free_both else _root((mean_both - mean_error) / count),
        part=_root((mean_part - against) / (operators * count)),
        chance=chance,
        pooled=pooled,
    )


def _root(variance: float) -> float:
    """A component of variance that comes out below 0 is none."""
    return sqrt(max(0.0, variance))


def _cells(trials: list[Trial]) -> Floats:
    """Values as operators×parts×trials."""
    cells: dict[tuple[str, str], list[float]] = {}
    for trial in trials:
        if not isfinite(trial.value):
            raise ConfigError(f"operator {trial.operator}, part {trial.part}: {trial.value} is not a number")
        cells.setdefault((trial.operator, trial.part), []).append(trial.value)
    operators, parts = (sorted({key[place] for key in cells}) for place in (0, 1))
    if len(parts) < 2:  # noqa: PLR2004 - one part has no variation
        raise ConfigError(f"a study needs two parts or more, and better ten; this one has {len(parts)}")
    count = max(len(values) for values in cells.values())
    for operator in operators:
        for part in parts:
            seen = len(cells.get((operator, part), []))
            if seen != count:
                raise ConfigError(
                    f"operator {operator}, part {part}: {seen} trials, and others have {count}; all need as many"
                )
    if count < 2:  # noqa: PLR2004 - one trial does not repeat
        raise ConfigError("a study needs two trials of each part or more; this one has 1")
    return np.array([[cells[operator, part] for part in parts] for operator in operators])


def chance_of(ratio: float, free: int, free_error: int) -> float:
    """How often chance alone makes a ratio of mean squares so large: the upper tail of Fisher's F."""
    return _incomplete_beta(free_error / 2, free / 2, free_error / (free_error + free * ratio))


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function, by its continued fraction (DLMF 8.17.22)."""
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = exp(a * log(x) + b * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b)) / a
    # From the tail to the front; 200 terms are exact for any study that people make.
    fraction = 0.0
    for step in range(200, 0, -1):
        half = step // 2
        if step % 2:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        fraction = term / (1 + fraction)
    return front / (1 + fraction)
