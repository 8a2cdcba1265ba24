"""What a camera gets wrong in the same way in every picture, and what undoes it."""

from typing import Annotated

from pydantic import Field

from edge.table import FilePath, Table

ColourGain = Annotated[float, Field(ge=0.25, le=4)]


class Correction(Table):
    """Undone in every frame before anybody looks at it: boxes, evidence and taught pictures are in its pixels."""

    lens: FilePath | None = Field(
        None, description="File of 'edge calibrate' that holds the lens; none: straight lines stay as bent."
    )
    flat_field: FilePath | None = Field(
        None, description="Picture of an even white surface that fills the frame; none: shade stays."
    )
    colour_gains: tuple[ColourGain, ColourGain, ColourGain] | None = Field(
        None, description="What red, green and blue are multiplied by; none: colours stay."
    )
