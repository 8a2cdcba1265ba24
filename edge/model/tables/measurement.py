"""The manifest's table of a measurement: a bundle without a network."""

from edge.table import Table


class MeasurementTools(Table):
    """What is measured, and where."""
