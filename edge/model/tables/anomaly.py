"""The manifest's table of an anomaly model."""

from typing import Literal

from pydantic import Field

from edge.model.methods import Method
from edge.model.tables import FileName, Positive
from edge.table import Table


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
