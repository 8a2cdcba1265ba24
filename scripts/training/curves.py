"""The figures of a training, epoch by epoch, as a picture: one small plot for each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH_PX, HEIGHT_PX, MARGIN_PX, TEXT_PX = 360, 220, 44, 14
INK, PALE, LINE = (22, 24, 29), (222, 225, 230), (0, 114, 178)
LOSS_NAMES = frozenset(("loss",))
"""What is drawn on a scale that begins at 0 and ends where the second epoch stands: the first dwarfs the rest."""


def draw(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Write a PNG with a plot for every figure of the last row except its number and its seconds."""
    names = [name for name in history[-1] if name not in {"epoch", "seconds"}]
    picture = Image.new("RGB", (WIDTH_PX * len(names), HEIGHT_PX), "white")
    for place, name in enumerate(names):
        points = [(row["epoch"], row[name]) for row in history if name in row]
        _plot(ImageDraw.Draw(picture), place * WIDTH_PX, name, points)
    picture.save(path, optimize=True)


def _plot(
    drawing: ImageDraw.ImageDraw, left_px: int, name: str, points: Sequence[tuple[float, float]]
) -> None:
    font = ImageFont.load_default(TEXT_PX)
    values = [value for _, value in points]
    low, high = min(values), max(values)
    if name in LOSS_NAMES and len(values) > 1:
        low, high = 0.0, max(values[1:])
    span = (high - low) or 1.0
    epochs = max(1.0, points[-1][0] - points[0][0])
    x_px, y_px = left_px + MARGIN_PX, MARGIN_PX
    wide_px, tall_px = WIDTH_PX - MARGIN_PX - TEXT_PX, HEIGHT_PX - 2 * MARGIN_PX

    def at(epoch: float, value: float) -> tuple[float, float]:
        share = min(1.0, max(0.0, (value - low) / span))
        return x_px + wide_px * (epoch - points[0][0]) / epochs, y_px + tall_px * (1 - share)

    for value in (low, low + span / 2, low + span):
        _, level_px = at(points[0][0], value)
        drawing.line((x_px, level_px, x_px + wide_px, level_px), PALE)
        drawing.text((left_px + 4, level_px - TEXT_PX / 2), f"{value:.3g}", INK, font)
    drawing.line([at(*point) for point in points], LINE, 2)
    end_px = at(*points[-1])
    drawing.ellipse((end_px[0] - 3, end_px[1] - 3, end_px[0] + 3, end_px[1] + 3), LINE)
    drawing.text((x_px, 12), f"{name}: {values[-1]:.4g}", INK, font)
    drawing.text((x_px, HEIGHT_PX - MARGIN_PX + 10), f"{points[0][0]:g}", INK, font)
    drawing.text((x_px + wide_px - 90, HEIGHT_PX - MARGIN_PX + 10), f"epoch {points[-1][0]:g}", INK, font)
