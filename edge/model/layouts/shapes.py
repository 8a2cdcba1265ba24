"""Which shapes of outputs belong to which layout: told before a model is used, and asked when one is imported."""

from collections.abc import Sequence
from typing import assert_never

from edge.model.tables.outputs import (
    BoxLayout,
    ClassMap,
    ClassScores,
    MaskLayout,
    OneMask,
    PostProcessed,
    Ssd,
    Yolo5,
    Yolo8,
    YoloEnd,
)

Shape = tuple[int, ...]
"""With the batch: 1×…"""
BOX, YOLO5_BOX, YOLO_END = 4, 5, 6
"""Numbers of a box; with objectness; with score and label."""
POST_PROCESSED = 4
"""Outputs of TFLite's post-process."""
ROWS, MASK = 3, 3
"""Lengths of a shape: 1×n×numbers, 1×rows×columns."""
MASK_LABELS = 2
"""The background, and the thing."""


def boxes_fit(layout: BoxLayout, shapes: Sequence[Shape], labels: int) -> bool:
    """Whether outputs of these shapes can be read in this way, with so many labels."""
    match layout:
        case PostProcessed():
            numbers = {layout.boxes, layout.classes, layout.scores, layout.count}
            boxes = shapes[layout.boxes] if layout.boxes < len(shapes) else ()
            return len(shapes) == POST_PROCESSED and len(numbers) == len(shapes) and boxes[2:] == (BOX,)
        case Ssd():
            if max(layout.boxes, layout.scores) >= len(shapes):
                return False
            boxes, scores = shapes[layout.boxes], shapes[layout.scores]
            long_enough = len(boxes) == ROWS and boxes[2] >= BOX
            return long_enough and boxes[1:2] == scores[1:2] and scores[2:] == (labels + layout.background,)
        case Yolo5():
            return len(shapes) == 1 and shapes[0][2:] == (YOLO5_BOX + labels,)
        case Yolo8():
            place = 2 if layout.rows else 1
            return len(shapes) == 1 and len(shapes[0]) == ROWS and shapes[0][place] == BOX + labels
        case YoloEnd():
            return len(shapes) == 1 and shapes[0][2:] == (YOLO_END,)
        case _:
            assert_never(layout)


def boxes_wanted(layout: BoxLayout, labels: int) -> str:
    """The shapes that a layout needs, for a complaint."""
    match layout:
        case PostProcessed():
            return "four outputs: 1×n×4, 1×n, 1×n and 1"
        case Ssd():
            return f"1×n×4 or more, and 1×n×{labels + layout.background}"
        case Yolo5():
            return f"1×n×{YOLO5_BOX + labels}"
        case Yolo8():
            return f"1×n×{BOX + labels}" if layout.rows else f"1×{BOX + labels}×n"
        case YoloEnd():
            return f"1×n×{YOLO_END}"
        case _:
            assert_never(layout)


def mask_fits(layout: MaskLayout, shape: Shape, labels: int) -> bool:
    """Whether an output of this shape can be read in this way, with so many labels."""
    if len(shape) < MASK:
        return False
    match layout:
        case ClassMap():
            return shape[MASK:] in {(), (1,)}
        case ClassScores():
            return shape[MASK:] == (labels,)
        case OneMask():
            return shape[MASK:] in {(), (1,)} and labels == MASK_LABELS
        case _:
            assert_never(layout)


def mask_wanted(layout: MaskLayout, labels: int) -> str:
    """The shape that a layout needs, for a complaint."""
    match layout:
        case ClassMap():
            return "1×rows×columns"
        case ClassScores():
            return f"1×rows×columns×{labels}"
        case OneMask():
            return f"1×rows×columns, and {MASK_LABELS} labels"
        case _:
            assert_never(layout)


def told(shapes: Sequence[Shape]) -> str:
    """Shapes as complaints say them."""
    return " and ".join("×".join(map(str, shape)) or "1" for shape in shapes)
