"""`model.toml`, the manifest of a bundle: what it does, which files it needs, and what it must answer.

Schema `edge.bundle/2`. A change that an older program would misread gets a new number.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from edge.config import Rectangle
from edge.config.enhance import Steps
from edge.model.pixels import Pixels
from edge.model.tables import FileName, Finite, Label, Positive
from edge.model.tables.anomaly import AnomalyHead
from edge.model.tables.classification import ClassificationHead
from edge.model.tables.detection import DetectionHead
from edge.model.tables.measurement import MeasurementTools
from edge.model.tables.outputs import Ssd
from edge.model.tables.reading import ReadingTools
from edge.model.tables.restoration import RestorationHead
from edge.model.tables.segmentation import SegmentationHead
from edge.table import Segment, Table, write_table

SCHEMA = "edge.bundle/2"
Task = Literal[
    "anomaly", "classification", "detection", "segmentation", "measurement", "reading", "restoration"
]
WITHOUT_NETWORK = {"measurement", "reading"}
"""Tasks that see the picture itself; their bundles have no .tflite file."""


class Input(Table):
    """What the model gets to see of a picture."""

    width: int = Field(ge=1, le=4096, description="Width of the model's input in pixels.")
    height: int = Field(ge=1, le=4096, description="Height of the model's input in pixels.")
    fit: Literal["stretch", "letterbox"] = Field(default="stretch", description="How a picture fills it.")
    contrast: Literal["none", "stretch"] = Field(
        default="none", description="'stretch': 1st to 99th percentile become black and white."
    )
    tiles_x: int = Field(default=1, ge=1, le=16, description="Tiles side by side.")
    tiles_y: int = Field(default=1, ge=1, le=16, description="Tiles one above the other.")
    overlap: float = Field(
        default=0.0, ge=0, lt=1, description="Share of a tile that its neighbour sees too."
    )
    roi: Rectangle | None = Field(
        default=None, description="Where in the frame it was taught to look; none: at all of it."
    )
    enhance: Steps = Field(default=(), description="Steps that its pixels go through first, in order.")
    restore: FileName | None = Field(
        default=None,
        description="The bundle's own network that restores a frame before all that; none: as it is.",
    )


class File(Table):
    """A file of the bundle."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Digest of its bytes, hexadecimal.")
    size_bytes: int = Field(ge=0, le=512 * 1024 * 1024, description="Its size.")


class Limits(Table):
    """Taught limits of the score."""

    pass_below: Positive = Field(default=1.0, description="A lower score passes; 1.0 and over fails.")


class Quality(Table):
    """What a picture must be to be judged: the limits that were learned from the taught pictures."""

    width: int = Field(default=0, ge=0, description="Picture width in pixels; 0: pictures of several sizes.")
    height: int = Field(
        default=0, ge=0, description="Picture height in pixels; 0: pictures of several sizes."
    )
    min_brightness: Finite = Field(default=0.0, ge=0, le=255, description="Mean grey level.")
    max_brightness: Finite = Field(default=255.0, ge=0, le=255, description="Mean grey level.")
    min_contrast: Finite = Field(default=0.0, ge=0, description="Standard deviation of grey levels.")
    min_sharpness: Finite = Field(default=0.0, ge=0, description="Fineness of detail: about 1 when sharp.")


class Golden(Table):
    """A picture whose score is known: what the bundle must answer before it is used."""

    file: FileName = Field(description="The picture.")
    score: Finite = Field(
        description="Anomaly score; probability of `label`; the best score of a detected `label`; the share of the"
        " picture that is `label`; the value measured by the tool `label`; 1 where `label` is read; by how many"
        " grey levels a restoration changes it, on average."
    )
    label: Label | None = Field(
        default=None, description="What the score is of; none: an anomaly score, or anything that was found."
    )


class Tolerance(Table):
    """How far a golden score may be off: processors round int8 sums in their own ways."""

    relative: float = Field(default=0.05, ge=0, le=1, description="Share of the expected score.")
    absolute: float = Field(default=0.02, ge=0, le=1, description="… plus so much.")


