"""Parts that are followed from frame to frame: which, where a part is complete, and how long it may be unseen."""

from typing import Literal

from pydantic import Field

from edge.table import Segment, Table

Direction = Literal["right", "left", "down", "up"]


class Track(Table):
    """Parts on a belt, several in a frame: each gets one verdict, when it crosses a line."""

    label: str = Field(min_length=1, description="The parts to follow: a label of a check that detects.")
    check: Segment | None = Field(
        None, description="The check that finds them; none: the only one with that label."
    )
    direction: Direction = Field("right", description="Where the belt runs to, as the frame shows it.")
    report_at: int = Field(
        gt=0,
        description="Where a part is judged: when its middle crosses this column (down, up: row) of the frame.",
    )
    seen_frames: int = Field(
        3, ge=2, le=100, description="What is seen in fewer frames is no part, but a false detection."
    )
    longest_gap_s: float = Field(
        1.0, gt=0, le=60, description="A part may be unseen for so long and is still the same, in seconds."
    )
