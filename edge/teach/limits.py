"""Where good ends: limits from the scores of good pictures that were held out of what was fitted.

Scores of pictures that were fitted would all be too good to be true.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, sqrt

import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError
from edge.judge.metrics import auroc
from edge.teach import tolerance

Scores = npt.NDArray[np.float64]

FEWEST = 5
FEWEST_PROMISED = 30
"""Under this no promise: of a kind of good part that is one in ten, 10 parts hold none in one lesson of three, 20
in one of eight, 30 in one of 24. docs/limits-proof.md shows what comes of it."""
DOUBTFUL = 0.05
"""So many of the good parts may be expected over `pass_below`; it is twice the promise where that is more.

It has no confidence on top: a wider `pass_below` would let defects pass, and one that is close only asks a person.
"""
USUAL_SKEWNESS = 1.14
"""Of the logarithms of scores, before any is seen: Gumbel's, since a score is a mean of highest values.

Four sets, with and without stretched contrast, have 0 to 1.2; the normal distribution, 0, broke the promise in
up to 80 of 100 splits.
"""
SKEWNESS_SPREAD = 0.3
SKEWNESS_SIGMA = 2.0
"""The limit is that of a skewness so far over the likely one, for tails longer than this family has: with 1.28,
200 scores of Gumbel's distribution kept the promise in 85 of 100 simulated lessons, with 2.0 in 90."""
MOST_SKEWNESS = 2.0
"""The exponential distribution's; the cubed normal goes no further with sense."""
LOWEST = 1.0
"""No limit is under one standard deviation of a single channel: pictures that are all the same teach nothing."""
LEAST_SPREAD = 0.02
"""Of the logarithms. On real parts it was 0.047 and more; less says that the pictures show the same part."""


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
        """Distance of the two means of the logarithms, in standard deviations of the good; NaN for want of any."""
        if not len(self.damaged):
            return float("nan")
        good, damaged = np.log(np.maximum(self.good, LOWEST)), np.log(np.maximum(self.damaged, LOWEST))
        return float((damaged.mean() - good.mean()) / max(float(good.std()), 0.01))


@dataclass(frozen=True)
class Limit:
    """Where good ends, what that promises, and what the promise rests on. Rates and confidence are 0…1."""

    limit_distance: float
    """Score 1.0: at it and over it a part fails."""
    pass_below: float
    """A share of the limit: under it a part passes, and from it to 1.0 it is inconclusive."""
    parts: int
    """Held-out scores that all this rests on."""
    false_reject: float
    """The promise: no more of all good parts fail, …"""
    confidence: float
    """… in so many of all lessons."""
    expected: float
    """The share of good parts that fail, as the fitted distribution has it, on average over lessons."""
    doubtful: float
    """Likewise the share that is inconclusive."""
    proven: float
    """What the count of the parts alone proves, with the same confidence, whatever the distribution."""
    parts_needed: int
    """How many parts would prove the promise so."""
    over: int
    """Held-out parts that fail."""
    between: int
    """Held-out parts that are inconclusive."""
    spread: float
    """Standard deviation of the logarithms of the scores."""

    @property
    def promised(self) -> bool:
        """Whether there are parts enough, and different enough, for the promise."""
        return self.parts >= FEWEST_PROMISED and self.spread >= LEAST_SPREAD

    @property
    def is_proven(self) -> bool:
        """Whether the promise holds whatever the distribution of the scores."""
        return self.proven <= self.false_reject

    def sentence(self) -> str:
        """For the person who teaches: what is promised, how sure that is, and what would make it surer."""
        rate, sure = _percent(self.false_reject), f"with {_percent(self.confidence)} confidence"
        tally = (
            f"of {self.parts} good parts, each held out, {self.over} would fail and {self.between} be"
            f" inconclusive (expected: {_percent(self.expected)} and {_percent(self.doubtful)} of all good parts)"
        )
        bound = f"proven are at most {_percent(self.proven)} false rejects {sure}"
        if self.spread < LEAST_SPREAD:
            return f"{tally}; no promise: the pictures are nearly all the same; teach parts that differ as they do"
        if self.is_proven:
            return f"{tally}; {bound}"
        more = f"{self.parts_needed} parts would prove {rate}"
        if self.promised:
            promise = f"at most {rate} false rejects {sure} as far as their spread tells"
            return f"{tally}; {promise}, {bound}, {more}"
        few = f"no promise: {self.parts} parts are too few; {bound}"
        return f"{tally}; {few}, {FEWEST_PROMISED} parts let their spread promise {rate}, {more}"


