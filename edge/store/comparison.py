"""What failed beside how it should look: crops of the part and of the taught picture that is most like it."""

from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from edge.geometry import Box, Image
from edge.prediction import Anomaly
from edge.preprocess.picture import decode
from edge.store.lettering import DARK, GREY, font, printable, shortened
from edge.types import Example, Frame, Inspection, Region

CROP_PX = 120
GAP_PX = 10
WORDS_PX = 18
STRIP_PX = CROP_PX + WORDS_PX + 2 * GAP_PX
PAIR_PX = 2 * CROP_PX + GAP_PX // 2
ROOM = 1.6
"""A crop's side in lengths of its region: what is around it tells where it is."""
FEWEST_CELLS = 3
"""… and no smaller than so many cells of the map."""


class Pair(NamedTuple):
    """A region, its example, and width and height of a cell of the map in frame pixels."""

    region: Region
    example: Example
    cell: tuple[float, float]


def strip(inspection: Inspection, width_px: int) -> Image | None:
    """As many pairs of crops side by side as fit into `width_px` (320 at least), the highest peak first.

    It is `STRIP_PX` high. None where no region has an example.
    """
    frame, pairs = inspection.frame, _pairs(inspection)
    if not pairs or not isinstance(frame, Frame):
        return None
    sheet = Pillow.new("RGB", (width_px, STRIP_PX), DARK)
    draw = ImageDraw.Draw(sheet)
    fitting = (width_px - GAP_PX) // (PAIR_PX + 2 * GAP_PX)
    for number, pair in enumerate(pairs[: max(1, fitting)]):
        left = GAP_PX + number * (PAIR_PX + 2 * GAP_PX)
        good_left = left + PAIR_PX - CROP_PX
        here, good = _crops(frame.image, pair)
        sheet.paste(here, (left, GAP_PX))
        sheet.paste(good, (good_left, GAP_PX))
        below = GAP_PX + CROP_PX + WORDS_PX / 2 + 2
        draw.text((left, below), "here", fill=GREY, font=font(12), anchor="lm")
        name = shortened(printable(f"good: {pair.example.picture}"), 12, CROP_PX)
        draw.text((good_left, below), name, fill=GREY, font=font(12), anchor="lm")
    return np.asarray(sheet)


def _pairs(inspection: Inspection) -> list[Pair]:
    found = []
    for finding in inspection.findings:
        if isinstance(finding.prediction, Anomaly):
            rows, columns = finding.prediction.anomaly_map.shape
            cell = finding.prediction.box.width / columns, finding.prediction.box.height / rows
            found += [
                Pair(region, region.nearest, cell)
                for region in finding.decision.regions
                if region.nearest is not None
            ]
    return sorted(found, key=lambda pair: -pair.region.peak)


def _crops(image: Image, pair: Pair) -> tuple[Pillow.Image, Pillow.Image]:
    """The same extent of both: around the peak, and around the place that is like it."""
    region, example, (cell_x, cell_y) = pair
    side = max(ROOM * max(region.box.width, region.box.height), FEWEST_CELLS * cell_x, FEWEST_CELLS * cell_y)
    height, width = image.shape[:2]
    side = min(side, width, height)
    around = _square(region.peak_at, (side, side), Box(0, 0, width, height))
    thumbnail = Pillow.fromarray(decode(example.jpeg, example.picture))
    # A cell of the one is a cell of the other, also where pictures have several sizes.
    sides = side * example.box.width / cell_x, side * example.box.height / cell_y
    offset_x = (around.x_min + around.x_max) / 2 - region.peak_at[0]
    offset_y = (around.y_min + around.y_max) / 2 - region.peak_at[1]
    middle = (
        (example.box.x_min + example.box.x_max) / 2 + offset_x * example.box.width / cell_x,
        (example.box.y_min + example.box.y_max) / 2 + offset_y * example.box.height / cell_y,
    )
    good = _square(middle, sides, example.shown)
    scale_x, scale_y = (
        thumbnail.width / example.shown.width,
        thumbnail.height / example.shown.height,
    )
    place = (
        (good.x_min - example.shown.x_min) * scale_x,
        (good.y_min - example.shown.y_min) * scale_y,
        (good.x_max - example.shown.x_min) * scale_x,
        (good.y_max - example.shown.y_min) * scale_y,
    )
    return _sized(Pillow.fromarray(image), around), _sized(thumbnail, Box(*place))


def _square(middle: tuple[float, float], sides: tuple[float, float], inside: Box) -> Box:
    """A box with these sides around the middle, moved and at last reduced so that it lies inside the other."""
    wide, tall = min(sides[0], inside.width), min(sides[1], inside.height)
    x_min = min(max(middle[0] - wide / 2, inside.x_min), inside.x_max - wide)
    y_min = min(max(middle[1] - tall / 2, inside.y_min), inside.y_max - tall)
    return Box(x_min, y_min, x_min + wide, y_min + tall)


def _sized(picture: Pillow.Image, box: Box) -> Pillow.Image:
    return picture.resize((CROP_PX, CROP_PX), Pillow.Resampling.BICUBIC, (*box,))
