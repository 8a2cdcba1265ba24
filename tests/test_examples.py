"""Good examples: what a defect is compared with."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge.config import Rectangle
from edge.errors import BundleError
from edge.geometry import Box, Image
from edge.model.arrays import Floats, pack, unpack
from edge.model.examples import Examples, explain
from edge.preprocess.layout import InputSpec, Layout, lay_out
from edge.preprocess.picture import decode
from edge.teach.examples import Look, look, make_examples, recall, shares
from edge.types import Decision, Region, Verdict

CHANNELS = 6
WIDTH, HEIGHT = 640, 480
PLAIN = InputSpec(64, 64)


def a_picture(level: int = 100) -> Image:
    return np.full((HEIGHT, WIDTH, 3), level, np.uint8)


def features(seed: int, layout: Layout, rows: int = 4, columns: int = 4) -> list[Floats]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 1, (rows, columns, CHANNELS)).astype(np.float32) for _ in layout.tiles]


def a_look(seed: int, spec: InputSpec = PLAIN, picture: Image | None = None) -> tuple[Look, list[Floats]]:
    layout = lay_out(WIDTH, HEIGHT, spec)
    cells = features(seed, layout)
    picture = a_picture() if picture is None else picture
    return look(f"{seed}.jpg", picture, layout, cells, np.random.default_rng(0)), cells


def opened(*looks: Look, budget_bytes: int = 400_000) -> Examples:
    content = make_examples(looks, np.random.default_rng(0), budget_bytes)
    return Examples(content, "bundle/examples.npz", CHANNELS)


def test_a_taught_cell_is_nearest_to_itself() -> None:
    looks, cells = zip(*(a_look(seed) for seed in range(3)), strict=True)
    example = opened(*looks).nearest(cells[1][0][2, 1], 1.5 / 4, 2.5 / 4)
    assert example.picture == "1.jpg"
    assert example.box == Box(160, 240, 320, 360)
    assert example.shown == Box(0, 0, WIDTH, HEIGHT)


def test_the_thumbnail_is_of_the_taught_picture() -> None:
    first, _ = a_look(0, picture=a_picture(40))
    second, cells = a_look(1, picture=a_picture(200))
    example = opened(first, second).nearest(cells[0][0, 0], 0.1, 0.1)
    thumbnail = decode(example.jpeg, "thumbnail")
    assert thumbnail.shape == (384, 512, 3)
    assert thumbnail.mean() == pytest.approx(200, abs=2)


@pytest.mark.parametrize(("x", "column"), [(0.1, 0), (0.4, 1), (0.9, 3)])
def test_of_places_that_look_alike_the_one_at_the_same_place_is_shown(x: float, column: int) -> None:
    layout = lay_out(WIDTH, HEIGHT, PLAIN)
    rng = np.random.default_rng(0)
    row_alike = rng.normal(0, 1, (4, 1, CHANNELS)).astype(np.float32).repeat(4, axis=1)
    alike = look("alike.jpg", a_picture(), layout, [row_alike], rng)
    example = opened(alike).nearest(row_alike[1, 0], x, 1.5 / 4)
    assert example.box == Box(160 * column, 120, 160 * (column + 1), 240)


def test_what_is_no_number_in_a_cell_does_not_matter() -> None:
    one, cells = a_look(0)
    cell = cells[0][3, 3].copy()
    cell[0] = np.nan
    assert opened(one).nearest(cell, 0.9, 0.9).picture == "0.jpg"


def test_places_lie_inside_the_region_of_interest_and_cover_it() -> None:
    roi = Rectangle(x_min=100, y_min=80, x_max=420, y_max=400)
    spec = InputSpec(64, 64, tiles_x=2, tiles_y=2, overlap=0.25, roi=roi)
    one, _ = a_look(0, spec)
    assert len(one.boxes) == len(one.cells) == 4 * 16
    assert one.boxes[:, :2].min(axis=0) == pytest.approx((100, 80), abs=3)
    assert one.boxes[:, 2:].max(axis=0) == pytest.approx((420, 400), abs=3)
    assert one.thumbnail.shape[0] == one.thumbnail.shape[1]


def test_what_is_padding_is_no_place() -> None:
    roi = Rectangle(x_min=0, y_min=0, x_max=640, y_max=320)
    one, _ = a_look(0, InputSpec(64, 64, fit="letterbox", roi=roi))
    assert len(one.boxes) == 2 * 4
    assert one.boxes[:, :2].min(axis=0) == pytest.approx((0, 0))
    assert one.boxes[:, 2:].max(axis=0) == pytest.approx((640, 320))


def test_the_same_looks_give_the_same_bytes() -> None:
    first, second = (make_examples([a_look(0)[0], a_look(1)[0]], np.random.default_rng(3)) for _ in range(2))
    assert first == second


def test_the_file_keeps_to_its_budget_however_many_pictures_there_are() -> None:
    noise = np.random.default_rng(0)
    looks = [
        a_look(seed, picture=noise.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))[0] for seed in range(30)
    ]
    content = make_examples(looks, np.random.default_rng(0), 150_000)
    assert len(content) <= 150_000
    arrays = unpack(content, "examples.npz")
    assert len(json.loads(arrays["names"].tobytes())) == 12
    assert len(arrays["cells"]) <= 512


def test_what_a_file_keeps_can_be_taught_again() -> None:
    looks = [a_look(seed, picture=a_picture(40 + 60 * seed))[0] for seed in range(3)]
    content = make_examples(looks, np.random.default_rng(0))
    found = recall(content, "examples.npz", CHANNELS)
    assert [one.name for one in found] == ["0.jpg", "1.jpg", "2.jpg"]
    for kept, one in zip(found, looks, strict=True):
        assert kept.shown == one.shown
        assert kept.thumbnail.mean() == pytest.approx(one.thumbnail.mean(), abs=2)
        order = np.lexsort(kept.boxes.T), np.lexsort(one.boxes.T)
        assert np.array_equal(kept.boxes[order[0]], one.boxes[order[1]])
        assert np.abs(kept.cells[order[0]] - one.cells[order[1]]).max() < 0.05


def test_of_a_damaged_file_nothing_is_taught_again() -> None:
    with pytest.raises(BundleError, match=r"examples\.npz: .*'ends' does not fit 'jpeg'"):
        recall(changed(ends=np.array([3, 5], np.int64)), "examples.npz", CHANNELS)


@pytest.mark.parametrize(
    ("old", "new", "taught", "used"),
    [
        (0, 30, 30, (0, 12)),
        (6, 3, 9, (6, 3)),
        (12, 1, 100, (11, 1)),
        (12, 100, 200, (6, 6)),
        (12, 3, 200, (11, 1)),
        (2, 10, 100, (2, 10)),
        (12, 0, 30, (12, 0)),
    ],
)
def test_old_and_new_pictures_are_shown_as_many_as_there_are_of_them(
    old: int, new: int, taught: int, used: tuple[int, int]
) -> None:
    found = shares(old, new, taught)
    assert tuple(map(len, found)) == used
    for places, count in zip(found, (old, new), strict=True):
        assert sorted(set(places)) == places
        assert len(places) < 2 or (places[0], places[-1]) == (0, count - 1)


def changed(**arrays: Any) -> bytes:
    """A file of which some arrays are others; None takes one out."""
    whole = unpack(make_examples([a_look(0)[0], a_look(1)[0]], np.random.default_rng(0)), "examples.npz")
    whole |= arrays
    return pack({key: array for key, array in whole.items() if array is not None})


BAD: dict[str, Callable[[], bytes]] = {
    "is not a file of arrays": lambda: b"not an archive",
    "has no array 'mean'": lambda: changed(mean=None),
    "'cells' is missing": lambda: changed(cells=None),
    "'spread' must be over 0": lambda: changed(spread=np.zeros(CHANNELS, np.float32)),
    "'picture' is missing or not as": lambda: changed(picture=np.zeros(3, np.uint16)),
    "do not fit each other": lambda: changed(picture=np.full(32, 2, np.uint16)),
    "'ends' does not fit": lambda: changed(ends=np.array([5, 3], np.int64)),
    "is no JSON": lambda: changed(names=np.frombuffer(b"{", np.uint8)),
    "no list of names": lambda: changed(names=np.frombuffer(b"[1, 2]", np.uint8)),
    "thumbnail 0": lambda: changed(jpeg=np.zeros(10, np.uint8), ends=np.array([5, 10], np.int64)),
}


@pytest.mark.parametrize("complaint", BAD)
def test_a_damaged_file_is_refused_and_named(complaint: str) -> None:
    with pytest.raises(BundleError, match=complaint) as refused:
        Examples(BAD[complaint](), "bundle/examples.npz", CHANNELS)
    assert "bundle/examples.npz" in str(refused.value)


def test_examples_of_another_model_are_refused() -> None:
    content = make_examples([a_look(0)[0]], np.random.default_rng(0))
    with pytest.raises(BundleError, match="'mean'"):
        Examples(content, "bundle/examples.npz", CHANNELS + 1)


def failed(*regions: Region) -> Decision:
    return Decision(Verdict.FAIL, ("odd",), 2.0, regions=regions)


@pytest.mark.parametrize("spec", [PLAIN, InputSpec(64, 64, fit="letterbox"), InputSpec(64, 64, tiles_x=2)])
def test_every_region_gets_the_example_of_the_cell_where_it_peaks(spec: InputSpec) -> None:
    one, cells = a_look(0, spec)
    layout = lay_out(WIDTH, HEIGHT, spec)
    maps = [np.zeros(tile.shape[:2], np.float32) for tile in cells]
    places = [(number * 5) % len(one.boxes) for number in range(5)]
    regions = []
    for place in places:
        box = Box(*(float(edge) for edge in one.boxes[place]))
        middle = (box.x_min + box.x_max) / 2, (box.y_min + box.y_max) / 2
        regions.append(Region(box, box.area, 2.0, middle))
    explained = explain(failed(*regions), opened(one), layout, cells, maps)
    assert [region.nearest.box for region in explained.regions if region.nearest] == [
        region.box for region in regions
    ]
    assert explained.verdict is Verdict.FAIL
    assert explained.regions[0].area_px == regions[0].area_px


def test_where_tiles_overlap_the_one_that_found_the_defect_is_explained() -> None:
    spec = InputSpec(64, 64, tiles_x=2, overlap=0.5)
    one, cells = a_look(0, spec)
    layout = lay_out(WIDTH, HEIGHT, spec)
    maps = [np.zeros((4, 4), np.float32) for _ in cells]
    maps[1][2, 1] = 2
    box = layout.tiles[1].geometry.to_frame(Box(16, 32, 32, 48))
    middle = (box.x_min + box.x_max) / 2, (box.y_min + box.y_max) / 2
    explained = explain(failed(Region(box, box.area, 2.0, middle)), opened(one), layout, cells, maps)
    place = int(np.flatnonzero((one.cells == cells[1][2, 1]).all(axis=1))[0])
    assert explained.regions[0].nearest is not None
    assert explained.regions[0].nearest.box == pytest.approx(tuple(one.boxes[place]))
