"""What must stand on a part: the rules of a check that reads."""

from typing import Literal

from pydantic import Field

from edge.table import Table


class ReadingRules(Table):
    """From what was read to a verdict."""

    codes: int = Field(1, ge=0, le=64, description="So many codes with different texts must be there.")
    pattern: str = Field(".+", description="Regular expression that the whole text must match.")
    unreadable: Literal["inconclusive", "fail"] = Field(
        "inconclusive", description="The verdict on a part whose code is missing or cannot be read."
    )
    part_id: bool = Field(
        default=False,
        description="The text, or what the group part_id of the pattern matches, becomes the part's id.",
    )
