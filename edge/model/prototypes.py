"""From a picture's vector to a probability for each class, and for none of them.

The classifier is linear: regularised least squares on ±1 (Rifkin et al. 2003), its probabilities made honest by a
temperature that is found on held-out pictures (Guo et al. 2017). It names a class for everything, so the distance
from the mean of that class, Mahalanobis' with one shrunk covariance for all classes, tells what is like none of
them (Lee et al. 2018). Each class has a limit of its own: good parts are more alike than broken ones.
"""

from dataclasses import dataclass

import numpy as np

from edge.errors import BundleError
from edge.model.arrays import Arrays, Floats, take

STEEPEST = 60.0
"""exp of more would not fit float32."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What held-out pictures say of scores and distances.

    Scores are divided by `temperature`. What is taken for a class and is as far from it as its limit (`limits`,
    one for each class) is as likely as not of no class at all; the odds grow with the distance to the power of
    `steepness`.
    """

    temperature: float
    steepness: float
    limits: Floats


@dataclass(frozen=True, eq=False)
class Classes:
    """What is known of the classes. float32.

    `centre` n, `weights` n×classes and `bias` classes: scores are `(vector - centre) @ weights + bias`.
    `means` classes×n. The squared Mahalanobis distance of a vector from a mean, for their difference d, is
    |scale × d|² - |d @ axes|²: `scale` n, as if nothing but the identity were known of the covariance, and `axes`
    n×m, along which the classes are wider.
    """

    centre: Floats
    weights: Floats
    bias: Floats
    means: Floats
    scale: Floats
    axes: Floats

    def scores(self, vectors: Floats) -> Floats:
        """Of vectors (…×n), for each class: …×classes; about 1 for its own, -1 for others."""
        return np.asarray((vectors - self.centre) @ self.weights + self.bias, np.float32)

    def distances(self, vectors: Floats) -> Floats:
        """Of vectors (…×n), from each class: …×classes."""
        gaps = vectors[..., None, :] - self.means
        squares = ((gaps * self.scale) ** 2).sum(axis=-1) - ((gaps @ self.axes) ** 2).sum(axis=-1)
        return np.asarray(np.sqrt(np.maximum(squares, 0)), np.float32)

    def probabilities(self, vectors: Floats, calibration: Calibration) -> Floats:
        """For each class and, last, for none of them: …×(classes + 1)."""
        return probabilities(self.scores(vectors), self.distances(vectors), calibration)


def probabilities(scores: Floats, distances: Floats, calibration: Calibration) -> Floats:
    """For scores and distances, both …×classes: …×(classes + 1), the last for none; they add up to 1."""
    weights = np.exp((scores - scores.max(axis=-1, keepdims=True)) / calibration.temperature)
    odds = calibration.steepness * np.log(np.maximum(distances, 1e-6) / calibration.limits)
    unknown = 1 / (1 + np.exp(-np.clip(odds, -STEEPEST, STEEPEST)))
    named = weights / weights.sum(axis=-1, keepdims=True)
    none = (named * unknown).sum(axis=-1, keepdims=True)
    found: Floats = np.concatenate([named * (1 - unknown), none], axis=-1).astype(np.float32)
    return found


def to_arrays(classes: Classes, calibration: Calibration) -> Arrays:
    """For the bundle's file."""
    numbers = np.array([calibration.temperature, calibration.steepness], np.float32)
    return {**vars(classes), "calibration": numbers, "limits": calibration.limits}


def from_arrays(arrays: Arrays, name: str, count: int, length: int) -> tuple[Classes, Calibration]:
    """So many classes, of vectors of that length, from the bundle's file `name`. Raises `BundleError`."""
    calibration, limits = take(arrays, "calibration", (2,), name), take(arrays, "limits", (count,), name)
    if calibration.min() <= 0 or limits.min() <= 0:
        raise BundleError(f"{name}: calibration and limits must be over 0; teach the bundle again")
    classes = Classes(
        centre=take(arrays, "centre", (length,), name),
        weights=take(arrays, "weights", (length, count), name),
        bias=take(arrays, "bias", (count,), name),
        means=take(arrays, "means", (count, length), name),
        scale=take(arrays, "scale", (length,), name),
        axes=take(arrays, "axes", (length, None), name),
    )
    temperature, steepness = map(float, calibration)
    return classes, Calibration(temperature, steepness, limits)
