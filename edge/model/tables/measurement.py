"""The manifest's table of a measurement: a bundle without a network."""

from typing import Self

from pydantic import Field, model_validator

from edge.gauge.anchor import Anchor
from edge.gauge.light import Encoding
from edge.gauge.tools import AnyTool, EdgeLine, complaints
from edge.model.tables import FileName
from edge.table import Table


class MeasurementTools(Table):
    """What is measured, and where."""

    calibration: FileName | None = Field(
        default=None, description="The file that 'edge calibrate' wrote; none: values are in pixels."
    )
    encoding: Encoding = Field(
        default="srgb", description="How grey levels stand for light; 'linear' are a camera's raw values."
    )
    picture: FileName | None = Field(
        default=None, description="A picture of a good part, which the anchor was chosen in."
    )
    anchor: Anchor | None = Field(default=None, description="What the tools move with; none: they stay.")
    tools: list[AnyTool] = Field(
        min_length=1, max_length=256, description="What is measured, in the order of reports."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        wrong = list(complaints(self.tools))
        if (self.picture is None) != (self.anchor is None):
            wrong.append("picture and anchor belong together; give both or neither")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """The bundle's files that it names."""
        return tuple(name for name in (self.calibration, self.picture) if name is not None)

    @property
    def names(self) -> tuple[str, ...]:
        """The tools that give a value."""
        return tuple(tool.name for tool in self.tools if not isinstance(tool, EdgeLine))
