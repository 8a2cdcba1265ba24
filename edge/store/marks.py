"""What a check found, drawn into the picture of a part: boxes with their labels, areas, measured lines, codes."""

from collections.abc import Sequence
from itertools import cycle
from typing import assert_never

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from edge.store.lettering import Colour, font, printable
from edge.types import (
    Anomaly,
    Area,
    Box,
    Classification,
    Detections,
    Finding,
    Image,
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
SIZE_PX = 13


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
                _draw_points(picture, one.points, COLOURS[place % len(COLOURS)], scale)
        case Readings():
            for reading in prediction.found:
                draw_box(picture, reading.box, reading.text, COLOURS[0], scale)
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
    text = printable(words)
    width, height = round(font(SIZE_PX).getlength(text)) + 6, SIZE_PX + 5
    sign = Pillow.new("RGB", (width, height), colour)
    ImageDraw.Draw(sign).text((3, height / 2), text, fill=INK, font=font(SIZE_PX), anchor="lm")
    y, x = max(0, top - height), max(0, min(left, picture.shape[1] - width))
    room = picture[y : y + height, x : x + width]
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


def _draw_points(picture: Image, points: Sequence[tuple[float, float]], colour: Colour, scale: float) -> None:
    line = np.rint(np.array(points, np.float64).reshape(-1, 1, 2) * scale).astype(np.int32)
    for thickness, ink in ((3, INK), (1, colour)):
        cv2.polylines(picture, [line], isClosed=False, color=ink, thickness=thickness, lineType=cv2.LINE_AA)
