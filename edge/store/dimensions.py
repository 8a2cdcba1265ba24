"""What was measured, drawn into the picture as in a drawing: points on the edges, lengths, and their values."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge.geometry import Box, Image
from edge.judge.measurement import told
from edge.prediction import Measurement, Measurements
from edge.store.lettering import INK, Colour, clear_place, draw_sign, sign_size

STROKE_PX = 7
"""Half the length of the stroke at the end of a length."""
TRIES = 12
"""So many places above and below are tried for a value, where others stand already."""
Places = npt.NDArray[np.float64]


class _Sign(NamedTuple):
    words: str
    colour: Colour
    x: float
    y: float


def draw_dimensions(picture: Image, measured: Measurements, colours: Sequence[Colour], scale: float) -> None:
    """Draw values, none over another, into a picture that is `scale` times the frame."""
    signs = []
    for place, one in enumerate(measured.found):
        if one.value is not None and (one.points or one.ends):
            colour = colours[place % len(colours)]
            x, y = _draw_shape(picture, one, colour, scale)
            signs.append(_Sign(f"{one.name} {told(one)}", colour, x, y))
    taken: list[Box] = []
    for sign in signs:
        box = _free(sign, taken)
        draw_sign(picture, sign.words, sign.colour, round(box.x_min), round(box.y_min))
        taken.append(box)


def _draw_shape(picture: Image, measured: Measurement, colour: Colour, scale: float) -> tuple[float, float]:
    """The points on the edges and the length between its ends; returns the middle of where its value belongs."""
    points = np.array(measured.points, np.float64).reshape(-1, 2) * scale
    for x, y in points:
        place = (round(x), round(y))
        cv2.circle(picture, place, 2, INK, -1, cv2.LINE_AA)
        cv2.circle(picture, place, 1, colour, -1, cv2.LINE_AA)
    ends = np.array(measured.ends).reshape(-1, 2) * scale
    if len(ends) == 2:  # noqa: PLR2004 - a length has two ends
        _draw_length(picture, ends[0], ends[1], colour)
    middle = (ends if len(ends) else points).mean(axis=0)
    return float(middle[0]), float(middle[1])


def _draw_length(picture: Image, one: Places, other: Places, colour: Colour) -> None:
    """A line with a stroke across each end."""
    way = (other - one) / max(1.0, float(np.hypot(*(other - one))))
    across = np.array([-way[1], way[0]]) * STROKE_PX
    lines = [(one, other), *((end - across, end + across) for end in (one, other))]
    for thickness, ink in ((4, INK), (2, colour)):
        for start, end in lines:
            places = [(round(float(x)), round(float(y))) for x, y in (start, end)]
            cv2.line(picture, places[0], places[1], ink, thickness, cv2.LINE_AA)


def _free(sign: _Sign, taken: Sequence[Box]) -> Box:
    """The nearest place to where a value belongs, above or below, at which no other stands."""
    width, height = sign_size(sign.words)
    boxes = [
        Box(sign.x - width / 2, top, sign.x + width / 2, top + height)
        for step in range(TRIES)
        for top in (sign.y - height / 2 + step * (height + 2), sign.y - height / 2 - step * (height + 2))
    ]
    return clear_place(boxes, taken)
