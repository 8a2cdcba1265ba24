"""What a bundle keeps of its lesson, so that more pictures can be added later without the old ones.

What the backbone saw of each picture is kept as it was, quantized: a lesson that goes on knows exactly what it
would know had all the pictures come at once.
"""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from edge.errors import BundleError
from edge.model.arrays import Arrays, pack, unpack
from edge.preprocess.layout import lay_out
from edge.preprocess.quality import QualityMeasures
from edge.preprocess.tensor import InputSpec
from edge.teach.eye import Seen

FILE = "lesson.npz"


@dataclass(frozen=True, eq=False)
class Notebook:
    """Pictures of good parts: their names, what was measured on them, and what was seen."""

    names: tuple[str, ...]
    measures: tuple[QualityMeasures, ...]
    seen: tuple[Seen, ...]


def write(notebook: Notebook, budget_bytes: int) -> bytes | None:
    """The file, of as many of the pictures, evenly chosen, as there is room for; None where it has none for 5."""
    size_bytes = sum(output.nbytes for tile in notebook.seen[0].outputs for output in tile) + 200
    room = min(len(notebook.seen), budget_bytes // size_bytes)
    if room < 5:  # noqa: PLR2004 - a lesson needs as many
        return None
    kept = np.linspace(0, len(notebook.seen) - 1, room).round().astype(int)
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


def read(content: bytes, name: str, spec: InputSpec) -> Notebook:
    """The notebook of a bundle whose input is `spec`; `name` is the file. Raises `BundleError`."""
    arrays = unpack(content, name)
    try:
        names = tuple(map(str, json.loads(arrays["names"].tobytes())))
        measures = tuple(
            QualityMeasures(int(row[0]), int(row[1]), *(float(figure) for figure in row[2:]))
            for row in arrays["measures"]
        )
        outputs = [arrays[f"output{number}"] for number in range(len(arrays) - 2)]
        seen = tuple(_seen(outputs, place, measured, spec) for place, measured in enumerate(measures))
    except (KeyError, IndexError, ValueError, TypeError) as err:
        raise BundleError(f"{name}: is not what a lesson keeps ({err}); teach the product anew") from err
    if not len(names) == len(measures) == len(seen):
        raise BundleError(f"{name}: names and pictures do not fit each other; teach the product anew")
    return Notebook(names, measures, seen)


def _seen(outputs: Sequence[np.ndarray], place: int, measured: QualityMeasures, spec: InputSpec) -> Seen:
    tiles = zip(*(output[place][:, None] for output in outputs), strict=True)
    return Seen(tuple(tuple(tile) for tile in tiles), lay_out(measured.width, measured.height, spec))