class Manifest(Table):
    """All of `model.toml`."""

    schema_: Literal["edge.bundle/2"] = Field(alias="schema", description="How to read this file.")
    name: Segment = Field(description="Name of the model, in every report.")
    version: int = Field(default=1, ge=1, description="Counts up from teaching to teaching.")
    task: Task = Field(description="What the model answers.")
    created: datetime = Field(description="When it was taught.")
    model: FileName | None = Field(
        default=None, description="The .tflite file; none where no network is needed."
    )
    input: Input | None = Field(default=None, description="What the network gets to see.")
    pixels: Pixels | None = Field(
        default=None, description="What the numbers of an imported network's input stand for; none: pixels."
    )
    files: dict[FileName, File] = Field(default={}, max_length=256, description="Every file, by name.")
    anomaly: AnomalyHead | None = Field(default=None, description="For task 'anomaly'.")
    classification: ClassificationHead | None = Field(default=None, description="For task 'classification'.")
    detection: DetectionHead | None = Field(default=None, description="For task 'detection'.")
    segmentation: SegmentationHead | None = Field(default=None, description="For task 'segmentation'.")
    measurement: MeasurementTools | None = Field(default=None, description="For task 'measurement'.")
    reading: ReadingTools | None = Field(default=None, description="For task 'reading'.")
    restoration: RestorationHead | None = Field(default=None, description="For task 'restoration'.")
    limits: Limits = Field(default=Limits(), description="Taught limits of the score.")
    quality: Quality = Field(default=Quality(), description="What a picture must be to be judged.")
    golden: list[Golden] = Field(default=[], max_length=64, description="Pictures with known scores.")
    tolerance: Tolerance = Field(default=Tolerance(), description="How far their scores may be off.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if getattr(self, self.task) is None:
            raise ValueError(f"task is '{self.task}': add the table [{self.task}]")
        needs_network = self.task not in WITHOUT_NETWORK
        for key in ("model", "input"):
            if needs_network and getattr(self, key) is None:
                raise ValueError(f"task is '{self.task}', which needs a network: add {key}")
            if not needs_network and getattr(self, key) is not None:
                raise ValueError(f"task is '{self.task}', which needs no network: take {key} out")
        for name in self._named():
            if name not in self.files:
                raise ValueError(
                    f"'{name}' is used but not among [files]; add it with its sha256 and size_bytes"
                )
        return self

    def _named(self) -> Iterator[str]:
        yield from (golden.file for golden in self.golden)
        heads = (self.anomaly, self.classification)
        yield from (head.head for head in heads if head is not None and head.head is not None)
        if self.detection and isinstance(self.detection.outputs, Ssd) and self.detection.outputs.anchors:
            yield self.detection.outputs.anchors
        if self.measurement is not None:
            yield from self.measurement.files
        if self.model is not None:
            yield self.model
        if self.input is not None and self.input.restore is not None:
            yield self.input.restore

    @property
    def network(self) -> str:
        """The .tflite file, of a task that needs one."""
        assert self.model is not None  # noqa: S101 - _complete has seen to it
        return self.model

    @property
    def seen(self) -> Input:
        """What the network gets to see, of a task that needs one."""
        assert self.input is not None  # noqa: S101 - _complete has seen to it
        return self.input

    @property
    def resizable(self) -> bool:
        """Whether its model is a backbone, which takes pictures of any size."""
        return self.anomaly is not None or (
            self.classification is not None and self.classification.head is not None
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """What it can call a part, a thing, an area or a value; none for other tasks."""
        if self.measurement is not None:
            return self.measurement.names
        head = self.classification or self.detection or self.segmentation
        return () if head is None else tuple(head.labels)


def text(manifest: Manifest) -> str:
    """The manifest as TOML, which reads back as the same manifest."""
    return write_table(manifest)
