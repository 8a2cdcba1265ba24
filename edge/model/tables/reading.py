"""The manifest's table of a reading: a bundle without a network."""

from edge.table import Table


class ReadingTools(Table):
    """What is read."""
