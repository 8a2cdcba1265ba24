"""Errors of the measuring tools on rendered parts whose sizes are known, and how often they lie within ± U.

Each part lies at a place and an angle of its own. An angle's error is given where its edges end, in pixels, and an
area's as the shift of its outline.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import pi, radians
from time import thread_time
from typing import NamedTuple

import numpy as np
from rendered_parts import Look, Shape, bar, both, cut, disc, half_plane, render, within

from edge.gauge.light import light
from edge.gauge.measure import measure
from edge.gauge.plane import PIXELS
from edge.gauge.scan import View
from edge.gauge.tools import Angle, AnyTool, Area, Caliper, Distance, EdgeLine, Round

BLURS_PX = (0.5, 0.8, 1.2, 1.6)
NOISES = (0.0, 2.0, 4.0)
SIDE_PX = 224
MOST_PX = 0.1
"""The bar: no error of any tool is larger."""
COVERED = 0.95
"""Share of the values whose error must be within their uncertainty."""


class Case(NamedTuple):
    """A part, the tools for it, the true value of the last one, and pixels of error for one of its unit."""

    shape: Shape
    tools: list[AnyTool]
    truth: float
    px_per_unit: float


Maker = Callable[[np.random.Generator], Case]


def caliper(rng: np.random.Generator) -> Case:
    """A bar, turned by up to 8 degrees."""
    x, y = 112 + rng.uniform(-2, 2, 2)
    width, turn = rng.uniform(60, 100), rng.uniform(-8, 8)
    tool = Caliper(type="caliper", name="it", start=(30, 112), end=(194, 112), across_px=45)
    return Case(bar((x, y), width, 180, turn), [tool], width, 1)


def circle(rng: np.random.Generator) -> Case:
    """A round plate, or a hole in a plate."""
    x, y = 112 + rng.uniform(-2, 2, 2)
    radius = rng.uniform(12, 70)
    hole = rng.random() < 0.5
    plate = cut(bar((112, 112), 400, 400), disc((x, y), radius)) if hole else disc((x, y), radius)
    inside = "light" if hole else "dark"
    tool = Round(
        type="circle", name="it", centre=(112, 112), radius_px=radius + 1, search_px=9, inside=inside
    )
    return Case(plate, [tool], 2 * radius, 1)


def angle(rng: np.random.Generator) -> Case:
    """The corner of a plate, of 60 to 90 degrees."""
    corner, first, between = 100 + rng.uniform(-2, 2, 2), rng.uniform(-5, 5), rng.uniform(60, 90)
    shape = within(half_plane(tuple(corner), first - 90), half_plane(tuple(corner), first + between + 90))
    along = np.array([np.cos(radians(first)), np.sin(radians(first))])
    down = np.array([np.cos(radians(first + between)), np.sin(radians(first + between))])
    tools: list[AnyTool] = [
        _across("one", corner + 60 * along, along),
        _across("other", corner + 60 * down, down),
        Angle(type="angle", name="it", of=("one", "other")),
    ]
    return Case(shape, tools, between, radians(1) * 40)


def distance(rng: np.random.Generator) -> Case:
    """Two holes in a plate."""
    x, y = 60 + rng.uniform(-2, 2, 2)
    dx, dy = rng.uniform(80, 100), rng.uniform(40, 60)
    shape = cut(bar((112, 112), 400, 400), both(disc((x, y), 20), disc((x + dx, y + dy), 30)))
    tools: list[AnyTool] = [
        Round(type="circle", name="one", centre=(60, 60), radius_px=20, search_px=9, inside="light"),
        Round(
            type="circle",
            name="other",
            centre=(round(60 + dx), round(60 + dy)),
            radius_px=30,
            search_px=9,
            inside="light",
        ),
        Distance(type="distance", name="it", of=("one", "other")),
    ]
    return Case(shape, tools, float(np.hypot(dx, dy)), 1)


def to_edge(rng: np.random.Generator) -> Case:
    """A hole's distance from the edge of a plate that is turned by up to 8 degrees."""
    x, y = 60 + rng.uniform(-2, 2, 2)
    away, turn = rng.uniform(60, 90), rng.uniform(-8, 8)
    square = np.array([np.cos(radians(turn)), np.sin(radians(turn))])
    point = np.array([x, y]) + away * square
    tools: list[AnyTool] = [
        Round(type="circle", name="hole", centre=(60, 60), radius_px=20, search_px=9, inside="light"),
        _across("side", point, np.array([-square[1], square[0]])),
        Distance(type="distance", name="it", of=("hole", "side")),
    ]
    return Case(cut(half_plane(tuple(point), turn), disc((x, y), 20)), tools, away, 1)


