"""The manifest's table of an object detector."""

from pydantic import Field

from edge.model.tables import Label
from edge.model.tables.outputs import BoxLayout
from edge.table import Fraction, Table


class DetectionHead(Table):
    """Boxes with a label and a score."""

    labels: list[Label] = Field(
        min_length=1, max_length=10_000, description="In the order of the model's class scores."
    )
    outputs: BoxLayout | None = Field(
        default=None,
        description="How an imported model gives boxes; none: for each stride a grid of class scores, and one of"
        " distances to the edges.",
    )
    min_score: Fraction = Field(default=0.05, description="Candidates under it are left out.")
    max_iou: Fraction = Field(
        default=0.5, description="Of two boxes of one label that overlap more, the better one stays."
    )
