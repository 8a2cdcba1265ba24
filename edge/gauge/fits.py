"""Lines and circles through edge points, by least squares; points that do not belong are left out."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from edge.errors import NothingToMeasureError
from edge.gauge.scan import Points

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FAR = 3.5
"""A point that is farther off, in standard deviations, does not belong."""
NEAR_PX = 0.05
"""A point that is nearer always does: an ideal edge has no scatter."""
FEWEST = 0.6
"""Share of the points that must belong."""
ROUGH_PX, ROUGH_SHARE = 1.0, 0.02
"""Points may scatter by so many pixels, and this share of the radius or length; otherwise it is no such shape."""
FEWEST_POINTS = 8
ROUNDS = 8
TRIES = 32
"""So many first guesses: with 40 % of bad points, all of them are bad once in a thousand fits of a circle."""


@dataclass(frozen=True, eq=False)
class Line:
    """A straight edge. `centre` is the middle of its points, `along` a unit vector.

    `scatter` is the standard deviation of a point from the line, `u_across` that of the centre, across the line,
    and `u_angle` that of its direction in radians. `length` is from its first point to its last, and
    `belongs` says which of the points lie on it.
    """

    centre: Floats
    along: Floats
    scatter: float
    u_across: float
    u_angle: float
    length: float
    belongs: Flags

    @property
    def across(self) -> Floats:
        """The unit vector that stands on it."""
        return np.array([-self.along[1], self.along[0]])


@dataclass(frozen=True, eq=False)
class Circle:
    """A round edge. `u_radius` and `u_centre` (each coordinate) are standard deviations; so is `scatter`."""

    centre: Floats
    radius: float
    scatter: float
    u_radius: float
    u_centre: float
    belongs: Flags


def fit_line(points: Points, pixel: float) -> Line:
    """The line with the smallest sum of squared distances. `pixel` is the length of one in the points' unit.

    Raises `NothingToMeasureError` where too few points lie on one line.
    """
    _enough(points)
    half = len(points) // 2
    step = max(1, half // TRIES)
    pairs = zip(points[:half:step], points[half : 2 * half : step], strict=True)
    # One of the lines through two points that are far apart is good, unless half of the points are bad.
    first = min(
        (_off_line(points, a, b - a) for a, b in pairs), key=lambda off: float(np.median(np.abs(off)))
    )
    belongs = _near(first, pixel, 2)
    for _ in range(ROUNDS):
        centre = points[belongs].mean(axis=0)
        along = np.linalg.svd(points[belongs] - centre, full_matrices=False)[2][0]
        off = _off_line(points, centre, along)
        belongs, before = _near(off, pixel, 2), belongs
        if np.array_equal(belongs, before):
            break
    _most(belongs, "a line")
    count = int(belongs.sum())
    scatter = _deviation(off[belongs], 2)
    length = float(np.ptp(points[belongs] @ along))
    _smooth(scatter, pixel, length, "a line")
    spread = float(((points[belongs] - centre) @ along).std())
    u_across = scatter / sqrt(count)
    return Line(centre, along, scatter, u_across, u_across / max(spread, 1e-9), length, belongs)


def fit_circle(points: Points, pixel: float) -> Circle:
    """The circle with the smallest sum of squared distances; otherwise as `fit_line`."""
    _enough(points)
    third = len(points) // 3
    triples = (
        points[[start, start + third, start + 2 * third]] for start in range(0, third, max(1, third // TRIES))
    )
    centre, radius = min(
        map(_circumcircle, triples), key=lambda it: float(np.median(np.abs(_off_circle(points, *it))))
    )
    belongs = _near(_off_circle(points, centre, radius), pixel, 3)
    for _ in range(ROUNDS):
        centre, radius, slopes = _stepped(points[belongs], centre, radius)
        belongs = _near(_off_circle(points, centre, radius), pixel, 3)
    _most(belongs, "a circle")
    scatter = _deviation(_off_circle(points, centre, radius)[belongs], 3)
    _smooth(scatter, pixel, radius, "a circle")
    u = scatter * np.sqrt(np.diag(np.linalg.pinv(slopes.T @ slopes)))
    return Circle(centre, radius, scatter, float(u[2]), float(u[:2].max()), belongs)


def _stepped(points: Points, centre: Floats, radius: float) -> tuple[Floats, float, Floats]:
    """One step of Gauss and Newton towards the circle through these points, and its Jacobian."""
    away = points - centre
    distance = np.hypot(*away.T)
    slopes = np.column_stack([-away / distance[:, np.newaxis], -np.ones(len(points))])
    step = np.linalg.lstsq(slopes, radius - distance, rcond=None)[0]
    return centre + step[:2], float(radius + step[2]), slopes


def _circumcircle(corners: Points) -> tuple[Floats, float]:
    sides = corners[1:] - corners[0]
    if abs(np.linalg.det(sides)) < 1e-9:  # noqa: PLR2004 - three points on a line
        return corners[0], 0.0
    centre = np.linalg.solve(2 * sides, (sides**2).sum(axis=1))
    return corners[0] + centre, float(np.hypot(*centre))


def _off_line(points: Points, centre: Floats, along: Floats) -> Floats:
    away = points - centre
    return np.asarray((away[:, 0] * along[1] - away[:, 1] * along[0]) / np.hypot(*along))


def _off_circle(points: Points, centre: Floats, radius: float) -> Floats:
    return np.asarray(np.hypot(*(points - centre).T) - radius)


def _near(off: Floats, pixel: float, unknowns: int) -> Flags:
    # The median of normal errors as a standard deviation, with what few points lack (Rousseeuw and Leroy 1987).
    deviation = 1.4826 * (1 + 5 / (len(off) - unknowns)) * float(np.median(np.abs(off)))
    return np.asarray(np.abs(off) <= max(FAR * deviation, NEAR_PX * pixel))


def _deviation(off: Floats, unknowns: int) -> float:
    """The standard deviation of one point, with what few points lack (JCGM 101:2008, 6.4.9.4)."""
    freedom = len(off) - unknowns
    return sqrt(float(off @ off) / freedom * (freedom / (freedom - 2)))


def _enough(points: Points) -> None:
    if len(points) < FEWEST_POINTS:
        raise NothingToMeasureError(
            f"{len(points)} edge points are too few, and {FEWEST_POINTS} are needed, each of 3 scan lines; make"
            " across_px larger, or move the tool"
        )


def _most(belongs: Flags, shape: str) -> None:
    if belongs.mean() < FEWEST or belongs.sum() < FEWEST_POINTS:
        raise NothingToMeasureError(f"{belongs.sum()} of {belongs.size} edge points lie on {shape}")


def _smooth(scatter: float, pixel: float, size: float, shape: str) -> None:
    if scatter > ROUGH_PX * pixel + ROUGH_SHARE * size:
        raise NothingToMeasureError(
            f"the edge is not {shape}: its points scatter by {scatter / pixel:.1f} px"
        )
