"""`model.toml`, the manifest of a bundle: what it does, which files it needs, and what it must answer.

Schema `edge.bundle/2`. A change that an older program would misread gets a new number.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from edge.config import Rectangle
from edge.config.enhance import Steps
from edge.model.methods import Method
from edge.table import Segment, Table

SCHEMA = "edge.bundle/2"
MANIFEST = "model.toml"
"""Its name in the bundle's folder."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


def _plain(name: str) -> str:
    if name in {MANIFEST, ".", ".."}:
        raise ValueError("is not the name of a file of the bundle")
    return name


FileName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", max_length=128),
    AfterValidator(_plain),
]
"""A file beside the manifest: no folders, nothing hidden."""
Label = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]


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


class File(Table):
    """A file of the bundle."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Digest of its bytes, hexadecimal.")
    size_bytes: int = Field(ge=0, le=512 * 1024 * 1024, description="Its size.")


class AnomalyHead(Table):
    """How far cells are from those of good parts."""

    method: Method = Field(description="How distances are found.")
    head: FileName = Field(description="The file with the method's arrays.")
    strides_px: list[Literal[8, 16]] = Field(
        default=[16],
        min_length=1,
        max_length=2,
        description="Which features: input pixels between two cells.",
    )
    limit_distance: Positive = Field(description="Distance that has the score 1.0.")


class ClassificationHead(Table):
    """A probability for each label."""

    labels: list[Label] = Field(
        min_length=2, max_length=10_000, description="In the order of the model's output, or as taught."
    )
    head: FileName | None = Field(
        default=None,
        description="The file with the arrays of few-shot classes; none: the model itself gives probabilities.",
    )
    strides_px: list[Literal[8, 16]] = Field(
        default=[8, 16],
        min_length=1,
        max_length=2,
        description="With a head: which features; input pixels between two cells.",
    )


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
    score: Finite = Field(description="Anomaly score, or the probability of `label`.")
    label: Label | None = Field(default=None, description="For a classification: the label that must win.")


class Tolerance(Table):
    """How far a golden score may be off: processors round int8 sums in their own ways."""

    relative: float = Field(default=0.05, ge=0, le=1, description="Share of the expected score.")
    absolute: float = Field(default=0.02, ge=0, le=1, description="… plus so much.")


class Manifest(Table):
    """All of `model.toml`."""

    schema_: Literal["edge.bundle/2"] = Field(alias="schema", description="How to read this file.")
    name: Segment = Field(description="Name of the model, in every report.")
    version: int = Field(default=1, ge=1, description="Counts up from teaching to teaching.")
    task: Literal["anomaly", "classification"] = Field(description="What the model answers.")
    created: datetime = Field(description="When it was taught.")
    model: FileName = Field(description="The .tflite file.")
    input: Input = Field(description="What the model gets to see.")
    files: dict[FileName, File] = Field(min_length=1, max_length=256, description="Every file, by name.")
    anomaly: AnomalyHead | None = Field(default=None, description="For task 'anomaly'.")
    classification: ClassificationHead | None = Field(default=None, description="For task 'classification'.")
    limits: Limits = Field(default=Limits(), description="Taught limits of the score.")
    quality: Quality = Field(default=Quality(), description="What a picture must be to be judged.")
    golden: list[Golden] = Field(default=[], max_length=64, description="Pictures with known scores.")
    tolerance: Tolerance = Field(default=Tolerance(), description="How far their scores may be off.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.head is None:
            raise ValueError(f"task is '{self.task}': add the table [{self.task}]")
        named = [self.model, *(golden.file for golden in self.golden)]
        named += [self.anomaly.head] if self.anomaly else []
        named += [self.classification.head] if self.classification and self.classification.head else []
        for name in named:
            if name not in self.files:
                raise ValueError(
                    f"'{name}' is used but not among [files]; add it with its sha256 and size_bytes"
                )
        return self

    @property
    def resizable(self) -> bool:
        """Whether its model is a backbone, which takes pictures of any size."""
        return self.head is not None and self.head.head is not None

    @property
    def head(self) -> AnomalyHead | ClassificationHead | None:
        """The table of its task."""
        return self.anomaly if self.task == "anomaly" else self.classification


def text(manifest: Manifest) -> str:
    """The manifest as TOML, which reads back as the same manifest."""
    return "\n".join(_lines(manifest.model_dump(by_alias=True, exclude_none=True))).lstrip("\n") + "\n"


def _lines(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    lists = {key: value for key, value in table.items() if _is_tables(value)}
    for key, value in table.items():
        if key not in inner and key not in lists:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in inner.items():
        yield f"\n[{path}{_key(key)}]"
        yield from _lines(value, f"{path}{_key(key)}.")
    for key, value in lists.items():
        for row in value:
            yield f"\n[[{path}{_key(key)}]]"
            yield from _lines(row, f"{path}{_key(key)}.")


def _is_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and isinstance(value[0], Mapping)


def _key(key: str) -> str:
    return key if key.replace("_", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: object) -> str:
    match value:
        case Enum():
            return _value(value.value)
        case datetime():
            return value.isoformat()
        case list() | tuple():
            return "[" + ", ".join(_value(item) for item in value) + "]"
    # JSON's strings, numbers and booleans are TOML's as well, once DEL is escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
