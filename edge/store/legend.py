"""Which colour in a picture is which label, and how large its area is: a strip of words below the picture."""

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from edge.geometry import Image
from edge.store.lettering import DARK, PALE, Colour, font, printable, shortened
from edge.types import Area

SIZE_PX = 14
LINE_PX = 22
EDGE_PX = 10
CHIP_PX = 12
Entry = tuple[str, Colour]


def legend(areas: Sequence[tuple[Area, Colour]], width_px: int) -> Image | None:
    """An entry for each area larger than nothing, in as many lines as they need; None where there is none."""
    entries = [(line_of(area), colour) for area, colour in areas if area.area_px > 0]
    if not entries:
        return None
    lines = list(_broken(entries, width_px))
    sheet = Pillow.new("RGB", (width_px, len(lines) * LINE_PX + EDGE_PX // 2), DARK)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        left, middle = float(EDGE_PX), (number + 0.5) * LINE_PX
        for text, colour in line:
            draw.rectangle((left, middle - CHIP_PX / 2, left + CHIP_PX, middle + CHIP_PX / 2), fill=colour)
            draw.text((left + CHIP_PX + 6, middle), text, fill=PALE, font=font(SIZE_PX), anchor="lm")
            left += _width_px(text)
    return np.asarray(sheet)


def line_of(area: Area) -> str:
    """The label and its area: in mm² where that is known."""
    if area.area_mm2 is not None:
        return printable(f"{area.label} {area.area_mm2:.3g} mm2")
    return printable(f"{area.label} {area.area_px:.0f} px2")


def _broken(entries: Sequence[Entry], width_px: int) -> Iterator[list[Entry]]:
    """The entries, line by line; one that is too long for a line is shortened."""
    line: list[Entry] = []
    room = width_px - EDGE_PX
    longest = width_px - 2 * EDGE_PX - CHIP_PX - 6
    for words, colour in entries:
        text = shortened(words, SIZE_PX, longest)
        if line and _width_px(text) > room:
            yield line
            line, room = [], width_px - EDGE_PX
        line.append((text, colour))
        room -= _width_px(text)
    yield line


def _width_px(text: str) -> int:
    return round(font(SIZE_PX).getlength(text)) + CHIP_PX + 6 + EDGE_PX
