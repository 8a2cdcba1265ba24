"""The measuring tools of a bundle, as its manifest lists them. Places are frame pixels."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edge.table import Segment, Table

Coordinate = Annotated[float, Field(ge=-100_000, le=100_000, allow_inf_nan=False)]
Spot = tuple[Coordinate, Coordinate]
Pixels = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
Shade = Literal["dark", "light"]


class Tool(Table):
    """What every tool has."""

    name: Segment = Field(description="Name of the value, in reports and rules.")
    min_step: float = Field(
        default=15.0, gt=0, le=255, description="The least change of light (0 to 255) that counts as an edge."
    )
    repeatability: Share = Field(
        default=0.0,
        description="Standard deviation of repeated measurements, in the value's unit, as 'edge gauge' found it.",
    )


class Caliper(Tool):
    """The distance of two edges that face each other, square to them."""

    type: Literal["caliper"] = Field(description="The kind of tool.")
    start: Spot = Field(description="Where the search begins, outside of the part.")
    end: Spot = Field(description="Where it ends, beyond the part.")
    across_px: Pixels = Field(default=30.0, description="How broad the strip is that is searched.")
    part: Shade = Field(
        default="dark", description="Whether what is measured is darker than what is around it."
    )
    edges: Literal["only", "outermost"] = Field(
        default="only",
        description="'only': two edges of equal strength are in doubt; 'outermost': the first and the last count.",
    )

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        _refuse_short(self.start, self.end)
        return self


class EdgeLine(Tool):
    """A straight edge, for angles and distances; it has no value of its own."""

    type: Literal["edge"] = Field(description="The kind of tool.")
    start: Spot = Field(description="Where the search begins, on one side of the edge.")
    end: Spot = Field(description="Where it ends, on the other side.")
    across_px: Pixels = Field(default=30.0, description="How broad the strip is that is searched.")
    turns: Literal["rising", "falling", "any"] = Field(
        default="any", description="From start to end: from dark to light, from light to dark, or either."
    )
    edges: Literal["only", "first", "last"] = Field(
        default="only", description="Which counts where there are several; 'only': they are in doubt."
    )

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        _refuse_short(self.start, self.end)
        return self


class Round(Tool):
    """The diameter of a round edge."""

    type: Literal["circle"] = Field(description="The kind of tool.")
    centre: Spot = Field(description="About where its middle is.")
    radius_px: Pixels = Field(description="About how large it is.")
    search_px: Pixels = Field(default=12.0, description="How far inside and outside of that it is searched.")
    inside: Shade = Field(default="dark", description="Whether its inside is darker than what is around it.")

    @model_validator(mode="after")
    def _leaves_a_middle(self) -> Self:
        if self.search_px >= self.radius_px:
            raise ValueError("search_px must be under radius_px")
        return self


class Angle(Tool):
    """The angle between two straight edges, 0 to 90 degrees."""

    type: Literal["angle"] = Field(description="The kind of tool.")
    of: tuple[Segment, Segment] = Field(description="The names of two tools of type 'edge'.")


class Distance(Tool):
    """From a circle's middle or an edge to another; to an edge, square to it."""

    type: Literal["distance"] = Field(description="The kind of tool.")
    of: tuple[Segment, Segment] = Field(description="The names of two tools of type 'circle' or 'edge'.")


class Area(Tool):
    """The area of the part, or the largest piece of it, that lies within a rectangle."""

    type: Literal["area"] = Field(description="The kind of tool.")
    corner: Spot = Field(description="The rectangle's upper left corner; it holds the part and some ground.")
    opposite: Spot = Field(description="Its lower right corner.")
    part: Shade = Field(default="dark", description="Whether the part is darker than what is around it.")

    @model_validator(mode="after")
    def _holds_pixels(self) -> Self:
        if self.opposite[0] - self.corner[0] < SHORTEST_PX or self.opposite[1] - self.corner[1] < SHORTEST_PX:
            raise ValueError(f"corner must be {SHORTEST_PX} pixels above and to the left of opposite")
        return self


SHORTEST_PX = 8
"""An edge and what is around it need so much room."""
AnyTool = Annotated[Caliper | EdgeLine | Round | Angle | Distance | Area, Field(discriminator="type")]
FEATURES: dict[str, set[str]] = {"angle": {"edge"}, "distance": {"edge", "circle"}}
"""Which tools those that compare others can compare."""


def complaints(tools: list[AnyTool]) -> Iterator[str]:
    """What is wrong with tools that are each right for themselves."""
    kinds: dict[str, str] = {}
    for tool in tools:
        if tool.name in kinds:
            yield f"two tools have the name '{tool.name}'; rename one"
        if isinstance(tool, Angle | Distance):
            wanted = " or ".join(f"'{kind}'" for kind in sorted(FEATURES[tool.type]))
            for name in tool.of:
                if kinds.get(name) not in FEATURES[tool.type]:
                    yield f"{tool.name}: of: '{name}' must be an earlier tool of type {wanted}"
            if tool.of[0] == tool.of[1]:
                yield f"{tool.name}: of: names '{tool.of[0]}' twice; name two tools"
        kinds[tool.name] = tool.type
    if all(kind == "edge" for kind in kinds.values()):
        yield "an edge has no value of its own; add a tool that measures"


def _refuse_short(start: Spot, end: Spot) -> None:
    if max(abs(end[0] - start[0]), abs(end[1] - start[1])) < SHORTEST_PX:
        raise ValueError(f"start and end must be at least {SHORTEST_PX} pixels apart")
