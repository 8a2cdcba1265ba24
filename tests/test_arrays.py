import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from edge.errors import BundleError
from edge.model.arrays import Arrays, pack, take, unpack

SOME: Arrays = {
    "bank": np.arange(12, dtype=np.float32).reshape(4, 3),
    "mean": np.arange(3, dtype=np.float32),
    "count": np.array(7),
    "shown": np.array([[True], [False]]),
}
NUMBERS = st.one_of(
    arrays_of.boolean_dtypes(),
    arrays_of.integer_dtypes(endianness="<"),
    arrays_of.unsigned_integer_dtypes(endianness="<"),
    arrays_of.floating_dtypes(endianness="<"),
)


def saved(**arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def an_archive(packed_as: int = zipfile.ZIP_STORED, **entries: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packed_as) as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def a_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bank.npy", "w") as entry:
        for _ in range(300):
            entry.write(bytes(1024 * 1024))
    return file.getvalue()


def with_header(text: str, content: bytes = bytes(48)) -> bytes:
    line = text.encode() + b"\n"
    return an_archive(bank=b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + content)


@given(array=arrays_of.arrays(NUMBERS, arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0)))
def test_an_array_is_read_as_it_was_written(array: np.ndarray) -> None:
    found = unpack(pack({"it": array}), "it.npz")["it"]
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


def test_the_same_arrays_make_the_same_bytes_in_any_order() -> None:
    assert pack(SOME) == pack(dict(reversed(SOME.items())))


def test_a_view_that_is_not_in_order_is_written_in_order() -> None:
    bank = np.asfortranarray(SOME["bank"])[::2]
    assert np.array_equal(unpack(pack({"bank": bank}), "bank.npz")["bank"], bank)


def test_what_numpy_wrote_is_read() -> None:
    assert unpack(saved(**SOME), "bank.npz").keys() == SOME.keys()


def test_numpy_reads_what_was_written() -> None:
    found = np.load(io.BytesIO(pack(SOME)))
    assert all(np.array_equal(found[key], array) for key, array in SOME.items())


def test_a_packed_archive_is_read() -> None:
    file = io.BytesIO()
    np.savez_compressed(file, bank=SOME["bank"])
    assert np.array_equal(unpack(file.getvalue(), "bank.npz")["bank"], SOME["bank"])


def test_objects_are_not_written() -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        pack({"it": np.array([{"a": 1}])})


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is not a file of arrays"),
        (b"text", "is not a file of arrays"),
        (pack(SOME)[:-40], "is not a file of arrays"),
        (saved(bank=np.array([{"a": 1}])), "no plain array of numbers"),
        (saved(bank=np.array(["text"])), "no plain array of numbers"),
        (saved(bank=np.ones(3, ">f4")), "no plain array of numbers"),
        (saved(bank=np.ones(3, np.complex64)), "no plain array of numbers"),
        (an_archive(bank=b""), "no plain array of numbers"),
        (an_archive(zipfile.ZIP_LZMA, bank=b"text"), "packed in an unknown way"),
        (
            with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (13,), }"),
            "is not a file of arrays",
        ),
        (
            with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1 2,), }"),
            "is not a file of arrays",
        ),
        (
            with_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({9**99},), }}"),
            "is not a file of arrays",
        ),
        (with_header("{'descr': '<f4', 'fortran_order': False, 'shape': ("), "no plain array of numbers"),
        (a_bomb(), "unpacks to 315 MB; 268 MB is the most"),
    ],
)
def test_what_is_no_file_of_arrays_is_refused_with_a_reason(content: bytes, complaint: str) -> None:
    with pytest.raises(BundleError, match=r"^part/bank\.npz: ") as refusal:
        unpack(content, "part/bank.npz")
    assert complaint in str(refusal.value)


def test_what_is_larger_than_allowed_is_refused() -> None:
    with pytest.raises(BundleError, match="unpacks to"):
        unpack(pack(SOME), "bank.npz", most_bytes=200)


def test_no_code_hides_in_a_file_of_arrays(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "sprung",)

    with pytest.raises(BundleError):
        unpack(saved(bank=np.array([Trap()])), "bank.npz")
    assert not (tmp_path / "sprung").exists()


@settings(max_examples=200)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(BundleError):
        unpack(content, "bank.npz")


def read_or_refused(content: bytes) -> None:
    try:
        found = unpack(content, "bank.npz", most_bytes=10_000)
    except BundleError:
        return
    assert all(isinstance(array, np.ndarray) and array.dtype.kind in "biuf" for array in found.values())


@settings(max_examples=300)
@given(
    written=st.sampled_from([pack(SOME), saved(**SOME)]),
    places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_a_file_with_changed_bytes_is_read_or_refused(written: bytes, places: list[tuple[int, int]]) -> None:
    content = bytearray(written)
    for place, byte in places:
        content[place % len(content)] = byte
    read_or_refused(bytes(content))


@settings(max_examples=300)
@given(
    places=st.lists(st.tuples(st.integers(1, 330), st.binary(min_size=1, max_size=8)), min_size=1, max_size=3)
)
def test_an_archive_with_a_changed_directory_is_read_or_refused(places: list[tuple[int, bytes]]) -> None:
    content = bytearray(pack(SOME))
    for from_the_end, changed in places:
        content[-from_the_end : len(content) - from_the_end + len(changed)] = changed
    read_or_refused(bytes(content))


@settings(max_examples=200)
@given(header=st.text("{}()[]'\"<>|=,: 0123456789bfiuOVUS\\\n#-+eE.x", max_size=60), shape=st.booleans())
def test_an_array_with_any_header_is_read_or_refused(header: str, *, shape: bool) -> None:
    if shape:
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({header}), }}"
    read_or_refused(with_header(header))


@settings(max_examples=100)
@given(cut=st.integers(0, len(pack(SOME)) - 1))
def test_a_file_that_was_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(BundleError):
        unpack(pack(SOME)[:cut], "bank.npz")


def test_an_array_that_fits_is_taken() -> None:
    assert take(SOME, "bank", (None, 3), "bank.npz") is SOME["bank"]


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (None, "has no array 'bank'"),
        (np.ones((4, 3)), "array 'bank' is float64 4×3, but must be float32 n×3"),
        (np.ones(3, np.float32), "array 'bank' is float32 3, but must be float32 n×3"),
        (np.ones((4, 2), np.float32), "array 'bank' is float32 4×2, but must be float32 n×3"),
        (np.ones((0, 3), np.float32), "array 'bank' is empty"),
        (np.full((4, 3), np.nan, np.float32), "array 'bank' holds numbers that are not finite"),
        (np.full((4, 3), np.inf, np.float32), "array 'bank' holds numbers that are not finite"),
    ],
)
def test_an_array_that_does_not_fit_is_refused_with_a_reason(
    array: np.ndarray | None, complaint: str
) -> None:
    with pytest.raises(BundleError, match=r"^part/bank\.npz: .*; teach the bundle again$") as refusal:
        take({} if array is None else {"bank": array}, "bank", (None, 3), "part/bank.npz")
    assert complaint in str(refusal.value)
