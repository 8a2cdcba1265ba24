"""What a bundle keeps of its lesson, so that more pictures can be added later without the old ones.

What the backbone saw of each picture is kept as it was, quantized: a lesson that goes on knows exactly what it
would know had all the pictures come at once.
"""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError, InferenceError
from edge.model.arrays import Arrays, pack, unpack
from edge.model.interpreter import TensorSpec
from edge.preprocess.layout import lay_out
from edge.preprocess.quality import QualityMeasures
from edge.preprocess.tensor import InputSpec
from edge.teach.evenly import evenly
from edge.teach.eye import Seen

FILE = "lesson.npz"
FEWEST = 5
"""Pictures: what a lesson needs."""
FRAME_BYTES = 1200
"""Of the file itself, at most."""
MEASURES_BYTES = 40
"""For each picture."""
MISFITS = (KeyError, ValueError, TypeError, RecursionError, InferenceError)
"""What reading arrays of another shape, or JSON of another kind, raises."""


@dataclass(frozen=True, eq=False)
class Notebook:
    """Pictures of good parts: their names, what was measured on them, and what was seen."""

    names: tuple[str, ...]
    measures: tuple[QualityMeasures, ...]
    seen: tuple[Seen, ...]


def write(notebook: Notebook, budget_bytes: int) -> bytes | None:
    """The file, of as many of the pictures, evenly chosen, as there is room for; None where it has none for 5."""
    size_bytes = sum(output.nbytes for tile in notebook.seen[0].outputs for output in tile) + MEASURES_BYTES
    size_bytes += max(len(json.dumps(name)) for name in notebook.names) + 2
    room = min(len(notebook.seen), (budget_bytes - FRAME_BYTES) // size_bytes)
    if room < FEWEST:
        return None
    kept = evenly(len(notebook.seen), room)
    seen = [notebook.seen[place] for place in kept]
    outputs = len(seen[0].outputs[0])
    arrays: Arrays = {
        f"output{number}": np.stack([np.stack([tile[number][0] for tile in each.outputs]) for each in seen])
        for number in range(outputs)
    }
    arrays["measures"] = np.array([astuple(notebook.measures[place]) for place in kept], np.float64)
    names = json.dumps([notebook.names[place] for place in kept])
    arrays["names"] = np.frombuffer(names.encode(), np.uint8)
    return pack(arrays)


def read(content: bytes, name: str, spec: InputSpec, outputs: Sequence[TensorSpec]) -> Notebook:
    """The notebook of a bundle whose input is `spec`, and whose backbone gives these `outputs`.

    `name` is the file. Raises `BundleError`.
    """
    arrays = unpack(content, name)
    try:
        names = tuple(map(str, json.loads(arrays["names"].tobytes())))
        measures = tuple(map(_measures, arrays["measures"].tolist()))
        tensors = [_tensors(arrays[f"output{number}"], spec, output) for number, output in enumerate(outputs)]
        if not all(len(found) == len(names) for found in (measures, *tensors)):
            raise ValueError("names and pictures do not fit each other")
        seen = tuple(
            Seen(tuple(zip(*tiles, strict=True)), lay_out(measured.width, measured.height, spec))
            for measured, *tiles in zip(measures, *tensors, strict=True)
        )
    except MISFITS as err:
        raise BundleError(f"{name}: is not what a lesson keeps ({err}); teach the product anew") from err
    return Notebook(names, measures, seen)


def _measures(row: Sequence[float]) -> QualityMeasures:
    width, height, *figures = row
    if not np.isfinite(row).all() or min(width, height) < 1:
        raise ValueError("what was measured on a picture makes no sense")
    return QualityMeasures(int(width), int(height), *figures)


def _tensors(numbers: npt.NDArray[Any], spec: InputSpec, output: TensorSpec) -> npt.NDArray[Any]:
    """pictures×tiles×1×rows×columns×channels, if it is that."""
    shape = (spec.tiles_x * spec.tiles_y, *output.shape[1:])
    if numbers.dtype != output.dtype or numbers.shape[1:] != shape:
        raise ValueError(f"{output.name} was seen as {numbers.dtype} {numbers.shape}")
    return numbers[:, :, None]
