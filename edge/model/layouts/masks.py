"""From the output of somebody's segmenter to a label for each pixel, and how sure that is."""

from collections.abc import Callable
from typing import NamedTuple, assert_never

import numpy as np
import numpy.typing as npt

from edge.errors import InferenceError
from edge.model.classifier import real
from edge.model.interpreter import TensorSpec
from edge.model.layouts.activations import activated
from edge.model.tables.outputs import ClassMap, ClassScores, MaskLayout, OneMask

Floats = npt.NDArray[np.float32]


class Labelled(NamedTuple):
    """For each pixel of the output, rows×columns: the number of its label, and the probability of that."""

    classes: npt.NDArray[np.uint8]
    scores: Floats


Decode = Callable[[npt.NDArray[np.generic]], Labelled]
"""From the output. Raises `InferenceError` where a score is not a number, or a label is not known."""


def decoder(layout: MaskLayout, spec: TensorSpec, labels: int) -> Decode:
    """What reads the output `spec` of a model that knows so many labels, background included."""
    match layout:
        case ClassMap():
            return lambda output: class_map(output, spec, labels)
        case ClassScores():
            return lambda output: class_scores(_finite(real(output[0], spec)), layout)
        case OneMask():
            rows, columns = spec.shape[1:3]
            return lambda output: one_mask(_finite(real(output, spec)).reshape(rows, columns), layout)
        case _:
            assert_never(layout)


def class_map(output: npt.NDArray[np.generic], spec: TensorSpec, labels: int) -> Labelled:
    """The model says which label, and not how sure it is: the probability is 1."""
    rows, columns = spec.shape[1:3]
    numbers = _finite(real(output, spec)).reshape(rows, columns)
    highest = int(numbers.max(initial=0))
    if numbers.min(initial=0) < 0 or highest >= labels:
        raise InferenceError(f"the model gave label number {highest}, but the bundle has {labels} labels")
    return Labelled(numbers.astype(np.uint8), np.ones((rows, columns), np.float32))


def class_scores(scores: Floats, layout: ClassScores) -> Labelled:
    """The label with the highest score."""
    classes = scores.argmax(axis=-1)
    if layout.activation == "sigmoid":
        best = activated(np.take_along_axis(scores, classes[..., None], axis=-1)[..., 0], "sigmoid")
    else:
        probabilities = activated(scores, layout.activation)
        best = np.take_along_axis(probabilities, classes[..., None], axis=-1)[..., 0]
    return Labelled(classes.astype(np.uint8), np.clip(best, 0, 1))


def one_mask(scores: Floats, layout: OneMask) -> Labelled:
    """Label 1 where the thing is more likely than not, 0 elsewhere."""
    probability = np.clip(activated(scores, layout.activation), 0, 1)
    there = probability >= 0.5  # noqa: PLR2004 - more likely than not
    return Labelled(there.astype(np.uint8), np.where(there, probability, 1 - probability))


def _finite(numbers: Floats) -> Floats:
    if not np.isfinite(numbers).all():
        raise InferenceError("the model gave a score that is not a number")
    return numbers
