"""Decoders of other people's models, as pure functions, against boxes and masks that were worked out by hand."""

from collections.abc import Sequence
from math import e, log
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tiny_model

from edge.errors import InferenceError
from edge.model.interpreter import TensorSpec
from edge.model.layouts import boxes, masks
from edge.model.layouts.activations import activated
from edge.model.layouts.anchors import GRIDS, count, on_grids
from edge.model.runtime import open_interpreter
from edge.model.tables.outputs import (
    BoxLayout,
    ClassMap,
    ClassScores,
    Grid,
    MaskLayout,
    OneMask,
    PostProcessed,
    Ssd,
    Yolo5,
    Yolo8,
    YoloEnd,
)

SIZE = 320, 160
NAN = float("nan")


def spec(
    shape: tuple[int, ...], dtype: str = "float32", scale: float = 0.0, zero_point: int = 0
) -> TensorSpec:
    return TensorSpec("output", shape, np.dtype(dtype), scale, zero_point)


def decoded(
    layout: BoxLayout,
    outputs: Sequence[Any],
    least: float = 0.5,
    anchors: npt.NDArray[np.float32] | None = None,
    specs: Sequence[TensorSpec] | None = None,
) -> list[tuple[int, float, list[float]]]:
    """Class, score and box of each candidate, best first."""
    arrays = [np.asarray(output, np.float32 if specs is None else None) for output in outputs]
    specs = specs or [spec(array.shape) for array in arrays]
    found = boxes.decoder(layout, specs, SIZE, anchors)(arrays, least)
    best = np.argsort(-found.scores)
    return [
        (int(found.classes[row]), float(found.scores[row]), [round(float(x), 5) for x in found.boxes[row]])
        for row in best
    ]


def close(box: Sequence[float]) -> object:
    return pytest.approx(list(box), abs=1e-4)


POST = ([[[0.1, 0.2, 0.5, 0.6], [0, 0, 1, 1], [0.3, 0.3, 0.4, 0.4]]], [[2, 0, 1]], [[0.9, 0.4, 0.8]])


def test_a_post_process_gives_top_left_bottom_right() -> None:
    assert decoded(PostProcessed(), [*POST, [3]]) == [
        (2, pytest.approx(0.9), close([0.2, 0.1, 0.6, 0.5])),
        (1, pytest.approx(0.8), close([0.3, 0.3, 0.4, 0.4])),
    ]


def test_a_post_process_counts_only_what_it_says_is_filled() -> None:
    assert [found[0] for found in decoded(PostProcessed(), [*POST, [1]])] == [2]


def test_a_post_process_may_have_its_outputs_in_another_order() -> None:
    rows, classes, scores = POST
    layout = PostProcessed(boxes=1, classes=3, scores=0, count=2)
    assert decoded(layout, [scores, rows, [3], classes])[0][::2] == (2, close([0.2, 0.1, 0.6, 0.5]))


def test_an_ssd_moves_and_stretches_its_anchors() -> None:
    anchors = np.array([[0.5, 0.5, 0.2, 0.4], [0.1, 0.1, 0.1, 0.1]], np.float32)
    # y + 1/10 of the height, x - 1/2 of the width; twice as high, e times as wide.
    coded = [[[1.0, -5.0, 5 * log(2), 5.0], [0, 0, 0, 0]]]
    layout = Ssd(type="ssd")
    ((label, score, box),) = decoded(layout, [coded, [[[-9, 2.0], [-9, -9]]]], anchors=anchors)
    assert (label, score) == (1, pytest.approx(1 / (1 + e**-2)))
    x, y, width, height = 0.5 - 0.1, 0.5 + 0.04, 0.2 * e, 0.4 * 2
    assert box == close([x - width / 2, y - height / 2, x + width / 2, y + height / 2])


def test_an_ssd_is_decoded_as_tflites_own_post_process_does_it() -> None:
    random = np.random.default_rng(3)
    coded = random.normal(0, 2, (24, 4)).astype(np.float32)
    scores = random.random((24, 4)).astype(np.float32)
    theirs = random.uniform(0.1, 0.9, (24, 4)).astype(np.float32)  # y, x, height, width
    interpreter = open_interpreter(tiny_model.post_processed(coded, scores, theirs), 1, None)
    interpreter.invoke()
    outputs = [interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()]
    wanted = decoded(PostProcessed(), outputs, least=0.0)
    layout = Ssd(type="ssd", activation="none", background=True)
    found = decoded(layout, [coded[None], scores[None]], least=0.0, anchors=theirs[:, [1, 0, 3, 2]])
    assert len(wanted) == len(found) == 24
    for (label, score, box), (its_label, its_score, its_box) in zip(found, wanted, strict=True):
        assert (label, score) == (its_label, pytest.approx(its_score))
        assert box == close(its_box)


