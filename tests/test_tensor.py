"""What a model sees of a frame, and where its cells lie in it."""

from itertools import pairwise
from typing import Literal

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import Rectangle
from edge.errors import InferenceError
from edge.geometry import Box, Image, Tensor
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.tensor import InputSpec, prepare

RNG = np.random.default_rng(7)


def noise(width: int, height: int) -> Image:
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


def even(width: int, height: int, grey: int) -> Image:
    return np.full((height, width, 3), grey, np.uint8)


def photograph(width: int = 1280, height: int = 960) -> Image:
    """Blobs of all sizes with sharp edges, as real pictures have them."""
    image = even(width, height, 90)
    for _ in range(300):
        centre = int(RNG.integers(0, width)), int(RNG.integers(0, height))
        colour = tuple(int(level) for level in RNG.integers(0, 256, 3))
        cv2.circle(image, centre, int(RNG.integers(1, 60)), colour, -1)
    return image


def pixels(tensor: Tensor) -> np.ndarray:
    return tensor[0].astype(int) + 128


def test_a_tensor_is_the_pixel_less_128() -> None:
    image = noise(32, 24)
    tensor = prepare(image, InputSpec(32, 24)).tensors[0]
    assert tensor.dtype == np.int8
    assert np.array_equal(pixels(tensor), image)


def test_a_frame_is_left_as_it_is() -> None:
    image = noise(32, 24)
    before = image.copy()
    prepare(image, InputSpec(32, 24, contrast="stretch")).tensors[0][:] = 0
    assert np.array_equal(image, before)


@pytest.mark.parametrize("size", [(1280, 960), (1920, 1080), (1281, 723), (640, 480), (300, 300), (100, 90)])
def test_reducing_is_close_to_the_mean_over_each_pixels_area(size: tuple[int, int]) -> None:
    image = photograph(*size)
    exact = cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(pixels(prepare(image, InputSpec(224, 224)).tensors[0]) - exact).mean() < 4


@pytest.mark.parametrize("period", [2, 3, 4, 5])
def test_a_grid_too_fine_for_the_tensor_becomes_grey_and_no_pattern(period: int) -> None:
    y, x = np.mgrid[:960, :1280]
    grid = np.where((x % period < period / 2) ^ (y % period < period / 2), 255, 0).astype(np.uint8)
    seen = pixels(prepare(np.dstack([grid] * 3), InputSpec(224, 224)).tensors[0])
    assert seen.std() < 12


def test_a_line_of_one_pixel_is_seen_wherever_it_lies() -> None:
    for column in range(600, 616):
        image = even(1280, 960, 0)
        image[:, column] = 255
        assert prepare(image, InputSpec(224, 224)).tensors[0].max() > -128 + 20


def test_every_pyramid_shared_or_not_gives_the_same_tensor() -> None:
    image = photograph()
    pyramid = Pyramid(image)
    for spec in (InputSpec(224, 224), InputSpec(128, 96), InputSpec(320, 320, "letterbox")):
        assert np.array_equal(prepare(pyramid, spec).tensors[0], prepare(image, spec).tensors[0])


def test_a_letterbox_keeps_the_shape_and_pads_with_zero() -> None:
    prepared = prepare(even(400, 200, 255), InputSpec(64, 64, "letterbox"))
    tensor = prepared.tensors[0][0]
    assert prepared.geometries[0].content == Box(0, 16, 64, 48)
    assert (tensor[16:48] == 127).all()
    assert not tensor[:16].any()
    assert not tensor[48:].any()


