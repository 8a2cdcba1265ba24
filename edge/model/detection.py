"""Detection head: grids of class scores and distances become boxes in the frame."""

from collections.abc import Sequence

import numpy as np

from edge.errors import BundleError, InferenceError
from edge.model.arrays import Floats
from edge.model.bundle import Bundle
from edge.model.classifier import real
from edge.model.head import Head, Scores
from edge.model.interpreter import TensorSpec
from edge.model.nms import BOX, SCORE, Rows, suppress
from edge.model.tables.detection import DetectionHead
from edge.model.taps import Outputs
from edge.preprocess.tensor import Prepared
from edge.types import Box, Detection, Detections

MOST = 100
"""Candidates of a tensor that are looked at, and detections of a picture: the best ones."""
EDGES = 4


class AnchorFree:
    """Candidates from grids: for each stride the probability of each label, and distances to the box's edges.

    A cell's distances (left, top, right, bottom, in strides) count from its middle. For one thread.
    """

    def __init__(self, table: DetectionHead, width: int, outputs: Sequence[TensorSpec], name: str) -> None:
        """`width` is of the input in pixels. Raises `BundleError`, in which `name` is the model."""
        self._table = table
        self._outputs = outputs
        self._pairs = [
            (scores, distances, width // outputs[scores].shape[2])
            for scores, distances in _pairs(outputs, len(table.labels), name)
        ]

    def score(self, outputs: Outputs) -> Rows:
        """The best candidates of one tensor, in its pixels. Raises `InferenceError` where numbers are none."""
        rows = np.concatenate([self._candidates(outputs, *pair) for pair in self._pairs])
        if not np.isfinite(rows).all():
            raise InferenceError("the detector gave scores or boxes that are not numbers")
        best = np.argsort(-rows[:, SCORE], kind="stable")[:MOST]
        return suppress(rows[best], self._table.max_iou)

    def _candidates(self, outputs: Outputs, scores: int, distances: int, stride_px: int) -> Rows:
        probabilities = real(outputs[scores][0], self._outputs[scores])
        # Written so that a score that is not a number is a candidate, and found out.
        row, column, label = np.nonzero(~(probabilities < self._table.min_score))
        edges = real(outputs[distances][0][row, column], self._outputs[distances]) * stride_px
        x, y = (column + 0.5) * stride_px, (row + 0.5) * stride_px
        boxes = np.stack([x - edges[:, 0], y - edges[:, 1], x + edges[:, 2], y + edges[:, 3]], axis=1)
        found = np.column_stack([label, probabilities[row, column, label], boxes])
        return found.astype(np.float32)


def to_frame(scores: Scores, prepared: Prepared, labels: Sequence[str], max_iou: float) -> Detections:
    """Candidates of all tensors as detections in the frame; what two tiles saw counts once."""
    tiles = zip(scores, prepared.geometries, strict=True)
    rows = np.concatenate([_moved(found, geometry.to_frame) for found, geometry in tiles])
    rows = suppress(rows, max_iou) if len(scores) > 1 else rows
    area = prepared.box
    found = (
        Detection(labels[int(row[0])], float(row[SCORE]), area.intersection(Box(*map(float, row[BOX]))))
        for row in rows[:MOST]
    )
    return Detections(tuple(detection for detection in found if detection.box.area > 0))


def open_head(bundle: Bundle, outputs: Sequence[TensorSpec]) -> Head:
    """The head of a detection bundle on a model with these outputs. Raises `BundleError`."""
    table = bundle.manifest.detection
    assert table is not None  # noqa: S101 - the manifest has the table of its task
    head = AnchorFree(table, bundle.manifest.seen.width, outputs, str(bundle.model_path))
    return Head(head.score, lambda scores, seen: to_frame(scores, seen, table.labels, table.max_iou))


def _moved(rows: Rows, to_frame: object) -> Floats:
    moved = rows.copy()
    for row in moved:
        row[BOX] = to_frame(Box(*row[BOX]))  # type: ignore[operator]
    return moved


def _pairs(outputs: Sequence[TensorSpec], labels: int, name: str) -> list[tuple[int, int]]:
    """The numbers of the outputs that belong together: those of one grid, scores first."""
    grids: dict[tuple[int, ...], dict[int, int]] = {}
    for index, output in enumerate(outputs):
        if len(output.shape) == 4:  # noqa: PLR2004 - 1×rows×columns×channels
            grids.setdefault(output.shape[1:3], {})[output.shape[3]] = index
    pairs = [(by[labels], by[EDGES]) for by in grids.values() if labels in by and EDGES in by]
    if not pairs or 2 * len(pairs) != len(outputs) or labels == EDGES:
        shapes = ", ".join("×".join(map(str, output.shape)) for output in outputs)
        raise BundleError(
            f"{name}: its outputs are {shapes}; a detector of {labels} labels has, for each stride, one of"
            f" 1×rows×columns×{labels} and one of 1×rows×columns×{EDGES}"
        )
    return pairs
