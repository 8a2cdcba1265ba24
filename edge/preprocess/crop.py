"""The pixels of a check as they are: what measuring tools and code readers look at."""

from dataclasses import dataclass

from edge.config import Rectangle
from edge.geometry import Box, Image
from edge.preprocess.layout import inside_frame


@dataclass(frozen=True)
class CropSpec:
    """What a tool without a network takes: every pixel of the region of interest, in full resolution.

    `roi` is where the bundle looks (none: at the whole frame); a check may look elsewhere.
    """

    roi: Rectangle | None = None


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of a frame: RGB pixels, not a copy, and where they lie in the frame of that width and height."""

    image: Image
    box: Box
    frame_size: tuple[int, int]


def crop(image: Image, spec: CropSpec, roi: Rectangle | None = None) -> Crop:
    """The region of interest. Any thread. Raises `InferenceError` where it lies outside the frame."""
    height, width = image.shape[:2]
    box = inside_frame(width, height, roi or spec.roi)
    rows, columns = slice(int(box.y_min), int(box.y_max)), slice(int(box.x_min), int(box.x_max))
    return Crop(image[rows, columns], box, (width, height))
