"""What a check found, drawn into the picture of a part: boxes with their labels, areas, measured lines, codes."""

from collections.abc import Sequence
from itertools import cycle
from typing import assert_never

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw

from edge.judge.measurement import told
from edge.store.lettering import Colour, font, printable
from edge.types import (
    Anomaly,
    Area,
    Box,
    Classification,
    Detections,
    Finding,
    Image,
    Measurement,
    Measurements,
    Prediction,
    Readings,
    Segmentation,
)

# Okabe and Ito's colours, which colour-blind people tell apart.
COLOURS: Sequence[Colour] = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66))
INK: Colour = (20, 20, 20)
TINT = 0.45
"""How much of an area's colour covers the picture."""
PRINTED = {True: "printed", False: "blank", None: "in doubt"}
SIZE_PX = 13
STROKE_PX = 7
"""Half the length of the stroke at the end of a measured length."""


def draw_marks(picture: Image, prediction: Prediction | None, scale: float) -> None:
    """Draw what was found into a picture that is `scale` times the frame; heat maps are for `draw_heat`."""
    match prediction:
        case Detections():
            labels = sorted({thing.label for thing in prediction.found})
            for thing in reversed(prediction.found):
                colour = COLOURS[labels.index(thing.label) % len(COLOURS)]
                draw_box(picture, thing.box, f"{thing.label} {thing.score:.0%}", colour, scale)
        case Segmentation():
            _draw_areas(picture, prediction, scale)
        case Measurements():
            for place, one in enumerate(prediction.found):
                _draw_measurement(picture, one, COLOURS[place % len(COLOURS)], scale)
        case Readings():
            for reading in prediction.found:
                draw_box(picture, reading.box, reading.text or f"{reading.symbology}?", COLOURS[0], scale)
            for seen in prediction.prints:
                draw_box(picture, seen.box, f"{seen.name} {PRINTED[seen.present]}", COLOURS[1], scale)
        case Anomaly() | Classification() | None:
            pass
        case _:
            assert_never(prediction)


def areas_in_colour(findings: Sequence[Finding]) -> list[tuple[Area, Colour]]:
    """The areas of every segmentation with the colour that each has in the picture: after five they come again."""
    return [
        pair
        for finding in findings
        if isinstance(finding.prediction, Segmentation)
        for pair in zip(finding.decision.areas, cycle(COLOURS), strict=False)
    ]


def draw_box(picture: Image, box: Box, words: str, colour: Colour, scale: float) -> None:
    """A rectangle in frame pixels, and words on its upper edge."""
    left, top, right, bottom = (round(edge * scale) for edge in box)
    cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), INK, 3, cv2.LINE_AA)
    cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), colour, 1, cv2.LINE_AA)
    draw_sign(picture, words, colour, left, top)


def draw_sign(picture: Image, words: str, colour: Colour, x: int, y: int, *, middle: bool = False) -> None:
    """Words on a ground of that colour, above the place, or around it; always inside of the picture."""
    text = printable(words)
    width, height = round(font(SIZE_PX).getlength(text)) + 6, SIZE_PX + 5
    sign = Pillow.new("RGB", (width, height), colour)
    ImageDraw.Draw(sign).text((3, height / 2), text, fill=INK, font=font(SIZE_PX), anchor="lm")
    left, top = (x - width // 2, y - height // 2) if middle else (x, y - height)
    left = max(0, min(left, picture.shape[1] - width))
    top = max(0, min(top, picture.shape[0] - height))
    room = picture[top : top + height, left : left + width]
    room[:] = np.asarray(sign)[: room.shape[0], : room.shape[1]]


def _draw_areas(picture: Image, segmentation: Segmentation, scale: float) -> None:
    left, top, right, bottom = (round(edge * scale) for edge in segmentation.box)
    area = picture[max(0, top) : bottom, max(0, left) : right]
    classes = np.where(segmentation.valid, segmentation.classes, 0).astype(np.uint8)
    drawn = cv2.resize(classes, (area.shape[1], area.shape[0]), interpolation=cv2.INTER_NEAREST)
    for number in np.unique(drawn[drawn > 0]).tolist():
        there, colour = drawn == number, np.array(COLOURS[(number - 1) % len(COLOURS)])
        area[there] = np.rint(area[there] * (1 - TINT) + colour * TINT).astype(np.uint8)
        outline, _ = cv2.findContours(there.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(area, outline, -1, colour.tolist(), 1, cv2.LINE_AA)


def _draw_measurement(picture: Image, measured: Measurement, colour: Colour, scale: float) -> None:
    """The points on the edges, the length between its ends, and the value."""
    if measured.value is None:
        return
    for x, y in measured.points:
        place = (round(x * scale), round(y * scale))
        cv2.circle(picture, place, 2, INK, -1, cv2.LINE_AA)
        cv2.circle(picture, place, 1, colour, -1, cv2.LINE_AA)
    ends = [np.rint(np.array(end) * scale).astype(int) for end in measured.ends]
    if len(ends) == 2:  # noqa: PLR2004 - a length has two ends
        _draw_length(picture, ends[0], ends[1], colour)
    shown = ends or [np.rint(np.array(point) * scale).astype(int) for point in measured.points]
    if shown:
        middle = np.mean(shown, axis=0)
        words = f"{measured.name} {told(measured)}"
        draw_sign(picture, words, colour, round(middle[0]), round(middle[1]), middle=True)


def _draw_length(
    picture: Image, one: npt.NDArray[np.int_], other: npt.NDArray[np.int_], colour: Colour
) -> None:
    """A line with a stroke across each end, as in a drawing."""
    way = (other - one) / max(1.0, float(np.hypot(*(other - one))))
    across = np.array([-way[1], way[0]]) * STROKE_PX
    lines = [(one, other), *((end - across, end + across) for end in (one, other))]
    for thickness, ink in ((4, INK), (2, colour)):
        for start, end in lines:
            places = [(round(float(x)), round(float(y))) for x, y in (start, end)]
            cv2.line(picture, places[0], places[1], ink, thickness, cv2.LINE_AA)
