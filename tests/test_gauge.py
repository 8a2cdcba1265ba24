"""Measuring tools on rendered parts of known sizes."""

import sys
from math import hypot, nan
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
from bench_measure import MOST_PX, TOOLS, series
from rendered_parts import Look, Shape, bar, both, cut, disc, half_plane, render

from edge.gauge.light import light
from edge.gauge.measure import measure
from edge.gauge.plane import PIXELS, Plane
from edge.gauge.scan import View
from edge.gauge.tools import Angle, AnyTool, Area, Caliper, Distance, EdgeLine, Round
from edge.geometry import Image
from edge.prediction import Measurement

LOOK = Look(noise=1.0)


def seen(shape: Shape, look: Look = LOOK, size: int = 160) -> View:
    return View(light(render(shape, size, size, look), "srgb"))


def one(view: View, *tools: AnyTool, plane: Plane = PIXELS) -> Measurement:
    return measure(view, tools, plane)[-1]


def a_caliper(**changes: object) -> Caliper:
    fields = {"type": "caliper", "name": "width", "start": (20, 80), "end": (140, 80)} | changes
    return Caliper.model_validate(fields)


def a_circle(**changes: object) -> Round:
    fields = {"type": "circle", "name": "bore", "centre": (80, 80), "radius_px": 40} | changes
    return Round.model_validate(fields)


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("look", [Look(blur_px=0.5), Look(blur_px=1.2, noise=2), Look(blur_px=1.6, noise=4)])
def test_a_tool_errs_by_less_than_a_tenth_of_a_pixel_and_its_uncertainty(name: str, look: Look) -> None:
    for found in series(TOOLS[name], look, 4, seed=7):
        assert abs(found.error_px) <= MOST_PX
        assert abs(found.error_px) <= found.uncertainty_px


def test_more_noise_is_more_uncertainty() -> None:
    quiet, loud = (one(seen(bar((80, 80), 60, 300), Look(noise=noise)), a_caliper()) for noise in (0.5, 6))
    assert quiet.uncertainty < 0.7 * loud.uncertainty


def test_a_study_that_finds_more_scatter_than_one_picture_counts() -> None:
    view = seen(bar((80, 80), 60, 300))
    assert one(view, a_caliper(repeatability=0.2)).uncertainty == pytest.approx(
        2 * hypot(0.2, 0.0283), abs=0.01
    )


def test_blur_does_not_shrink_a_small_disc() -> None:
    found = one(seen(disc((80, 80), 12), Look(blur_px=2.0)), a_circle(radius_px=12, search_px=10))
    assert found.value == pytest.approx(24, abs=MOST_PX)


def test_a_chipped_edge_does_not_bend_the_circle() -> None:
    chipped = cut(disc((80, 80), 40), disc((120, 80), 8))
    assert one(seen(chipped), a_circle()).value == pytest.approx(80, abs=MOST_PX)


def test_a_camera_that_codes_light_as_it_is_says_so() -> None:
    picture = render(bar((80.3, 80), 60, 300), 160, 160, Look(encoding="linear", blur_px=1.5))
    right, wrong = (one(View(light(picture, encoding)), a_caliper()).value for encoding in ("linear", "srgb"))
    assert right == pytest.approx(60, abs=0.02)
    assert abs(wrong - 60) > 0.5


def test_a_view_knows_where_in_the_frame_it_lies() -> None:
    picture = render(bar((80, 80), 60, 300), 160, 160, LOOK)
    part = View(light(np.ascontiguousarray(picture[50:120, 10:150]), "srgb"), 10, 50)
    whole = View(light(picture, "srgb"))
    assert one(part, a_caliper()) == one(whole, a_caliper())


def test_a_pixel_that_is_no_square_measures_in_both_directions() -> None:
    stretched = Plane("mm", np.diag([0.1, 0.05, 1.0]))
    shape = bar((80, 80), 60, 40)
    wide = one(seen(shape), a_caliper(), plane=stretched)
    high = one(seen(shape), a_caliper(start=(80, 20), end=(80, 140)), plane=stretched)
    area = one(
        seen(shape), Area(type="area", name="a", corner=(10, 10), opposite=(150, 150)), plane=stretched
    )
    assert (wide.unit, wide.value) == ("mm", pytest.approx(6.0, abs=0.005))
    assert high.value == pytest.approx(2.0, abs=0.005)
    assert (area.unit, area.value) == ("mm2", pytest.approx(12.0, abs=0.02))


def test_the_uncertainty_of_the_scale_is_in_the_value() -> None:
    view, plane = seen(bar((80, 80), 60, 300)), Plane("mm", np.diag([0.1, 0.1, 1.0]), None, 0.01)
    assert one(view, a_caliper(), plane=plane).uncertainty == pytest.approx(2 * 0.01 * 6, rel=0.05)


TWO_BARS = both(bar((50, 80), 20, 300), bar((110, 80), 20, 300))


