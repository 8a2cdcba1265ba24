"""How well scores tell good from bad."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


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
    below = np.cumsum(good) - good
    return float(np.sum(bad * (below + good / 2)) / (good.sum() * bad.sum()))