def test_an_ssd_that_knows_a_background_never_names_it() -> None:
    anchors = np.full((1, 4), 0.5, np.float32)
    layout = Ssd(type="ssd", activation="softmax", background=True)
    assert decoded(layout, [[[[0, 0, 0, 0]]], [[[9.0, 0, 1]]]], anchors=anchors) == []
    ((label, score, _),) = decoded(layout, [[[[0, 0, 0, 0]]], [[[0.0, 0, 2]]]], anchors=anchors)
    assert (label, score) == (1, pytest.approx(e**2 / (2 + e**2)))


def test_an_ssd_of_fixed_anchors_has_linear_sizes_and_more_numbers_than_a_box() -> None:
    grid = Grid(stride_px=160, anchors=1)
    anchors = on_grids([grid], *SIZE)
    assert anchors.tolist() == [[0.25, 0.5, 1, 1], [0.75, 0.5, 1, 1]]
    layout = Ssd(type="ssd", order="xywh", scale=[320, 160, 320, 160], sizes="linear", grids=[grid])
    coded = [[[32, -16, 64, 80, 7, 7], [0, 0, 1, 1, 7, 7]]]
    ((_, _, box),) = decoded(layout, [coded, [[[3.0], [-3.0]]]], anchors=anchors)
    assert box == close([0.35 - 0.1, 0.4 - 0.25, 0.35 + 0.1, 0.4 + 0.25])


@pytest.mark.parametrize(
    ("grids", "size", "wanted"),
    [(0, 128, 896), (1, 192, 2304), (0, 192, 2016), (2, 224, 2254), (3, 256, 896)],
)
def test_mediapipes_detectors_have_so_many_anchors(grids: int, size: int, wanted: int) -> None:
    assert count(GRIDS[grids], size, size) == wanted == len(on_grids(GRIDS[grids], size, size))


def test_a_yolov5_multiplies_objectness_and_label() -> None:
    rows = [[[0.5, 0.5, 0.2, 0.4, 0.9, 0.1, 0.8], [0.1, 0.1, 0.1, 0.1, 0.4, 1, 1], [0, 0, 0, 0, 0.6, 0.6, 0]]]
    assert decoded(Yolo5(type="yolov5"), [rows]) == [(1, pytest.approx(0.72), close([0.4, 0.3, 0.6, 0.7]))]


def test_a_yolov8_has_a_column_for_each_box() -> None:
    rows = np.array([[0.5, 0.5, 0.2, 0.4, 0.1, 0.8], [0.1, 0.1, 0.1, 0.1, 0.3, 0.2]])
    wanted = [(1, pytest.approx(0.8), close([0.4, 0.3, 0.6, 0.7]))]
    assert decoded(Yolo8(type="yolov8"), [rows.T[np.newaxis]]) == wanted
    assert decoded(Yolo8(type="yolov8", rows=True), [rows[np.newaxis]]) == wanted


def test_a_yolo_that_speaks_in_pixels_means_those_of_its_input() -> None:
    columns = np.array([[160.0, 80, 64, 64, 0.9]]).T[np.newaxis]
    layout = Yolo8(type="yolov8", coordinates="pixels")
    assert decoded(layout, [columns]) == [(0, pytest.approx(0.9), close([0.4, 0.3, 0.6, 0.7]))]


def test_a_yolo_with_its_own_suppression_gives_corners() -> None:
    rows = [[[0.1, 0.2, 0.3, 0.4, 0.9, 3], [0, 0, 1, 1, 0.2, 1]]]
    assert decoded(YoloEnd(type="yolo_end"), [rows]) == [(3, pytest.approx(0.9), close([0.1, 0.2, 0.3, 0.4]))]


@pytest.mark.parametrize(("dtype", "zero_point"), [("uint8", 0), ("int8", -128)])
def test_quantized_outputs_are_read_at_their_scale(dtype: str, zero_point: int) -> None:
    rows = np.array([[[128, 128, 64, 64, 255, 230]]]) + zero_point
    specs = [spec((1, 1, 6), dtype, 1 / 256, zero_point)]
    ((label, score, box),) = decoded(Yolo5(type="yolov5"), [rows.astype(dtype)], specs=specs)
    assert (label, score) == (0, pytest.approx(255 * 230 / 256**2))
    assert box == close([0.375, 0.375, 0.625, 0.625])


