"""Where the part lies: a piece of a picture of a good part is found again, and the tools move with it.

It is found to about a pixel and half a degree. That does: the tools find their edges themselves, in the frame.
"""

from dataclasses import dataclass
from math import ceil
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from edge.errors import NothingToMeasureError
from edge.gauge.fits import Floats
from edge.gauge.light import Grey
from edge.gauge.scan import View
from edge.gauge.tools import SHORTEST_PX, AnyTool, Area, Caliper, EdgeLine, Pixels, Round, Spot
from edge.table import Fraction, Table

TEMPLATE_PX = 64
"""What is looked for is reduced to about this size: more is slower, and finds it no better."""
ANGLE_STEP_DEG = 1.0
PLAIN = 4.0
"""A piece whose light has a smaller standard deviation is an even ground with noise."""


class Anchor(Table):
    """A piece of the part that is always there and looks like nothing near it, such as a corner with a hole."""

    corner: Spot = Field(description="Its upper left corner in the picture of a good part.")
    opposite: Spot = Field(description="Its lower right corner.")
    search_px: Pixels = Field(default=50.0, description="How far it may have moved, in each direction.")
    turn_deg: float = Field(default=0.0, ge=0, le=45, description="How far it may have turned, either way.")
    min_score: Fraction = Field(
        default=0.6, description="How alike it must be: 1 is the same, 0 is anything."
    )

    @model_validator(mode="after")
    def _holds_pixels(self) -> Self:
        if self.opposite[0] - self.corner[0] < SHORTEST_PX or self.opposite[1] - self.corner[1] < SHORTEST_PX:
            raise ValueError(f"corner must be {SHORTEST_PX} pixels above and to the left of opposite")
        return self


@dataclass(frozen=True, eq=False)
class Pose:
    """How the part has moved: `turn` is a 2×2 matrix around `middle`, and `shift` where that has gone."""

    middle: Floats
    turn: Floats
    shift: Floats

    def of(self, spot: Spot) -> Spot:
        """Where a place of the taught part lies now."""
        x, y = self.turn @ (np.array(spot) - self.middle) + self.middle + self.shift
        return float(x), float(y)


class Template:
    """An anchor that is ready to be looked for."""

    def __init__(self, anchor: Anchor, taught: View) -> None:
        """`taught` is the picture of the good part. Raises `NothingToMeasureError` where nothing can be found."""
        self._anchor = anchor
        corners = np.array([anchor.corner, anchor.opposite])
        if not taught.holds(corners):
            raise NothingToMeasureError("anchor: corner and opposite lie outside of its picture")
        self._scale = min(1.0, TEMPLATE_PX / float((corners[1] - corners[0]).max()))
        self._middle = corners.mean(axis=0)
        half = (corners[1] - corners[0]) / 2
        steps = ceil(anchor.turn_deg / ANGLE_STEP_DEG)
        self._angles = [step * ANGLE_STEP_DEG for step in range(-steps, steps + 1)]
        self._pieces = [self._piece(taught, half, angle) for angle in self._angles]
        if float(self._pieces[steps].std()) < PLAIN:
            raise NothingToMeasureError(
                "anchor: there is nothing to be seen in it; choose a piece with edges"
            )

    def _piece(self, taught: View, half: Floats, angle_deg: float) -> Grey:
        """What the anchor looks like when the part is turned by that angle."""
        columns, rows = (max(4, round(float(size))) for size in 2 * half * self._scale)
        x = (np.arange(columns) + 0.5 - columns / 2) / self._scale
        y = (np.arange(rows) + 0.5 - rows / 2) / self._scale
        places = np.stack(np.meshgrid(x, y), axis=-1) @ _turning(angle_deg) + self._middle
        return _reduced(taught, self._scale).sample(places)

    def find(self, view: View) -> Pose:
        """Where the part lies now. Raises `NothingToMeasureError` where it is not found."""
        if min(view.grey.shape) < SHORTEST_PX:
            raise NothingToMeasureError("the check looks at too few pixels; make the roi larger")
        there = _reduced(view, self._scale)
        reach = self._anchor.search_px
        rows, columns = self._pieces[0].shape
        margin = ceil(reach * self._scale)
        x = (np.arange(columns + 2 * margin) + 0.5 - columns / 2 - margin) / self._scale + self._middle[0]
        y = (np.arange(rows + 2 * margin) + 0.5 - rows / 2 - margin) / self._scale + self._middle[1]
        searched = there.sample(np.stack(np.meshgrid(x, y), axis=-1))
        scores = [cv2.matchTemplate(searched, piece, cv2.TM_CCOEFF_NORMED) for piece in self._pieces]
        best = max(range(len(scores)), key=lambda place: float(scores[place].max()))
        score = float(scores[best].max())
        if not score >= self._anchor.min_score:  # also where it is no number
            raise NothingToMeasureError(
                f"the part was not found: what is most like its anchor is {score:.2f} alike (min_score"
                f" {self._anchor.min_score:g})"
            )
        row, column = np.unravel_index(int(scores[best].argmax()), scores[best].shape)
        shift = (
            np.array([_peak(scores[best][row], int(column)), _peak(scores[best][:, column], int(row))])
            - margin
        )
        return Pose(self._middle, _turning(self._angles[best]), shift / self._scale)


def moved(tool: AnyTool, pose: Pose) -> AnyTool:
    """The tool where the part lies now. A rectangle moves, and does not turn."""
    match tool:
        case Caliper() | EdgeLine():
            return tool.model_copy(update={"start": pose.of(tool.start), "end": pose.of(tool.end)})
        case Round():
            return tool.model_copy(update={"centre": pose.of(tool.centre)})
        case Area():
            corners = np.array([tool.corner, tool.opposite])
            middle = corners.mean(axis=0)
            now = corners + np.array(pose.of((float(middle[0]), float(middle[1])))) - middle
            return tool.model_copy(
                update={"corner": tuple(now[0].tolist()), "opposite": tuple(now[1].tolist())}
            )
        case _:
            return tool


def _turning(angle_deg: float) -> Floats:
    turn = np.deg2rad(angle_deg)
    return np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])


def _reduced(view: View, scale: float) -> View:
    """The same view without what is finer than a pixel of the reduced one."""
    if scale == 1.0:
        return view
    smooth = cv2.GaussianBlur(view.grey, (0, 0), 0.5 / scale)
    return View(np.asarray(smooth, np.float32), view.left, view.top)


def _peak(scores: npt.NDArray[Any], place: int) -> float:
    """The place of a maximum, to a fraction, by a parabola."""
    if not 0 < place < len(scores) - 1:
        return float(place)
    before, here, after = (float(scores[place + step]) for step in (-1, 0, 1))
    bend = before - 2 * here + after
    return place + 0.5 * (before - after) / bend if bend < 0 else float(place)
