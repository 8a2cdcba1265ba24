"""Which colour in a picture is which label, and how large its area is."""

from collections.abc import Sequence

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from edge.store.lettering import DARK, PALE, Colour, font, printable, shortened
from edge.types import Area, Image

SIZE_PX = 13
LINE_PX = SIZE_PX + 6
EDGE_PX = 6
CHIP_PX = 11


def draw_legend(picture: Image, areas: Sequence[tuple[Area, Colour]], top_px: int = 0) -> int:
    """A line for each area in the picture's upper left corner, from `top_px` down; how far down it reaches then.

    What does not fit is left out: the message has all of them.
    """
    lines = [(line_of(area), colour) for area, colour in areas]
    room = picture.shape[0] - top_px - 2 * EDGE_PX
    lines = lines[: max(0, room // LINE_PX)]
    if not lines:
        return top_px
    most = picture.shape[1] - 3 * EDGE_PX - CHIP_PX
    words = [shortened(printable(text), SIZE_PX, most) for text, _ in lines]
    width = min(picture.shape[1], round(max(map(font(SIZE_PX).getlength, words))) + 3 * EDGE_PX + CHIP_PX)
    sign = Pillow.new("RGB", (width, len(lines) * LINE_PX + EDGE_PX), DARK)
    draw = ImageDraw.Draw(sign)
    for number, (text, (_, colour)) in enumerate(zip(words, lines, strict=True)):
        middle = EDGE_PX / 2 + (number + 0.5) * LINE_PX
        chip = (EDGE_PX, middle - CHIP_PX / 2, EDGE_PX + CHIP_PX, middle + CHIP_PX / 2)
        draw.rectangle(chip, fill=colour)
        draw.text((2 * EDGE_PX + CHIP_PX, middle), text, fill=PALE, font=font(SIZE_PX), anchor="lm")
    picture[top_px : top_px + sign.height, :width] = np.asarray(sign)
    return top_px + sign.height


def line_of(area: Area) -> str:
    """The label and its area: in mm² where that is known."""
    if area.area_mm2 is not None:
        return f"{area.label} {area.area_mm2:.3g} mm2"
    return f"{area.label} {area.area_px:.0f} px2"
