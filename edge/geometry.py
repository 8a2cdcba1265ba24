"""Pixels, grids of cells, and where they lie in the frame."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""RGB pixels, h×w×3, 0…255."""
Tensor = npt.NDArray[np.int8]
"""What a model takes: 1×h×w×3; `pixel - 128` for a camera's pixel."""
Map = npt.NDArray[np.float32]
"""A score for each cell of a grid, rows×columns."""
Mask = npt.NDArray[np.bool_]
"""True where a cell or pixel counts, rows×columns."""
Classes = npt.NDArray[np.uint8]
"""The number of a label for each cell of a grid, rows×columns."""


class Box(NamedTuple):
    """A rectangle in frame pixels; the maximum is exclusive."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.x_max - self.x_min

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.y_max - self.y_min

    @property
    def area(self) -> float:
        """Square pixels; 0 for an empty or inverted box."""
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre, (x, y)."""
        return (self.x_min + self.x_max) / 2, (self.y_min + self.y_max) / 2

    def intersection(self, other: "Box") -> "Box":
        """The part that both cover; its area is 0 where they do not meet."""
        return Box(
            max(self.x_min, other.x_min),
            max(self.y_min, other.y_min),
            min(self.x_max, other.x_max),
            min(self.y_max, other.y_max),
        )

    def iou(self, other: "Box") -> float:
        """Intersection over union, 0…1."""
        shared = self.intersection(other).area
        union = self.area + other.area - shared
        return shared / union if union else 0.0


@dataclass(frozen=True)
class Geometry:
    """Where a tensor lies in the frame: `frame = offset + scale × tensor`, for each axis, in pixels.

    `content` is the part of the tensor, in tensor pixels, that shows the frame: the rest is letterbox padding.
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float
    content: Box

    def to_frame(self, box: Box) -> Box:
        """A box in tensor pixels as one in frame pixels."""
        return Box(
            self.offset_x + box.x_min * self.scale_x,
            self.offset_y + box.y_min * self.scale_y,
            self.offset_x + box.x_max * self.scale_x,
            self.offset_y + box.y_max * self.scale_y,
        )