ONE_ANCHOR = np.full((1, 4), 0.5, np.float32)
BAD: list[tuple[BoxLayout, list[Any]]] = [
    (PostProcessed(), [[[[0, 0, 1, 1]]], [[0]], [[NAN]], [1]]),
    (PostProcessed(), [[[[0, NAN, 1, 1]]], [[0]], [[0.9]], [1]]),
    (PostProcessed(), [[[[0, 0, 1, 1]]], [[NAN]], [[0.9]], [1]]),
    (PostProcessed(), [[[[0, 0, 1, 1]]], [[0]], [[0.9]], [NAN]]),
    (Ssd(type="ssd"), [[[[0, 0, 0, 0]]], [[[NAN, 0]]]]),
    (Ssd(type="ssd", activation="softmax"), [[[[0, 0, 0, 0]]], [[[0, NAN]]]]),
    (Ssd(type="ssd"), [[[[NAN, 0, 0, 0]]], [[[9, 0]]]]),
    (Yolo5(type="yolov5"), [[[[0, 0, 1, 1, NAN, 1]]]]),
    (Yolo5(type="yolov5"), [[[[0, 0, 1, 1, 1, NAN]]]]),
    (Yolo8(type="yolov8"), [[[[0], [0], [1], [1], [NAN]]]]),
    (Yolo8(type="yolov8"), [[[[0], [NAN], [1], [1], [0.9]]]]),
    (YoloEnd(type="yolo_end"), [[[[0, 0, 1, 1, NAN, 0]]]]),
]


@pytest.mark.parametrize(("layout", "outputs"), BAD)
def test_what_is_not_a_number_is_an_error_and_never_left_out(layout: BoxLayout, outputs: list[Any]) -> None:
    with pytest.raises(InferenceError, match="that is not a number"):
        decoded(layout, outputs, anchors=ONE_ANCHOR)


def test_a_sigmoid_does_not_overflow() -> None:
    with np.errstate(all="raise"):
        assert activated(np.array([-1e4, 0, 1e4], np.float32), "sigmoid").tolist() == pytest.approx(
            [0, 0.5, 1]
        )


def labelled(layout: MaskLayout, output: Any, labels: int, dtype: str = "float32") -> masks.Labelled:
    array = np.asarray(output, dtype)
    return masks.decoder(layout, spec(array.shape, dtype), labels)(array)


@pytest.mark.parametrize("dtype", ["int64", "int32", "float32"])
def test_a_class_map_is_taken_at_its_word(dtype: str) -> None:
    found = labelled(ClassMap(type="class_map"), [[[0, 2], [1, 0]]], 3, dtype)
    assert found.classes.tolist() == [[0, 2], [1, 0]]
    assert found.scores.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("number", [3, -1])
def test_a_class_map_with_a_label_that_is_not_there_is_an_error(number: int) -> None:
    with pytest.raises(InferenceError, match="but the bundle has 3 labels"):
        labelled(ClassMap(type="class_map"), [[[0, number]]], 3)


def test_class_scores_become_the_winner_and_its_probability() -> None:
    found = labelled(ClassScores(type="class_scores"), [[[[0.0, log(3)], [log(4), 0]]]], 2)
    assert found.classes.tolist() == [[1, 0]]
    assert found.scores.tolist() == [[pytest.approx(0.75), pytest.approx(0.8)]]


def test_a_mask_says_what_is_more_likely_than_not() -> None:
    for shape in ((1, 1, 2, 1), (1, 1, 2)):
        found = labelled(OneMask(type="mask"), np.reshape([0.2, 0.9], shape), 2)
        assert found.classes.tolist() == [[0, 1]]
        assert found.scores.tolist() == [[pytest.approx(0.8), pytest.approx(0.9)]]


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        (ClassMap(type="class_map"), (1, 1, 2)),
        (ClassScores(type="class_scores"), (1, 1, 1, 2)),
        (OneMask(type="mask"), (1, 1, 2)),
    ],
)
def test_a_mask_with_what_is_not_a_number_is_an_error(layout: MaskLayout, shape: tuple[int, ...]) -> None:
    with pytest.raises(InferenceError, match="that is not a number"):
        labelled(layout, np.reshape([0, NAN], shape), 2)