def area(rng: np.random.Generator) -> Case:
    """A plate with a hole, turned by any angle."""
    x, y = 112 + rng.uniform(-2, 2, 2)
    width, length, radius = rng.uniform(70, 110), rng.uniform(70, 110), rng.uniform(15, 25)
    shape = cut(bar((x, y), width, length, rng.uniform(0, 90)), disc((x, y), radius))
    tool = Area(type="area", name="it", corner=(4, 4), opposite=(220, 220))
    outline = 2 * (width + length) + 2 * pi * radius
    return Case(shape, [tool], width * length - pi * radius**2, 1 / outline)


def _across(name: str, point: np.ndarray, along: np.ndarray) -> EdgeLine:
    square = 20 * np.array([-along[1], along[0]])
    return EdgeLine(
        type="edge", name=name, start=tuple(point - square), end=tuple(point + square), across_px=80
    )


TOOLS: dict[str, Maker] = {
    "caliper": caliper,
    "circle": circle,
    "angle": angle,
    "distance of circles": distance,
    "circle to edge": to_edge,
    "area": area,
}


class Measured(NamedTuple):
    """A value's error and its uncertainty, both in pixels, and milliseconds of processor time."""

    error_px: float
    uncertainty_px: float
    ms: float


def measured(case: Case, look: Look) -> Measured:
    """Render the part and measure it. Raises `ValueError` where a tool finds nothing."""
    picture = render(case.shape, SIDE_PX, SIDE_PX, look)
    started = thread_time()
    found = measure(View(light(picture, "srgb")), case.tools, PIXELS)[-1]
    ms = (thread_time() - started) * 1000
    if found.value is None:
        raise ValueError(f"{found.name}: {found.reason}")
    return Measured((found.value - case.truth) * case.px_per_unit, found.uncertainty * case.px_per_unit, ms)


def series(make: Maker, look: Look, count: int, seed: int = 0) -> Iterator[Measured]:
    """Parts of one kind, each at another place."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        yield measured(make(rng), replace(look, seed=1000 * seed + number))


def main() -> None:
    """Print every cell, then a line a tool; exit code 1 where an error is over the bar, or U is too small."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(f"{count} parts a line; part 25, ground 180 of 255 in light, coded as sRGB with 8 bits")
    print("blur and noise: standard deviations in pixels, and in grey levels of the code; errors in pixels")
    print("| tool | blur | noise | mean error | rms | max | mean U (k = 2) | within ± U | ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    summary, missed = [], []
    for name, make in TOOLS.items():
        cells: dict[float, list[Measured]] = {noise: [] for noise in NOISES}
        for blur_px in BLURS_PX:
            for noise in NOISES:
                found = list(series(make, Look(blur_px=blur_px, noise=noise), count))
                print(f"| {name} | {blur_px} | {noise:g} | {told(found)} |", flush=True)
                cells[noise] += found
        everything = [each for found in cells.values() for each in found]
        inside = np.mean([abs(each.error_px) <= each.uncertainty_px for each in everything])
        worst = {noise: max(abs(each.error_px) for each in found) for noise, found in cells.items()}
        summary.append(f"| {name} | {' | '.join(f'{worst[noise]:.3f}' for noise in NOISES)} | {inside:.1%} |")
        missed += [f"{name}: {max(worst.values()):.3f} px"] if max(worst.values()) > MOST_PX else []
        missed += [f"{name}: {inside:.1%} within ± U"] if inside < COVERED else []
    print(f"\n| tool | {' | '.join(f'max error, noise {noise:g}' for noise in NOISES)} | within ± U |")
    print(f"| --- | {'---: | ' * len(NOISES)}---: |")
    print("\n".join([*summary, *(f"missed: {line}" for line in missed)]))
    sys.exit(bool(missed))


def told(found: list[Measured]) -> str:
    """A cell of the long table."""
    errors = np.array([each.error_px for each in found])
    allowed = np.array([each.uncertainty_px for each in found])
    inside = np.mean(np.abs(errors) <= allowed)
    figures = (errors.mean(), np.sqrt(np.mean(errors**2)), np.abs(errors).max(), allowed.mean())
    return (
        f"{figures[0]:+.4f} | {figures[1]:.4f} | {figures[2]:.4f} | {figures[3]:.4f} | {inside:.0%}"
        f" | {np.median([each.ms for each in found]):.2f}"
    )


if __name__ == "__main__":
    main()
