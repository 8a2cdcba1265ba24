"""The figures of `edge eval --robust` as one picture: a panel for each disturbance, and what it looks like."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from edge.cli.robustness import CAUGHT, Curve, Robustness
from edge.cli.tally import Level
from edge.errors import ConfigError
from edge.geometry import Image
from edge.store.lettering import Colour, font, printable, shortened
from edge.store.overlay import scaled

FINE = 3
"""Drawn so many times larger, and reduced: Pillow's lines have no smooth edges."""
COLUMNS = 3
PANEL_PX = (500, 262)
HEAD_PX, MARGIN_PX = 96, 24
AXES = (44, 48, 346, 212)
"""Left, top, right and bottom of a panel's axes, in pixels."""
THUMBNAIL_PX = 118
WHITE: Colour = (255, 255, 255)
INK: Colour = (32, 35, 41)
PALE: Colour = (120, 126, 136)
GRID: Colour = (222, 225, 230)
# Okabe and Ito's colours, which colour-blind people tell apart; the shapes tell them apart in black and white.
BLUE: Colour = (0, 114, 178)
ORANGE: Colour = (213, 94, 0)
GREEN: Colour = (0, 158, 115)
SHADE: Colour = (206, 212, 220)


class Pen(NamedTuple):
    """Draws in pixels of the finished picture, from a corner of it."""

    draw: ImageDraw.ImageDraw
    x_px: float
    y_px: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A place as the large picture has it."""
        return (self.x_px + x) * FINE, (self.y_px + y) * FINE

    def line(self, places: Sequence[tuple[float, float]], ink: Colour, width_px: float = 1) -> None:
        """From place to place."""
        self.draw.line(
            [self.at(*place) for place in places], fill=ink, width=round(width_px * FINE), joint="curve"
        )

    def words(self, place: tuple[float, float], text: str, ink: Colour, size_px: float, anchor: str) -> None:
        """Text, anchored as Pillow says."""
        text = printable(text.replace("‰", "1/1000"))
        self.draw.text(self.at(*place), text, fill=ink, font=font(size_px * FINE), anchor=anchor)

    def mark(self, x: float, y: float, ink: Colour, corners: int) -> None:
        """A shape with so many corners; 0: a dot."""
        if corners:
            self.draw.regular_polygon((*self.at(x, y), 4.8 * FINE), corners, fill=ink)
        else:
            self.draw.ellipse((*self.at(x - 3.8, y - 3.8), *self.at(x + 3.8, y + 3.8)), fill=ink)


def save_plot(found: Robustness, path: Path) -> None:
    """Write the plot as a PNG file. Raises `ConfigError` where it cannot be written."""
    try:
        Pillow.fromarray(plot(found)).save(path, "PNG", optimize=True)
    except OSError as err:
        raise ConfigError(f"{path}: the plot cannot be written: {err.strerror or err}") from err


def plot(found: Robustness) -> Image:
    """The picture, RGB."""
    columns = min(COLUMNS, len(found.curves))
    rows = ceil(len(found.curves) / columns)
    width = 2 * MARGIN_PX + columns * PANEL_PX[0]
    height = HEAD_PX + rows * PANEL_PX[1] + MARGIN_PX
    sheet = Pillow.new("RGB", (width * FINE, height * FINE), WHITE)
    draw = ImageDraw.Draw(sheet)
    _head(Pen(draw, MARGIN_PX, 0), found)
    corners = [
        (MARGIN_PX + place % columns * PANEL_PX[0], HEAD_PX + place // columns * PANEL_PX[1])
        for place in range(len(found.curves))
    ]
    for curve, corner in zip(found.curves, corners, strict=True):
        _panel(Pen(draw, *corner), curve)
    small = sheet.resize((width, height), Pillow.Resampling.BOX)
    for curve, (x, y) in zip(found.curves, corners, strict=True):
        _thumbnail(small, curve, x + AXES[2] + 16, y + AXES[1])
    return np.asarray(small)


def _head(pen: Pen, found: Robustness) -> None:
    pen.words((0, 34), f"Robustness of {found.model}, {found.pictures} pictures", INK, 24, "ls")
    x = 0.0
    for words, ink, corners in (
        (found.named.quality, BLUE, 0),
        (found.named.missed, ORANGE, 4),
        (found.named.stopped, GREEN, 3),
    ):
        pen.line([(x, 60), (x + 30, 60)], ink, 2.5)
        pen.mark(x + 15, 60, ink, corners)
        pen.words((x + 38, 60), words, INK, 15, "lm")
        x += 38 + font(15).getlength(words) + 34
    pen.draw.rectangle((*pen.at(x, 53), *pen.at(x + 26, 67)), fill=SHADE)
    pen.words((x + 34, 60), CAUGHT, INK, 15, "lm")
    x += 34 + font(15).getlength(CAUGHT) + 34
    _dashes(pen, x, 50, 70)
    pen.words((x + 10, 60), "undisturbed", INK, 15, "lm")


def _panel(pen: Pen, curve: Curve) -> None:
    left, top, right, bottom = AXES
    one = curve.disturbance
    pen.words((left, 34), one.name, INK, 17, "ls")
    start = left + font(17).getlength(one.name) + 10
    unit = shortened(one.unit.replace("‰", "1/1000"), 13, right + THUMBNAIL_PX + 16 - start)
    pen.words((start, 34), unit, PALE, 13, "ls")
    places = _places(curve.levels)
    _caught(pen, curve.levels, places)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        pen.line([(left, _height(share)), (right, _height(share))], GRID)
        pen.words((left - 7, _height(share)), f"{share:g}", PALE, 12, "rm")
    for level, x in zip(curve.levels, places, strict=True):
        pen.words((x, bottom + 8), f"{level.strength:g}", PALE, 12, "ma")
        if level.strength == one.none:
            _dashes(pen, x, top, bottom)
    for what, ink, corners in (("stopped", GREEN, 3), ("missed", ORANGE, 4), ("quality", BLUE, 0)):
        _series(pen, [getattr(level, what) for level in curve.levels], places, ink, corners)


def _places(levels: Sequence[Level]) -> list[float]:
    left, _, right, _ = AXES
    inset = 22
    return [
        left + inset + (right - left - 2 * inset) * number / max(1, len(levels) - 1)
        for number in range(len(levels))
    ]


def _height(share: float) -> float:
    _, top, _, bottom = AXES
    return bottom - share * (bottom - top)


def _caught(pen: Pen, levels: Sequence[Level], places: Sequence[float]) -> None:
    """The shares as bars: from level to level there is nothing between."""
    half = 0.36 * (places[1] - places[0]) if len(places) > 1 else 20
    for level, x in zip(levels, places, strict=True):
        if level.unfit:
            box = (*pen.at(x - half, _height(level.unfit)), *pen.at(x + half, _height(0)))
            pen.draw.rectangle(box, fill=SHADE)


def _series(
    pen: Pen, shares: Sequence[float | None], places: Sequence[float], ink: Colour, corners: int
) -> None:
    known = [(x, _height(share)) for x, share in zip(places, shares, strict=True) if share is not None]
    if len(known) > 1:
        pen.line(known, ink, 2.5)
    for x, y in known:
        pen.mark(x, y, ink, corners)


def _dashes(pen: Pen, x: float, top: float, bottom: float) -> None:
    for y in np.arange(top, bottom, 6.0):
        pen.line([(x, y), (x, min(bottom, y + 3))], PALE)


def _thumbnail(sheet: Pillow.Image, curve: Curve, x: int, y: int) -> None:
    height, width = curve.example.shape[:2]
    small = scaled(curve.example, min(THUMBNAIL_PX / width, (AXES[3] - AXES[1] - 20) / height))
    sheet.paste(Pillow.fromarray(small), (x, y))
    words = f"at {curve.disturbance.strengths[-1]:g}"
    ImageDraw.Draw(sheet).text((x, y + small.shape[0] + 6), words, fill=PALE, font=font(13), anchor="la")
