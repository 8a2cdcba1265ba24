"""What can be wrong with a part, and how it is drawn on its surface."""

import math
from dataclasses import dataclass
from typing import assert_never

import cv2
import numpy as np

from edge.geometry import Box
from edge.sources.workpiece import CHAMFER, HOLES, LAMP, NEUTRAL, Floats, Grey, hole_position

SEEN = 5
"""Smaller changes of the surface's brightness, of 255, are left out: boxes are tight around what is drawn."""

NEAREST, FARTHEST = 0.24, 0.93
"""Scratches end there, in radii of the part: at the bore and at the rim."""
TWO_FLAWS, MISSING_HOLES, DENTS, PUNCHED = 0.15, 0.25, 0.30, 0.4
"""Shares: of flawed parts, of flaws, of flaws, of missing holes."""

Spot = tuple[float, float]


@dataclass(frozen=True)
class Scratch:
    """A line that something has torn. Places are in radii of the part, from its middle.

    `strength` (0…1) is how bright it is; `pressure` is how that varies along the way, for each piece.
    """

    way: tuple[Spot, ...]
    pressure: tuple[float, ...]
    thick: float
    strength: float
    label: str = "scratch"


@dataclass(frozen=True)
class Dent:
    """A dull hollow. `radii` and `middle` are in radii of the part."""

    middle: Spot
    radii: Spot
    angle: float
    ripple: float
    strength: float
    label: str = "dent"


@dataclass(frozen=True)
class MissingHole:
    """A bolt hole that was never drilled; some have been marked with a punch."""

    number: int
    punched: bool
    label: str = "missing_hole"


Flaw = Scratch | Dent | MissingHole


def random_flaws(rng: np.random.Generator) -> tuple[Flaw, ...]:
    """One flaw, or now and then two; some are hard to see."""
    return tuple(_random_flaw(rng) for _ in range(2 if rng.random() < TWO_FLAWS else 1))


def draw(surface: Grey, flaw: Flaw, radius: float, turned: float) -> Box:
    """Draw a flaw on the surface of a part of that radius in pixels, turned so far (radians), in place.

    Returns the box around all that has changed, in pixels of the surface; it is empty where nothing has.
    """
    match flaw:
        case Scratch():
            corner, change = _scratch(flaw, radius)
        case Dent():
            corner, change = _dent(flaw, radius)
        case MissingHole():
            return _fill(surface, flaw, radius, turned)
        case _:
            assert_never(flaw)
    middle = (surface.shape[0] - 1) / 2
    left, top = round(middle + corner[0]), round(middle + corner[1])
    change = change[max(0, -top) :, max(0, -left) :]
    left, top = max(0, left), max(0, top)
    under = surface[top : top + change.shape[0], left : left + change.shape[1]]
    change = change[: under.shape[0], : under.shape[1]]
    # Drawn as a share of what is there: a hole stays black where a scratch crosses it.
    drawn = np.clip(under * (1 + change), 0, 255)
    return _replace(under, drawn.astype(np.uint8), left, top)


def _random_flaw(rng: np.random.Generator) -> Flaw:
    kind = rng.random()
    if kind < MISSING_HOLES:
        return MissingHole(int(rng.integers(HOLES)), bool(rng.random() < PUNCHED))
    strength = float(rng.uniform(0.35, 1.0))
    if kind < MISSING_HOLES + DENTS:
        size = float(rng.uniform(0.02, 0.06))
        radii = (size, size * float(rng.uniform(0.6, 1.0)))
        return Dent(
            _place(rng), radii, float(rng.uniform(0, math.pi)), float(rng.uniform(0, 2 * math.pi)), strength
        )
    return _random_scratch(rng, strength)


def _place(rng: np.random.Generator) -> Spot:
    """On the flange or on the hub, clear of the bore and the rim."""
    r, towards = math.sqrt(rng.uniform(0.30**2, 0.82**2)), rng.uniform(0, 2 * math.pi)
    return r * math.cos(towards), r * math.sin(towards)


