"""What a TFLite model says of itself: labels, and how its input is normalised.

The layout is that of TFLite's metadata_schema.fbs: a flatbuffer inside the model, and files in a zip archive that
is appended to it.
"""

import ast
import json
import zipfile
from dataclasses import dataclass, replace
from io import BytesIO

from edge.errors import BundleError
from edge.model.arrays import DAMAGE
from edge.model.flatbuffer import Table

IDENTIFIER = b"TFL3"
METADATA = "TFLITE_METADATA"
MOST_LABEL_BYTES = 4 * 1024 * 1024
_LABEL_FILES = (2, 3)
"""AssociatedFileType: TENSOR_AXIS_LABELS and TENSOR_VALUE_LABELS."""
_NORMALIZATION = 1
"""ProcessUnitOptions: NormalizationOptions."""

# The fields' numbers in schema.fbs …
_BUFFERS, _METADATA = 4, 6
_ENTRY_NAME, _ENTRY_BUFFER = 0, 1
_BUFFER_BYTES = 0
# … and in metadata_schema.fbs.
_MODEL_NAME, _SUBGRAPHS = 0, 3
_INPUTS, _OUTPUTS = 2, 3
_PROCESS_UNITS, _FILES = 4, 6
_UNIT_KIND, _UNIT = 0, 1
_MEAN, _STD = 0, 1
_FILE_NAME, _FILE_KIND = 0, 2


@dataclass(frozen=True)
class Metadata:
    """What was found; all of it may be empty.

    `mean` and `std` are in pixels, one for all channels or one for each: the model takes (pixel - mean) / std.
    `labels` are the lines of `labels_file`, or what it says under `names`.
    """

    title: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    labels_file: str | None = None


def read(content: bytes, name: str) -> Metadata:
    """The metadata of a model's bytes; `name` is what complaints call them.

    Raises `BundleError` where they are no TFLite model, or damaged.
    """
    if content[4:8] != IDENTIFIER:
        raise BundleError(f"{name}: is not a TFLite model; give a .tflite file")
    model = Table.root(content, name)
    files = _appended(content)
    described = _described(model, name)
    if described is None:
        return _labelled(Metadata(), [], files)
    subgraphs = described.tables(_SUBGRAPHS)
    inputs = subgraphs[0].tables(_INPUTS) if subgraphs else ()
    outputs = subgraphs[0].tables(_OUTPUTS) if subgraphs else ()
    mean, std = _normalisation(inputs[0]) if inputs else ((), ())
    named = [
        file.text(_FILE_NAME)
        for output in outputs
        for file in output.tables(_FILES)
        if file.number(_FILE_KIND, "b") in _LABEL_FILES
    ]
    return _labelled(Metadata(described.text(_MODEL_NAME), mean, std), named, files)


def _described(model: Table, name: str) -> Table | None:
    buffers = model.tables(_BUFFERS)
    for entry in model.tables(_METADATA):
        if entry.text(_ENTRY_NAME) == METADATA:
            number = entry.number(_ENTRY_BUFFER, "I")
            if number < len(buffers):
                return Table.root(buffers[number].raw(_BUFFER_BYTES), name)
    return None


def _normalisation(taken: Table) -> tuple[tuple[float, ...], tuple[float, ...]]:
    for unit in taken.tables(_PROCESS_UNITS):
        options = unit.table(_UNIT)
        if unit.number(_UNIT_KIND, "B") == _NORMALIZATION and options is not None:
            return options.floats(_MEAN), options.floats(_STD)
    return (), ()


def _labelled(found: Metadata, named: list[str], files: dict[str, bytes]) -> Metadata:
    """With the labels of the first file that is there: one that the metadata names, else the only one."""
    texts = [name for name in files if name.lower().endswith((".txt", ".json"))]
    for name in named or (texts if len(texts) == 1 else []):
        if name in files:
            content = files[name].decode(errors="replace")
            labels = _names(content) if content.lstrip().startswith("{") else tuple(content.splitlines())
            return replace(found, labels=labels, labels_file=name)
    return found


def _names(content: str) -> tuple[str, ...]:
    """The labels in what Ultralytics appends: `names`, by number, in JSON or as Python writes a dictionary."""
    try:
        said = json.loads(content)
    except ValueError:
        try:
            said = ast.literal_eval(content)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return ()
    names = said.get("names") if isinstance(said, dict) else None
    if isinstance(names, dict) and all(str(key).isdecimal() for key in names):
        return tuple(str(name) for _, name in sorted(names.items(), key=lambda item: int(item[0])))
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _appended(content: bytes) -> dict[str, bytes]:
    """The files of the zip archive at the end of the model, those that are small enough to be labels."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            return {
                entry.filename: archive.read(entry)
                for entry in archive.infolist()
                if entry.file_size <= MOST_LABEL_BYTES and not entry.is_dir()
            }
    except DAMAGE:
        return {}  # a model without an archive, which is most of them
