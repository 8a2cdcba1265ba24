"""A small autoencoder, trained by Adam (Kingma and Ba, 2015) to give standardised cells back."""

from itertools import pairwise

import numpy as np

from edge.model.arrays import Arrays, Floats
from edge.model.detectors.autoencoder import BENT, LAYERS
from edge.teach.methods.standard import moments, standardised

HIDDEN, CODE = 5 / 8, 1 / 6
"""Features in the layers, as shares of the channels. A wider code lets defects through."""
STEPS = 400
"""They bound the time: 0.4 s for 152 channels, however many pictures there are."""
BATCH = 128
RATE = 5e-3
"""At the first step; it falls to 0 along a cosine."""
MEMORY, MEMORY_OF_SQUARES = 0.9, 0.999

Layer = tuple[Floats, Floats]


def fit(cells: Floats, budget_bytes: int, rng: np.random.Generator) -> Arrays:  # noqa: ARG001 - a Fit
    """See `edge.teach.methods.Fit`."""
    flat = cells.reshape(-1, cells.shape[-1])
    mean, spread = moments(flat)
    layers = _trained(flat, mean, spread, rng)
    arrays = {"mean": mean, "spread": spread}
    for number, (weights, bias) in enumerate(layers):
        arrays |= {f"weights-{number}": weights, f"bias-{number}": bias}
    return arrays


def _trained(flat: Floats, mean: Floats, spread: Floats, rng: np.random.Generator) -> list[Layer]:
    channels = flat.shape[1]
    hidden, code = max(2, round(HIDDEN * channels)), max(1, round(CODE * channels))
    shapes = list(pairwise((channels, hidden, code, hidden, channels)))
    # One long vector for all layers: then Adam is four lines.
    everything = np.zeros(sum(taken * given + given for taken, given in shapes), np.float32)
    slopes, average, squares = (np.zeros_like(everything) for _ in range(3))
    layers, layer_slopes = _layers(everything, shapes), _layers(slopes, shapes)
    for number, (weights, _) in enumerate(layers):
        gain = 2 if number in BENT else 1
        weights[:] = rng.standard_normal(weights.shape, np.float32) * np.float32(np.sqrt(gain / len(weights)))
    for step in range(STEPS):
        batch = standardised(flat[rng.integers(0, len(flat), BATCH)], mean, spread)
        _differentiate(batch, layers, layer_slopes)
        average += (1 - MEMORY) * (slopes - average)
        squares += (1 - MEMORY_OF_SQUARES) * (slopes * slopes - squares)
        warm = np.sqrt(1 - MEMORY_OF_SQUARES ** (step + 1)) / (1 - MEMORY ** (step + 1))
        rate = np.float32(RATE * (1 + np.cos(np.pi * step / STEPS)) / 2 * warm)
        everything -= rate * average / (np.sqrt(squares) + np.float32(1e-8))
    return [(weights.copy(), bias.copy()) for weights, bias in layers]


def _layers(vector: Floats, shapes: list[tuple[int, int]]) -> list[Layer]:
    """The weights and the bias of each layer, as views into the vector."""
    found, place = [], 0
    for taken, given in shapes:
        end = place + taken * given
        found.append((vector[place:end].reshape(taken, given), vector[end : end + given]))
        place = end + given
    return found


def _differentiate(batch: Floats, layers: list[Layer], slopes: list[Layer]) -> None:
    """Set the slopes of the mean squared error over a batch, for all weights and biases."""
    features = [batch]
    for number, (weights, bias) in enumerate(layers):
        straight = features[-1] @ weights + bias
        features.append(np.maximum(straight, 0) if number in BENT else straight)
    slope = (features[-1] - batch) * np.float32(2 / len(batch))
    for number in reversed(range(LAYERS)):
        if number in BENT:
            slope = slope * (features[number + 1] > 0)
        np.matmul(features[number].T, slope, out=slopes[number][0])
        np.sum(slope, axis=0, out=slopes[number][1])
        if number:
            slope = slope @ layers[number][0].T
