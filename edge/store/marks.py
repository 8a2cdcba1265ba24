"""What a check found, drawn into the picture of a part: boxes with their labels, areas, measured lines, codes."""

from collections.abc import Sequence
from itertools import cycle
from typing import assert_never

import cv2
import numpy as np

from edge.geometry import Box, Image
from edge.prediction import (
    Anomaly,
    Classification,
    Detections,
    Measurements,
    Prediction,
    Readings,
    Segmentation,
)
from edge.store.dimensions import draw_dimensions
from edge.store.lettering import INK, Colour, clear_place, draw_sign, sign_size
from edge.types import Area, Finding

# Okabe and Ito's colours, which colour-blind people tell apart.
COLOURS: Sequence[Colour] = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66))
TINT = 0.45
"""How much of an area's colour covers the picture."""
PRINTED = {True: "printed", False: "blank", None: "in doubt"}


def draw_marks(picture: Image, prediction: Prediction | None, scale: float) -> None:
    """Draw what was found into a picture that is `scale` times the frame; heat maps are for `draw_heat`."""
    match prediction:
        case Detections():
            labels = sorted({thing.label for thing in prediction.found})
            colours = {label: COLOURS[place % len(COLOURS)] for place, label in enumerate(labels)}
            signs = [
                (one.box, f"{one.label} {one.score:.0%}", colours[one.label]) for one in prediction.found
            ]
            draw_boxes(picture, signs, scale)
        case Segmentation():
            _draw_areas(picture, prediction, scale)
        case Measurements():
            draw_dimensions(picture, prediction, COLOURS, scale)
        case Readings():
            codes = [(one.box, one.text or f"{one.symbology}?", COLOURS[0]) for one in prediction.found]
            prints = [
                (one.box, f"{one.name} {PRINTED[one.present]}", COLOURS[1]) for one in prediction.prints
            ]
            draw_boxes(picture, [*codes, *prints], scale)
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


def draw_boxes(picture: Image, signs: Sequence[tuple[Box, str, Colour]], scale: float) -> None:
    """Rectangles in frame pixels, the first on top, and words at a corner of each, none over another's."""
    taken: list[Box] = []
    for box, _, colour in reversed(signs):
        left, top, right, bottom = (round(edge * scale) for edge in box)
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), INK, 3, cv2.LINE_AA)
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), colour, 1, cv2.LINE_AA)
    for box, words, colour in signs:
        width, height = sign_size(words)
        corners = [
            (x, y)
            for y in (box.y_min * scale - height, box.y_max * scale)
            for x in (box.x_min * scale, box.x_max * scale - width)
        ]
        place = clear_place([Box(x, y, x + width, y + height) for x, y in corners], taken)
        draw_sign(picture, words, colour, round(place.x_min), round(place.y_min))
        taken.append(place)


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
