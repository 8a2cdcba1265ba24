"""What TFLite models say of themselves, in a flatbuffer inside and in files behind."""

import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import flatbuffers
import pytest
import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import BundleError
from edge.model.metadata import Metadata, read

MODEL = tiny_model.classifier(2)


def table(build: flatbuffers.Builder, fields: dict[int, Callable[[int], None]]) -> int:
    """A table with these fields, each filled in by its function of the field's number."""
    build.StartObject(max(fields) + 1)
    for number, fill in fields.items():
        fill(number)
    return int(build.EndObject())


def vector(build: flatbuffers.Builder, offsets: list[int]) -> int:
    build.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        build.PrependUOffsetTRelative(offset)
    return int(build.EndVector())


def floats(build: flatbuffers.Builder, numbers: list[float]) -> int:
    build.StartVector(4, len(numbers), 4)
    for number in reversed(numbers):
        build.PrependFloat32(number)
    return int(build.EndVector())


def normalised(mean: list[float], std: list[float]) -> bytes:
    """A metadata buffer that names the model, its mean and its deviation, as metadata_schema.fbs has it."""
    build = flatbuffers.Builder(256)

    def at(offset: int) -> Callable[[int], None]:
        return lambda number: build.PrependUOffsetTRelativeSlot(number, offset, 0)

    means, deviations = floats(build, mean), floats(build, std)
    options = table(build, {0: at(means), 1: at(deviations)})
    unit = table(build, {0: lambda number: build.PrependUint8Slot(number, 1, 0), 1: at(options)})
    units = vector(build, [unit])
    taken = table(build, {4: at(units)})
    inputs = vector(build, [taken])
    subgraph = table(build, {2: at(inputs)})
    subgraphs = vector(build, [subgraph])
    name = build.CreateString("Cap finder")
    build.Finish(table(build, {0: at(name), 3: at(subgraphs)}), b"M001")
    return bytes(build.Output())


def with_metadata(content: bytes, metadata: bytes, name: bytes = b"TFLITE_METADATA") -> bytes:
    """The model with that buffer in it."""
    model = tiny_model.tfl.ModelT.InitFromObj(tiny_model.tfl.Model.GetRootAs(content))
    buffer: Any = tiny_model.tfl.BufferT()
    buffer.data = list(metadata)
    entry: Any = tiny_model.tfl.MetadataT()
    entry.name, entry.buffer = name, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [entry]
    build = flatbuffers.Builder(1024)
    build.Finish(model.Pack(build), b"TFL3")
    return bytes(build.Output())


def test_name_and_normalisation_are_read() -> None:
    content = with_metadata(MODEL, normalised([127.5], [127.5]))
    assert read(content, "m") == Metadata("Cap finder", (127.5,), (127.5,))


def test_each_channel_may_have_its_own() -> None:
    found = read(with_metadata(MODEL, normalised([124.0, 116.0, 104.0], [58.0, 57.0, 57.5])), "m")
    assert (found.mean, found.std) == ((124.0, 116.0, 104.0), (58.0, 57.0, 57.5))


def test_a_model_without_metadata_says_nothing() -> None:
    assert read(MODEL, "m") == Metadata()
    assert read(with_metadata(MODEL, b"", b"min_runtime_version"), "m") == Metadata()


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0\0\0\0TFL4" + bytes(64), b"PK\x03\x04 no model"])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match=r"^m: is not a TFLite model; give a \.tflite file"):
        read(content, "m")


def appended(content: bytes, name: str, text: str, kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    archive = io.BytesIO(content)
    with zipfile.ZipFile(archive, "a", kind) as opened:
        opened.writestr(name, text)
    return archive.getvalue()


def test_of_several_files_none_is_taken_for_the_labels() -> None:
    content = appended(appended(MODEL, "labels.txt", "cap\n"), "notes.txt", "bottle\n")
    assert read(content, "m").labels == ()


@pytest.mark.parametrize(
    "text", ["{", "{'names': 3}", '{"names": {"a": "b"}}', "{__import__('os')}", "{" * 10_000]
)
def test_names_that_cannot_be_read_are_no_labels_of_ours(text: str) -> None:
    assert read(appended(MODEL, "metadata.json", text), "m").labels == ()


@pytest.mark.parametrize("shift", [-60, -40, -20])
def test_a_damaged_archive_is_as_good_as_none(shift: int) -> None:
    content = bytearray(appended(MODEL, "labels.txt", "cap\n" * 50))
    content[len(content) + shift] ^= 0xFF
    content[len(MODEL) + 45] ^= 0xFF
    assert read(bytes(content), "m").labels in ((), ("cap",) * 50)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_whatever_is_damaged_it_is_read_or_refused(given_: st.DataObject) -> None:
    content = bytearray(with_metadata(MODEL, normalised([1.0], [2.0])))
    for _ in range(given_.draw(st.integers(1, 4))):
        content[given_.draw(st.integers(8, len(content) - 1))] = given_.draw(st.integers(0, 255))
    cut = given_.draw(st.integers(8, len(content)))
    with suppress(BundleError):
        read(bytes(content[:cut]), "m")
