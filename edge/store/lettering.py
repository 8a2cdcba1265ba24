"""Words on pictures: captions and verdict badges that read in black and white, too."""

import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
import PIL
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from edge.errors import DeliveryError
from edge.geometry import Box, Image
from edge.types import Verdict

Colour = tuple[int, int, int]

DARK: Colour = (22, 24, 29)
PALE: Colour = (236, 238, 242)
GREY: Colour = (150, 156, 166)

VERDICT_COLOURS: dict[Verdict, tuple[Colour, Colour]] = {
    # Background and ink; Okabe and Ito's colours, which colour-blind people tell apart.
    Verdict.PASS: ((0, 158, 115), (255, 255, 255)),
    Verdict.FAIL: ((213, 94, 0), (255, 255, 255)),
    Verdict.INCONCLUSIVE: ((240, 228, 66), (20, 20, 20)),
    Verdict.ERROR: ((204, 121, 167), (20, 20, 20)),
}

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def font(size_px: float) -> Font:
    """The typeface that Pillow brings along, or DejaVu Sans with one before 10.1 (32-bit ARM), which brings none.

    Raises `DeliveryError` where there is neither.
    """
    if tuple(map(int, PIL.__version__.split(".")[:2])) >= (10, 1):
        return ImageFont.load_default(size_px)
    try:
        return ImageFont.truetype("DejaVuSans.ttf", round(size_px))
    except OSError as err:
        raise DeliveryError("there is no typeface for evidence; install fonts-dejavu-core") from err


def printable(text: str) -> str:
    """The text with what the typeface has: accents go, other foreign letters become question marks."""
    bare = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    bare = "".join(letter for letter in bare if not unicodedata.combining(letter))
    return "".join(letter if " " <= letter <= "~" or letter in "…°·±" else "?" for letter in bare)


def shortened(text: str, size_px: float, width_px: float) -> str:
    """The text, or as much of its beginning and end as fits with an ellipsis between."""
    if font(size_px).getlength(text) <= width_px:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = text[: (kept + 1) // 2] + "…" + text[len(text) - kept // 2 :]
        if font(size_px).getlength(short) <= width_px:
            return short
    return ""


@cache
def badge(verdict: Verdict, height_px: int) -> Image:
    """The verdict's word beside a sign of its own shape, on its colour; h×w×3 on `DARK`."""
    fine = 4  # drawn larger and reduced: Pillow's shapes have no smooth edges
    size = height_px * fine
    letters = font(size * 0.56)
    word = verdict.value.upper()
    width = int(size * 1.08 + letters.getlength(word) + size * 0.36)
    sheet = Pillow.new("RGB", (width, size), DARK)
    draw = ImageDraw.Draw(sheet)
    ground, ink = VERDICT_COLOURS[verdict]
    draw.rounded_rectangle((0, 0, width - 1, size - 1), radius=size * 0.2, fill=ground)
    _sign(draw, verdict, (size * 0.58, size * 0.5), size * 0.3)
    draw.text((size * 1.08, size * 0.5), word, fill=ink, font=letters, anchor="lm")
    small = sheet.resize((width // fine, height_px), Pillow.Resampling.BOX)
    return np.asarray(small)


def _sign(draw: ImageDraw.ImageDraw, verdict: Verdict, centre: tuple[float, float], radius: float) -> None:
    """A tick, a cross, a question mark in a diamond, or an exclamation mark in a triangle."""
    x, y = centre
    ground, ink = VERDICT_COLOURS[verdict]
    stroke = max(1, round(radius * 0.34))
    if verdict is Verdict.PASS:
        tick = [
            (x - 0.75 * radius, y + 0.05 * radius),
            (x - 0.2 * radius, y + 0.6 * radius),
            (x + 0.8 * radius, y - 0.6 * radius),
        ]
        draw.line(tick, fill=ink, width=stroke, joint="curve")
        return
    if verdict is Verdict.FAIL:
        reach = 0.66 * radius
        draw.line([(x - reach, y - reach), (x + reach, y + reach)], fill=ink, width=stroke)
        draw.line([(x - reach, y + reach), (x + reach, y - reach)], fill=ink, width=stroke)
        return
    if verdict is Verdict.INCONCLUSIVE:
        outline = [
            (x, y - 1.15 * radius),
            (x + 1.15 * radius, y),
            (x, y + 1.15 * radius),
            (x - 1.15 * radius, y),
        ]
        mark = "?"
    else:
        outline = [
            (x, y - 1.1 * radius),
            (x + 1.2 * radius, y + 0.95 * radius),
            (x - 1.2 * radius, y + 0.95 * radius),
        ]
        mark = "!"
        y += 0.25 * radius
    draw.polygon(outline, fill=ink)
    draw.text((x, y), mark, fill=ground, font=font(radius * 1.5), anchor="mm")


SIGN_PX = 13
INK: Colour = (20, 20, 20)


def sign_size(words: str) -> tuple[int, int]:
    """Width and height in pixels of these words as a sign."""
    return round(font(SIGN_PX).getlength(printable(words))) + 6, SIGN_PX + 5


def draw_sign(picture: Image, words: str, ground: Colour, left: int, top: int) -> None:
    """Words on a ground of that colour, from that place on; moved where they would stick out of the picture."""
    width, height = sign_size(words)
    sign = Pillow.new("RGB", (width, height), ground)
    ImageDraw.Draw(sign).text((3, height / 2), printable(words), fill=INK, font=font(SIGN_PX), anchor="lm")
    left = max(0, min(left, picture.shape[1] - width))
    top = max(0, min(top, picture.shape[0] - height))
    room = picture[top : top + height, left : left + width]
    room[:] = np.asarray(sign)[: room.shape[0], : room.shape[1]]


def clear_place(places: Sequence[Box], taken: Sequence[Box]) -> Box:
    """The first of the places for a sign that covers no other sign; the first of all where none is clear."""
    clear = (place for place in places if all(place.intersection(other).area == 0 for other in taken))
    return next(clear, places[0])
