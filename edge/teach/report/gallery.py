"""Parts with their heat maps: picture and map side by side, small enough to stand in one file."""

from base64 import b64encode
from collections.abc import Sequence
from math import isfinite

import cv2
import numpy as np

from edge.geometry import Box, Image, Mask
from edge.prediction import Anomaly
from edge.store.overlay import draw_heat, encode_jpeg, scaled
from edge.teach.record import Shown
from edge.teach.report.markup import Markup, element, join
from edge.teach.report.wording import figure

MOST_BYTES = 400_000
"""Of all pictures together, before base64 makes them a third larger."""
STEPS = ((420, 82), (360, 80), (320, 76), (280, 72), (240, 68), (200, 60), (160, 50), (120, 40), (80, 30))
"""Longer side in pixels and quality: the first that keeps to the bytes is taken."""
OUTLINE = (86, 180, 233)
"""Sky blue: told from the heat's orange by everybody."""
CLEAR_PX = 4
"""Between a defect and its outline, so that a scratch can still be seen."""
WIDE = 2.2
"""Pictures wider than so many heights stand above their map instead of beside it."""


def encoded(exhibits: Sequence[Shown]) -> list[tuple[bytes, bytes]]:
    """Picture and heat map of each, as JPEGs: as large as `MOST_BYTES` of all allows."""
    found: list[tuple[bytes, bytes]] = []
    for side_px, quality in STEPS:
        found = [_pair(shown, side_px, quality) for shown in exhibits]
        if sum(len(plain) + len(heat) for plain, heat in found) <= MOST_BYTES:
            break
    return found


def gallery(exhibits: Sequence[Shown], files: Sequence[tuple[bytes, bytes]], pass_below: float) -> Markup:
    """The exhibits, with the JPEGs that `encoded` gave for them."""
    return element(
        "div",
        *(_exhibit(shown, *pair, pass_below) for shown, pair in zip(exhibits, files, strict=True)),
        class_="gallery",
    )


def legend() -> Markup:
    """The colours of a map: nothing under 0.6 of the limit, a white line at the limit."""
    strip = np.full((24, 292, 3), 128, np.uint8)
    ramp = np.interp(np.arange(292), [6, 286], [0.4, 1.8])[None].astype(np.float32)
    draw_heat(strip, Anomaly(ramp, np.ones(ramp.shape, np.bool_), Box(0, 0, 292, 24)), 1.0, 1.0)
    strip = strip[6:-6, 6:-6]  # without the line around what is over the limit
    places = [(0.6, "0.6"), (1.0, "1 (limit)"), (1.6, "1.6")]
    marks = [element("span", words, style=f"left:{(value - 0.4) / 1.4:.1%}") for value, words in places]
    bar = element("img", src=url(encode_jpeg(strip, 90)), alt="colours from violet over orange to yellow")
    return element("div", bar, element("div", *marks, class_="marks"), class_="legend")


def _exhibit(shown: Shown, plain: bytes, heat: bytes, pass_below: float) -> Markup:
    height, width = shown.picture.shape[:2]
    images = [
        element("img", src=url(plain), alt=f"{shown.title}, as it is"),
        element("img", src=url(heat), alt=f"{shown.title}, with its heat map"),
    ]
    kind, word = fate(shown.score, pass_below)
    score = element("span", figure(shown.score, f"{shown.score:.2f}"), f" {word}", class_=f"fate {kind}")
    caption = element("figcaption", element("span", shown.title, class_="name"), " ", score)
    pair = element("div", *images, class_="pair stacked" if width > WIDE * height else "pair")
    return element("figure", pair, caption, class_="exhibit")


def fate(score: float, pass_below: float) -> tuple[str, str]:
    """What becomes of a part with this score: a class of the style sheet, and the word."""
    if not isfinite(score):
        return "unknown", "no score"
    if score >= 1:
        return "fail", "fails"
    return ("pass", "passes") if score < pass_below else ("doubt", "inconclusive")


def _pair(shown: Shown, side_px: int, quality: int) -> tuple[bytes, bytes]:
    scale = side_px / max(shown.picture.shape[:2])
    picture = scaled(shown.picture, min(scale, 4.0))
    height, width = picture.shape[:2]
    hot = picture.copy()
    draw_heat(
        hot, Anomaly(shown.anomaly_map, np.isfinite(shown.anomaly_map), Box(0, 0, width, height)), 1.0, 1.0
    )
    if shown.defect is not None:
        for image in (picture, hot):
            outline(image, shown.defect)
    return encode_jpeg(picture, quality), encode_jpeg(hot, quality)


def outline(picture: Image, defect: Mask) -> None:
    """Draw a line around the defect, on dark so that it shows on every ground. The mask may have more pixels."""
    height, width = picture.shape[:2]
    # By area and rounded up: a scratch of one pixel must not vanish in the smaller picture.
    shares = cv2.resize(defect.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    round_brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * CLEAR_PX + 1, 2 * CLEAR_PX + 1))
    around = cv2.dilate((shares > 0).astype(np.uint8), round_brush)
    lines, _ = cv2.findContours(around, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(picture, lines, -1, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.drawContours(picture, lines, -1, OUTLINE, 2, cv2.LINE_AA)


def url(jpeg: bytes) -> Markup:
    """The picture itself, as an address."""
    return join(["data:image/jpeg;base64,", b64encode(jpeg).decode()])
