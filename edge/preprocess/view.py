"""What a check gets to see of a frame: tensors for a network, or the pixels themselves."""

from collections.abc import Sequence
from typing import assert_never

from edge.config import Point, Rectangle
from edge.config.enhance import Enhance
from edge.preprocess.crop import Crop, CropSpec, crop
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.tensor import InputSpec, Prepared, prepare

Spec = InputSpec | CropSpec
View = Prepared | Crop


def view(
    pyramid: Pyramid,
    spec: Spec,
    roi: Rectangle | None = None,
    polygon: Sequence[Point] = (),
    enhance: Sequence[Enhance] | None = None,
) -> View:
    """A frame as this check sees it. Raises `InferenceError` where its region lies outside the frame."""
    match spec:
        case InputSpec():
            return prepare(pyramid, spec, roi, polygon, enhance)
        case CropSpec():
            return crop(pyramid.image, spec, roi)
        case _:
            assert_never(spec)
