"""What a pixel is worth: a file that `edge calibrate` writes, from the picture of a target with known sizes.

Schema `edge.calibration/1`. `[lens]` is also what lens correction reads; matrix and distortion are OpenCV's, whose
places count from the middle of the first pixel.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edge.table import Fraction, Table

SCHEMA = "edge.calibration/1"
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Size = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
Row = tuple[Number, Number, Number]
Place = tuple[Number, Number]


class Lens(Table):
    """How the lens bends straight lines: a pinhole camera, and Brown's distortion."""

    matrix: tuple[Row, Row, Row] = Field(
        description="Focal lengths and principal point in pixels, row by row."
    )
    distortion: list[Number] = Field(min_length=5, max_length=5, description="k1, k2, p1, p2, k3.")
    size: Size = Field(description="Width and height of the pictures that it holds for.")
    rms_px: Number = Field(ge=0, description="How well it explains the target's corners, in pixels.")


class PlaneTable(Table):
    """Where a place of the picture, without the lens's distortion, lies on the plane of the target."""

    homography: tuple[Row, Row, Row] = Field(description="From pixels to millimetres, row by row.")
    mm_per_px: Positive = Field(description="In the middle of the picture.")
    rms_mm: Number = Field(ge=0, description="How far the target's corners are from their places.")
    scale_error: Fraction = Field(description="How far the target's own sizes may be off, as a share.")


class Chessboard(Table):
    """A printed chessboard."""

    type: Literal["chessboard"] = Field(description="The kind of target.")
    columns: int = Field(ge=3, le=100, description="Inner corners in a row.")
    rows: int = Field(ge=3, le=100, description="Inner corners in a column.")
    square_mm: Positive = Field(description="The side of a square.")


class Charuco(Table):
    """A printed chessboard with ArUco markers in its white squares; it need not be all in the picture."""

    type: Literal["charuco"] = Field(description="The kind of target.")
    columns: int = Field(ge=3, le=100, description="Squares in a row.")
    rows: int = Field(ge=3, le=100, description="Squares in a column.")
    square_mm: Positive = Field(description="The side of a square.")
    marker_mm: Positive = Field(description="The side of a marker.")
    dictionary: str = Field(
        "DICT_4X4_50", pattern=r"^DICT_[A-Z0-9_]+$", description="OpenCV's name of the markers."
    )

    @model_validator(mode="after")
    def _markers_fit(self) -> Self:
        if self.marker_mm >= self.square_mm:
            raise ValueError("marker_mm must be under square_mm")
        return self


class Length(Table):
    """A part whose length is known: one scale for the whole picture, which must be taken straight from above."""

    type: Literal["length"] = Field(description="The kind of target.")
    length_mm: Positive = Field(description="From edge to edge.")
    start: Place = Field(description="Where the search begins, outside of the part, in frame pixels.")
    end: Place = Field(description="Where it ends, beyond the part.")
    across_px: Positive = Field(60.0, description="How broad the strip is that is searched.")


Target = Annotated[Chessboard | Charuco | Length, Field(discriminator="type")]


class Found(Table):
    """Where the target was, for comparison: `number` names a corner."""

    number: int = Field(ge=0, description="Which corner, row by row.")
    x: Number = Field(description="Frame pixels from the left.")
    y: Number = Field(description="Frame pixels from the top.")


class Calibration(Table):
    """All of a calibration file."""

    schema_: Literal["edge.calibration/1"] = Field(alias="schema", description="How to read this file.")
    created: datetime = Field(description="When the pictures were evaluated.")
    size: Size = Field(description="Width and height of the pictures that it holds for.")
    target: Target = Field(description="What was in the pictures.")
    plane: PlaneTable = Field(description="From pixels to millimetres.")
    lens: Lens | None = Field(
        default=None, description="From several views; none: the lens is taken as ideal."
    )
    found: list[Found] = Field(min_length=2, max_length=10_000, description="Where the target was.")


def rows_of(matrix: Sequence[Sequence[float]]) -> tuple[Row, Row, Row]:
    """A 3×3 matrix as it stands in the file."""
    first, second, third = ((float(a), float(b), float(c)) for a, b, c in matrix)
    return first, second, third
