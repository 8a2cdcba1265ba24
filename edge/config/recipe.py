"""What is looked at: the checks of a product, their rules, and what a picture must be for them."""

from typing import Literal, Self

from pydantic import Field, model_validator

from edge.config.detection import DetectionRules
from edge.config.enhance import Steps
from edge.config.measurement import MeasurementRules
from edge.config.reading import ReadingRules
from edge.config.segmentation import SegmentationRules
from edge.config.track import Track
from edge.table import FilePath, Fraction, Segment, Table

Point = tuple[int, int]


class Rectangle(Table):
    """A rectangle in frame pixels; the maximum is exclusive."""

    x_min: int = Field(ge=0, description="Left edge in pixels.")
    y_min: int = Field(ge=0, description="Upper edge in pixels.")
    x_max: int = Field(gt=0, description="First column to the right of it.")
    y_max: int = Field(gt=0, description="First row below it.")

    @model_validator(mode="after")
    def _holds_a_pixel(self) -> Self:
        if self.x_min >= self.x_max or self.y_min >= self.y_max:
            raise ValueError("x_min must be under x_max, and y_min under y_max")
        return self


class Rules(Table):
    """From scores to a verdict."""

    fail_at: float = Field(
        1.0, gt=0, description="Anomaly score at or over which a frame fails; 1.0 is as taught."
    )
    pass_below: float | None = Field(
        None,
        gt=0,
        description="Anomaly score under which a frame passes; none: as taught. Between: inconclusive.",
    )
    hysteresis: float = Field(
        0.0, ge=0, description="A part that has failed stays failed until its score is so far under fail_at."
    )
    min_area_px: float = Field(
        0.0,
        ge=0,
        description="Areas over pass_below that are smaller, in square frame pixels, are not defects.",
    )
    ignore: list[list[Point]] = Field([], description="Polygons in frame pixels where nothing counts.")
    good_labels: list[str] = Field([], description="For classification: the labels that pass.")
    min_probability: Fraction = Field(
        0.8, description="For classification: a winning label under it is inconclusive."
    )
    detection: DetectionRules = DetectionRules()
    segmentation: SegmentationRules = SegmentationRules()
    measurement: MeasurementRules = MeasurementRules()
    reading: ReadingRules = ReadingRules()


class Check(Table):
    """One look at a part: where, with which model, under which rules."""

    name: Segment = Field(description="Name of the check, in every report.")
    bundle: FilePath = Field(description="Folder of the model bundle, or of a product's versions.")
    teachable: bool = Field(
        default=False,
        description="May be taught by cmd/teach; until it is, parts are inconclusive; its bundle may be missing.",
    )
    roi: Rectangle | None = Field(None, description="The rectangle to look at; none: as taught.")
    polygon: list[Point] = Field([], description="Polygon in frame pixels; nothing outside it counts.")
    enhance: Steps | None = Field(
        None, description="Steps that its pixels go through first; none: as taught; []: no step at all."
    )
    rules: Rules = Field(Rules(), description="From scores to a verdict.")
    delegate: Literal["cpu", "edgetpu", "gpu", "npu", "auto"] = Field(
        "cpu",
        description="What runs the model; 'auto' is what 'edge tune' found. Whatever fails, the CPU takes over.",
    )
    delegate_library: FilePath | None = Field(
        None,
        description="For 'npu': the vendor's delegate library; for 'edgetpu' if it is not libedgetpu.so.1.",
    )
    delegate_options: dict[str, str] = Field(
        {}, description="For 'npu' and 'edgetpu': options, as the library names them."
    )
    delegate_deadline_ms: float = Field(
        500.0, ge=1, le=5000, description="A delegate that takes longer for a run has failed."
    )
    delegate_load_s: float = Field(
        60.0, ge=1, le=600, description="Loading a delegate, with its first run, may take so long."
    )
    delegate_retry_s: float = Field(
        60.0, ge=1, le=86_400, description="A delegate that has failed is tried again so often."
    )
    threads: int = Field(1, ge=1, le=64, description="Threads of the CPU delegate; 'auto' has its own.")


class Recipe(Table):
    """One product: its checks. The worst verdict of its checks is the verdict of a part."""

    name: Segment = Field("product", description="Name of the product, in every report.")
    checks: list[Check] = Field(min_length=1, description="What is looked at; at least one.")
    fail_frames: int = Field(1, ge=1, le=100, description="A part fails when so many of its frames fail …")
    of_frames: int = Field(1, ge=1, le=100, description="… of so many frames.")
    track: Track | None = Field(
        None, description="For parts that are followed from frame to frame; none: they are not."
    )


class Quality(Table):
    """What a picture must be to be judged. Limits that are not set come from the first check's bundle."""

    min_brightness: float | None = Field(None, ge=0, le=255, description="Mean grey level, 0 to 255.")
    max_brightness: float | None = Field(None, ge=0, le=255, description="Mean grey level, 0 to 255.")
    min_sharpness: float | None = Field(
        None, ge=0, description="How fine the detail is, in any light: 1 is sharp, 0.2 is blurred."
    )
    min_contrast: float | None = Field(
        None, ge=0, description="Standard deviation of grey levels; less is a blocked lens."
    )
    frozen_after: int = Field(
        2, ge=0, description="So many pictures in a row without any difference: frozen. 0 is off."
    )
    enabled: bool = Field(default=True, description="Off: every picture is judged.")
