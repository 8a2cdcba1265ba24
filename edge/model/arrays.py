"""Files of arrays (.npz): written the same every time, and read from bytes that need not be trusted.

NumPy's own reader takes pickles unless told otherwise, evaluates headers and fails in a dozen ways. This one knows
plain arrays of numbers, and refuses everything else with one error.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError

Floats = npt.NDArray[np.float32]
Arrays = dict[str, npt.NDArray[Any]]

MOST_BYTES = 256 * 1024 * 1024
PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
HEADER = re.compile(
    rb"\x93NUMPY\x01\x00.."
    rb"\{'descr': '([<|](?:b1|[iu][1248]|f[248]))', 'fortran_order': False, 'shape': \(([0-9, ]{0,200})\), \} *\n",
    re.DOTALL,
)
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ValueError,
    OverflowError,
    OSError,
    EOFError,
    RuntimeError,
)
"""What reading an archive of other bytes than were written raises."""


def pack(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The arrays, of numbers or truth values, as an .npz file: for the same arrays, the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for key, array in sorted(arrays.items()):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array, order="C"), (1, 0), allow_pickle=False)
            # A ZipInfo made by hand has a fixed date.
            archive.writestr(zipfile.ZipInfo(f"{key}.npy"), content.getvalue())
    return file.getvalue()


def unpack(content: bytes, name: str, most_bytes: int = MOST_BYTES) -> Arrays:
    """The arrays of an .npz file, read-only; `name` is what complaints call it. Raises `BundleError`."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            # A small archive can unpack to any size.
            size_bytes = sum(entry.file_size for entry in entries)
            if size_bytes > most_bytes:
                raise BundleError(
                    f"{name}: unpacks to {size_bytes / 1e6:.0f} MB; {most_bytes / 1e6:.0f} MB is the most"
                )
            if any(entry.compress_type not in PLAIN for entry in entries):
                raise ValueError("it is packed in an unknown way")
            return {entry.filename.removesuffix(".npy"): _array(archive.read(entry)) for entry in entries}
    except DAMAGE as err:
        raise BundleError(f"{name}: is not a file of arrays: {err}; copy the bundle again") from err


def take(
    arrays: Mapping[str, npt.NDArray[Any]], key: str, shape: tuple[int | None, ...], name: str
) -> Floats:
    """The array `key`, if it is float32, finite, not empty, and of that shape; None is any length.

    Raises `BundleError`; `name` is the file that complaints speak of.
    """
    array = arrays.get(key)
    if array is None:
        raise BundleError(f"{name}: has no array '{key}'; teach the bundle again")
    fits = len(shape) == array.ndim and all(
        wanted in {None, found} for wanted, found in zip(shape, array.shape, strict=True)
    )
    if array.dtype != np.float32 or not fits:
        wanted = "×".join("n" if length is None else str(length) for length in shape)
        found = "×".join(map(str, array.shape))
        raise BundleError(
            f"{name}: array '{key}' is {array.dtype} {found}, but must be float32 {wanted}; teach the bundle again"
        )
    if not array.size:
        raise BundleError(f"{name}: array '{key}' is empty; teach the bundle again")
    if not np.isfinite(array).all():
        raise BundleError(f"{name}: array '{key}' holds numbers that are not finite; teach the bundle again")
    return array


def _array(content: bytes) -> npt.NDArray[Any]:
    header = HEADER.match(content)
    if header is None:
        raise ValueError("it holds something that is no plain array of numbers")
    shape = tuple(int(length) for length in header[2].decode().split(",") if length.strip())
    return np.frombuffer(content, np.dtype(header[1].decode()), offset=header.end()).reshape(shape)
