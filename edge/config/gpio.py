"""Digital lines to the machine."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edge.table import Table

LineId = Annotated[int, Field(ge=0)] | Annotated[str, Field(min_length=1)]
"""A GPIO line: its offset on the chip, or its name."""
Output = Literal["lamp", "pass", "fail", "ready", "busy"]


class Gpio(Table):
    """Digital lines to the machine: a trigger in; a lamp and the answers out. Those without a line are off."""

    chip: str = Field("/dev/gpiochip0", description="The GPIO chip that all these lines belong to.")
    trigger_line: LineId | None = Field(
        None, description="Input: each of its edges is a part. A line is an offset on the chip, or a name."
    )
    trigger_edge: Literal["rising", "falling"] = Field("rising", description="Which change is a part.")
    trigger_bias: Literal["as-is", "pull-up", "pull-down", "disabled"] = Field(
        "as-is", description="The chip's own resistor on the trigger."
    )
    debounce_ms: float = Field(
        1.0, ge=0, le=1000, description="A level of the trigger that holds for less is bouncing."
    )
    delay_ms: float = Field(
        0.0,
        ge=0,
        le=10000,
        description="From the edge until the part is in place: no earlier frame shows it.",
    )
    lamp_line: LineId | None = Field(None, description="Output: the light.")
    lamp: Literal["strobe", "steady"] = Field(
        "strobe", description="On for the frames of a part, or as long as the station runs."
    )
    lamp_lead_ms: float = Field(
        0.0, ge=0, le=10000, description="A strobe is on for so long before a frame of the part may begin."
    )
    pass_line: LineId | None = Field(None, description="Output: the part passed.")
    fail_line: LineId | None = Field(
        None, description="Output: any other verdict, be it fail, inconclusive or error."
    )
    ready_line: LineId | None = Field(None, description="Output: parts that come now are inspected.")
    busy_line: LineId | None = Field(None, description="Output: a part has come that has no verdict yet.")
    pulse_ms: float = Field(
        50.0,
        ge=0,
        le=10000,
        description="Pass and fail are on for so long, and then off as long; 0: on until the next verdict.",
    )
    active_low: list[Output] = Field([], description="Outputs that are on when their level is low.")

    @property
    def outputs(self) -> dict[Output, int | str]:
        """The outputs that have a line."""
        lines: dict[Output, int | str | None] = {
            "lamp": self.lamp_line,
            "pass": self.pass_line,
            "fail": self.fail_line,
            "ready": self.ready_line,
            "busy": self.busy_line,
        }
        return {name: line for name, line in lines.items() if line is not None}

    @property
    def steady_lamp(self) -> "Gpio":
        """The lamp alone, always on: for pictures that nothing triggers."""
        if self.lamp_line is None:
            return Gpio()
        low: list[Output] = ["lamp"] if "lamp" in self.active_low else []
        return Gpio(chip=self.chip, lamp_line=self.lamp_line, lamp="steady", active_low=low)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        lines = [*self.outputs.values(), *([] if self.trigger_line is None else [self.trigger_line])]
        twice = next((line for line in lines if lines.count(line) > 1), None)
        if twice is not None:
            raise ValueError(f"line {twice!r} has two uses; give each a line of its own")
        if self.trigger_line is None:
            if self.busy_line is not None:
                raise ValueError("busy_line needs a trigger_line: without one, no part is ever awaited")
            if self.lamp_line is not None and self.lamp == "strobe":
                raise ValueError("a strobe needs a trigger_line; name one, or set lamp = 'steady'")
        unused = next((name for name in self.active_low if name not in self.outputs), None)
        if unused is not None:
            raise ValueError(f"active_low names {unused!r}, which has no line; set {unused}_line")
        return self
