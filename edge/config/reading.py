"""What must stand on a part: the rules of a check that reads."""

from pydantic import Field

from edge.table import Table


class ReadingRules(Table):
    """From what was read to a verdict."""

    pattern: str = Field(".+", description="Regular expression that the whole text must match.")