@pytest.mark.parametrize(
    ("shape", "tool", "why"),
    [
        (bar((80, 80), 300, 300), a_caliper(), "no edge: 0 of"),
        (half_plane((80, 80), 0), a_caliper(), "no edge"),
        (bar((80, 80), 60, 300), a_caliper(part="light"), "wrong order"),
        (TWO_BARS, a_caliper(), "two edges of about equal strength"),
        (bar((80, 80), 60, 300), a_caliper(end=(200, 80)), "lies outside of what the check looks at"),
        (bar((80, 80), 60, 300), a_caliper(across_px=9), "3 edge points are too few"),
        (disc((80, 80), 40), a_circle(centre=(140, 80)), "lies outside"),
        (bar((80, 80), 80, 80), a_circle(radius_px=45, search_px=20), "the edge is not a circle"),
        (cut(disc((80, 80), 44), disc((80, 80), 36)), a_circle(inside="light"), ""),
        (
            disc((80, 80), 40),
            Area(type="area", name="a", corner=(20, 50), opposite=(150, 150)),
            "within 5 px",
        ),
        (half_plane((500, 0), 0), Area(type="area", name="a", corner=(9, 9), opposite=(150, 150)), "no part"),
        (disc((80, 80), 4), Area(type="area", name="a", corner=(9, 9), opposite=(150, 150)), "no part of"),
        (disc((80, 80), 40), Area(type="area", name="a", corner=(9, 9), opposite=(190, 150)), "lies outside"),
    ],
)
def test_what_cannot_be_measured_says_why(shape: Shape, tool: AnyTool, why: str) -> None:
    found = one(seen(shape), tool)
    if not why:  # a ring's inner edge is measured, whatever lies beyond its outer one
        assert found.value == pytest.approx(72, abs=MOST_PX)
        return
    assert found.value is None
    assert why in str(found.reason)


def test_of_several_edges_the_outermost_can_be_asked_for() -> None:
    assert one(seen(TWO_BARS), a_caliper(edges="outermost")).value == pytest.approx(80, abs=MOST_PX)


def test_noise_alone_is_not_measured() -> None:
    noise = np.random.default_rng(0).integers(90, 120, (160, 160, 1)).astype(np.uint8)
    view = View(light(np.repeat(noise, 3, axis=2), "srgb"))
    tools: list[AnyTool] = [
        a_caliper(),
        a_circle(),
        Area(type="area", name="a", corner=(9, 9), opposite=(150, 150)),
    ]
    assert [each.value for each in measure(view, tools, PIXELS)] == [None, None, None]


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_even_picture_is_not_measured(level: int) -> None:
    picture: Image = np.full((160, 160, 3), level, np.uint8)
    view = View(light(picture, "srgb"))
    tools: list[AnyTool] = [
        a_caliper(),
        a_circle(),
        Area(type="area", name="a", corner=(9, 9), opposite=(150, 150)),
    ]
    assert [each.value for each in measure(view, tools, PIXELS)] == [None, None, None]


def test_a_plane_that_is_not_a_number_measures_nothing() -> None:
    found = one(
        seen(bar((80, 80), 60, 300)), a_caliper(), plane=Plane("mm", np.diag([0.1, 0.1, 1.0]), None, nan)
    )
    assert found.value is None


def test_a_plane_without_a_place_for_a_pixel_measures_nothing() -> None:
    # Its horizon runs through the part: what lies on it is infinitely far.
    horizon = Plane("mm", np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 0]]))
    tools: list[AnyTool] = [a_caliper(), a_circle(radius_px=30, name="bore")]
    assert {each.value for each in measure(seen(bar((80, 80), 60, 300)), tools, horizon)} == {None}


def test_edges_that_are_not_parallel_have_no_distance() -> None:
    tools: list[AnyTool] = [
        EdgeLine(type="edge", name="left", start=(20, 80), end=(60, 80)),
        EdgeLine(type="edge", name="upper", start=(80, 20), end=(80, 60)),
        Distance(type="distance", name="it", of=("left", "upper")),
    ]
    assert "are not parallel: they are at 90 degrees" in str(one(seen(bar((80, 80), 80, 80)), *tools).reason)


def test_what_compares_tells_which_of_its_tools_found_nothing() -> None:
    tools: list[AnyTool] = [
        a_circle(name="bore"),
        EdgeLine(type="edge", name="side", start=(5, 20), end=(30, 20)),
        Distance(type="distance", name="offset", of=("bore", "side")),
    ]
    bore, offset = measure(seen(disc((80, 80), 40)), tools, PIXELS)
    assert bore.value is not None
    assert str(offset.reason).startswith("side: no edge")


def test_an_angle_is_the_smaller_one_whatever_the_edges_directions() -> None:
    corner = seen(bar((80, 80), 80, 80, 10))
    for turned in (False, True):
        start, end = ((25, 95), (60, 85)) if not turned else ((60, 85), (25, 95))
        tools: list[AnyTool] = [
            EdgeLine(type="edge", name="left", start=start, end=end),
            EdgeLine(type="edge", name="upper", start=(90, 20), end=(90, 60)),
            Angle(type="angle", name="corner", of=("left", "upper")),
        ]
        found = one(corner, *tools)
        assert found.value == pytest.approx(90, abs=min(found.uncertainty, 0.5))
