"""A segmenter that others trained, as our own: from its output to a label for each cell."""

import numpy as np

from edge.errors import BundleError
from edge.geometry import Map
from edge.model.interpreter import TensorSpec
from edge.model.layouts.masks import decoder
from edge.model.layouts.shapes import mask_fits, mask_wanted, told
from edge.model.tables import MANIFEST
from edge.model.tables.segmentation import SegmentationHead
from edge.model.taps import Outputs


class Foreign:
    """Labels of cells from the one output of an imported model. For one thread."""

    def __init__(self, table: SegmentationHead, output: TensorSpec, name: str) -> None:
        """`name` is what complaints call the model. Raises `BundleError` where labels and output do not fit."""
        assert table.outputs is not None  # noqa: S101 - whoever opens the bundle has looked
        if not mask_fits(table.outputs, output.shape, len(table.labels)):
            raise BundleError(
                f"{name}: its output is {told([output.shape])}; '{table.outputs.type}' with"
                f" {len(table.labels)} labels needs {mask_wanted(table.outputs, len(table.labels))};"
                f" correct [segmentation] in {MANIFEST}"
            )
        self._decode = decoder(table.outputs, output, len(table.labels))

    def score(self, outputs: Outputs) -> Map:
        """The number of each cell's label, and its probability: 2×rows×columns. Raises `InferenceError`."""
        classes, scores = self._decode(outputs[0])
        return np.stack([classes.astype(np.float32), scores])