def _random_scratch(rng: np.random.Generator, strength: float) -> Scratch:
    x, y = _place(rng)
    pieces = 18
    heading, step = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 0.6) / pieces
    bend = rng.normal(0, 0.035)
    way = [(x, y)]
    for _ in range(pieces):
        heading += bend + rng.normal(0, 0.02)
        x, y = x + step * math.cos(heading), y + step * math.sin(heading)
        if not NEAREST < math.hypot(x, y) < FARTHEST:
            break
        way.append((x, y))
    taper = np.sin(np.linspace(0.35, math.pi - 0.15, len(way)))
    pressure = np.clip(taper * rng.uniform(0.6, 1.15, len(way)), 0.15, 1)
    return Scratch(tuple(way), tuple(float(p) for p in pressure), float(rng.uniform(0.001, 0.006)), strength)


def _scratch(flaw: Scratch, radius: float) -> tuple[Spot, Floats]:
    margin = 6 + 2 * math.ceil(flaw.thick * radius)
    points = np.array(flaw.way) * radius
    corner = np.floor(points.min(axis=0)) - margin
    width, height = (int(side) for side in np.ceil(points.max(axis=0) - corner) + margin)
    line = np.zeros((height, width), np.uint8)
    # 16ths of a pixel: OpenCV draws between pixels where it is told `shift`.
    fine = [tuple(int(v) for v in point) for point in np.rint((points - corner) * 16)]
    thick = max(1, round(2 * flaw.thick * radius))
    for start, end, pressure in zip(fine, fine[1:], flaw.pressure, strict=False):
        cv2.line(line, start, end, round(255 * pressure), thick, cv2.LINE_AA, shift=4)
    torn = np.asarray(cv2.GaussianBlur(line, (0, 0), 0.55), np.float32) / np.float32(255)
    # The far flank of the furrow catches the light, the near one lies in the dark.
    offset = max(1, thick // 2)
    dark = np.zeros_like(torn)
    dark[: -offset or None, : -offset or None] = torn[offset:, offset:]
    change = flaw.strength * (1.15 * torn - 0.75 * dark)
    return (float(corner[0]), float(corner[1])), change.astype(np.float32)


def _dent(flaw: Dent, radius: float) -> tuple[Spot, Floats]:
    reach = math.ceil(2.6 * max(flaw.radii) * radius) + 1
    corner = (math.floor(flaw.middle[0] * radius) - reach, math.floor(flaw.middle[1] * radius) - reach)
    y, x = np.mgrid[0 : 2 * reach + 1, 0 : 2 * reach + 1].astype(np.float32)
    x = (x + np.float32(corner[0])) / np.float32(radius) - np.float32(flaw.middle[0])
    y = (y + np.float32(corner[1])) / np.float32(radius) - np.float32(flaw.middle[1])
    along = (x * math.cos(flaw.angle) + y * math.sin(flaw.angle)) / flaw.radii[0]
    across = (y * math.cos(flaw.angle) - x * math.sin(flaw.angle)) / flaw.radii[1]
    wobble = 1 + 0.16 * np.sin(3 * np.arctan2(across, along) + flaw.ripple)
    deep = np.exp(-((np.hypot(along, across) * wobble) ** 2)).astype(np.float32)
    slope_y, slope_x = np.gradient(deep * np.float32(min(flaw.radii) * radius))
    lit = slope_x * math.cos(LAMP) + slope_y * math.sin(LAMP)
    change = flaw.strength * (0.75 * lit - 0.35 * deep)
    return corner, change.astype(np.float32)


def _fill(surface: Grey, flaw: MissingHole, radius: float, turned: float) -> Box:
    """Plain metal where the hole should be."""
    middle = (surface.shape[0] - 1) / 2
    x, y = (middle + at * radius for at in hole_position(flaw.number, turned))
    reach = math.ceil(CHAMFER * radius) + 3
    left, top = round(x) - reach, round(y) - reach
    under = surface[top : top + 2 * reach + 1, left : left + 2 * reach + 1]
    drawn = np.full_like(under, NEUTRAL)
    if flaw.punched:
        spot = (round((x - left) * 16), round((y - top) * 16))
        cv2.circle(drawn, spot, round(0.011 * radius * 16), NEUTRAL // 3, -1, cv2.LINE_AA, shift=4)
    return _replace(under, drawn, left, top)


def _replace(under: Grey, drawn: Grey, left: int, top: int) -> Box:
    changed = cv2.absdiff(under, drawn) >= SEEN
    under[changed] = drawn[changed]
    x, y, width, height = cv2.boundingRect(changed.astype(np.uint8))
    return Box(left + x, top + y, left + x + width, top + y + height)