def test_a_place_in_a_letterbox_is_the_same_place_in_the_frame() -> None:
    image = even(1280, 720, 0)
    image[400:440, 900:940] = 255
    prepared = prepare(
        image, InputSpec(224, 224, "letterbox"), Rectangle(x_min=300, y_min=100, x_max=1200, y_max=700)
    )
    rows, columns = np.nonzero(prepared.tensors[0][0, :, :, 0] > 0)
    where = prepared.geometries[0].to_frame(Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    assert where.iou(Box(900, 400, 940, 440)) > 0.75


def test_a_region_of_interest_that_reaches_out_of_the_frame_is_clipped() -> None:
    prepared = prepare(
        noise(200, 100), InputSpec(64, 64), Rectangle(x_min=150, y_min=0, x_max=999, y_max=999)
    )
    assert prepared.box == Box(150, 0, 200, 100)


@pytest.mark.parametrize("corner", [(200, 0, 300, 100), (0, 100, 50, 101), (60, 10, 50, 20)])
def test_a_region_of_interest_without_a_pixel_is_an_error_that_says_so(
    corner: tuple[int, int, int, int],
) -> None:
    x_min, y_min, x_max, y_max = corner
    roi = Rectangle.model_construct(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)
    with pytest.raises(InferenceError, match=r"roi: .* no pixel of the frame, which is 200×100; correct"):
        prepare(noise(200, 100), InputSpec(64, 64), roi)


def test_a_polygon_of_two_corners_is_an_error_that_says_so() -> None:
    with pytest.raises(InferenceError, match="polygon: has 2 corners; give it at least 3"):
        prepare(noise(64, 64), InputSpec(64, 64), None, [(0, 0), (9, 9)])


def test_cells_outside_the_polygon_or_in_the_padding_are_not_valid() -> None:
    left_half = [(0, 0), (200, 0), (200, 200), (0, 200)]
    prepared = prepare(noise(400, 200), InputSpec(64, 64, "letterbox"), None, left_half)
    valid = prepared.valid(8, 8)
    assert valid[2:6, :4].all()
    assert valid.sum() == 16


def test_a_cell_is_valid_from_half_inside_the_polygon() -> None:
    for width, columns in ((130, 3), (150, 4)):
        polygon = [(0, 0), (width, 0), (width, 400), (0, 400)]
        valid = prepare(noise(400, 400), InputSpec(64, 64), None, polygon).valid(10, 10)
        assert valid[0].sum() == columns


def test_a_mask_is_made_once_for_all_frames() -> None:
    polygon = [(0, 0), (90, 0), (0, 90)]
    first = prepare(noise(100, 100), InputSpec(64, 64), None, polygon).valid(7, 7)
    assert prepare(noise(100, 100), InputSpec(64, 64), None, polygon).valid(7, 7) is first
    assert not first.flags.writeable


def test_stretched_contrast_uses_the_full_range() -> None:
    image = RNG.integers(100, 140, (200, 200, 3), np.uint8)
    tensor = prepare(image, InputSpec(200, 200, contrast="stretch")).tensors[0]
    assert (tensor.min(), tensor.max()) == (-128, 127)


def test_stretched_contrast_is_the_same_in_half_the_light() -> None:
    image = cv2.GaussianBlur(photograph(300, 300), (0, 0), 2)
    spec = InputSpec(224, 224, contrast="stretch")
    bright, dim = (pixels(prepare(shown, spec).tensors[0]) for shown in (image, image // 2))
    assert np.abs(bright - dim).mean() < 2


def test_the_noise_of_an_even_surface_is_not_stretched_into_a_pattern() -> None:
    image = RNG.integers(99, 102, (200, 200, 3), np.uint8)
    tensor = prepare(image, InputSpec(200, 200, contrast="stretch")).tensors[0]
    assert np.abs(tensor.astype(int)).max() <= 20


def test_what_lies_outside_the_polygon_has_no_say_in_the_contrast() -> None:
    image = RNG.integers(100, 140, (200, 400, 3), np.uint8)
    image[:, 200:] = 255
    inside = [(0, 0), (200, 0), (200, 200), (0, 200)]
    tensor = prepare(image, InputSpec(400, 200, contrast="stretch"), None, inside).tensors[0]
    assert tensor[0, :, :200].min() == -128
    assert tensor[0, :, :200].max() == 127


def test_tiles_share_the_frame_and_overlap() -> None:
    prepared = prepare(noise(1000, 500), InputSpec(64, 64, tiles_x=3, tiles_y=2, overlap=0.2))
    boxes = [geometry.to_frame(geometry.content) for geometry in prepared.geometries]
    assert len(prepared.tensors) == 6
    assert min(box.x_min for box in boxes) == 0
    assert max(box.x_max for box in boxes) == 1000
    for left, right in pairwise(boxes[:3]):
        assert left.intersection(right).width == pytest.approx(0.2 * left.width, abs=8)


def test_a_spot_in_the_map_of_a_tile_is_found_at_its_place_in_the_whole() -> None:
    image = even(1280, 960, 0)
    image[700:760, 1100:1160] = 255
    prepared = prepare(image, InputSpec(224, 224, tiles_x=2, tiles_y=2, overlap=0.1))
    maps = [cv2.resize(pixels(tensor)[:, :, 0].astype(np.float32), (14, 14)) for tensor in prepared.tensors]
    whole = prepared.stitch(maps)
    row, column = np.unravel_index(whole.anomaly_map.argmax(), whole.anomaly_map.shape)
    rows, columns = whole.anomaly_map.shape
    assert whole.box == Box(0, 0, 1280, 960)
    assert abs((column + 0.5) * 1280 / columns - 1130) < 50
    assert abs((row + 0.5) * 960 / rows - 730) < 50


def test_where_tiles_overlap_the_higher_score_counts() -> None:
    prepared = prepare(noise(200, 100), InputSpec(64, 64, tiles_x=2, overlap=0.5))
    low, high = np.full((8, 8), 1, np.float32), np.full((8, 8), 2, np.float32)
    assert prepared.stitch([low, high]).anomaly_map[0].tolist() == [1] * 4 + [2] * 8
    assert prepared.stitch([high, low]).anomaly_map[0].tolist() == [2] * 8 + [1] * 4


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_broken_score_is_not_hidden_by_the_neighbouring_tile(broken: float) -> None:
    prepared = prepare(noise(200, 100), InputSpec(64, 64, tiles_x=2, overlap=0.5))
    maps = [np.zeros((8, 8), np.float32), np.zeros((8, 8), np.float32)]
    maps[0][0, 7] = broken
    assert not np.isfinite(prepared.stitch(maps).anomaly_map).all()


def test_a_map_of_a_letterbox_covers_the_frame_without_the_padding() -> None:
    prepared = prepare(noise(400, 200), InputSpec(64, 64, "letterbox"))
    scores = np.arange(64, dtype=np.float32).reshape(8, 8)
    whole = prepared.stitch([scores])
    assert whole.box == Box(0, 0, 400, 200)
    assert np.array_equal(whole.anomaly_map, scores[2:6])
    assert whole.valid.all()


sides = st.integers(1, 300)


@settings(deadline=None, max_examples=150)
@given(
    sides,
    sides,
    sides,
    sides,
    sides,
    sides,
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(["stretch", "letterbox"]),
)
def test_every_frame_and_region_gives_tensors_inside_the_frame(
    width: int,
    height: int,
    left: int,
    top: int,
    right: int,
    bottom: int,
    tiles_x: int,
    tiles_y: int,
    fit: Literal["stretch", "letterbox"],
) -> None:
    spec = InputSpec(32, 24, fit, "none", tiles_x, tiles_y, 0.25)
    roi = Rectangle(
        x_min=min(left, width) - 1, y_min=min(top, height) - 1, x_max=right + width, y_max=bottom + height
    )
    prepared = prepare(np.zeros((height, width, 3), np.uint8), spec, roi)
    frame = Box(0, 0, width, height)
    assert all(tensor.shape == (1, 24, 32, 3) and tensor.flags.c_contiguous for tensor in prepared.tensors)
    assert prepared.box.intersection(frame) == prepared.box
    for geometry in prepared.geometries:
        shown = geometry.to_frame(geometry.content)
        assert np.allclose(shown, shown.intersection(frame), atol=1e-6)
    maps = [np.zeros((3, 4), np.float32)] * len(prepared.tensors)
    whole = prepared.stitch(maps)
    assert whole.valid.shape == whole.anomaly_map.shape
    assert whole.valid.all()


@settings(deadline=None, max_examples=100)
@given(st.integers(100, 900), st.integers(100, 900), st.integers(0, 60), st.integers(0, 60))
def test_a_region_is_covered_but_for_less_than_a_tensor_pixel(
    width: int, height: int, left: int, top: int
) -> None:
    roi = Rectangle(x_min=left, y_min=top, x_max=width, y_max=height)
    box = prepare(np.zeros((height, width, 3), np.uint8), InputSpec(16, 16), roi).box
    pixel_x, pixel_y = (width - left) / 16, (height - top) / 16
    assert left - pixel_x < box.x_min <= left
    assert width - pixel_x < box.x_max <= width
    assert top - pixel_y < box.y_min <= top
    assert height - pixel_y < box.y_max <= height
