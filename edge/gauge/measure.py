"""A bundle's tools at work on a picture: each gives a value with its uncertainty, or says why there is none.

Uncertainties are combined as JCGM 100:2008 (GUM) has it, and expanded with k = 2; docs/measurement.md names their
parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import acos, degrees, hypot, isfinite, sqrt
from typing import assert_never

import numpy as np

from edge.errors import NothingToMeasureError
from edge.gauge.area import cover
from edge.gauge.edges import Edge, Pick, Polarity, find_edge
from edge.gauge.fits import Circle, Floats, Line, fit_circle, fit_line
from edge.gauge.plane import Plane
from edge.gauge.scan import Points, View, rays, strip
from edge.gauge.tools import Angle, AnyTool, Area, Caliper, Distance, EdgeLine, Round
from edge.prediction import Measurement

COVERAGE = 2.0
"""Standard uncertainties in an expanded one: about 95 % of the values are within."""
U_EDGE_PX = 0.02
"""What an edge's place is off by without any noise: `scripts/bench_measure` prints it."""
SCATTER_FACTOR = 1.3
"""Errors of neighbouring profiles are not quite independent: `scripts/bench_measure` finds more scatter."""
U_BLUR = 0.1
"""Share by which the correction for a curved edge's blur is off."""
PARALLEL_DEG = 10.0
"""Two edges have a distance up to here; farther apart, it would depend on where one looks."""
DRAWN = 96
"""So many points of an outline are kept for the picture."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A shape in the plane, and the points of its edge that lie on it, in the frame; `pixel`: one's size."""

    shape: Line | Circle
    edge: Edge
    pixel: float

    @property
    def middle(self) -> Floats:
        """About where it is in the frame."""
        return np.asarray(self.edge.points.mean(axis=0))


@dataclass(frozen=True, eq=False)
class Value:
    """What a tool has found. `random` is the standard uncertainty that averages out, `systematic` the other."""

    value: float
    unit: str
    random: float
    systematic: float
    points: Points
    ends: Sequence[Floats] = ()


def measure(view: View, tools: Sequence[AnyTool], plane: Plane) -> tuple[Measurement, ...]:
    """The value of each tool that has one, in the tools' order. A tool that finds nothing says why."""
    seen: dict[str, Seen | str] = {}
    return tuple(found for tool in tools if (found := _measured(tool, view, plane, seen)) is not None)


def _measured(tool: AnyTool, view: View, plane: Plane, seen: dict[str, Seen | str]) -> Measurement | None:
    try:
        value = _apply(tool, view, plane, seen)
        if value is None:
            return None
        random = max(value.random, tool.repeatability)
        uncertainty = COVERAGE * hypot(random, value.systematic)
        if not (isfinite(value.value) and isfinite(uncertainty)):
            raise NothingToMeasureError("the value is not a number")  # noqa: TRY301 - said as all the others are
    except NothingToMeasureError as err:
        seen[tool.name] = str(err)
        return (
            None
            if isinstance(tool, EdgeLine)
            else Measurement(tool.name, None, unit(tool, plane), reason=str(err))
        )
    return Measurement(
        tool.name, value.value, value.unit, uncertainty, _places(_some(value.points)), _places(value.ends)
    )


def unit(tool: AnyTool, plane: Plane) -> str:
    """The unit of what a tool measures."""
    match tool:
        case Angle():
            return "deg"
        case Area():
            return f"{plane.unit}2"
        case _:
            return plane.unit


def _apply(tool: AnyTool, view: View, plane: Plane, seen: dict[str, Seen | str]) -> Value | None:
    match tool:
        case Caliper():
            return _caliper(tool, view, plane)
        case EdgeLine():
            scan = strip(view, tool.start, tool.end, tool.across_px)
            seen[tool.name] = _straight(find_edge(scan, tool.turns, tool.edges, tool.min_step), plane)
            return None
        case Round():
            circle = _round(tool, view, plane)
            seen[tool.name] = circle
            return _diameter(circle, plane)
        case Angle():
            return _angle(*_named(tool.of, seen), plane)
        case Distance():
            return _distance(*_named(tool.of, seen), plane)
        case Area():
            return _area(tool, view, plane)
        case _:
            assert_never(tool)


