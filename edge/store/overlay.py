"""The heat map over the picture of a part, with a caption: what a person looks at to understand a verdict."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw

from edge.geometry import Box, Image, Map
from edge.judge.surface import smooth
from edge.prediction import Anomaly, Classification
from edge.store.comparison import strip
from edge.store.legend import legend
from edge.store.lettering import DARK, GREY, PALE, badge, font, printable, shortened
from edge.store.marks import areas_in_colour, draw_marks
from edge.types import Frame, Inspection, Miss

LONGEST_PX = 960
MAP_QUALITY = 85
SHORTEST_PX = 320
"""Smaller pictures are enlarged, so that the caption beside them can be read."""
CAPTION_PX = 40
SHOWN_FROM = 0.6
"""Share of the limit under which nothing is drawn: every good part has some."""
LEVELS_PER_LIMIT = 128
MARGIN_PX = 8
"""Between the line at the limit and the corners around it."""
Levels = npt.NDArray[np.uint8]
SMALL_SHARE = 0.1
"""Of a picture: a defect that is smaller is told to a hundredth of a percent."""
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def has_marks(inspection: Inspection) -> bool:
    """Whether there is anything to draw: a class alone is told in words."""
    return any(not isinstance(finding.prediction, Classification | None) for finding in inspection.findings)


def overlay(
    inspection: Inspection,
    fail_at: Mapping[str, float],
    longest_px: int = LONGEST_PX,
    *,
    compare: bool = True,
) -> Image:
    """The picture with the heat maps of all checks, and a caption of `CAPTION_PX` below it.

    Heat begins at 0.6 of a check's limit (`fail_at`, 1.0 where it is not named); at the limit runs a white
    line, and corners mark the box of each region. Where a region has an example, `compare` shows both below
    the caption. A part without a picture is a card with the reason.
    """
    if isinstance(inspection.frame, Miss):
        return _card(inspection, inspection.frame)
    picture, scale = _reduced(inspection.frame, longest_px)
    for finding in inspection.findings:
        if isinstance(finding.prediction, Anomaly):
            draw_heat(picture, finding.prediction, scale, fail_at.get(finding.check, 1.0))
        draw_marks(picture, finding.prediction, scale)
    for finding in inspection.findings:
        for region in finding.decision.regions:
            draw_corners(picture, region.box, scale, MARGIN_PX)
    picture = _widened(picture)
    width = picture.shape[1]
    compared = strip(inspection, width) if compare else None
    names = legend(areas_in_colour(inspection.findings), width)
    below = [words for words in (names, compared) if words is not None]
    return np.vstack([picture, caption(inspection, width), *below])


def picture_rows(image: Image, longest_px: int = LONGEST_PX) -> int:
    """How many rows of its overlay, from the top, show the picture itself; words come below."""
    rows: int = image.shape[0]
    return max(1, round(rows * _scale(image, longest_px)))


def save_overlay(
    inspection: Inspection, path: Path, fail_at: Mapping[str, float] = MappingProxyType({})
) -> None:
    """Write the overlay as a JPEG. Raises `OSError`."""
    path.write_bytes(encode_jpeg(overlay(inspection, fail_at), MAP_QUALITY))


def thumbnail(inspection: Inspection, fail_at: Mapping[str, float], max_bytes: int) -> bytes:
    """The overlay as a JPEG of at most `max_bytes` (8,000 or more): first the quality goes down, then the size.

    A comparison with examples is the first thing to go.
    """
    longest_px, compare = 640, True
    while True:
        image = overlay(inspection, fail_at, longest_px, compare=compare)
        for quality in (85, 70, 50):
            content = encode_jpeg(image, quality)
            if len(content) <= max_bytes or longest_px <= 2 * CAPTION_PX:
                return content
        longest_px = longest_px * 3 // 4 if not compare else longest_px
        compare = False


def encode_jpeg(image: Image, quality: int) -> bytes:
    """RGB pixels as a JPEG; `quality` is 1…100. Lets go of the interpreter's lock."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def scaled(image: Image, scale: float) -> Image:
    """The picture enlarged or reduced, without jagged edges."""
    height, width = image.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if scale >= 1:
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    # 1280×960 to 960×720: INTER_AREA takes 25 ms; halving with it 1, and INTER_LINEAR 3.
    reduced: Any = image
    while reduced.shape[0] >= 2 * size[1] and reduced.shape[1] >= 2 * size[0]:
        rows, columns = reduced.shape[0] // 2, reduced.shape[1] // 2
        reduced = cv2.resize(
            reduced[: 2 * rows, : 2 * columns], (columns, rows), interpolation=cv2.INTER_AREA
        )
    return np.asarray(cv2.resize(reduced, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def draw_heat(picture: Image, anomaly: Anomaly, scale: float, limit: float) -> None:
    """Draw an anomaly map into a picture that is `scale` times the frame."""
    height, width = picture.shape[:2]
    x_min, y_min, x_max, y_max = _pixels(anomaly.box, scale, width, height)
    if x_max <= x_min or y_max <= y_min:
        return
    levels = _levels(anomaly.anomaly_map, limit)
    levels[~anomaly.valid] = 0
    surface = smooth(levels, (x_max - x_min, y_max - y_min))
    warm = cv2.threshold(surface, SHOWN_FROM * LEVELS_PER_LIMIT, 255, cv2.THRESH_BINARY)[1]
    # Most of a part is cold: blending only what is warm takes a tenth of the time.
    left, top, width, height = cv2.boundingRect(warm)
    if not width:
        return
    warmest = surface[top : top + height, left : left + width]
    x, y = x_min + left, y_min + top
    area = picture[y : y + height, x : x + width]
    ink, remains = _palette()
    kept = cv2.multiply(area, cv2.applyColorMap(warmest, remains), scale=1 / 255)
    area[:] = cv2.add(kept, cv2.applyColorMap(warmest, ink))
    over = cv2.threshold(warmest, LEVELS_PER_LIMIT - 1, 255, cv2.THRESH_BINARY)[1]
    lines, _ = cv2.findContours(over, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))
    cv2.drawContours(picture, lines, -1, BLACK, 3, cv2.LINE_AA)
    cv2.drawContours(picture, lines, -1, WHITE, 1, cv2.LINE_AA)


def draw_corners(picture: Image, box: Box, scale: float, margin_px: int) -> None:
    """Mark the corners of a box in frame pixels, `margin_px` outside of it, and never outside the picture."""
    height, width = picture.shape[:2]
    x_min, y_min, x_max, y_max = _pixels(box, scale, width, height)
    x_min, y_min = max(2, x_min - margin_px), max(2, y_min - margin_px)
    x_max, y_max = min(width - 3, x_max + margin_px), min(height - 3, y_max + margin_px)
    reach = max(8, min(24, (x_max - x_min) // 4, (y_max - y_min) // 4))
    corners = [
        np.array([(x, y + dy * reach), (x, y), (x + dx * reach, y)], np.int32)
        for x, dx in ((x_min, 1), (x_max, -1))
        for y, dy in ((y_min, 1), (y_max, -1))
    ]
    cv2.polylines(picture, corners, isClosed=False, color=BLACK, thickness=5, lineType=cv2.LINE_AA)
    cv2.polylines(picture, corners, isClosed=False, color=WHITE, thickness=2, lineType=cv2.LINE_AA)


def caption(inspection: Inspection, width_px: int) -> Image:
    """Verdict, part and score in one line; `CAPTION_PX` × `width_px`."""
    sign = badge(inspection.decision.verdict, CAPTION_PX - 12)
    strip = Pillow.new("RGB", (width_px, CAPTION_PX), DARK)
    strip.paste(Pillow.fromarray(sign), (6, 6))
    draw = ImageDraw.Draw(strip)
    size_px = 17
    middle = CAPTION_PX / 2
    score = printable(score_text(inspection.decision.score, inspection.decision.label))
    draw.text((width_px - 10, middle), score, fill=PALE, font=font(size_px), anchor="rm")
    left = sign.shape[1] + 18
    room = width_px - left - 24 - font(size_px).getlength(score)
    draw.text(
        (left, middle),
        shortened(printable(name(inspection.frame)), size_px, room),
        fill=PALE,
        font=font(size_px),
        anchor="lm",
    )
    return np.asarray(strip)


def name(frame: Frame | Miss) -> str:
    """What a person calls the part: its id, else the frame's number."""
    return frame.part_id if frame.part_id is not None else f"frame {frame.sequence}"


def score_text(score: float | None, label: str | None) -> str:
    """The score as a caption says it: `score 1.83` of an anomaly, `scratch 93%` for a label, or nothing."""
    if score is None:
        return ""
    if label is None:
        return f"score {score:.2f}"
    return f"{label} {score:.0%}" if score >= SMALL_SHARE else f"{label} {score:.2%}"


def _levels(scores: Map, limit: float) -> Levels:
    """Scores as 0…255, the limit at `LEVELS_PER_LIMIT`. What is no number is 0."""
    scaled = np.nan_to_num(scores, nan=0.0, posinf=0.0, neginf=0.0) * (LEVELS_PER_LIMIT / limit)
    levels: Levels = np.clip(scaled, 0, 255).astype(np.uint8)
    return levels


def colours_of(scores: Map) -> Image:
    """The colours of heat without a picture under it, for a legend: 1.0 is the limit."""
    return np.asarray(cv2.applyColorMap(_levels(scores, 1.0), _palette()[0]), np.uint8)


@cache
def _palette() -> tuple[Image, Image]:
    """For each level: the colour times its opacity, and what is left of the picture (255 is all); 256×1×3."""
    share = np.arange(256) / LEVELS_PER_LIMIT
    # Violet, orange, yellow: inferno gets brighter with the score in every kind of colour vision.
    place = np.interp(share, [SHOWN_FROM, 1.0, 1.8], [0.32, 0.66, 0.98])
    opacity = np.interp(share, [SHOWN_FROM, 0.85, 1.0, 1.5], [0.0, 0.25, 0.42, 0.58])[:, None]
    inferno = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)[:, 0, ::-1]
    colour = inferno[(place * 255).astype(int)]
    ink = np.round(colour * opacity).astype(np.uint8)
    left = np.repeat(np.round(255 * (1 - opacity)), 3, axis=1).astype(np.uint8)
    return ink[:, None], left[:, None]


def _reduced(frame: Frame, longest_px: int) -> tuple[Image, float]:
    """A copy of the picture at the size of an overlay, and its scale: pixels of it for one of the frame's."""
    if frame.evidence is not None:
        return _sharper(frame.image, frame.evidence, longest_px)
    scale = _scale(frame.image, longest_px)
    if scale == 1.0:
        return frame.image.copy(), scale
    return scaled(frame.image, scale), scale


def _sharper(judged: Image, shown: Image, longest_px: int) -> tuple[Image, float]:
    """The larger picture in the shape of the judged one, which its camera may have squeezed."""
    height, width = judged.shape[:2]
    scale = min(longest_px, max(shown.shape[:2])) / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    # Up to 2:1, linear interpolation sees every pixel, at an eighth of the time.
    halves = shown.shape[1] <= 2 * size[0] and shown.shape[0] <= 2 * size[1]
    resized = cv2.resize(shown, size, interpolation=cv2.INTER_LINEAR if halves else cv2.INTER_AREA)
    return np.asarray(resized, np.uint8), scale


def _scale(image: Image, longest_px: int) -> float:
    longest: int = max(image.shape[:2])
    if longest < SHORTEST_PX:
        return min(SHORTEST_PX, longest_px) / longest
    return min(1.0, longest_px / longest)


def _widened(picture: Image) -> Image:
    """A slim picture with dark sides, so that the caption has room."""
    missing = SHORTEST_PX - picture.shape[1]
    if missing <= 0:
        return picture
    left = missing // 2
    return np.pad(picture, ((0, 0), (left, missing - left), (0, 0)), constant_values=DARK[0])


def _pixels(box: Box, scale: float, width: int, height: int) -> tuple[int, int, int, int]:
    x_min, y_min, x_max, y_max = (round(edge * scale) for edge in box)
    return max(0, x_min), max(0, y_min), min(width, x_max), min(height, y_max)


def _card(inspection: Inspection, miss: Miss) -> Image:
    """What stands for a picture that was never taken."""
    width, height, size_px = 480, 160, 16
    sheet = Pillow.new("RGB", (width, height), (44, 47, 54))
    draw = ImageDraw.Draw(sheet)
    draw.text((width / 2, 36), "no picture", fill=PALE, font=font(20), anchor="mm")
    lines = _wrapped(printable(miss.reason), size_px, width - 40)[:4]
    draw.multiline_text(
        (width / 2, 60), "\n".join(lines), fill=GREY, font=font(size_px), anchor="ma", align="center"
    )
    return np.vstack([np.asarray(sheet), caption(inspection, width)])


def _wrapped(text: str, size_px: float, width_px: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font(size_px).getlength(longer) > width_px and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
