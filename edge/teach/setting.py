"""How a picture becomes cells, and which settings are worth comparing."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

from edge.config import Rectangle
from edge.config.enhance import Enhance
from edge.preprocess.tensor import InputSpec

Contrast = Literal["none", "stretch"]

CONTRASTS: tuple[Contrast, ...] = ("none", "stretch")
STRIDES_PX: tuple[tuple[int, ...], ...] = ((16,), (8, 16))
SIDE_PX = 224
"""Of a square tensor. Elongated pictures get a tensor of the same area that is elongated, too."""
ELONGATED = 1.5
STEP_PX = 32
"""Sides are multiples of it: what the strides of the whole backbone divide."""
LONGEST_PX = 672
OVERLAP = 1 / 7
"""Two of the 14 cells of a tile: a small defect on a seam is whole in one of the two."""


@dataclass(frozen=True)
class Setting:
    """What the backbone gets to see (`spec`), and at which of its strides it is tapped."""

    spec: InputSpec
    strides_px: tuple[int, ...]


def input_spec(
    size: tuple[int, int],
    contrast: Contrast,
    roi: Rectangle | None,
    tiles: int,
    enhance: tuple[Enhance, ...] = (),
) -> InputSpec:
    """What the backbone sees of frames of that width and height in pixels, or of the `roi` in them."""
    width, height = size
    if roi is not None:
        width, height = roi.x_max - roi.x_min, roi.y_max - roi.y_min
    side_x, side_y = tensor_size(width / height)
    overlap = OVERLAP if tiles > 1 else 0.0
    return InputSpec(
        side_x,
        side_y,
        contrast=contrast,
        tiles_x=tiles,
        tiles_y=tiles,
        overlap=overlap,
        roi=roi,
        enhance=enhance,
    )


def tensor_size(aspect: float) -> tuple[int, int]:
    """Width and height in pixels for pictures of this width over height."""
    if max(aspect, 1 / aspect) < ELONGATED:
        return SIDE_PX, SIDE_PX
    longer = min(LONGEST_PX, round(SIDE_PX * sqrt(max(aspect, 1 / aspect)) / STEP_PX) * STEP_PX)
    shorter = max(STEP_PX, round(SIDE_PX**2 / longer / STEP_PX) * STEP_PX)
    return (longer, shorter) if aspect > 1 else (shorter, longer)
