"""How long it takes from a foreign detector's outputs to boxes, where 100 candidates are left to be compared."""

from collections.abc import Iterator, Sequence
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.model.interpreter import TensorSpec
from edge.model.layouts.anchors import GRIDS, Anchors, on_grids
from edge.model.layouts.boxes import decoder
from edge.model.nms import suppress
from edge.model.tables.outputs import BoxLayout, Ssd, Yolo5, Yolo8

CANDIDATES, LEAST, RUNS = 100, 0.25, 101
Numbers = npt.NDArray[Any]


class Case(NamedTuple):
    """Outputs that were made up, and how they are read; `size` is of the input in pixels."""

    name: str
    layout: BoxLayout
    outputs: Sequence[Numbers]
    size: int
    scale: float = 0.0
    zero_point: int = 0
    anchors: Anchors | None = None


def cases() -> Iterator[Case]:
    """The usual sizes: YOLO for 640 px and 80 labels, BlazeFace for 128 px."""
    random = np.random.default_rng(0)
    columns = (random.random((1, 84, 8400)) * 0.1).astype(np.float32)
    columns[0, 4 + random.integers(0, 80, CANDIDATES), random.permutation(8400)[:CANDIDATES]] = 0.9
    yield Case("yolov8, 84×8,400 float32", Yolo8(type="yolov8"), [columns], 640)
    quantized = np.rint(columns * 255 - 128).astype(np.int8)
    yield Case("yolov8, 84×8,400 int8", Yolo8(type="yolov8"), [quantized], 640, 1 / 255, -128)
    rows = (random.random((1, 25_200, 85)) * 0.1).astype(np.float32)
    rows[0, random.permutation(25_200)[:CANDIDATES], 4:6] = 0.9
    yield Case("yolov5, 25,200×85 float32", Yolo5(type="yolov5"), [rows], 640)
    scores = np.full((1, 896, 1), -9, np.float32)
    scores[0, random.permutation(896)[:CANDIDATES]] = 3
    grids = list(GRIDS[0])
    face = Ssd(type="ssd", grids=grids, order="xywh", scale=[128.0] * 4, sizes="linear")
    boxes = random.random((1, 896, 16)).astype(np.float32) * 20
    yield Case("ssd, 896×16 float32", face, [boxes, scores], 128, anchors=on_grids(grids, 128, 128))


def measured(case: Case) -> tuple[int, float]:
    """How many candidates there were, and the median of milliseconds."""
    specs = [
        TensorSpec("output", output.shape, output.dtype, case.scale, case.zero_point)
        for output in case.outputs
    ]
    decode = decoder(case.layout, specs, (case.size, case.size), case.anchors)
    taken_ms, there = [], 0
    for _ in range(RUNS):
        start = perf_counter()
        boxes, scores, classes = decode(case.outputs, LEAST)
        suppress(np.column_stack([classes, scores, boxes * case.size]).astype(np.float32), 0.5)
        taken_ms.append((perf_counter() - start) * 1000)
        there = len(scores)
    return there, median(taken_ms)
