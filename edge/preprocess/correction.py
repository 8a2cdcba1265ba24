"""What the camera gets wrong in every picture, undone in every frame: uneven light, colours, bent lines.

Everything is computed once for each size of picture; a frame then takes one multiplication and one look-up.
"""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge.config.correction import Correction as Settings
from edge.errors import CaptureError, ConfigError
from edge.gauge.calibration import Lens
from edge.geometry import Image
from edge.preprocess.flat_field import Floats, Gains, in_bytes, read_flat_field
from edge.table import read_text, validate
from edge.types import Frame

Size = tuple[int, int]
"""Width and height in pixels."""
Matrix = npt.NDArray[np.float64]

BEYOND_PX = 2.0
"""A corrected picture may look so far past the edge of the real one, for rounding."""


class Tables(NamedTuple):
    """For pictures of one size: gains, and where each corrected pixel is to be found. None: nothing to do."""

    gains: Gains | None
    places: tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16]] | None

    def apply(self, picture: Image) -> Image:
        """A corrected copy: light first, since shade lies on the sensor's pixels."""
        if self.gains is not None:
            picture = self.gains.apply(picture)
        if self.places is not None:
            moved = cv2.remap(picture, *self.places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            picture = np.asarray(moved, np.uint8)
        return picture


class Correction:
    """A station's correction. For one thread."""

    def __init__(self, lens: Lens | None, flat: Floats | None, colours: tuple[float, float, float]) -> None:
        """Raises `ConfigError` where lens and flat-field are for pictures of different sizes."""
        self._lens, self._flat, self._colours = lens, flat, colours
        sizes = [lens.size] if lens else []
        sizes += [(flat.shape[1], flat.shape[0])] if flat is not None else []
        if len({*sizes}) > 1:
            raise ConfigError(
                f"correction: lens is for pictures of {_told(sizes[0])}, but flat_field is {_told(sizes[1])}; take"
                " both with the camera's present settings"
            )
        self.size: Size | None = sizes[0] if sizes else None
        self._tables: dict[Size, Tables] = {}
        if self.size is not None:
            self._for(self.size)

    def correct(self, frame: Frame) -> Frame:
        """The frame as a perfect camera would have taken it, its evidence, too. Raises `CaptureError`."""
        size = _size(frame.image)
        if self.size is not None and size != self.size:
            raise CaptureError(
                f"cannot be corrected: the picture is {_told(size)}, but [correction] is for {_told(self.size)};"
                " set the camera to that size, or calibrate it at this one"
            )
        evidence = frame.evidence
        if evidence is not None:
            evidence = self._for(_size(evidence)).apply(evidence)
        return replace(frame, image=self._for(size).apply(frame.image), evidence=evidence)

    def told(self) -> str:
        """What it does, for a person."""
        parts = []
        if self._lens is not None:
            parts.append(f"lens (k1 {self._lens.distortion[0]:+.3f})")
        if self._flat is not None:
            parts.append(f"flat-field (gains {self._flat.min():.2f} to {self._flat.max():.2f})")
        if self._colours != (1.0, 1.0, 1.0):
            parts.append("colour gains " + ", ".join(f"{gain:g}" for gain in self._colours))
        return ", ".join(parts)

    def _for(self, size: Size) -> Tables:
        if size not in self._tables:
            self._tables[size] = self._made(size)
        return self._tables[size]

    def _made(self, size: Size) -> Tables:
        plain = self._flat is None and self._colours == (1.0, 1.0, 1.0)
        gains = None if plain else in_bytes(self._flat, self._colours, *size)
        return Tables(gains, None if self._lens is None else _places(self._lens, size))


def open_correction(settings: Settings) -> Correction | None:
    """What a station corrects; None where that is nothing. Raises `ConfigError`."""
    if settings == Settings():
        return None
    lens = None if settings.lens is None else read_lens(settings.lens)
    flat = None if settings.flat_field is None else read_flat_field(settings.flat_field)
    return Correction(lens, flat, settings.colour_gains or (1.0, 1.0, 1.0))


def read_lens(path: Path) -> Lens:
    """The lens in a file that `edge calibrate` wrote. Raises `ConfigError` where there is none."""
    try:
        tables = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as err:
        raise ConfigError(f"correction.lens: {path}: is not TOML: {err}") from err
    if not isinstance(tables.get("lens"), dict):
        raise ConfigError(
            f"correction.lens: {path}: has no table [lens]; 'edge calibrate' writes one from five pictures of a"
            " target or more"
        )
    lens = validate(Lens, tables["lens"], path)
    try:
        _places(lens, lens.size)
    except ValueError as err:
        raise ConfigError(
            f"correction.lens: {path}: {err}; calibrate again, with the target in every part of the picture"
        ) from err
    return lens


def _places(lens: Lens, size: Size) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16]]:
    """Where to find each pixel of a corrected picture. Raises `ValueError` where that makes no sense.

    It shows as much as it can without showing what the camera has not seen.
    """
    distortion = np.array(lens.distortion)
    whole = np.array(lens.matrix)
    best, _ = cv2.getOptimalNewCameraMatrix(whole, distortion, lens.size, 0)
    scaled, wanted = (_scaled(np.asarray(matrix), lens.size, size) for matrix in (whole, best))
    exact = cv2.initUndistortRectifyMap(scaled, distortion, np.eye(3), wanted, size, cv2.CV_32FC1)
    if not all(_sound(found, axis, length) for found, axis, length in zip(exact, (1, 0), size, strict=True)):
        raise ValueError(f"matrix and distortion do not fit pictures of {_told(size)}")
    places, fractions = cv2.convertMaps(*exact, cv2.CV_16SC2)
    return np.asarray(places, np.int16), np.asarray(fractions, np.uint16)


def _sound(found: npt.NDArray[Any], axis: int, length: int) -> bool:
    """Whether places along an axis lie in the picture, in their order, and show at least half of it.

    Written so that what is not a number is not sound.
    """
    inside = found.min() > -BEYOND_PX and found.max() < length - 1 + BEYOND_PX
    return bool(inside and np.diff(found, axis=axis).min() > 0 and np.ptp(found) > length / 2)


def _scaled(matrix: Matrix, of: Size, size: Size) -> Matrix:
    """A camera's matrix for the same scene in another size; places count from the middle of the first pixel."""
    (across, down), found = (size[0] / of[0], size[1] / of[1]), matrix.astype(np.float64)
    found[0] *= across
    found[1] *= down
    found[0, 2] += (across - 1) / 2
    found[1, 2] += (down - 1) / 2
    return found


def _size(picture: Image) -> Size:
    return picture.shape[1], picture.shape[0]


def _told(size: Size) -> str:
    return f"{size[0]}×{size[1]}"
