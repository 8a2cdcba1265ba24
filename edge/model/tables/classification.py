"""The manifest's table of a classification."""

from typing import Literal

from pydantic import Field

from edge.model.tables import FileName, Label
from edge.model.tables.outputs import Activation
from edge.table import Table


class ClassificationHead(Table):
    """A probability for each label."""

    labels: list[Label] = Field(
        min_length=2, max_length=10_000, description="In the order of the model's output, or as taught."
    )
    head: FileName | None = Field(
        default=None,
        description="The file with the arrays of few-shot classes; none: the model itself gives probabilities.",
    )
    strides_px: list[Literal[8, 16]] = Field(
        default=[8, 16],
        min_length=1,
        max_length=2,
        description="With a head: which features; input pixels between two cells.",
    )
    activation: Activation = Field(
        default="none",
        description="Without a head: what turns the model's scores into probabilities; none: they are.",
    )
