"""The manifest's table of a segmentation."""

from typing import Self

from pydantic import Field, model_validator

from edge.model.tables import Label
from edge.model.tables.outputs import MaskLayout
from edge.table import Table


class SegmentationHead(Table):
    """A label for each cell of the picture."""

    labels: list[Label] = Field(
        min_length=2,
        max_length=255,
        description="In the order of the model's channels; the first is the background: what is good.",
    )
    outputs: MaskLayout | None = Field(
        default=None,
        description="How an imported model gives them; none: a raw score for each cell and label.",
    )

    @model_validator(mode="after")
    def _tells_labels_apart(self) -> Self:
        twice = sorted({label for label in self.labels if self.labels.count(label) > 1})
        if twice:
            raise ValueError(
                f"labels: {', '.join(twice)} is there more than once; name each class differently"
            )
        return self
