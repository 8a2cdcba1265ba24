"""From a detector's numbers to things in the frame: grids, suppression, tiles."""

from math import log
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tiny_bundle
import tiny_model

from edge.errors import BundleError, InferenceError
from edge.geometry import Box, Image
from edge.model.bundle import load
from edge.model.detection import to_frame
from edge.model.grid import MOST, Grid, candidates, grids
from edge.model.interpreter import TensorSpec
from edge.model.nms import Rows, suppress
from edge.model.runner import open_model
from edge.prediction import Detection, Detections
from edge.preprocess.tensor import InputSpec, Prepared, prepare

LABELS = ("bottle", "cap")
INT8, FLOAT = np.dtype(np.int8), np.dtype(np.float32)


def specs(cells: int, labels: int = 2, dtype: npt.DTypeLike = INT8) -> list[TensorSpec]:
    real = np.dtype(dtype) == FLOAT
    return [
        TensorSpec(
            "scores", (1, cells, cells, labels), np.dtype(dtype), 0.0 if real else 0.1, 0 if real else 20
        ),
        TensorSpec("distances", (1, cells, cells, 4), np.dtype(dtype), 0.0 if real else 0.02, 0),
    ]


def a_grid(cells: int = 8, labels: int = 2, dtype: npt.DTypeLike = INT8, min_score: float = 0.05) -> Grid:
    (grid,) = grids(specs(cells, labels, dtype), labels, (cells * 8, cells * 8), min_score, "model.tflite")
    return grid


