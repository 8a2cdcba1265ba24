"""What a strange model's outputs might be: every layout that is worth a thought, filled in from what was seen."""

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np

from edge.model.layouts.anchors import GRIDS, Anchors, count
from edge.model.layouts.shapes import BOX, POST_PROCESSED, ROWS
from edge.model.tables.outputs import (
    Activation,
    BoxLayout,
    ClassMap,
    ClassScores,
    Coordinates,
    MaskLayout,
    OneMask,
    PostProcessed,
    Ssd,
    Yolo5,
    Yolo8,
    YoloEnd,
)
from edge.teach.adopt.survey import Output, Survey

FRACTION = 2.0
"""No box is so large that is told in fractions; one that is told in pixels has hundreds."""
STRIDES_PX = ((8, 16, 32), (8, 16, 32, 64))
"""Of the grids of a YOLO; the longer ones are those of its P6 models."""
ADDS_UP = 0.05
"""So far from 1 may probabilities be that belong to one cell."""


class Hints(NamedTuple):
    """What the person at the terminal said of the model."""

    layout: str | None = None
    activation: Activation | None = None
    anchors: Anchors | None = None


class Detector(NamedTuple):
    """A layout, and the anchors that have to go into the bundle with it."""

    layout: BoxLayout
    anchors: Anchors | None = None


def detectors(survey: Survey, hints: Hints) -> Iterator[Detector]:
    """How a detector with such outputs might give its boxes."""
    if len(survey.outputs) == POST_PROCESSED:
        yield from map(Detector, _post_processed(survey.outputs))
    yield from _ssds(survey, hints)
    if len(survey.outputs) == 1 and len(survey.outputs[0].shape) == ROWS - 1:
        rows, columns = (_coordinates(survey.outputs[0], swapped=swapped) for swapped in (False, True))
        yield Detector(Yolo5(type="yolov5", coordinates=rows))
        yield Detector(Yolo8(type="yolov8", coordinates=columns))
        yield Detector(Yolo8(type="yolov8", coordinates=rows, rows=True))
        yield Detector(YoloEnd(type="yolo_end", coordinates=rows))


def segmenters(output: Output, hints: Hints) -> Iterator[MaskLayout]:
    """How a segmenter with this output might give labels, the likelier one first."""
    counts = output.spec.dtype.kind == "i" and output.spec.scale == 0
    if not counts:
        # Of two labels a mask: also one that is rounded already reads the same.
        inside = output.least >= 0 and output.most <= 1
        yield OneMask(type="mask", activation="none" if inside else "sigmoid")
        yield ClassScores(type="class_scores", activation=hints.activation or _of_cells(output))
    if output.whole:
        yield ClassMap(type="class_map")


def as_many_as_its_grids(layout: BoxLayout, survey: Survey) -> bool:
    """Whether the model has as many boxes as a YOLO of this kind has for an input of this size."""
    shape = survey.outputs[0].spec.shape
    match layout:
        case Yolo5():
            boxes, in_each_cell = shape[1], 3
        case Yolo8():
            boxes, in_each_cell = shape[1 if layout.rows else 2], 1
        case _:
            return False
    width, height = survey.size
    cells = [sum((width // px) * (height // px) for px in strides) for strides in STRIDES_PX]
    return boxes in [in_each_cell * grids for grids in cells]


def _post_processed(outputs: Sequence[Output]) -> Iterator[PostProcessed]:
    """The four outputs come in one order from TensorFlow 1, and in another from TensorFlow 2."""
    lengths = [output.spec.shape[1:] for output in outputs]
    boxes = [number for number, shape in enumerate(lengths) if shape[1:] == (BOX,)]
    counts = [number for number, shape in enumerate(lengths) if shape in {(), (1,)} and number not in boxes]
    lists = [number for number in range(len(outputs)) if number not in {*boxes[:1], *counts[-1:]}]
    if not boxes or not counts or any(len(lengths[number]) != 1 for number in lists):
        return
    # Labels are whole numbers, scores are not; where nothing was seen that tells, they come in this order.
    classes, scores = sorted(lists, key=lambda number: not outputs[number].whole)
    yield PostProcessed(boxes=boxes[0], classes=classes, scores=scores, count=counts[-1])


def _ssds(survey: Survey, hints: Hints) -> Iterator[Detector]:
    outputs, anchors = list(enumerate(survey.outputs)), hints.anchors
    if len(outputs) == 3:  # noqa: PLR2004 - boxes, scores and their anchors
        fixed = [
            (number, output) for number, output in outputs if output.constant and output.shape[1:] == (BOX,)
        ]
        if len(fixed) != 1:
            return
        outputs.remove(fixed[0])
        anchors = anchors if anchors is not None else centred(fixed[0][1].seen[0].reshape(-1, BOX))
    if len(outputs) != 2:  # noqa: PLR2004 - boxes and scores
        return
    for (number, boxes), (other, scores) in permutations(outputs):
        if len(boxes.shape) != ROWS - 1 or len(scores.shape) != ROWS - 1:
            continue
        inside = scores.least >= 0 and scores.most <= 1
        activation = hints.activation or ("none" if inside else "sigmoid")
        for background in (False, True):
            yield from _ssd(
                survey,
                Ssd(type="ssd", boxes=number, scores=other, activation=activation, background=background),
                anchors,
            )


def _ssd(survey: Survey, plain: Ssd, anchors: Anchors | None) -> Iterator[Detector]:
    """With the anchors that are known, or those of MediaPipe's models where these have so many."""
    wanted = survey.outputs[plain.boxes].shape[0]
    width, height = survey.size
    if anchors is not None:
        if len(anchors) == wanted:
            yield Detector(plain.model_copy(update={"anchors": ANCHORS_FILE}), anchors)
        return
    for grids in GRIDS:
        if count(grids, width, height) == wanted:
            scale = [float(width), float(height), float(width), float(height)]
            update = {"grids": list(grids), "scale": scale, "order": "xywh", "sizes": "linear"}
            yield Detector(plain.model_copy(update=update))
            return
    yield Detector(plain)


def centred(rows: Anchors) -> Anchors:
    """Anchors as TensorFlow writes them (y, x, height, width) in our order (x, y, width, height)."""
    return np.ascontiguousarray(rows[:, [1, 0, 3, 2]], np.float32)


ANCHORS_FILE = "anchors.npz"
"""In the bundle."""


def _coordinates(output: Output, *, swapped: bool) -> Coordinates:
    """Whether boxes are told in fractions or in pixels: a YOLO gives one for each cell, whatever it sees."""
    largest = max(
        float((seen.reshape(output.shape).T if swapped else seen.reshape(output.shape))[:, :BOX].max())
        for seen in output.seen
    )
    return "fraction" if largest <= FRACTION else "pixels"


def _of_cells(output: Output) -> Activation:
    if output.least < 0 or output.most > 1:
        return "softmax"
    sums = [seen.sum(axis=-1) for seen in output.seen]
    return "none" if all(np.abs(each - 1).max() <= ADDS_UP for each in sums) else "sigmoid"
