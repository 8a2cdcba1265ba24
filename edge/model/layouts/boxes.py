"""From the outputs of somebody's detector to boxes that may be objects: one function for each layout.

What lies under the lowest score is left out before anything is turned into floats: a YOLO of 640 px has 8,400
boxes of 84 numbers each, of which a handful matter.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, assert_never

import numpy as np
import numpy.typing as npt

from edge.errors import InferenceError
from edge.model.classifier import real
from edge.model.interpreter import TensorSpec
from edge.model.layouts.activations import activated
from edge.model.layouts.anchors import Anchors
from edge.model.layouts.shapes import BOX, YOLO5_BOX
from edge.model.tables.outputs import BoxLayout, PostProcessed, Ssd, Yolo5, Yolo8, YoloEnd

Floats = npt.NDArray[np.float32]
Outputs = Sequence[npt.NDArray[np.generic]]


class Candidates(NamedTuple):
    """What may be objects, in no order.

    `boxes` are N×4: left, top, right, bottom, as fractions of the tensor; `classes` are numbers of labels.
    """

    boxes: Floats
    scores: Floats
    classes: npt.NDArray[np.intp]


Decode = Callable[[Outputs, float], Candidates]
"""From outputs and the lowest score that counts. Raises `InferenceError` where a score is not a number."""


def decoder(
    layout: BoxLayout, specs: Sequence[TensorSpec], size: tuple[int, int], anchors: Anchors | None = None
) -> Decode:
    """What reads the outputs `specs` of a model whose input has `size` (width, height) pixels."""
    match layout:
        case PostProcessed():
            return lambda outputs, least: post_processed(layout, specs, outputs, least)
        case Ssd():
            assert anchors is not None  # noqa: S101 - whoever opens the bundle has them
            return lambda outputs, least: ssd(layout, specs, outputs, least, anchors)
        case Yolo5():
            scale = _scale(layout.coordinates, size)
            return lambda outputs, least: yolo5(specs[0], outputs[0], least, scale)
        case Yolo8():
            scale = _scale(layout.coordinates, size)
            return lambda outputs, least: yolo8(
                specs[0], np.swapaxes(outputs[0], 1, 2) if layout.rows else outputs[0], least, scale
            )
        case YoloEnd():
            scale = _scale(layout.coordinates, size)
            return lambda outputs, least: yolo_end(specs[0], outputs[0], least, scale)
        case _:
            assert_never(layout)


def post_processed(
    layout: PostProcessed, specs: Sequence[TensorSpec], outputs: Outputs, least: float
) -> Candidates:
    """The four outputs of TFLite's post-process."""
    boxes, classes, scores, count = (
        real(outputs[number], specs[number])
        for number in (layout.boxes, layout.classes, layout.scores, layout.count)
    )
    filled = _finite(count.reshape(-1), "count")[0]
    found = _finite(scores.reshape(-1)[: max(0, round(float(filled)))], "score")
    (kept,) = np.nonzero(found >= least)
    rows = _finite(boxes.reshape(-1, BOX)[kept], "box")
    named = np.rint(_finite(classes.reshape(-1)[kept], "class")).astype(np.intp)
    return Candidates(rows[:, [1, 0, 3, 2]], found[kept], named)


def ssd(
    layout: Ssd, specs: Sequence[TensorSpec], outputs: Outputs, least: float, anchors: Anchors
) -> Candidates:
    """A box for each anchor, as it differs from that."""
    spec = specs[layout.scores]
    numbers = outputs[layout.scores]
    numbers = numbers.reshape(-1, numbers.shape[-1])
    first = 1 if layout.background else 0
    if layout.activation == "softmax":
        classes, scores = _best(activated(_finite(real(numbers, spec), "score"), "softmax")[:, first:])
        best = scores.astype(np.float32)
    else:
        classes, scores = _best(numbers[:, first:])
        best = activated(_finite(real(scores, spec), "score"), layout.activation)
    (kept,) = np.nonzero(best >= least)
    coded = outputs[layout.boxes]
    coded = real(coded.reshape(-1, coded.shape[-1])[kept, :BOX], specs[layout.boxes])
    boxes = _unscaled(_finite(coded, "box"), layout, anchors[kept])
    return Candidates(boxes, best[kept], classes[kept])


def yolo5(spec: TensorSpec, output: npt.NDArray[np.generic], least: float, scale: Floats) -> Candidates:
    """1×N×(5 + labels). A box's score is its objectness times that of its label."""
    rows = output.reshape(-1, output.shape[-1])
    objectness = _finite(real(rows[:, BOX], spec), "score")
    # A label's score is 1 at most: what is under the limit already stays there.
    (likely,) = np.nonzero(objectness >= least)
    classes, best = _best(rows[likely, YOLO5_BOX:])
    scores = _finite(real(best, spec), "score") * objectness[likely]
    kept = scores >= least
    boxes = _finite(real(rows[likely[kept], :BOX], spec), "box")
    return Candidates(_cornered(boxes * scale), scores[kept], classes[kept])


def yolo8(spec: TensorSpec, output: npt.NDArray[np.generic], least: float, scale: Floats) -> Candidates:
    """1×(4 + labels)×N."""
    columns = output.reshape(output.shape[-2], output.shape[-1])
    best = _finite(real(columns[BOX:].max(axis=0), spec), "score")
    (kept,) = np.nonzero(best >= least)
    classes = columns[BOX:, kept].argmax(axis=0)
    boxes = _finite(real(columns[:BOX, kept].T, spec), "box")
    return Candidates(_cornered(boxes * scale), best[kept], classes)


def yolo_end(spec: TensorSpec, output: npt.NDArray[np.generic], least: float, scale: Floats) -> Candidates:
    """1×N×6: corners, score and label."""
    rows = real(output.reshape(-1, output.shape[-1]), spec)
    scores = _finite(rows[:, BOX], "score")
    (kept,) = np.nonzero(scores >= least)
    chosen = _finite(rows[kept], "box")
    return Candidates(chosen[:, :BOX] * scale, scores[kept], np.rint(chosen[:, 5]).astype(np.intp))


def _scale(coordinates: str, size: tuple[int, int]) -> Floats:
    width, height = size if coordinates == "pixels" else (1, 1)
    return np.array([1 / width, 1 / height, 1 / width, 1 / height], np.float32)


def _best(scores: npt.NDArray[np.generic]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.generic]]:
    """The winning label of each row, and its score."""
    classes = scores.argmax(axis=1)  # NaN wins, and is found out
    return classes, np.take_along_axis(scores, classes[:, None], axis=1)[:, 0]


def _unscaled(coded: Floats, layout: Ssd, anchors: Anchors) -> Floats:
    order = [1, 0, 3, 2] if layout.order == "yxhw" else [0, 1, 2, 3]
    shifted = coded[:, order] / np.array(layout.scale, np.float32)
    middles = anchors[:, :2] + shifted[:, :2] * anchors[:, 2:]
    if layout.sizes == "exponential":
        shifted[:, 2:] = np.exp(np.minimum(shifted[:, 2:], 20.0))  # e²⁰ is no picture's size, and no overflow
    return _cornered(np.hstack([middles, shifted[:, 2:] * anchors[:, 2:]]))


def _cornered(middled: Floats) -> Floats:
    """Corners of boxes that were given by middle and size."""
    half = np.abs(middled[:, 2:]) / 2
    return np.hstack([middled[:, :2] - half, middled[:, :2] + half]).astype(np.float32)


def _finite(numbers: Floats, what: str) -> Floats:
    if not np.isfinite(numbers).all():
        raise InferenceError(f"the model gave a {what} that is not a number")
    return numbers
