"""Finds a calibration target in a picture: the places of its corners, and where they are on the target."""

from typing import Any, NamedTuple, assert_never

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError, NothingToMeasureError
from edge.gauge.calibration import Charuco, Chessboard, Length, Target
from edge.gauge.light import Encoding, light
from edge.gauge.measure import measure
from edge.gauge.plane import PIXELS
from edge.gauge.scan import Points, View
from edge.gauge.tools import Caliper
from edge.geometry import Image

FEWEST_CORNERS = 12
"""Of a ChArUco board that is not all in the picture."""
WINDOW = 0.4
"""Of the distance to the next corner: half of the window in which a corner is found more closely."""
WIDEST_PX = 11


class Corners(NamedTuple):
    """The target's corners: `places` in frame pixels, `on_target` in millimetres, `numbers` row by row."""

    numbers: npt.NDArray[np.intp]
    places: Points
    on_target: Points


def find_target(image: Image, target: Target, encoding: Encoding) -> Corners:
    """Where the target is. Raises `NothingToMeasureError` that says what was looked for, where it is not found."""
    match target:
        case Chessboard():
            return _chessboard(image, target)
        case Charuco():
            return _charuco(image, target)
        case Length():
            return _length(image, target, encoding)
        case _:
            assert_never(target)


def _chessboard(image: Image, target: Chessboard) -> Corners:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    size = (target.columns, target.rows)
    flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY
    found, corners = cv2.findChessboardCornersSB(grey, size, flags=flags)
    if not found:
        raise NothingToMeasureError(
            f"no chessboard with {target.columns}×{target.rows} inner corners; it must be all in the"
            " picture, with a white margin, sharp and evenly lit"
        )
    places = _upright(_refined(grey, corners).reshape(target.rows, target.columns, 2))
    numbers = np.arange(target.columns * target.rows)
    on_target = np.float64(target.square_mm) * np.stack(
        [numbers % target.columns, numbers // target.columns], axis=1
    )
    return Corners(numbers, places.reshape(-1, 2) + 0.5, on_target)


def _refined(grey: npt.NDArray[Any], corners: Any) -> Points:
    """Corners to a twentieth of a pixel; on rendered boards the detectors alone are off by up to 0.36 px."""
    places = np.ascontiguousarray(corners, np.float32).reshape(-1, 1, 2)
    apart = np.hypot(*(places - places.reshape(1, -1, 2)).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    half = int(np.clip(WINDOW * float(apart.min()), 2, WIDEST_PX))
    until = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 60, 1e-4)
    fine = cv2.cornerSubPix(np.asarray(grey, np.uint8), places, (half, half), (-1, -1), until)
    return np.asarray(fine, np.float64).reshape(-1, 2)


def _upright(corners: npt.NDArray[Any]) -> Points:
    """A chessboard has no up: begin with the corner that is nearest to the picture's upper left."""
    turned = corners[::-1, ::-1]
    first = corners if corners[0, 0].sum() <= turned[0, 0].sum() else turned
    return np.asarray(first, np.float64)


def _charuco(image: Image, target: Charuco) -> Corners:
    board = charuco_board(target)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    places, numbers, _, _ = cv2.aruco.CharucoDetector(board).detectBoard(grey)
    count = 0 if numbers is None else len(numbers)
    if count < FEWEST_CORNERS:
        raise NothingToMeasureError(
            f"{count} corners of a ChArUco board of {target.columns}×{target.rows} squares ({target.dictionary}),"
            f" and at least {FEWEST_CORNERS} are needed; it must be sharp and evenly lit"
        )
    fine = _refined(grey, places)
    numbers = np.asarray(numbers, np.intp).ravel()
    on_target = np.asarray(board.getChessboardCorners(), np.float64)[numbers, :2]
    return Corners(numbers, fine + 0.5, on_target)


def charuco_board(target: Charuco) -> Any:
    """OpenCV's board. Raises `ConfigError` where OpenCV has no such markers, or not enough of them."""
    dictionary = getattr(cv2.aruco, target.dictionary, None)
    if dictionary is None:
        raise ConfigError(
            f"{target.dictionary}: OpenCV has no such markers; DICT_4X4_50 and DICT_5X5_100 are usual"
        )
    markers = cv2.aruco.getPredefinedDictionary(dictionary)
    if target.columns * target.rows // 2 > len(markers.bytesList):
        raise ConfigError(
            f"{target.dictionary}: has {len(markers.bytesList)} markers, and a board of"
            f" {target.columns}×{target.rows} squares needs {target.columns * target.rows // 2}"
        )
    return cv2.aruco.CharucoBoard((target.columns, target.rows), target.square_mm, target.marker_mm, markers)


def _length(image: Image, target: Length, encoding: Encoding) -> Corners:
    """The two ends of a part of known length, dark or light."""
    view = View(light(image, encoding))
    found = [
        measure(
            view,
            [
                Caliper(
                    type="caliper",
                    name="length",
                    start=target.start,
                    end=target.end,
                    across_px=target.across_px,
                    part=part,
                )
            ],
            PIXELS,
        )[0]
        for part in ("dark", "light")
    ]
    clear = [each for each in found if each.value is not None]
    if len(clear) != 1:
        raise NothingToMeasureError(
            f"no part between two clear edges: {found[0].reason or 'it may be dark or light'}"
        )
    ends = np.array(clear[0].ends)
    return Corners(np.arange(2), ends, np.array([[0.0, 0.0], [target.length_mm, 0.0]]))
