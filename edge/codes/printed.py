"""Whether there is print in a place, such as a date from an ink-jet: strokes and dots, not what they say.

It sees marks that are as thin as print, in number and density like those of the print that it was shown. It reads
nothing: another date, mirrored letters or a scratch pattern of the same density are print to it.
"""

from typing import Annotated, Any, Literal, Self

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from edge.geometry import Box, Image
from edge.prediction import Print
from edge.table import Segment, Table

Whole = Annotated[int, Field(ge=0, le=100_000)]

NOISE = 5.0
"""Marks are darker than their ground by so many standard deviations of what is fine in the picture."""
FEW, ENOUGH, MANY = 0.25, 0.5, 2.0
"""Shares of the taught density: under the first it is blank, from the second to the third it is print."""
SMALLEST_PX = 4
"""A mark of fewer square pixels is noise."""


class PrintPlace(Table):
    """A place that must be printed on."""

    name: Segment = Field(description="What is printed there, in reports.")
    corner: tuple[Whole, Whole] = Field(description="The upper left corner in frame pixels.")
    opposite: tuple[Whole, Whole] = Field(description="The lower right corner; exclusive.")
    ink: Literal["dark", "light"] = Field(default="dark", description="Darker or lighter than its ground.")
    stroke_px: int = Field(default=5, ge=1, le=200, description="How broad a stroke or dot is, at most.")
    min_step: float = Field(default=12.0, gt=0, le=255, description="Grey levels between ink and ground.")
    density: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of the place that marks cover when it is good: 'edge read' says it.",
    )

    @model_validator(mode="after")
    def _holds_pixels(self) -> Self:
        if self.corner[0] >= self.opposite[0] or self.corner[1] >= self.opposite[1]:
            raise ValueError("corner must lie above and to the left of opposite")
        return self


def look_for_print(image: Image, box: Box, place: PrintPlace) -> Print:
    """What is in that place of a picture that covers `box` of the frame."""
    there = Box(*place.corner, *place.opposite)
    if box.intersection(there) != there or there.area == 0:
        return Print(place.name, None, None, there, "lies outside of what the check looks at; move it")
    rows = slice(place.corner[1] - int(box.y_min), place.opposite[1] - int(box.y_min))
    columns = slice(place.corner[0] - int(box.x_min), place.opposite[0] - int(box.x_min))
    density = density_of(image[rows, columns], place)
    if place.density is None:
        unknown = f"a good print is not known; give it density = {density:.3f}, if this is one"
        return Print(place.name, None, density, there, unknown)
    present, reason = _compared(density, place.density)
    return Print(place.name, present, density, there, reason)


def _compared(density: float, good: float) -> tuple[bool | None, str | None]:
    share, told = density / good, f"marks cover {density:.1%}, and {good:.1%} when it is good"
    if share < FEW:
        return False, f"blank: {told}"
    if share < ENOUGH or share > MANY:
        return None, f"{'more' if share > MANY else 'less'} than print: {told}"
    return True, None


def density_of(image: Image, place: PrintPlace) -> float:
    """The share of a picture that thin marks cover, 0…1. Shades that change slowly are no marks."""
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    if place.ink == "light":
        grey = cv2.bitwise_not(grey)
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.8)
    side = 2 * place.stroke_px + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    marks = cv2.morphologyEx(smooth, cv2.MORPH_BLACKHAT, kernel, borderType=cv2.BORDER_REPLICATE)
    limit = max(place.min_step, NOISE * _noise(smooth) + float(np.median(marks)))
    over = np.asarray(marks > limit, np.uint8)
    count, _, figures, _ = cv2.connectedComponentsWithStats(over, connectivity=8)
    sizes = figures[1:count, cv2.CC_STAT_AREA]
    return float(sizes[sizes >= SMALLEST_PX].sum()) / over.size


def _noise(grey: npt.NDArray[Any]) -> float:
    """The standard deviation of what changes from pixel to pixel, half of the picture or more being even."""
    fine = cv2.subtract(grey.astype(np.float32), cv2.GaussianBlur(grey, (0, 0), 2.0).astype(np.float32))
    return 1.4826 * float(np.median(np.abs(fine)))
