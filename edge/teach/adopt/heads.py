"""The table of its task for a strange model: its labels, and how its outputs are to be read."""

from pathlib import Path
from typing import Any, NamedTuple, assert_never

from edge.errors import BundleError
from edge.model.layouts.anchors import Anchors
from edge.model.tables.classification import ClassificationHead
from edge.model.tables.detection import DetectionHead
from edge.model.tables.outputs import PostProcessed, Ssd, Yolo5, Yolo8, YoloEnd
from edge.model.tables.segmentation import SegmentationHead
from edge.table import validate
from edge.teach.adopt import recognise
from edge.teach.adopt.labels import BACKGROUND
from edge.teach.adopt.survey import Survey
from edge.teach.adopt.wishes import Fit, Wishes

NOTHING = {BACKGROUND, "???"}
"""How lists of labels call what is there where nothing is."""


class Chosen(NamedTuple):
    """The table; the anchors that go into the bundle; how pictures fill the input; and all that in words."""

    head: ClassificationHead | DetectionHead | SegmentationHead
    words: str
    fit: Fit = "stretch"
    anchors: Anchors | None = None

    @property
    def is_yolo(self) -> bool:
        """Whether it was trained as every YOLO is: on letterboxed pictures from 0 to 1."""
        return isinstance(self.head, DetectionHead) and isinstance(self.head.outputs, Yolo5 | Yolo8 | YoloEnd)


def choose(survey: Survey, labels: tuple[str, ...], wishes: Wishes, path: str) -> Chosen:
    """What the outputs are, for this task and these labels. Raises `BundleError`; `path` is the model's."""
    head: dict[str, Any]
    match wishes.task:
        case "classification":
            activation = recognise.activation(survey, len(labels), wishes.hints, path)
            words = "probabilities" if activation == "none" else f"raw scores, {activation}"
            head = {"labels": list(labels), "activation": activation}
            return Chosen(validate(ClassificationHead, head, Path(path), BundleError), words)
        case "segmentation":
            if len(labels) == 1:  # a list that names only the thing
                labels = (BACKGROUND, *labels)
            layout = recognise.mask(survey, len(labels), wishes.hints, path)
            settings = layout.model_dump(exclude={"type"})
            words = ", ".join([layout.type, *map(str, settings.values())])
            head = {"labels": list(labels), "outputs": layout}
            return Chosen(validate(SegmentationHead, head, Path(path), BundleError), words)
        case "detection":
            return _detector(survey, labels, wishes, path)
        case _:
            assert_never(wishes.task)


def _detector(survey: Survey, labels: tuple[str, ...], wishes: Wishes, path: str) -> Chosen:
    layout, anchors = recognise.boxes(survey, len(labels), wishes.hints, path)
    dropped = ""
    if isinstance(layout, PostProcessed) and labels[0] in NOTHING and labels[1:]:
        # The post-process leaves the background out, and counts from the first real label.
        dropped, labels = f"; the label '{labels[0]}' is left out, for this layout never names it", labels[1:]
    # What its own post-process has chosen is not to be thinned out again: no two boxes overlap by more than 1.
    chosen = {"max_iou": 1.0} if isinstance(layout, PostProcessed | YoloEnd) else {}
    table = {"labels": list(labels), "outputs": layout, "min_score": wishes.min_score, **chosen}
    head = validate(DetectionHead, table, Path(path), BundleError)
    match layout:
        case Ssd():
            grids = ", ".join(f"{grid.anchors} every {grid.stride_px} px" for grid in layout.grids)
            words = f"ssd, anchors {grids or 'as given'}, boxes {layout.order} {layout.sizes}, {layout.activation}"
            return Chosen(head, words, "letterbox" if layout.grids else "stretch", anchors)
        case Yolo5() | Yolo8() | YoloEnd():
            return Chosen(head, f"{layout.type}, boxes in {layout.coordinates}", "letterbox")
        case _:
            numbers = (layout.boxes, layout.classes, layout.scores, layout.count)
            return Chosen(head, f"tflite, boxes, classes, scores and count are outputs {numbers}{dropped}")
