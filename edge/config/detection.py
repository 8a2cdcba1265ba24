"""What is to be found in a picture, and what is not: the rules of a check that detects things."""

from pydantic import Field

from edge.table import Fraction, Table


class Count(Table):
    """How many of a thing there must be."""

    label: str = Field(description="What is counted.")
    at_least: int = Field(0, ge=0, description="Fewer fail.")
    at_most: int | None = Field(None, ge=0, description="More fail; none: as many as you like.")


class DetectionRules(Table):
    """From detections to a verdict."""

    min_score: Fraction = Field(0.5, description="A detection counts from this score on.")
    fail_labels: list[str] = Field([], description="Whatever has one of these labels fails the part.")
    counts: list[Count] = Field([], description="How many of which thing there must be.")
