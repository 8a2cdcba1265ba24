"""A detector that others trained, as our own: from its outputs to candidates, whatever their layout."""

from collections.abc import Sequence

import numpy as np

from edge.errors import BundleError, InferenceError
from edge.model.arrays import take, unpack
from edge.model.bundle import Bundle
from edge.model.interpreter import TensorSpec
from edge.model.layouts.anchors import Anchors, count, on_grids
from edge.model.layouts.boxes import decoder
from edge.model.layouts.shapes import BOX, boxes_fit, boxes_wanted, told
from edge.model.nms import Rows, suppress
from edge.model.tables import MANIFEST
from edge.model.tables.detection import DetectionHead
from edge.model.tables.outputs import Ssd
from edge.model.taps import Outputs

MOST = 1000
"""Candidates of a tensor: a model that has more sees things everywhere, and to suppress them takes its time."""
ANCHORS = "anchors"
"""The array with the anchors, in the file that has them."""


class Foreign:
    """Candidates from the outputs of an imported model. For one thread."""

    def __init__(self, table: DetectionHead, bundle: Bundle, outputs: Sequence[TensorSpec]) -> None:
        """Raises `BundleError` where outputs, labels and anchors do not fit each other."""
        assert table.outputs is not None  # noqa: S101 - whoever opens the bundle has looked
        seen = bundle.manifest.seen
        self._table, self._size = table, (seen.width, seen.height)
        shapes = [output.shape for output in outputs]
        if not boxes_fit(table.outputs, shapes, len(table.labels)):
            raise BundleError(
                f"{bundle.model_path}: its outputs are {told(shapes)}; '{table.outputs.type}' with"
                f" {len(table.labels)} labels needs {boxes_wanted(table.outputs, len(table.labels))};"
                f" correct [detection] in {MANIFEST}"
            )
        anchors = None
        if isinstance(table.outputs, Ssd):
            anchors = _anchors(table.outputs, bundle, outputs[table.outputs.boxes].shape[1])
        self._decode = decoder(table.outputs, outputs, self._size, anchors)

    def score(self, outputs: Outputs) -> Rows:
        """The candidates of one tensor, in its pixels.

        Raises `InferenceError` where numbers are none, a label is not known, or there are too many to be right.
        """
        boxes, scores, classes = self._decode(outputs, self._table.min_score)
        if len(scores) > MOST:
            raise InferenceError(
                f"the model found {len(scores):,} candidates over detection.min_score, which is"
                f" {self._table.min_score:g}; {MOST:,} are the most: raise it, or import it with another layout"
            )
        labels = len(self._table.labels)
        if classes.size and not 0 <= classes.min() <= classes.max() < labels:
            raise InferenceError(
                f"the model named label number {classes.max()}, but the bundle has {labels} labels"
            )
        width, height = self._size
        rows = np.column_stack([classes, scores, boxes * (width, height, width, height)]).astype(np.float32)
        # Of a thing, a model without a grid filter sees a dozen boxes: before tiles are joined, one is left.
        return suppress(rows, self._table.max_iou)


def _anchors(layout: Ssd, bundle: Bundle, wanted: int) -> Anchors:
    if layout.anchors is not None:
        path = str(bundle.folder / layout.anchors)
        return take(unpack(bundle.files[layout.anchors], path), ANCHORS, (wanted, BOX), path)
    width, height = bundle.manifest.seen.width, bundle.manifest.seen.height
    there = count(layout.grids, width, height)
    if there != wanted:
        raise BundleError(
            f"{bundle.folder / MANIFEST}: detection.outputs.grids: are {there} anchors, but the model has"
            f" {wanted} boxes; import the model again"
        )
    return on_grids(layout.grids, width, height)