def _named(names: tuple[str, str], seen: dict[str, Seen | str]) -> tuple[Seen, Seen]:
    found = []
    for name in names:
        shape = seen[name]
        if isinstance(shape, str):
            raise NothingToMeasureError(f"{name}: {shape}")
        found.append(shape)
    return found[0], found[1]


def _straight(edge: Edge, plane: Plane) -> Seen:
    pixel = plane.pixel(edge.points.mean(axis=0))
    return _seen(fit_line(plane.places(edge.points), pixel), edge, pixel)


def _caliper(tool: Caliper, view: View, plane: Plane) -> Value:
    scan = strip(view, tool.start, tool.end, tool.across_px)
    sides: tuple[Polarity, Polarity] = ("falling", "rising") if tool.part == "dark" else ("rising", "falling")
    picks: tuple[Pick, Pick] = ("only", "only") if tool.edges == "only" else ("first", "last")
    near, far = (
        _straight(find_edge(scan, turns, pick, tool.min_step), plane)
        for turns, pick in zip(sides, picks, strict=True)
    )
    way = np.array(tool.end) - np.array(tool.start)
    if (far.middle - near.middle) @ way <= 0:
        raise NothingToMeasureError(
            f"no {tool.part} part between two edges; its edges are in the wrong order"
        )
    return _between(near, far, plane)


def _between(one: Seen, other: Seen, plane: Plane) -> Value:
    """The distance of two lines that are about parallel, square to their mean direction."""
    first, second = _lines(one, other)
    between = degrees(_acute(first, second))
    if between > PARALLEL_DEG:
        raise NothingToMeasureError(f"the two edges are not parallel: they are at {between:.0f} degrees")
    along = first.along + second.along * np.sign(first.along @ second.along)
    along /= hypot(*along)
    across = np.array([-along[1], along[0]])
    apart = second.centre - first.centre
    # Where the middles are not opposite each other, the direction matters, too.
    skew = abs(float(apart @ along)) * hypot(first.u_angle, second.u_angle) / 2
    random = SCATTER_FACTOR * sqrt(first.u_across**2 + second.u_across**2 + skew**2)
    square = np.array([-_direction(one)[1], _direction(one)[0]])
    start = one.middle
    ends = (start, start + square * float((other.middle - start) @ square))
    points = np.concatenate([one.edge.points, other.edge.points])
    return _length(abs(float(apart @ across)), random, (one, other), plane, points, ends)


def _direction(line: Seen) -> Floats:
    """Of an edge in the frame."""
    points = line.edge.points
    return np.asarray(np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][0])


def _acute(one: Line, other: Line) -> float:
    """The smaller angle between two lines, in radians."""
    return acos(min(1.0, abs(float(one.along @ other.along))))


def _lines(*seen: Seen) -> tuple[Line, ...]:
    return tuple(each.shape for each in seen if isinstance(each.shape, Line))


def _length(
    value: float, random: float, seen: tuple[Seen, Seen], plane: Plane, points: Points, ends: Sequence[Floats]
) -> Value:
    systematic = sqrt(
        sum((U_EDGE_PX * each.pixel) ** 2 for each in seen)
        + 2 * plane.u_place**2
        + (plane.u_scale * value) ** 2
    )
    return Value(value, plane.unit, random, systematic, points, ends)


def _round(tool: Round, view: View, plane: Plane) -> Seen:
    scan = rays(view, tool.centre, tool.radius_px - tool.search_px, tool.radius_px + tool.search_px)
    edge = find_edge(scan, "rising" if tool.inside == "dark" else "falling", "only", tool.min_step)
    pixel = plane.pixel(edge.points.mean(axis=0))
    return _seen(fit_circle(plane.places(edge.points), pixel), edge, pixel)


def _seen(shape: Line | Circle, edge: Edge, pixel: float) -> Seen:
    return Seen(shape, replace(edge, points=edge.points[shape.belongs]), pixel)


