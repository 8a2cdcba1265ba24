"""How well scores tell good from bad."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]


def auroc(
    good: Sequence[float] | npt.NDArray[np.float64], bad: Sequence[float] | npt.NDArray[np.float64]
) -> float:
    """Area under the receiver operating characteristic, 0…1: how often a bad one scores higher than a good one.

    Ties count half (Mann and Whitney 1947). NaN where either is empty.
    """
    if len(good) == 0 or len(bad) == 0:
        return float("nan")
    values, places = np.unique(np.concatenate([good, bad]), return_inverse=True)
    return binned_auroc(
        np.bincount(places[: len(good)], minlength=len(values)),
        np.bincount(places[len(good) :], minlength=len(values)),
    )


def binned_auroc(good: npt.NDArray[np.int64], bad: npt.NDArray[np.int64]) -> float:
    """The same from how many good and bad ones fall into each bin of the score; within a bin they tie."""
    if not good.any() or not bad.any():
        return float("nan")
    below = np.cumsum(good) - good
    return float(np.sum(bad * (below + good / 2)) / (good.sum() * bad.sum()))


def binned_au_pro(
    good: npt.NDArray[np.int64], overlap: npt.NDArray[np.float64], regions: int, most_fpr: float = 0.3
) -> float:
    """Area under the per-region-overlap curve, 0…1 (Bergmann et al. 2021): small defects weigh like large ones.

    `good` counts good pixels by bins of the score, lowest first; `overlap` sums up for each bin which share of its
    region a bad pixel is, over all `regions`. Threshold by threshold, the share of a region that is over it,
    averaged over the regions, is set against the share of good pixels over it, as far as `most_fpr`; the area is
    divided by that.
    NaN where there is no region or no good pixel.
    """
    if regions == 0 or not good.any():
        return float("nan")
    false_share = np.concatenate([[0.0], np.cumsum(good[::-1]) / good.sum()])
    found_share = np.concatenate([[0.0], np.cumsum(overlap[::-1]) / regions])
    inside = false_share < most_fpr
    x = np.append(false_share[inside], most_fpr)
    y = np.append(found_share[inside], np.interp(most_fpr, false_share, found_share))
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2 / most_fpr)


def auroc_error(first: tuple[Scores, Scores], second: tuple[Scores, Scores]) -> float:
    """Standard error of the difference of two AUROCs of the same parts, each `(good, bad)` in the same order.

    DeLong, DeLong and Clarke-Pearson 1988. NaN where there are under two good or two bad parts.
    """
    good, bad = (len(scores) for scores in first)
    if min(good, bad) < 2:  # noqa: PLR2004 - one has no spread
        return float("nan")
    (good_1, bad_1), (good_2, bad_2) = _placements(*first), _placements(*second)
    variance = np.var(bad_1 - bad_2, ddof=1) / bad + np.var(good_1 - good_2, ddof=1) / good
    return float(np.sqrt(variance))


def _placements(good: Scores, bad: Scores) -> tuple[Scores, Scores]:
    """For each good part the share of bad ones over it, and for each bad part that of good ones under it."""
    higher = np.subtract.outer(bad, good)
    wins = (higher > 0) + 0.5 * (higher == 0)
    return wins.mean(axis=0), wins.mean(axis=1)
