"""How large things may be: the rules of a check that measures."""

from pydantic import Field

from edge.table import Table


class Tolerance(Table):
    """The limits of one measured value, in its own unit."""

    name: str = Field(description="The tool of the bundle that measures it.")
    lower: float | None = Field(None, allow_inf_nan=False, description="Less fails; none: no lower limit.")
    upper: float | None = Field(None, allow_inf_nan=False, description="More fails; none: no upper limit.")


class MeasurementRules(Table):
    """From values to a verdict."""

    tolerances: list[Tolerance] = Field([], description="The limits of each value that is judged.")
