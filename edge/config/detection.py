"""What is to be found in a picture, and what is not: the rules of a check that detects things."""

from typing import Literal

from pydantic import Field

from edge.table import Fraction, Table


class Count(Table):
    """How many of a thing there must be."""

    label: str = Field(description="What is counted.")
    at_least: int = Field(0, ge=0, le=300, description="Fewer fail.")
    at_most: int | None = Field(None, ge=0, description="More fail; none: as many as you like.")


class Pair(Table):
    """A thing that must have a part: each bottle its cap."""

    each: str = Field(description="The thing …")
    has: str = Field(description="… of which each must have one of these; one serves one thing only.")
    least_inside: Fraction = Field(
        0.5, description="So much of the part's box, as a share, must lie inside the thing's box."
    )
    place: Literal["anywhere", "top", "bottom", "left", "right"] = Field(
        "anywhere", description="In which half of the thing's box the part's middle must lie."
    )
    if_none: Literal["inconclusive", "fail", "pass"] = Field(
        "inconclusive", description="Verdict where there is no such thing at all."
    )


class DetectionRules(Table):
    """From detections to a verdict."""

    min_score: Fraction = Field(0.5, description="A detection counts from this score on.")
    doubt_from: Fraction = Field(
        0.3,
        description="What scores between this and min_score may be there or not; inconclusive where that decides.",
    )
    margin_px: int = Field(
        0,
        ge=0,
        description="Things that come so near to the edge of what is looked at are cut off, and not counted.",
    )
    fail_labels: list[str] = Field([], description="Whatever has one of these labels fails the part.")
    counts: list[Count] = Field([], description="How many of which thing there must be.")
    pairs: list[Pair] = Field([], description="Which things must have which part.")
