"""Steps that make a picture easier to judge, on the pixels that the model will see.

They stand in a bundle's manifest, `[[input.enhance]]`, in order, because a model must see in use what it saw when
it was taught. A check may have its own, for a model that somebody else has trained.
"""

from typing import Annotated, Literal

from pydantic import Field

from edge.table import Table


class Denoise(Table):
    """Smooths what differs little and leaves edges: a bilateral filter."""

    type: Literal["denoise"] = "denoise"
    levels: float = Field(
        12.0, ge=1, le=100, description="Differences that are noise, in grey levels; larger ones are edges."
    )
    radius_px: float = Field(1.0, ge=0.5, le=5, description="How far it smooths, in pixels of the model.")


class Brightness(Table):
    """Multiplies all pixels so that their mean is always the same."""

    type: Literal["brightness"] = "brightness"
    level: float = Field(110.0, ge=16, le=240, description="The mean grey level that it makes.")
    most: float = Field(4.0, gt=1, le=16, description="It multiplies or divides by so much at most.")


class Clahe(Table):
    """Raises the contrast of each neighbourhood: contrast-limited adaptive histogram equalisation."""

    type: Literal["clahe"] = "clahe"
    clip: float = Field(2.0, ge=1, le=40, description="Contrast is raised so many-fold at most.")
    zones: int = Field(4, ge=1, le=16, description="Neighbourhoods along each side of a tile.")


class WhiteBalance(Table):
    """Multiplies each colour so that the mean of all is grey."""

    type: Literal["white_balance"] = "white_balance"
    most: float = Field(2.0, gt=1, le=8, description="It multiplies or divides by so much at most.")


class Sharpen(Table):
    """Raises fine detail: an unsharp mask."""

    type: Literal["sharpen"] = "sharpen"
    amount: float = Field(1.0, gt=0, le=5, description="So many times the detail is added.")
    radius_px: float = Field(
        1.0, ge=0.3, le=10, description="What is finer is detail, in pixels of the model."
    )


Enhance = Annotated[
    Denoise | Brightness | Clahe | WhiteBalance | Sharpen,
    Field(discriminator="type"),
]
"""One step."""
Steps = Annotated[tuple[Enhance, ...], Field(max_length=8)]
