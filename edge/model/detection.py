"""Detection head: the candidates of all tensors become things in the frame."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.errors import InferenceError
from edge.geometry import Box
from edge.model import grid
from edge.model.bundle import Bundle
from edge.model.head import Head, Scores
from edge.model.interpreter import TensorSpec
from edge.model.layouts.detector import Foreign
from edge.model.nms import BOX, CLASS, SCORE, Rows, suppress
from edge.model.seams import joined
from edge.model.tables.detection import DetectionHead
from edge.model.taps import Outputs
from edge.prediction import Detection, Detections
from edge.preprocess.mask import holds
from edge.preprocess.tensor import Prepared

MOST = 300
"""Candidates of a picture that are compared with each other: the best ones."""


class AnchorFree:
    """Candidates from our own detector's grids. For one thread."""

    def __init__(
        self, table: DetectionHead, size_px: tuple[int, int], outputs: Sequence[TensorSpec], name: str
    ) -> None:
        """`size_px` is (width, height) of the input. Raises `BundleError`, in which `name` is the model."""
        self._grids = grid.grids(outputs, len(table.labels), size_px, table.min_score, name)

    def score(self, outputs: Outputs) -> Rows:
        """The best candidates of one tensor, in its pixels. Raises `InferenceError` where numbers are none."""
        rows = [grid.candidates(outputs, one) for one in self._grids]
        return rows[0] if len(rows) == 1 else np.concatenate(rows)


def to_frame(scores: Scores, prepared: Prepared, labels: Sequence[str], max_iou: float) -> Detections:
    """Candidates of all tensors as things in the frame; what two tiles saw counts once.

    Boxes end where the area ends that was looked at, and what has its middle outside the check's polygon does not
    count. Raises `InferenceError` where boxes are no numbers.
    """
    area = prepared.box
    rows = np.concatenate([_moved(seen, prepared, tile) for tile, seen in enumerate(scores)])
    if not np.isfinite(rows).all():
        raise InferenceError("the detector gave scores or boxes that are not numbers")
    tiles = np.repeat(np.arange(len(scores)), [len(seen) for seen in scores])
    best = np.argsort(-rows[:, SCORE], kind="stable")[:MOST]
    unknown_below = _unknown_below(rows, best, scores)
    rows = rows[best]
    if len(scores) > 1:
        seen = np.array([one.to_frame(one.content) for one in prepared.geometries])
        rows = joined(rows, tiles[best], seen, area)
    rows = suppress(rows, max_iou)
    rows[:, BOX] = rows[:, BOX].clip(area[:2] * 2, area[2:] * 2)
    found = (Detection(labels[int(row[CLASS])], float(row[SCORE]), Box(*row[BOX].tolist())) for row in rows)
    there = tuple(thing for thing in found if thing.box.area > 0 and _counts(thing.box, prepared))
    return Detections(there, area, unknown_below)


def open_head(bundle: Bundle, outputs: Sequence[TensorSpec]) -> Head:
    """The head of a detection bundle on a model with these outputs. Raises `BundleError`."""
    table = bundle.manifest.detection
    assert table is not None  # noqa: S101 - the manifest has the table of its task
    seen = bundle.manifest.seen
    head = (
        AnchorFree(table, (seen.width, seen.height), outputs, str(bundle.model_path))
        if table.outputs is None
        else Foreign(table, bundle, outputs)
    )
    return Head(head.score, lambda scores, view: to_frame(scores, view, table.labels, table.max_iou))


def _moved(rows: Rows, prepared: Prepared, tile: int) -> Rows:
    """Rows of a tensor in frame pixels."""
    geometry = prepared.geometries[tile]
    scale = np.array([geometry.scale_x, geometry.scale_y] * 2)
    moved = rows.astype(np.float32)
    moved[:, BOX] = rows[:, BOX] * scale + [geometry.offset_x, geometry.offset_y] * 2
    return moved


def _unknown_below(rows: Rows, best: npt.NDArray[np.int64], scores: Scores) -> float:
    """Where candidates may have been left out, of a full tile or picture: what scored lower; 0: none were."""
    lowest = [float(seen[:, SCORE].min()) for seen in scores if len(seen) >= grid.MOST]
    if len(rows) > MOST:
        lowest.append(float(rows[best[-1], SCORE]))
    return max(lowest, default=0.0)


def _counts(box: Box, prepared: Prepared) -> bool:
    polygon = prepared.layout.polygon
    return not polygon or holds(polygon, box.middle)
