"""Makes a calibration from pictures of a target, and tells whether one still holds."""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import sqrt
from typing import NamedTuple

import cv2
import numpy as np

from edge.errors import NothingToMeasureError
from edge.gauge.calibration import SCHEMA, Calibration, Found, Length, Lens, PlaneTable, Target, rows_of
from edge.gauge.fits import Floats
from edge.gauge.plane import Plane, on_plane, plane_of, straight
from edge.gauge.scan import Points
from edge.gauge.target import Corners

FEWEST_VIEWS = 5
"""From so many pictures of the target on, the lens is found, too."""
MOST_RMS_PX = 1.0
"""Corners that are farther from their places: not flat, not this target, or a lens that needs more views."""


def calibrate(
    views: Sequence[Corners], size: tuple[int, int], target: Target, scale_error: float
) -> Calibration:
    """The calibration of a camera for the plane in which the target lies in the first of these views.

    The other views show the target tilted, in every part of the picture; with `FEWEST_VIEWS` of them or more the
    lens is found, too. `scale_error` is how far the target's own sizes may be off, as a share. Raises
    `NothingToMeasureError` where the target's corners do not fit.
    """
    lens = _lens(views, size) if len(views) >= FEWEST_VIEWS and not isinstance(target, Length) else None
    first = views[0]
    places = straight(first.places, lens)
    homography = _similar(first) if isinstance(target, Length) else _homography(places, first.on_target)
    off_mm = on_plane(places, homography) - first.on_target
    middle = np.array(size) / 2
    mm_per_px = Plane("mm", homography, lens).pixel(middle)
    # Of the eight numbers of a homography; a length has no more than it needs.
    freedom = max(1, 2 * len(places) - 8)
    rms_mm = sqrt(float((off_mm**2).sum()) / freedom)
    if isinstance(target, Length):
        rms_mm = LENGTH_PX * mm_per_px
    if rms_mm > MOST_RMS_PX * mm_per_px:
        raise NothingToMeasureError(
            f"the target's corners are {rms_mm / mm_per_px:.1f} px from their places; press it flat, or give"
            f" {FEWEST_VIEWS} pictures or more, with the target tilted, so that the lens can be found"
        )
    return Calibration(
        schema=SCHEMA,
        created=datetime.now(UTC).replace(microsecond=0),
        size=size,
        target=target,
        plane=PlaneTable(
            homography=rows_of(homography.tolist()),
            mm_per_px=mm_per_px,
            rms_mm=rms_mm,
            scale_error=scale_error,
        ),
        lens=lens,
        found=[
            Found(number=int(number), x=round(float(x), 3), y=round(float(y), 3))
            for number, (x, y) in zip(first.numbers, first.places, strict=True)
        ],
    )


LENGTH_PX = 0.03
"""How far an end of a part of known length is off: U of a caliper is 0.06 px."""


def _lens(views: Sequence[Corners], size: tuple[int, int]) -> Lens:
    on_target = [np.column_stack([view.on_target, np.zeros(len(view.on_target))]) for view in views]
    # k3 is known badly, and only matters for lenses that are no good for measuring.
    rms, matrix, distortion, _, _ = cv2.calibrateCamera(
        [points.astype(np.float32) for points in on_target],
        [(view.places - 0.5).astype(np.float32) for view in views],
        size,
        np.eye(3),
        np.zeros(5),
        flags=cv2.CALIB_FIX_K3,
    )
    if rms > MOST_RMS_PX:
        raise NothingToMeasureError(
            f"no lens explains these pictures: corners are {rms:.1f} px from their places; press the target flat,"
            " and take it tilted in every part of the picture"
        )
    return Lens(
        matrix=rows_of(matrix.tolist()),
        distortion=[float(number) for number in distortion.ravel()[:5]],
        size=size,
        rms_px=float(rms),
    )


def _homography(places: Points, on_target: Points) -> Floats:
    found, _ = cv2.findHomography(places, on_target)
    if found is None:
        raise NothingToMeasureError("the target's corners lie on one line; show more of it")
    return np.asarray(found, np.float64)


def _similar(ends: Corners) -> Floats:
    """One scale for the whole picture, from a length."""
    scale = float(
        np.hypot(*(ends.on_target[1] - ends.on_target[0])) / np.hypot(*(ends.places[1] - ends.places[0]))
    )
    return np.diag([scale, scale, 1.0])


class Drift(NamedTuple):
    """What has changed since the calibration.

    `shift_px` is how far the target's corners are from where they were, `scale` how much larger the target
    measures than it is, as a share, and `rms_mm` how far its corners then are from their places.
    """

    shift_px: float
    scale: float
    rms_mm: float


def drift(calibration: Calibration, now: Corners) -> Drift:
    """Compares a picture of the same target with a calibration.

    A target that has only been moved in its plane still measures what it is. Raises `NothingToMeasureError` where
    too few of its corners are seen.
    """
    before = {corner.number: (corner.x, corner.y) for corner in calibration.found}
    known = [place for place, number in enumerate(now.numbers) if int(number) in before]
    if len(known) < 2:  # noqa: PLR2004 - a length has two ends
        raise NothingToMeasureError("none of the target's corners was in the picture of the calibration")
    then = np.array([before[int(now.numbers[place])] for place in known])
    shift_px = float(np.median(np.hypot(*(now.places[known] - then).T)))
    measured = plane_of(calibration).places(now.places)
    scale, off = _fitted(measured, now.on_target)
    return Drift(shift_px, scale - 1, off)


def _fitted(measured: Points, true: Points) -> tuple[float, float]:
    """How much larger the measured corners are, and how far off after they are moved and turned (Umeyama 1991)."""
    a, b = measured - measured.mean(axis=0), true - true.mean(axis=0)
    left, _, right = np.linalg.svd(a.T @ b)
    turn = left @ right
    scale = sqrt(float((a**2).sum() / (b**2).sum()))
    off = a - b @ turn.T
    return scale, sqrt(float((off**2).sum()) / max(1, len(a)))
