"""Fitting few-shot classes: the classifier, its strength and its calibration, judged by held-out pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt

from edge.model.arrays import Floats
from edge.model.prototypes import Calibration, Classes, probabilities
from edge.teach.tolerance import factor

Numbers = npt.NDArray[np.intp]

RIDGES = (0.3, 1.0, 3.0)
"""Candidates for the strength of the regularisation, in mean eigenvalues of the pictures' own products."""
SHRINKAGE = 0.5
"""Share of the identity in the covariance that distances are measured with."""
LEAST_SPREAD = 1e-3
UNKNOWN_RATE = 0.02
"""So many pictures of the taught classes are called unknown, at most, with this confidence:"""
CONFIDENCE = 0.5
SURE = 0.01
"""The probability of 'unknown' for a picture that is as far from its class as pictures of it usually are."""
LEAST_GAP = 0.05
"""Between the logarithms of that distance and of the limit."""
LEANING = 2.0
"""The mean of all classes weighs as much as so many pictures of one."""
TEMPERATURES = np.geomspace(0.2, 2.0, 60)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a classifier said of pictures that it had not been fitted to.

    `scores` and `distances` pictures×classes; `classes` are the right ones. `loss` is the mean negative log
    probability of the right class, each class counting the same, at the best `temperature`.
    """

    classes: Numbers
    scores: Floats
    distances: Floats
    temperature: float
    loss: float


def fit(vectors: Floats, classes: Numbers, ridge: float) -> Classes:
    """A classifier for vectors (pictures×n) of known classes 0, 1, …, each of which has a picture at least."""
    centre, spread = vectors.mean(axis=0), vectors.std(axis=0) + LEAST_SPREAD
    standard = ((vectors - centre) / spread).astype(np.float64)
    weights, bias = _least_squares(standard, classes, ridge)
    means, scale, axes = _metric(standard, classes)
    gain = (1 / spread)[:, None]
    return Classes(
        centre=centre.astype(np.float32),
        weights=(weights * gain).astype(np.float32),
        bias=bias.astype(np.float32),
        means=(means * spread + centre).astype(np.float32),
        scale=(scale / spread).astype(np.float32),
        axes=(axes * gain).astype(np.float32),
    )


def hold_out(vectors: Floats, classes: Numbers, folds: Sequence[Numbers], ridge: float) -> HeldOut:
    """Fit without each of the folds in turn, and look at it then."""
    scores = np.empty((len(vectors), int(classes.max()) + 1), np.float32)
    distances = np.empty_like(scores)
    for held in folds:
        kept = np.setdiff1d(np.arange(len(vectors)), held)
        found = fit(vectors[kept], classes[kept], ridge)
        scores[held], distances[held] = found.scores(vectors[held]), found.distances(vectors[held])
    losses = [_loss(scores, classes, temperature) for temperature in TEMPERATURES]
    best = int(np.argmin(losses))
    return HeldOut(classes, scores, distances, float(TEMPERATURES[best]), losses[best])


def choose_ridge(vectors: Floats, classes: Numbers, folds: Sequence[Numbers]) -> tuple[float, HeldOut]:
    """The strength whose held-out probabilities are the best, and what it said."""
    tried = [(ridge, hold_out(vectors, classes, folds, ridge)) for ridge in RIDGES]
    return min(tried, key=lambda found: found[1].loss)


def calibrate(held: HeldOut) -> Calibration:
    """What makes the probabilities honest, and where 'unknown' begins: by the distances from the right class.

    Ten pictures say little of the tail of their class. So the spread of the logarithms is that of all classes, and
    each mean leans to the mean of all.
    """
    classes = held.classes
    logs = np.log(np.maximum(held.distances[np.arange(len(classes)), classes], 1e-6)).astype(np.float64)
    counts = np.bincount(classes)
    means = (np.bincount(classes, logs) + LEANING * logs.mean()) / (counts + LEANING)
    freedom = max(1, len(logs) - len(counts))
    spread = max(float(np.sqrt(((logs - means[classes]) ** 2).sum() / freedom)), LEAST_SPREAD)
    gap = max(factor(len(logs), 0.0, UNKNOWN_RATE, CONFIDENCE) * spread, LEAST_GAP)
    limits = np.exp(means + gap).astype(np.float32)
    return Calibration(held.temperature, log((1 - SURE) / SURE) / gap, limits)


def held_out_probabilities(held: HeldOut) -> Floats:
    """Pictures×(classes + 1), as the bundle would have given them."""
    return probabilities(held.scores, held.distances, calibrate(held))


def _least_squares(
    vectors: npt.NDArray[np.float64], classes: Numbers, ridge: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weights and bias; every class counts the same. In the dual: there are fewer pictures than numbers."""
    share = 1 / np.bincount(classes)[classes]
    share *= len(share) / share.sum()
    targets = np.eye(int(classes.max()) + 1)[classes] * 2 - 1
    bias = (targets * share[:, None]).mean(axis=0)
    root = np.sqrt(share)[:, None]
    weighted = vectors * root
    products = weighted @ weighted.T
    products += np.eye(len(products)) * max(ridge * np.trace(products) / len(products), LEAST_SPREAD)
    return weighted.T @ np.linalg.solve(products, (targets - bias) * root), bias


def _metric(
    vectors: npt.NDArray[np.float64], classes: Numbers
) -> tuple[npt.NDArray[np.float64], float, npt.NDArray[np.float64]]:
    """Class means, scale and axes of the distance with the shrunk covariance within classes; see `Classes`."""
    count = int(classes.max()) + 1
    means = np.stack([vectors[classes == label].mean(axis=0) for label in range(count)])
    freedom = max(1, len(vectors) - count)
    _, sizes, axes = np.linalg.svd((vectors - means[classes]) / np.sqrt(freedom), full_matrices=False)
    floor = max(float((sizes**2).sum()) / vectors.shape[1], LEAST_SPREAD) * SHRINKAGE
    wider = 1 / floor - 1 / ((1 - SHRINKAGE) * sizes**2 + floor)
    return means, 1 / np.sqrt(floor), axes.T * np.sqrt(wider)


def _loss(scores: Floats, classes: Numbers, temperature: float) -> float:
    logits = scores.astype(np.float64) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    lost = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(classes)), classes]
    counts = np.bincount(classes)
    return float((np.bincount(classes, lost) / counts).mean())
