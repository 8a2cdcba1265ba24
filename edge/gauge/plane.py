"""From places in the frame to places on the part: millimetres where there is a calibration, else pixels."""

from dataclasses import dataclass
from math import sqrt

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import NothingToMeasureError
from edge.gauge.calibration import Calibration, Lens
from edge.gauge.scan import Points

Floats = npt.NDArray[np.float64]

STEP_PX = 0.5
"""Half the distance over which the size of a pixel is found."""


@dataclass(frozen=True, eq=False)
class Plane:
    """The plane that is measured in. `u_scale` (a share) and `u_place` (a length) are standard uncertainties."""

    unit: str = "px"
    homography: Floats | None = None
    lens: Lens | None = None
    u_scale: float = 0.0
    u_place: float = 0.0

    def places(self, points: Points) -> Points:
        """Where these frame pixels lie, in `unit`. Raises `NothingToMeasureError` where that is nowhere."""
        if self.homography is None:
            return points
        there = on_plane(straight(points, self.lens), self.homography)
        if not np.isfinite(there).all():
            raise NothingToMeasureError("lies where the calibration has no place; calibrate again")
        return there

    def pixel_areas(self, points: Points) -> Floats:
        """How large a pixel at each of these places is, in square units."""
        right, left, below, above = (
            self.places(points + np.array(shift) * STEP_PX) for shift in ((1, 0), (-1, 0), (0, 1), (0, -1))
        )
        across, down = right - left, below - above
        return np.abs(across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0])

    def pixel(self, point: Floats) -> float:
        """The side of a pixel there, in `unit`."""
        return sqrt(float(self.pixel_areas(point[np.newaxis])[0]))


PIXELS = Plane()
"""Without a calibration."""


def plane_of(calibration: Calibration) -> Plane:
    """The plane that a calibration file describes."""
    table = calibration.plane
    # Limits of an error become a standard deviation as JCGM 100:2008, 4.3.7, has it.
    return Plane(
        "mm", np.array(table.homography), calibration.lens, table.scale_error / sqrt(3), table.rms_mm
    )


def straight(points: Points, lens: Lens | None) -> Points:
    """Frame pixels as a lens without distortion would have shown them."""
    if lens is None:
        return points
    matrix = np.array(lens.matrix)
    # OpenCV counts from the middle of the first pixel.
    seen = np.ascontiguousarray(points - 0.5)[:, np.newaxis]
    return np.asarray(cv2.undistortPoints(seen, matrix, np.array(lens.distortion), P=matrix)[:, 0] + 0.5)


def on_plane(points: Points, homography: Floats) -> Points:
    """Places through a homography."""
    mapped = np.column_stack([points, np.ones(len(points))]) @ homography.T
    with np.errstate(divide="ignore", invalid="ignore"):  # a place on the horizon is infinitely far
        return np.asarray(mapped[:, :2] / mapped[:, 2:])