def numbers(cells: int = 8, labels: int = 2) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Nothing anywhere; boxes would reach one cell each way."""
    return np.full((1, cells, cells, labels), -128, np.int8), np.zeros((1, cells, cells, 4), np.int8)


def seen(width: int = 64, height: int = 64, **spec: object) -> Prepared:
    return prepare(np.zeros((height, width, 3), np.uint8), InputSpec(64, 64, **spec))  # type: ignore[arg-type]


def found(*tiles: Rows, prepared: Prepared | None = None, max_iou: float = 0.5) -> Detections:
    return to_frame(tiles, prepared or seen(), LABELS, max_iou)


def row(label: int, score: float, *box: float) -> Rows:
    return np.array([[label, score, *box]], np.float32)


def rows(*each: Rows) -> Rows:
    return np.concatenate(each) if each else np.empty((0, 6), np.float32)


def test_a_box_reaches_from_the_middle_of_its_cell() -> None:
    scores, distances = numbers()
    scores[0, 2, 5, 1] = 20  # the logit 0
    distances[0, 2, 5] = (0, round(log(2) / 0.02), round(log(3) / 0.02), 0)
    (candidate,) = candidates((scores, distances), a_grid())
    assert candidate[:2] == pytest.approx((1, 0.5))
    assert candidate[2:] == pytest.approx((5.5 * 8 - 8, 2.5 * 8 - 16, 5.5 * 8 + 24, 2.5 * 8 + 8), abs=0.2)


def test_float_and_int8_outputs_say_the_same() -> None:
    scores, distances = numbers()
    scores[0, 1, 1, 0], scores[0, 6, 4, 1] = 45, 7
    distances[:] = np.arange(distances.size).reshape(distances.shape) % 50
    real = (
        (scores.astype(np.float32) - 20) * np.float32(0.1),
        distances.astype(np.float32) * np.float32(0.02),
    )
    assert candidates(real, a_grid(dtype=FLOAT)) == pytest.approx(candidates((scores, distances), a_grid()))


def test_the_threshold_is_met_exactly_among_the_int8_numbers() -> None:
    scores, distances = numbers()
    scores[0, 0, 0, 0], scores[0, 4, 4, 0] = 20, 19  # probabilities 0.5 and 0.475
    assert len(candidates((scores, distances), a_grid(min_score=0.5))) == 1
    assert len(candidates((scores, distances), a_grid(min_score=0.47))) == 2


@pytest.mark.parametrize(("min_score", "candidates_left"), [(0.0, 16), (1.0, 0)])
def test_a_threshold_at_either_end_lets_all_or_nothing_through(
    min_score: float, candidates_left: int
) -> None:
    scores, distances = numbers(4, 1)
    assert len(candidates((scores, distances), a_grid(4, 1, min_score=min_score))) == candidates_left


def test_only_the_highest_cell_of_a_thing_is_a_candidate() -> None:
    scores, distances = numbers()
    scores[0, 3:6, 3:6, 0], scores[0, 4, 4, 0], scores[0, 4, 5, 1] = 60, 61, 50
    assert candidates((scores, distances), a_grid())[:, 0].tolist() == [0, 1]


def test_ten_thousand_candidates_are_cut_to_the_best_and_that_is_said() -> None:
    scores, distances = numbers(200)
    scores[0, ::2, ::2, 0] = np.arange(10_000).reshape(100, 100) // 100 + 20
    best = candidates((scores, distances), a_grid(200))
    assert len(best) == MOST
    assert best[:, 1].min() > 0.99
    big = prepare(np.zeros((1600, 1600, 3), np.uint8), InputSpec(1600, 1600))
    assert found(best, prepared=big).unknown_below == pytest.approx(float(best[:, 1].min()))


def test_few_candidates_leave_nothing_unknown() -> None:
    assert found(row(0, 0.9, 0, 0, 10, 10)).unknown_below == 0


@pytest.mark.parametrize("broken", [np.nan, np.inf])
@pytest.mark.parametrize("output", [0, 1])
def test_a_number_that_is_none_is_an_error(broken: float, output: int) -> None:
    outputs = [np.full((1, 4, 4, 2), 3, np.float32), np.zeros((1, 4, 4, 4), np.float32)]
    outputs[output][0, 1, 1, 1] = broken
    with pytest.raises(InferenceError, match="not numbers"):
        candidates(outputs, a_grid(4, dtype=FLOAT))


def test_a_box_without_end_stays_finite_and_ends_at_the_frame() -> None:
    outputs = [np.full((1, 4, 4, 2), -9, np.float32), np.full((1, 4, 4, 4), 900, np.float32)]
    outputs[0][0, 1, 1, 1] = 9
    (thing,) = found(candidates(outputs, a_grid(4, dtype=FLOAT))).found
    assert thing.box == Box(0, 0, 64, 64)


@pytest.mark.parametrize("labels", [1, 3, 80])
def test_outputs_that_do_not_fit_the_labels_are_refused(labels: int) -> None:
    with pytest.raises(BundleError, match=rf"a detector of {labels} labels has.*correct detection.labels"):
        grids(specs(8, 2), labels, (64, 64), 0.05, "model.tflite")


@pytest.mark.parametrize("broken", [specs(8)[:1], specs(8) * 2, [*specs(8), specs(4)[0]], []])
def test_outputs_that_do_not_come_in_pairs_are_refused(broken: list[TensorSpec]) -> None:
    with pytest.raises(BundleError, match=r"model\.tflite: its outputs are"):
        grids(broken, 2, (64, 64), 0.05, "model.tflite")


def test_with_four_labels_the_names_tell_which_output_is_which() -> None:
    scores, distances = specs(8, 4)
    for outputs in ([scores, distances], [distances, scores]):
        (grid,) = grids(outputs, 4, (64, 64), 0.05, "model.tflite")
        assert (outputs[grid.scores], outputs[grid.distances]) == (scores, distances)


def test_several_grids_are_read_with_their_own_cells() -> None:
    two = grids([*specs(8), *specs(4)], 2, (64, 64), 0.05, "model.tflite")
    assert [grid.cell_x_px for grid in two] == [8, 16]


def test_of_two_boxes_on_one_thing_the_better_stays() -> None:
    stays = suppress(rows(row(0, 0.6, 0, 0, 10, 10), row(0, 0.9, 1, 0, 11, 10)), 0.5)
    assert stays[:, 1].tolist() == pytest.approx([0.9])


def test_boxes_of_two_labels_do_not_suppress_each_other() -> None:
    assert len(suppress(rows(row(0, 0.6, 0, 0, 10, 10), row(1, 0.9, 0, 0, 10, 10)), 0.5)) == 2


def test_what_is_suppressed_suppresses_nothing() -> None:
    chain = rows(row(0, 0.9, 0, 0, 10, 10), row(0, 0.8, 3, 0, 13, 10), row(0, 0.7, 6, 0, 16, 10))
    assert suppress(chain, 0.4)[:, 1].tolist() == pytest.approx([0.9, 0.7])


def test_boxes_that_overlap_by_the_limit_both_stay() -> None:
    assert len(suppress(rows(row(0, 0.9, 0, 0, 10, 10), row(0, 0.8, 0, 5, 10, 15)), 1 / 3)) == 2


def test_nothing_and_empty_boxes_are_suppressed_without_complaint() -> None:
    assert len(suppress(rows(), 0.5)) == 0
    assert len(suppress(rows(row(0, 0.9, 5, 5, 5, 5), row(0, 0.8, 5, 5, 5, 5)), 0.5)) == 2


def test_boxes_come_in_frame_pixels_best_first_and_end_where_the_frame_ends() -> None:
    big = seen(128, 256)
    there = found(rows(row(1, 0.6, 10, 10, 20, 20), row(0, 0.9, 50, 50, 70, 70)), prepared=big)
    assert there.found == (
        Detection("bottle", pytest.approx(0.9), Box(100, 200, 128, 256)),
        Detection("cap", pytest.approx(0.6), Box(20, 40, 40, 80)),
    )
    assert there.box == Box(0, 0, 128, 256)


def test_what_lies_in_the_letterbox_padding_alone_is_not_there() -> None:
    wide = seen(128, 64, fit="letterbox")
    assert not found(row(0, 0.9, 0, 0, 64, 10), prepared=wide).found


def test_what_has_its_middle_outside_the_polygon_does_not_count() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    left = prepare(image, InputSpec(64, 64), polygon=[(0, 0), (32, 0), (32, 64), (0, 64)])
    both = rows(row(0, 0.9, 10, 10, 30, 30), row(0, 0.8, 30, 10, 50, 30))
    assert [thing.box.x_min for thing in found(both, prepared=left).found] == [10]


def test_a_thing_across_a_seam_counts_once_and_is_whole() -> None:
    tiled = seen(128, 64, tiles_x=2)
    there = found(row(0, 0.7, 40, 20, 64, 40), row(0, 0.8, 0, 21, 30, 40), prepared=tiled)
    assert there.found == (Detection("bottle", pytest.approx(0.8), Box(40, 20, 94, 40)),)


def test_a_thing_in_the_corner_of_four_tiles_counts_once() -> None:
    tiled = seen(128, 128, tiles_x=2, tiles_y=2)
    quarters = [(50, 50, 64, 64), (0, 50, 14, 64), (50, 0, 64, 14), (0, 0, 14, 14)]
    there = found(*(row(1, 0.5, *quarter) for quarter in quarters), prepared=tiled)
    assert [thing.box for thing in there.found] == [Box(50, 50, 78, 78)]


def test_two_things_that_meet_at_a_seam_by_chance_stay_two() -> None:
    tiled = seen(128, 64, tiles_x=2)
    beside = found(row(0, 0.7, 40, 0, 64, 20), row(0, 0.8, 0, 40, 30, 60), prepared=tiled)
    other = found(row(0, 0.7, 40, 20, 64, 40), row(1, 0.8, 0, 20, 30, 40), prepared=tiled)
    assert len(beside.found) == len(other.found) == 2


def test_a_piece_of_what_the_neighbour_saw_whole_is_left_out_even_if_its_score_is_better() -> None:
    tiled = seen(96, 64, tiles_x=2, overlap=0.5)
    there = found(row(0, 0.9, 50, 20, 64, 40), row(0, 0.8, 18, 20, 40, 40), prepared=tiled)
    assert [thing.box for thing in there.found] == [Box(50, 20, 72, 40)]


def test_a_crowd_over_many_tiles_is_cut_to_the_best() -> None:
    tiled = seen(640, 640, tiles_x=10, tiles_y=10)
    # A hundred boxes of 4×4 pixels in every tile, none of which overlap or touch a seam.
    x, y = (place.ravel() * 6.0 + 3 for place in np.meshgrid(np.arange(10), np.arange(10)))
    crowd = np.column_stack([np.zeros(100), np.linspace(0.5, 0.9, 100), x, y, x + 4, y + 4]).astype(
        np.float32
    )
    there = found(*[crowd] * 100, prepared=tiled)
    assert len(there.found) == 300
    assert there.unknown_below > 0.85


def blobs(*places: tuple[int, int, tuple[int, int, int]]) -> Image:
    """Black, with a square of one cell of that colour at each (row, column)."""
    image = np.zeros((32, 32, 3), np.uint8)
    for row_, column, colour in places:
        image[row_ * 8 : row_ * 8 + 8, column * 8 : column * 8 + 8] = colour
    return image


def test_a_bundle_finds_what_is_there_and_where(tmp_path: Path) -> None:
    model = open_model(load(tiny_bundle.detection(tmp_path / "blobs")))
    view = prepare(blobs((1, 2, (255, 0, 0)), (3, 0, (0, 255, 0))), model.spec)
    there = model.decode(model.run(view), view)
    assert isinstance(there, Detections)
    assert {thing.label: thing.box for thing in there.found} == {
        "red": pytest.approx(Box(16, 8, 24, 16), abs=0.2),
        "green": pytest.approx(Box(0, 24, 8, 32), abs=0.2),
    }
    assert all(thing.score > 0.99 for thing in there.found)


def test_a_bundle_whose_labels_do_not_fit_its_model_is_refused(tmp_path: Path) -> None:
    bundle = load(tiny_bundle.detection(tmp_path / "blobs", labels=("red", "green", "blue")))
    with pytest.raises(BundleError, match=r"its outputs are 1×4×4×2, 1×4×4×4; a detector of 3 labels has"):
        open_model(bundle)


def test_a_bundle_of_another_task_does_not_open_as_a_detector(tmp_path: Path) -> None:
    bundle = load(tiny_bundle.detection(tmp_path / "blobs", model=tiny_model.classifier(size=32)))
    with pytest.raises(BundleError, match="its outputs are 1×3; a detector of 2 labels has"):
        open_model(bundle)
