"""How much of a picture may be what: the rules of a check that segments it."""

from typing import Literal

from pydantic import Field

from edge.table import Table


class AreaLimits(Table):
    """How much there may be, and must be, of one label. All areas are in the `unit` of the rules."""

    label: str = Field(description="The label.")
    max_area: float = Field(ge=0, allow_inf_nan=False, description="A larger area fails.")
    pass_area: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="An area up to this passes, one between is inconclusive; none: as max_area.",
    )
    min_area: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="A smaller area fails: the label must be there."
    )


class SegmentationRules(Table):
    """From areas to a verdict."""

    unit: Literal["px2", "mm2"] = Field(
        "px2", description="Of the areas here: square frame pixels, or mm², which needs mm_per_px."
    )
    mm_per_px: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Millimetres of the part in a frame pixel, from calibration; none: areas in px² only.",
    )
    max_area: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="A larger area of any label but the first fails."
    )
    pass_area: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="An area up to this passes, one between is inconclusive; none: as max_area.",
    )
    min_probability: float = Field(
        0.5, ge=0, le=1, description="Cells whose label is less sure are in doubt: they cannot pass or fail."
    )
    empty: Literal["pass", "inconclusive"] = Field(
        "pass", description="What a picture is in which only the first label is found."
    )
    limits: list[AreaLimits] = Field([], description="Labels with limits of their own.")
