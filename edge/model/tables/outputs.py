"""Tables of the manifest that say how the outputs of a model are to be read that others have trained.

`output`, `boxes`, `scores` and so on are numbers of outputs, counted from 0 in the order of the model.
"""

from typing import Annotated, Literal

from pydantic import Field

from edge.model.tables import FileName, Positive
from edge.table import Table

OutputNumber = Annotated[int, Field(ge=0, lt=16)]
Activation = Literal["none", "sigmoid", "softmax"]
Coordinates = Literal["fraction", "pixels"]


class PostProcessed(Table):
    """TFLite's own detection post-process: four outputs, boxes already chosen by the model."""

    type: Literal["tflite"] = Field("tflite", description="TFLite_Detection_PostProcess.")
    boxes: OutputNumber = Field(0, description="1×N×4: top, left, bottom, right, as fractions.")
    classes: OutputNumber = Field(1, description="1×N: the number of each box's label.")
    scores: OutputNumber = Field(2, description="1×N: from 0 to 1.")
    count: OutputNumber = Field(3, description="How many of the N are filled.")


class Grid(Table):
    """Anchors that stand in the middle of each cell, as large as the whole picture."""

    stride_px: int = Field(ge=1, le=1024, description="Input pixels from cell to cell.")
    anchors: int = Field(ge=1, le=64, description="Anchors in each cell.")


class Ssd(Table):
    """Raw SSD: for each anchor how the box differs from it, and a score for each label."""

    type: Literal["ssd"] = Field(description="Single-shot detector, without its post-process.")
    boxes: OutputNumber = Field(0, description="1×N×4 or more: the first four are the box.")
    scores: OutputNumber = Field(1, description="1×N×labels.")
    grids: list[Grid] = Field([], max_length=16, description="Where the anchors are …")
    anchors: FileName | None = Field(None, description="… or the file that has them.")
    order: Literal["yxhw", "xywh"] = Field("yxhw", description="What the four numbers are.")
    scale: list[Positive] = Field(
        [10.0, 10.0, 5.0, 5.0],
        min_length=4,
        max_length=4,
        description="What the four are divided by, in the order x, y, width, height.",
    )
    sizes: Literal["exponential", "linear"] = Field(
        "exponential", description="Whether width and height are powers of e, or factors themselves."
    )
    activation: Activation = Field("sigmoid", description="What turns scores into probabilities.")
    background: bool = Field(default=False, description="Whether the first score is that of nothing at all.")


class Yolo5(Table):
    """YOLOv5: 1×N×(5 + labels): middle, size, whether there is an object, and which."""

    type: Literal["yolov5"] = Field(description="One row for each box, with objectness.")
    coordinates: Coordinates = Field("fraction", description="Whether boxes are fractions or input pixels.")


class Yolo8(Table):
    """YOLOv8 and YOLO11: 1×(4 + labels)×N: middle and size, then a score for each label."""

    type: Literal["yolov8"] = Field(description="One column for each box, without objectness.")
    coordinates: Coordinates = Field("fraction", description="Whether boxes are fractions or input pixels.")
    rows: bool = Field(default=False, description="Whether the model has N×(4 + labels) instead.")


class YoloEnd(Table):
    """YOLOv10, or YOLO exported with its post-process: 1×N×6: corners, score, label."""

    type: Literal["yolo_end"] = Field(description="One row for each box that was chosen.")
    coordinates: Coordinates = Field("fraction", description="Whether boxes are fractions or input pixels.")


BoxLayout = Annotated[PostProcessed | Ssd | Yolo5 | Yolo8 | YoloEnd, Field(discriminator="type")]
"""How a detector says where things are."""


class ClassMap(Table):
    """DeepLab's usual output: the number of the label, pixel by pixel."""

    type: Literal["class_map"] = Field(description="1×h×w numbers of labels.")


class ClassScores(Table):
    """A score for each label, pixel by pixel."""

    type: Literal["class_scores"] = Field(description="1×h×w×labels.")
    activation: Activation = Field("softmax", description="What turns scores into probabilities.")


class OneMask(Table):
    """One number for each pixel: is it the thing, or the background?"""

    type: Literal["mask"] = Field(description="1×h×w or 1×h×w×1.")
    activation: Literal["none", "sigmoid"] = Field(
        "none", description="What turns the number into a probability."
    )


MaskLayout = Annotated[ClassMap | ClassScores | OneMask, Field(discriminator="type")]
"""How a segmenter says what each pixel is."""