def folds(pictures: int) -> Iterator[npt.NDArray[np.intp]]:
    """The pictures to hold out, fold by fold: neighbours together, since they may show the same part."""
    count = min(pictures, 10 if pictures <= 30 else 5)  # noqa: PLR2004 - few pictures: give the bank nearly all
    yield from np.array_split(np.arange(pictures), count)


def learn(good: Sequence[float] | Scores, *, false_reject: float = 0.01, confidence: float = 0.9) -> Limit:
    """The limits that the held-out scores (distances) of good parts give, one score a part.

    The limit is a tolerance limit: at most `false_reject` (over 0, under 0.5) of all good parts fail, with
    `confidence` (0.5 to under 1). Of few scores little is known, so that few parts make it wider. It is also one
    by count, which holds whatever the distribution: over all scores, where they are just enough or too few.

    Raises `ConfigError` for fewer than 5 scores, one that is not a number, and a promise that cannot be.
    """
    scores = np.asarray(good, np.float64)
    check_promise(false_reject, confidence)
    _check(scores)
    logs = np.log(np.maximum(scores, LOWEST))
    mean, spread = float(logs.mean()), float(logs.std(ddof=1))
    scale = max(spread, LEAST_SPREAD)
    likely, highest = _skewness(logs)
    by_shape = mean + scale * tolerance.factor(len(logs), highest, false_reject, confidence)
    fail = max(by_shape, _by_count(logs, false_reject, confidence))
    doubt = min(fail, mean + scale * tolerance.predicted(len(logs), likely, max(DOUBTFUL, 2 * false_reject)))
    rejected, unsure = (tolerance.expected(len(logs), likely, (end - mean) / scale) for end in (fail, doubt))
    over, unclear = int((logs >= fail).sum()), int((logs >= doubt).sum())
    return Limit(
        limit_distance=exp(fail),
        pass_below=exp(doubt - fail),
        parts=len(logs),
        false_reject=false_reject,
        confidence=confidence,
        expected=rejected,
        doubtful=unsure - rejected,
        proven=tolerance.proven(over, len(logs), confidence),
        parts_needed=tolerance.parts_to_prove(false_reject, confidence),
        over=over,
        between=unclear - over,
        spread=spread,
    )


def check_promise(false_reject: float, confidence: float) -> None:
    """Raises `ConfigError` for a promise that cannot be."""
    if not 0 < false_reject < 0.5:  # noqa: PLR2004 - more than half rejected is no promise
        raise ConfigError(f"false_reject: {false_reject:g} will not do; give a share over 0 and under 0.5")
    if not 0.5 <= confidence < 1:  # noqa: PLR2004 - a coin's
        raise ConfigError(f"confidence: {confidence:g} will not do; give a share from 0.5 to under 1")


def _check(scores: Scores) -> None:
    if scores.ndim != 1 or len(scores) < FEWEST:
        raise ConfigError(
            f"{scores.size} held-out scores are too few for a limit; teach at least {FEWEST} parts"
        )
    unusable = np.flatnonzero(~np.isfinite(scores) | (scores < 0))
    if len(unusable):
        first = int(unusable[0])
        raise ConfigError(
            f"the score of good part {first + 1} of {len(scores)} is {scores[first]:g}, which no limit can be"
            " learned from; leave that picture out, or choose another method"
        )


def _skewness(logs: Scores) -> tuple[float, float]:
    """The likely skewness, and one that it is hardly over: the usual one, moved by what the scores show."""
    seen, known = len(logs) / 6, SKEWNESS_SPREAD**-2
    likely = (tolerance.sample_skewness(logs) * seen + USUAL_SKEWNESS * known) / (seen + known)
    return _rounded(likely), _rounded(likely + SKEWNESS_SIGMA / sqrt(seen + known))


def _rounded(skewness: float) -> float:
    """To 0.05, so that simulations are remembered; that moves a limit by half a per cent of its spread."""
    return min(max(round(20 * skewness) / 20, 0.0), MOST_SKEWNESS)


def _by_count(logs: Scores, false_reject: float, confidence: float) -> float:
    """Just over the score that proves the promise by count; where parts are too few for that, over all scores."""
    over = max(tolerance.spared(len(logs), false_reject, confidence), 0)
    return float(np.nextafter(np.sort(logs)[-1 - over], np.inf))


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.3g} %"  # noqa: PLR2004 - 0.2 %, 10.9 %
