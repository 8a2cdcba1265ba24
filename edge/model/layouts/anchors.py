"""The anchors of an SSD: the boxes that a network says how to move and stretch."""

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np
import numpy.typing as npt

from edge.model.tables.outputs import Grid

Anchors = npt.NDArray[np.float32]
"""N×4: x and y of the middle, width, height; as fractions of the tensor."""

GRIDS = (
    (Grid(stride_px=8, anchors=2), Grid(stride_px=16, anchors=6)),
    (Grid(stride_px=4, anchors=1),),
    (Grid(stride_px=8, anchors=2), Grid(stride_px=16, anchors=2), Grid(stride_px=32, anchors=6)),
    (Grid(stride_px=16, anchors=2), Grid(stride_px=32, anchors=6)),
)
"""Those of MediaPipe's detectors: near faces and palms, far faces, poses, faces of the back camera.

A detector's graph in MediaPipe's repository names strides, layer by layer; each layer has an anchor of its own
scale and one that is interpolated to the next, and fixed_anchor_size makes all of them as large as the picture.
"""


def on_grids(grids: Sequence[Grid], width: int, height: int) -> Anchors:
    """Anchors row by row, cell by cell, for an input of `width` × `height` pixels."""
    return np.vstack([*_grids(grids, width, height)]).astype(np.float32)


def count(grids: Sequence[Grid], width: int, height: int) -> int:
    """How many they are."""
    return sum(ceil(width / grid.stride_px) * ceil(height / grid.stride_px) * grid.anchors for grid in grids)


def _grids(grids: Sequence[Grid], width: int, height: int) -> Iterator[npt.NDArray[np.float64]]:
    for grid in grids:
        columns, rows = ceil(width / grid.stride_px), ceil(height / grid.stride_px)
        y, x = np.mgrid[0:rows, 0:columns]
        middles = np.stack([(x + 0.5) / columns, (y + 0.5) / rows], axis=-1).reshape(-1, 2)
        cells = np.hstack([middles, np.ones_like(middles)])
        yield np.repeat(cells, grid.anchors, axis=0)
