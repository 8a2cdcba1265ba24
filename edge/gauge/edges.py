"""Where the light changes along profiles, to a fraction of a pixel."""

from dataclasses import dataclass
from functools import cache
from math import pi, sqrt
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import NothingToMeasureError
from edge.gauge.light import Grey
from edge.gauge.scan import Points, Scan

Floats = npt.NDArray[np.float64]
Polarity = Literal["rising", "falling", "any"]
"""Along a profile: from dark to light, from light to dark, or either."""
Pick = Literal["only", "first", "last"]
"""Which edge of several: the strongest, which must then be alone, or the first or last of those that count."""

SIGMA_PX = 1.0
"""Of the Gaussian whose derivative finds edges. At 0.7 noise counts more, at 1.5 thin parts suffer."""
WIDER = 2.0
"""Then one that is so much wider than the blur finds the place more closely; at 2.2, noise would matter least."""
BROAD_PX = 3.0
REACH = 4.0
"""Standard deviations from the edge to the next one, or to the end of the profile."""
STRAY_PX = 2
"""So far from the first place it is looked for."""
RIVAL = 0.6
"""Another edge with so large a share of the strongest one's slope is an edge, too."""
NOTABLE = 0.1
"""A slope with so small a share already bends the next one, where a wide Gaussian sees both."""
APART_PX = 3
"""Slopes that are nearer to each other belong to one edge."""
BROADEST_PX = 4.0
"""Standard deviation of the widest slope that is still an edge."""
FEWEST = 0.5
"""Share of the profiles that must have an edge, each for itself."""
DOUBTFUL = 0.3
"""Share of the profiles that may have two."""


@dataclass(frozen=True, eq=False)
class Edge:
    """Points on an edge in frame pixels, a profile each, and how blurred it is (standard deviation in pixels)."""

    points: Points
    blur_px: float
    profiles: int


def find_edge(scan: Scan, polarity: Polarity, pick: Pick, min_step: float) -> Edge:
    """The edge that crosses the profiles. `min_step`: the least change of light (0…255) that is an edge.

    The slope around an edge is a Gaussian, very nearly: its logarithm is a parabola through three samples.
    Raises `NothingToMeasureError` where there is none, and where there are several and none is to be preferred.
    """
    slopes = _slopes(scan.profiles, polarity, SIGMA_PX)
    heights, steps = _peaks(slopes)
    heights[steps < min_step] = 0
    strongest = heights.max(axis=1)
    seen = strongest > 0
    if seen.mean() < FEWEST:
        raise NothingToMeasureError(
            f"no edge: {seen.sum()} of {seen.size} scan lines cross one of {min_step:g} grey levels (min_step)"
        )
    counting = heights >= RIVAL * np.maximum(strongest, 1e-9)[:, np.newaxis]
    if pick == "only":
        places = heights.argmax(axis=1)
        doubtful = _has_rival(counting, places)[seen].mean()
        if doubtful > DOUBTFUL:
            raise NothingToMeasureError(
                f"two edges of about equal strength on {doubtful:.0%} of the scan lines; narrow the search, or"
                " say which one counts"
            )
    elif pick == "first":
        places = counting.argmax(axis=1)
    else:
        places = counting.shape[1] - 1 - counting[:, ::-1].argmax(axis=1)
    rows = np.flatnonzero(seen)
    offset, variance = _parabola(slopes, rows, places[rows])
    blur_px = sqrt(max(0.0, float(np.median(variance)) - SIGMA_PX**2))
    found = places[rows] + offset
    wider = min(WIDER * blur_px, BROAD_PX, _clear(np.abs(slopes[rows]), places[rows]) / REACH)
    if wider > SIGMA_PX:
        found = _again(_slopes(scan.profiles[rows], polarity, wider), found)
    return Edge(scan.at(rows, found), blur_px, seen.size)


def _clear(slopes: Floats, places: npt.NDArray[np.intp]) -> float:
    """Samples between the edge and whatever comes next, on the profile that has the fewest, but for a tenth."""
    heights = _peaks(slopes)[0]
    away = np.abs(np.arange(heights.shape[1]) - places[:, np.newaxis])
    tallest = slopes[np.arange(len(places)), places][:, np.newaxis]
    others = (heights > NOTABLE * tallest) & (away > APART_PX)
    nearest = np.where(others, away, heights.shape[1]).min(axis=1)
    ends = np.minimum(places, heights.shape[1] - 1 - places)
    return float(np.percentile(np.minimum(nearest, ends), 10))


def _again(slopes: Floats, found: Floats) -> Floats:
    """The places of the same peaks in broader slopes."""
    nearest = np.rint(found).astype(np.intp)[:, np.newaxis]
    around = np.clip(nearest + np.arange(-STRAY_PX, STRAY_PX + 1), 1, slopes.shape[1] - 2)
    rows = np.arange(len(found))
    places = around[rows, np.take_along_axis(slopes, around, axis=1).argmax(axis=1)]
    return np.asarray(places + _parabola(slopes, rows, places)[0])


def _slopes(profiles: Grey, polarity: Polarity, sigma_px: float) -> Floats:
    """Grey levels a sample, positive for the edges that are looked for."""
    kernel = _derivative(round(sigma_px, 1))
    slopes = cv2.filter2D(profiles.astype(np.float64), -1, kernel, borderType=cv2.BORDER_REPLICATE)
    match polarity:
        case "rising":
            return np.asarray(slopes)
        case "falling":
            return np.asarray(-slopes)
        case "any":
            return np.abs(slopes)


@cache
def _derivative(sigma_px: float) -> Floats:
    """The derivative of a Gaussian, such that a ramp of one level a sample has the slope 1."""
    reach = round(4 * sigma_px)
    x = np.arange(-reach, reach + 1)
    kernel = x * np.exp(-((x / sigma_px) ** 2) / 2)
    return np.asarray(kernel / (kernel @ x))[np.newaxis]


def _peaks(slopes: Floats) -> tuple[Floats, Floats]:
    """The height of each local maximum, 0 elsewhere, and the grey levels that such an edge changes by."""
    heights = np.zeros_like(slopes)
    before, here, after = slopes[:, :-2], slopes[:, 1:-1], slopes[:, 2:]
    heights[:, 1:-1] = np.where((here > before) & (here >= after) & (here > 0), here, 0)
    rows, places = np.nonzero(heights)
    steps = np.zeros_like(slopes)
    _, variance = _parabola(slopes, rows, places)
    breadth = np.sqrt(np.minimum(variance, BROADEST_PX**2))
    steps[rows, places] = heights[rows, places] * breadth * sqrt(2 * pi)
    return heights, steps


def _has_rival(counting: npt.NDArray[np.bool_], places: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    far = np.abs(np.arange(counting.shape[1]) - places[:, np.newaxis]) > APART_PX
    return np.asarray((counting & far).any(axis=1))


def _parabola(
    slopes: Floats, rows: npt.NDArray[np.intp], places: npt.NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """How far from the sample each peak is, -½…½, and its variance in square samples."""
    least = 1e-3 * np.maximum(slopes[rows, places], 1e-9)
    before, here, after = (np.log(np.maximum(slopes[rows, places + shift], least)) for shift in (-1, 0, 1))
    bend = np.minimum(before - 2 * here + after, -1e-6)
    return np.clip(0.5 * (before - after) / bend, -0.5, 0.5), -1 / bend
