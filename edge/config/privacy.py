"""What of people leaves the device."""

from pydantic import Field

from edge.table import FilePath, Fraction, Table


class Privacy(Table):
    """People in pictures that are kept or sent. What is judged, and what is taught, is never covered."""

    faces: FilePath | None = Field(
        None,
        description="Bundle of a detection model: what it finds is covered. None: nothing is.",
    )
    labels: list[str] = Field([], description="Only what has one of these labels; empty: whatever it finds.")
    min_score: Fraction = Field(
        0.3, description="A face is covered from this score on. Lower: fewer are missed, more is covered."
    )
    margin: float = Field(
        0.3, ge=0, le=2, description="Each side of a box is moved out by so much of the box's size."
    )
