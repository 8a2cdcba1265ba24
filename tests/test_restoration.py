"""Restorations: what the network adds lands where it belongs, without a seam, or the bundle is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_bundle
import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import Check
from edge.errors import BundleError
from edge.geometry import Box, Image
from edge.model.bundle import Bundle, load
from edge.model.checks import open_check
from edge.model.manifest import Golden
from edge.model.restoration import Restorer, change_levels, enlarged, open_restorer
from edge.model.restorations import load_restorer


def noise(width: int, height: int, seed: int = 3) -> Image:
    return np.random.default_rng(seed).integers(60, 200, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def smoother(tmp_path_factory: pytest.TempPathFactory) -> Restorer:
    return open_restorer(load(tiny_bundle.restoration(tmp_path_factory.mktemp("smoother") / "bundle")))


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Restorer:
    """Sees 2×2 pixels in a cell, as the shipped denoiser does."""
    folder = tmp_path_factory.mktemp("cells") / "bundle"
    return open_restorer(load(tiny_bundle.restoration(folder, tiny_model.smoother(block=2, stride=2))))


@pytest.mark.parametrize("size", [(16, 16), (14, 14), (45, 31), (100, 3), (1, 1), (2, 70)])
def test_tiles_give_what_the_whole_picture_would(smoother: Restorer, size: tuple[int, int]) -> None:
    picture = noise(*size)
    wanted = cv2.blur(picture, (3, 3), borderType=cv2.BORDER_REFLECT_101)
    assert np.abs(smoother.restore(picture).astype(int) - wanted).max() <= 1


def test_cells_of_several_pixels_land_where_they_were_seen(cells: Restorer) -> None:
    picture = noise(61, 47)
    wanted = cv2.blur(picture, (3, 3), borderType=cv2.BORDER_REFLECT_101)
    assert np.abs(cells.restore(picture).astype(int) - wanted).max() <= 1


@settings(deadline=None, max_examples=25)
@given(left=st.integers(0, 9), top=st.integers(0, 9))
def test_a_seam_shows_nowhere(cells: Restorer, left: int, top: int) -> None:
    """The same pixels have the same result wherever the tiles' borders fall."""
    picture = noise(70, 60)
    left, top = 2 * left, 2 * top  # cells begin at even pixels
    whole, cut = cells.restore(picture), cells.restore(np.ascontiguousarray(picture[top:, left:]))
    assert np.array_equal(cut[1:, 1:], whole[top + 1 :, left + 1 :])


@settings(deadline=None, max_examples=40)
@given(edges=st.tuples(st.integers(0, 60), st.integers(0, 50), st.integers(1, 30), st.integers(1, 30)))
def test_a_box_gets_the_pixels_that_the_whole_picture_would_get(
    cells: Restorer, edges: tuple[int, int, int, int]
) -> None:
    picture = noise(70, 60)
    left, top, wide, high = edges
    box = Box(left, top, min(70, left + wide), min(60, top + high))
    within, whole = cells.restore_within(picture, box), cells.restore(picture)
    inside = np.zeros(picture.shape, bool)
    inside[top : int(box.y_max), left : int(box.x_max)] = True
    assert np.array_equal(within, np.where(inside, whole, picture))


def test_a_doubled_picture_is_the_cubic_one_and_what_the_network_adds(tmp_path: Path) -> None:
    folder = tiny_bundle.restoration(tmp_path / "twice", tiny_model.smoother(block=2), factor=2)
    picture = np.full((20, 37, 3), 100, np.uint8)
    added = open_restorer(load(folder)).restore(picture).astype(int) - enlarged(picture, 2)
    assert added.shape == (40, 74, 3)
    places = np.arange(12).reshape(2, 2, 3)  # row, column, colour
    assert np.abs(added - np.tile((places + 1) / 2, (20, 37, 1))).max() <= 0.5


def test_what_is_added_never_wraps_round(smoother: Restorer) -> None:
    picture = np.zeros((14, 14, 3), np.uint8)
    picture[::2, ::2] = 255
    wanted = cv2.blur(picture, (3, 3), borderType=cv2.BORDER_REFLECT_101)
    # int8 adds at most ±128: it is clipped there, never wrapped.
    assert np.all(
        np.sign(smoother.restore(picture).astype(int) - picture) == np.sign(wanted.astype(int) - picture)
    )


def test_the_given_picture_stays_as_it_is(smoother: Restorer) -> None:
    picture = noise(30, 30)
    before = picture.copy()
    smoother.restore(picture)
    assert np.array_equal(picture, before)


def with_golden(folder: Path, off_by: float) -> Path:
    """A restoration whose golden picture's score is off by so many grey levels."""
    picture = noise(40, 30)
    bare = load(tiny_bundle.restoration(folder.parent / "bare"))
    golden = Golden(file="golden.png", score=change_levels(open_restorer(bare), picture) + off_by)
    coded = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
    manifest = bare.manifest.model_copy(update={"golden": [golden]})
    return tiny_bundle.save(folder, manifest, {**bare.files, "golden.png": coded})


def test_a_restoration_that_answers_as_it_was_trained_to_is_taken(tmp_path: Path) -> None:
    assert load_restorer(with_golden(tmp_path / "right", 0.0)).identity.name == "smoother"


def test_a_restoration_that_answers_otherwise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"golden picture golden\.png has the score"):
        load_restorer(with_golden(tmp_path / "wrong", 5.0))


def test_a_check_with_a_restoration_is_refused_and_told_where_it_belongs(tmp_path: Path) -> None:
    folder = tiny_bundle.restoration(tmp_path / "bundle")
    with pytest.raises(BundleError, match=r"judges nothing.*evidence\.restore"):
        open_check(Check(name="top", bundle=folder), None)


def test_a_bundle_that_judges_is_no_restoration(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="task 'classification', and restores no picture"):
        load_restorer(tiny_bundle.classification(tmp_path / "colours"))


def bundle(folder: Path, model: bytes, **changes: object) -> Bundle:
    return load(tiny_bundle.restoration(folder / "bundle", model, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "factor"),
    [
        (tiny_model.smoother(channels=4), 1),
        (tiny_model.smoother(block=2), 1),
        (tiny_model.smoother(), 2),
        (tiny_model.smoother(output="float32"), 1),
        (tiny_model.classifier(size=16), 1),
    ],
    ids=["4 channels", "too large a result", "too small a result", "float32", "no picture"],
)
def test_an_output_that_is_no_picture_of_the_tile_is_refused(
    tmp_path: Path, model: bytes, factor: int
) -> None:
    with pytest.raises(BundleError, match=r"its output is .*a restoration of 16×16 pixels"):
        open_restorer(bundle(tmp_path, model, factor=factor))


def test_more_than_one_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="has 2 outputs; a restoration has one"):
        open_restorer(bundle(tmp_path, tiny_model.backbone(32), size=32))


def test_a_manifest_that_names_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="takes pictures of 16×16"):
        open_restorer(bundle(tmp_path, tiny_model.smoother(16), size=32))
