"""The manifest's table of a segmentation."""

from pydantic import Field

from edge.model.tables import Label
from edge.model.tables.outputs import MaskLayout
from edge.table import Table


class SegmentationHead(Table):
    """A label for each cell of the picture."""

    labels: list[Label] = Field(
        min_length=2,
        max_length=256,
        description="In the order of the model's channels; the first is the background: what is good.",
    )
    outputs: MaskLayout | None = Field(
        default=None,
        description="How an imported model gives them; none: a raw score for each cell and label.",
    )
