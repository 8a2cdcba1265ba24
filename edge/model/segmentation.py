"""Segmentation head: numbers for each class and cell become the class of each cell, and how sure that is."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError
from edge.geometry import Map
from edge.model.bundle import Bundle
from edge.model.head import Head
from edge.model.interpreter import TensorSpec
from edge.model.layouts.segmenter import Foreign
from edge.model.taps import Outputs
from edge.preprocess.stitch import stitch_classes

Numbers = npt.NDArray[np.generic]
LEVELS = 256


class Segmenter:
    """Classes and probabilities from one output, 1×rows×columns×labels. For one thread.

    Of a quantized output only the probabilities of the winning classes ever become real numbers: which class wins
    is decided on the int8 numbers, and e to the power of a difference between two of them is looked up.
    """

    def __init__(self, labels: tuple[str, ...], output: TensorSpec, name: str) -> None:
        """`name` is what complaints call the model. Raises `BundleError` where labels and output do not fit."""
        if len(output.shape) != 4 or output.shape[3] != len(labels) or output.shape[0] != 1:  # noqa: PLR2004
            shape = "×".join(map(str, output.shape))
            raise BundleError(
                f"{name}: its output is {shape}, but segmentation.labels has {len(labels)};"
                f" an output of 1×rows×columns×{len(labels)} is needed"
            )
        self._powers = np.exp(np.arange(LEVELS, dtype=np.float32) * np.float32(-output.scale))
        self._quantized = output.scale > 0

    def score(self, outputs: Outputs) -> Map:
        """Of each cell the number of its class, and that class's probability: 2×rows×columns.

        Of equally likely classes the later one wins, never the background. Where a number of a real output is
        none, so is the probability.
        """
        planes = np.moveaxis(outputs[0][0], 2, 0)
        highest = planes[0].copy()
        found = np.zeros((2, *highest.shape), np.float32)
        for place, plane in enumerate(planes[1:], 1):
            np.copyto(found[0], place, where=plane >= highest)
            np.maximum(highest, plane, out=highest)
        total = sum(self._power(highest, plane) for plane in planes)
        np.divide(np.float32(1), total, out=found[1])
        return found

    def _power(self, highest: Numbers, plane: Numbers) -> Map:
        """The share that a class has for each cell, of the winner's."""
        if self._quantized:
            # Differences are 0…255: as a byte they come out right although int8 wraps around.
            looked_up: Map = self._powers[np.subtract(highest, plane).view(np.uint8)]
            return looked_up
        with np.errstate(invalid="ignore"):  # infinite less infinite is no number, which the judge refuses
            shares: Map = np.exp(np.subtract(plane, highest, dtype=np.float32))
        return shares


def open_head(bundle: Bundle, outputs: Sequence[TensorSpec]) -> Head:
    """The head of a segmentation bundle on a model with these outputs. Raises `BundleError`."""
    table = bundle.manifest.segmentation
    assert table is not None  # noqa: S101 - the manifest has the table of its task
    if len(outputs) != 1:
        raise BundleError(f"{bundle.model_path}: has {len(outputs)} outputs; a segmentation has one")
    labels, name = tuple(table.labels), str(bundle.model_path)
    head = Segmenter(labels, outputs[0], name) if table.outputs is None else Foreign(table, outputs[0], name)
    return Head(head.score, lambda scores, view: stitch_classes(view.layout, scores, labels))
