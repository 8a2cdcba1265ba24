"""Anomaly head: how far each patch of a picture is from the nearest patch of the good parts that were taught."""

import io
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError
from edge.model.interpreter import TensorSpec
from edge.types import Map

Floats = npt.NDArray[np.float32]

MAX_BANK_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class Bank:
    """Taught patches. A feature is standardised, channel by channel: `(feature - mean) / spread`.

    `patches` patches×channels, standardised; `mean` and `spread` channels. All float32.
    """

    patches: Floats
    mean: Floats
    spread: Floats


def write_bank(bank: Bank) -> bytes:
    """The bank as an .npz file."""
    file = io.BytesIO()
    np.savez(file, bank=bank.patches, mean=bank.mean, spread=bank.spread)
    return file.getvalue()


def read_bank(content: bytes, name: str) -> Bank:
    """The bank of an .npz file; `name` is what complaints call it. Raises `BundleError`."""
    try:
        arrays = _read_arrays(content, name)
        bank = Bank(arrays["bank"], arrays["mean"], arrays["spread"])
    except KeyError as err:
        raise BundleError(f"{name}: has no array {err}; teach the bundle again") from err
    # zipfile and NumPy raise all of these for bytes that are no archive of arrays.
    except (ValueError, OSError, EOFError, RuntimeError, SyntaxError, zipfile.BadZipFile, zlib.error) as err:
        raise BundleError(f"{name}: is not a file of arrays: {err}; copy the bundle again") from err
    _check(bank, name)
    return bank


def _read_arrays(content: bytes, name: str) -> dict[str, Floats]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # A small archive can unpack to any size.
        size_bytes = sum(entry.file_size for entry in archive.infolist())
    if size_bytes > MAX_BANK_BYTES:
        raise BundleError(f"{name}: unpacks to {size_bytes / 1e6:.0f} MB; a bank has 256 MB at most")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def _check(bank: Bank, name: str) -> None:
    for key, array, dimensions in (
        ("bank", bank.patches, 2),
        ("mean", bank.mean, 1),
        ("spread", bank.spread, 1),
    ):
        if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.ndim != dimensions:
            raise BundleError(
                f"{name}: array '{key}' must be float32 with {dimensions} dimensions; teach again"
            )
        if not np.isfinite(array).all():
            raise BundleError(f"{name}: array '{key}' holds numbers that are not finite; teach again")
    channels = {bank.patches.shape[1], bank.mean.shape[0], bank.spread.shape[0]}
    if len(channels) != 1 or 0 in bank.patches.shape:
        shapes = f"{bank.patches.shape}, {bank.mean.shape} and {bank.spread.shape}"
        raise BundleError(f"{name}: arrays of {shapes} do not fit each other; teach again")
    if bank.spread.min() <= 0:
        raise BundleError(f"{name}: array 'spread' must be over 0; teach again")


class MemoryBank:
    """Distances to a bank, for features of one shape. For one thread: its work space is reused.

    A bank of 1,024 patches of 112 channels takes 0.8 ms for 196 features, given a BLAS that uses one thread
    (OPENBLAS_NUM_THREADS=1, set before NumPy is imported; with more, it is slower and robs other threads).
    """

    def __init__(self, bank: Bank, features: TensorSpec, limit_distance: float) -> None:
        """`features` is 1×rows×columns×channels; `limit_distance` is the distance that has the score 1.0."""
        self.rows, self.columns, channels = features.shape[1:]
        scale = features.scale or 1.0
        # number × gain + shift = (scale × (number - zero_point) - mean) / spread
        self._gain = (np.float32(scale) / bank.spread).astype(np.float32)
        self._shift = ((-features.zero_point * np.float32(scale) - bank.mean) / bank.spread).astype(
            np.float32
        )
        # |x - b|² = |x|² - (2 x·b - |b|²): the greatest bracket is the nearest patch, and with a column of ones
        # beside x, one matrix product gives all brackets.
        squares = np.einsum("ij,ij->i", bank.patches, bank.patches)
        self._bank = np.ascontiguousarray(np.vstack([2 * bank.patches.T, -squares]), np.float32)
        self._ones = np.ones((self.rows * self.columns, channels + 1), np.float32)
        self._x = self._ones[:, :channels]
        self._brackets = np.empty((len(self._ones), len(squares)), np.float32)
        self._limit = np.float32(limit_distance)

    def score(self, features: npt.NDArray[np.generic]) -> Map:
        """Distance over limit for each cell, rows×columns: 1.0 is the limit. NaN where a feature is NaN."""
        np.multiply(features.reshape(self._x.shape), self._gain, out=self._x)
        self._x += self._shift
        np.matmul(self._ones, self._bank, out=self._brackets)
        squared = np.einsum("ij,ij->i", self._x, self._x) - self._brackets.max(axis=1)
        distance: Map = np.sqrt(np.maximum(squared, 0)) / self._limit
        return distance.reshape(self.rows, self.columns)