def _diameter(seen: Seen, plane: Plane) -> Value:
    """Blur moves a curved edge towards the centre of its curvature, by σ²/2r (light spreads as heat does)."""
    assert isinstance(seen.shape, Circle)  # noqa: S101 - it was fitted as one
    circle = seen.shape
    shift = (seen.edge.blur_px * seen.pixel) ** 2 / (2 * circle.radius)
    value = 2 * (circle.radius + shift)
    systematic = sqrt(
        4 * ((U_EDGE_PX * seen.pixel) ** 2 + (U_BLUR * shift) ** 2)
        + 2 * plane.u_place**2
        + (plane.u_scale * value) ** 2
    )
    points = seen.edge.points
    ends = (points[len(points) // 8], points[len(points) // 8 + len(points) // 2])
    return Value(value, plane.unit, SCATTER_FACTOR * 2 * circle.u_radius, systematic, points, ends)


def _angle(one: Seen, other: Seen, plane: Plane) -> Value:
    first, second = _lines(one, other)
    value = _acute(first, second)
    random = SCATTER_FACTOR * hypot(first.u_angle, second.u_angle)
    # A line turns by what its points are off, over their standard deviation along it.
    systematic = hypot(
        *(
            hypot(U_EDGE_PX * seen.pixel, plane.u_place) * sqrt(12) / line.length
            for seen, line in ((one, first), (other, second))
        )
    )
    points = np.concatenate([one.edge.points, other.edge.points])
    return Value(degrees(value), "deg", degrees(random), degrees(systematic), points)


def _distance(one: Seen, other: Seen, plane: Plane) -> Value:
    match one.shape, other.shape:
        case Line(), Line():
            return _between(one, other, plane)
        case Line(), Circle():
            return _distance(other, one, plane)
        case Circle() as circle, Line() as line:
            away = circle.centre - line.centre
            value = abs(float(away @ line.across))
            turning = line.u_angle * abs(float(away @ line.along))
            random = sqrt(circle.u_centre**2 + line.u_across**2 + turning**2)
            square = np.array([-_direction(other)[1], _direction(other)[0]])
            ends = (one.middle, one.middle + square * float((other.middle - one.middle) @ square))
        case Circle() as first, Circle() as second:
            value = hypot(*(second.centre - first.centre))
            random = hypot(first.u_centre, second.u_centre)
            ends = (one.middle, other.middle)
    points = np.concatenate([one.edge.points, other.edge.points])
    return _length(value, SCATTER_FACTOR * random, (one, other), plane, points, ends)


def _area(tool: Area, view: View, plane: Plane) -> Value:
    corners = np.array([tool.corner, tool.opposite])
    if not view.holds(corners):
        raise NothingToMeasureError(
            "lies outside of what the check looks at; move it, or make the roi larger"
        )
    (left, top), (right, bottom) = np.rint(corners - (view.left, view.top)).astype(int)
    covered = cover(view.grey[top:bottom, left:right], dark=tool.part == "dark", min_step=tool.min_step)
    rows, columns = covered.shares.shape
    corner = np.array([left + view.left, top + view.top])
    sizes = _pixel_sizes(plane, corner, rows, columns)
    value = float((covered.shares * sizes).sum())
    size = float(sizes.mean())
    pixel = sqrt(size)
    random = covered.noise * sqrt(covered.on_outline.sum()) * size
    perimeter = len(covered.outline) * pixel
    systematic = sqrt(
        (covered.u_level * size) ** 2
        + (perimeter * U_EDGE_PX * pixel) ** 2
        + 8 * value * plane.u_place**2
        + (2 * plane.u_scale * value) ** 2
    )
    return Value(value, f"{plane.unit}2", random, systematic, covered.outline + corner)


def _pixel_sizes(plane: Plane, corner: Floats, rows: int, columns: int) -> Floats:
    """How large each pixel of a rectangle is. They change slowly: known at 5×5 places, linear between."""
    x, y = np.linspace(0, columns - 1, 5), np.linspace(0, rows - 1, 5)
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2) + 0.5 + corner
    coarse = plane.pixel_areas(places).reshape(5, 5)
    across = np.stack([np.interp(np.arange(columns), x, row) for row in coarse])
    return np.stack([np.interp(np.arange(rows), y, column) for column in across.T], axis=1)


def _some(points: Points) -> Points:
    return points[:: max(1, -(-len(points) // DRAWN))]


def _places(points: Sequence[Floats] | Points) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in points)
