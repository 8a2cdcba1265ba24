"""Segmentation: from a model's numbers to areas, a verdict, what a message says and what a person sees."""

from collections.abc import Callable
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
import tiny_bundle
import tiny_model
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from parts import frame
from pydantic import ValidationError

from edge.config import Check, Rules
from edge.config.segmentation import AreaLimits, SegmentationRules
from edge.errors import BundleError, ConfigError
from edge.geometry import Box, Image
from edge.judge.deviation import Limits
from edge.judge.rules import check_rules, judge
from edge.message import describe
from edge.model.bundle import load
from edge.model.interpreter import TensorSpec
from edge.model.manifest import Input
from edge.model.runner import open_model
from edge.model.segmentation import Segmenter
from edge.model.tables.segmentation import SegmentationHead
from edge.prediction import Prediction, Segmentation
from edge.preprocess.layout import InputSpec, lay_out
from edge.preprocess.stitch import stitch_classes
from edge.preprocess.tensor import prepare
from edge.store.legend import legend
from edge.store.marks import COLOURS
from edge.store.overlay import CAPTION_PX, overlay
from edge.types import Area, Decision, Finding, Frame, Inspection, Verdict

LABELS = ("good", "crack", "hole")
FRAME = Box(0, 0, 100, 50)
"""In a grid of 10×5 cells a cell is 10×10 px."""
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def segmented(
    classes: list[tuple[int, int, int]] | None = None,
    scores: float = 0.9,
    doubtful: list[tuple[int, int]] | None = None,
) -> Segmentation:
    """Good but for cells (row, column, class); `doubtful` cells are those whose class is unsure."""
    grid, sure = np.zeros((5, 10), np.uint8), np.full((5, 10), scores, np.float32)
    for row, column, kind in classes or []:
        grid[row, column] = kind
    for cell in doubtful or []:
        sure[cell] = 0.4
    return Segmentation(LABELS, grid, sure, np.ones((5, 10), np.bool_), FRAME)


def judged(segmentation: Segmentation, more: Rules | None = None, **rules: object) -> Decision:
    rules_of_all = (more or Rules()).model_copy(update={"segmentation": SegmentationRules(**rules)})
    return judge(segmentation, Limits(), rules_of_all)


def seen(model_bundle: Path, picture: Image) -> Segmentation:
    model = open_model(load(model_bundle))
    prepared = prepare(picture, model.spec)
    prediction = model.decode(model.run(prepared), prepared)
    assert isinstance(prediction, Segmentation)
    return prediction


def halves(
    left: tuple[int, int, int], right: tuple[int, int, int], rows: int = 32, columns: int = 32
) -> Image:
    picture = np.full((rows, columns, 3), left, np.uint8)
    picture[:, columns // 2 :] = right
    return picture


@pytest.mark.parametrize("output", ["int8", "float32"])
def test_each_cell_gets_the_label_with_the_highest_number(tmp_path: Path, output: str) -> None:
    bundle = tiny_bundle.segmentation(tmp_path / "colours", tiny_model.segmenter(output=output))
    prediction = seen(bundle, halves(GREEN, BLUE))
    assert prediction.classes.shape == (8, 8)
    assert (prediction.classes[:, :4] == 1).all()
    assert (prediction.classes[:, 4:] == 2).all()
    # e to the 1 against twice e to the -1, which is what a colour's own channel and the two others stand for.
    assert prediction.scores == pytest.approx(np.e / (np.e + 2 / np.e), abs=0.01)


@given(arrays(np.int8, (1, 3, 4, 5)), st.floats(0.001, 0.5))
def test_deciding_on_int8_is_deciding_on_the_real_numbers(numbers: np.ndarray, scale: float) -> None:
    spec = TensorSpec("classes", (1, 3, 4, 5), np.dtype(np.int8), scale, 3)
    classes, scores = Segmenter(("a", "b", "c", "d", "e"), spec, "model").score([numbers])
    real = (numbers[0].astype(np.float64) - 3) * scale
    shares = np.exp(real - real.max(2, keepdims=True))
    shares /= shares.sum(2, keepdims=True)
    chosen = np.take_along_axis(numbers[0], classes.astype(int)[..., None], 2)[..., 0]
    assert (chosen == numbers[0].max(2)).all()
    assert scores == pytest.approx(shares.max(2), rel=1e-4)


def test_of_a_tie_the_background_does_not_win() -> None:
    spec = TensorSpec("classes", (1, 1, 1, 2), np.dtype(np.int8), 0.1, 0)
    classes, _ = Segmenter(("good", "crack"), spec, "model").score([np.zeros((1, 1, 1, 2), np.int8)])
    assert classes[0, 0] == 1


def test_the_letterbox_counts_for_nothing(tmp_path: Path) -> None:
    bundle = tiny_bundle.segmentation(tmp_path / "a", input=Input(width=32, height=32, fit="letterbox"))
    prediction = seen(bundle, halves(RED, BLUE, rows=16))
    assert prediction.classes.shape == (4, 8)
    assert prediction.box == Box(0, 0, 32, 16)
    assert prediction.valid.all()


def test_tiles_are_put_together(tmp_path: Path) -> None:
    bundle = tiny_bundle.segmentation(tmp_path / "a", input=Input(width=32, height=32, tiles_x=2))
    prediction = seen(bundle, halves(RED, BLUE, columns=64))
    assert prediction.classes.shape == (8, 16)
    assert (prediction.classes == np.where(np.arange(16) < 8, 0, 2)).all()


def test_where_tiles_overlap_a_defect_is_not_outvoted() -> None:
    layout = lay_out(48, 32, InputSpec(32, 32, tiles_x=2, overlap=0.5))
    sure_good = np.stack([np.zeros((8, 8)), np.full((8, 8), 0.99)]).astype(np.float32)
    unsure_crack = np.stack([np.ones((8, 8)), np.full((8, 8), 0.6)]).astype(np.float32)
    for tiles in ([sure_good, unsure_crack], [unsure_crack, sure_good]):
        whole = stitch_classes(layout, tiles, LABELS)
        assert (whole.classes[:, 4:8] == 1).all()
        assert whole.scores[:, 4:8] == pytest.approx(0.6)
        assert (whole.classes == 0).sum() == 8 * 4
        assert whole.scores[whole.classes == 0] == pytest.approx(0.99)


def test_a_tile_with_a_score_that_is_no_number_is_not_hidden_by_its_neighbour() -> None:
    layout = lay_out(48, 32, InputSpec(32, 32, tiles_x=2, overlap=0.5))
    broken = np.zeros((2, 8, 8), np.float32)
    broken[1, :, 7] = nan
    fine = np.stack([np.ones((8, 8)), np.full((8, 8), 0.9)]).astype(np.float32)
    assert judged(stitch_classes(layout, [broken, fine], LABELS)).verdict is Verdict.ERROR


@pytest.mark.parametrize("number", [nan, inf, -inf])
def test_a_real_model_that_gives_what_is_no_number_is_an_error(number: float) -> None:
    spec = TensorSpec("classes", (1, 5, 10, 3), np.dtype(np.float32), 0.0, 0)
    numbers = np.zeros((1, 5, 10, 3), np.float32)
    numbers[0, 2, 2] = number
    scores = Segmenter(LABELS, spec, "model").score([numbers])
    layout = lay_out(100, 50, InputSpec(100, 50))
    assert judged(stitch_classes(layout, [scores], LABELS)).verdict is Verdict.ERROR


@pytest.mark.parametrize(
    ("model", "labels", "words"),
    [
        (tiny_model.segmenter, ("good", "crack"), "1×rows×columns×2 is needed"),
        (tiny_model.backbone, ("good", "a", "b"), "has 2 outputs; a segmentation has one"),
        (lambda: tiny_model.classifier(size=32), ("good", "a", "b"), "1×rows×columns×3 is needed"),
    ],
)
def test_a_model_that_is_no_segmenter_is_refused(
    tmp_path: Path, model: Callable[[], bytes], labels: tuple[str, ...], words: str
) -> None:
    bundle = tiny_bundle.segmentation(tmp_path / "a", model(), labels)
    with pytest.raises(BundleError, match=words):
        open_model(load(bundle))


def test_two_classes_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="crack is there more than once"):
        SegmentationHead(labels=["good", "crack", "crack"])


def test_nothing_but_background_passes() -> None:
    decision = judged(segmented())
    assert (decision.verdict, decision.score, decision.label) == (Verdict.PASS, 0.0, None)


def test_an_empty_picture_is_inconclusive_where_the_rules_say_so() -> None:
    decision = judged(segmented(), empty="inconclusive")
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reasons == ("nothing but the first label was found (empty)",)


def test_too_large_an_area_fails_and_is_named() -> None:
    decision = judged(segmented([(1, 1, 1), (1, 2, 1), (4, 9, 2)]), max_area=150)
    assert decision.verdict is Verdict.FAIL
    assert decision.reasons == ("crack: 200 px² is over 150 (max_area)",)
    assert (decision.label, decision.score) == ("crack", pytest.approx(0.04))
    assert [(area.label, area.area_px, area.area_mm2) for area in decision.areas] == [
        ("crack", 200, None),
        ("hole", 100, None),
    ]


def test_an_area_between_the_limits_is_inconclusive() -> None:
    decision = judged(segmented([(1, 1, 1)]), max_area=150, pass_area=50)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reasons == ("crack: 100 px² lies between 50 (pass_area) and 150 (max_area)",)


def test_an_area_up_to_the_lower_limit_passes() -> None:
    assert judged(segmented([(1, 1, 1)]), max_area=150, pass_area=100).verdict is Verdict.PASS


def test_areas_are_in_mm2_where_the_size_of_a_pixel_is_known() -> None:
    decision = judged(segmented([(1, 1, 1)]), unit="mm2", mm_per_px=0.1, max_area=0.5)
    assert decision.reasons == ("crack: 1 mm² is over 0.5 (max_area)",)
    assert decision.areas[0].area_mm2 == pytest.approx(1.0)


def test_limits_of_a_label_take_the_place_of_those_of_all() -> None:
    found = segmented([(1, 1, 1), (2, 5, 2)])
    limits = [AreaLimits(label="hole", max_area=100)]
    assert judged(found, max_area=0, limits=limits).reasons == ("crack: 100 px² is over 0 (max_area)",)


def test_a_label_that_must_be_there_fails_where_it_is_too_small() -> None:
    limits = [AreaLimits(label="hole", max_area=5000, min_area=150)]
    decision = judged(segmented([(2, 5, 2)]), limits=limits)
    assert (decision.verdict, decision.reasons) == (
        Verdict.FAIL,
        ("hole: 100 px² is under 150 (min_area)",),
    )


@pytest.mark.parametrize("kind", [0, 1])
def test_cells_in_doubt_neither_pass_nor_fail(kind: int) -> None:
    decision = judged(segmented([(1, 1, kind)], doubtful=[(1, 1)]))
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "100 px² are too unsure to be called anything (min_probability)" in decision.reasons[0]


def test_what_is_in_doubt_does_not_matter_where_the_limit_is_far() -> None:
    assert judged(segmented(doubtful=[(1, 1)]), max_area=100).verdict is Verdict.PASS


def test_a_label_that_must_be_there_may_be_in_what_is_in_doubt() -> None:
    limits = [AreaLimits(label="hole", max_area=5000, min_area=150)]
    decision = judged(segmented([(2, 5, 2)], doubtful=[(2, 6)]), max_area=5000, limits=limits)
    assert decision.verdict is Verdict.INCONCLUSIVE


def test_specks_do_not_count() -> None:
    found = segmented([(0, 0, 1), (2, 2, 1), (3, 3, 1)])
    decision = judged(found, Rules(min_area_px=150), max_area=199)
    assert decision.areas[0].area_px == 200
    assert decision.verdict is Verdict.FAIL


def test_what_is_ignored_does_not_count() -> None:
    ignore = [[(0.0, 0.0), (50.0, 0.0), (50.0, 50.0), (0.0, 50.0)]]
    assert judged(segmented([(1, 1, 1)]), Rules(ignore=ignore)).verdict is Verdict.PASS


def test_a_picture_of_which_nothing_counts_is_an_error() -> None:
    everything = [[(-1.0, -1.0), (101.0, -1.0), (101.0, 51.0), (-1.0, 51.0)]]
    decision = judged(segmented(), Rules(ignore=everything))
    assert decision.verdict is Verdict.ERROR
    assert "leave no cell" in decision.reasons[0]


def test_regions_are_the_connected_areas_of_a_label_largest_first() -> None:
    decision = judged(segmented([(0, 0, 2), (2, 2, 1), (2, 3, 1), (3, 4, 1)]))
    assert [(region.label, region.area_px) for region in decision.regions] == [("crack", 300), ("hole", 100)]
    assert decision.regions[0].box == Box(20, 20, 50, 40)


@given(arrays(np.uint8, (5, 10), elements=st.integers(0, 2)), st.integers(0, 4), st.integers(0, 9))
def test_another_cell_of_a_defect_never_makes_a_part_better(grid: np.ndarray, row: int, column: int) -> None:
    def verdict(classes: np.ndarray) -> Verdict:
        scores = np.full((5, 10), 0.9, np.float32)
        found = Segmentation(LABELS, classes, scores, np.ones((5, 10), np.bool_), FRAME)
        return judged(found, Rules(min_area_px=150), max_area=900, pass_area=300).verdict

    worse = grid.copy()
    worse[row, column] = worse[row, column] or 1
    assert verdict(worse).severity >= verdict(grid).severity


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"unit": "mm2"}, "unit: mm2 needs mm_per_px"),
        ({"pass_area": 2, "max_area": 1}, "pass_area: 2 is over max_area, which is 1"),
        ({"limits": [{"label": "crak", "max_area": 1}]}, "no label 'crak'; did you mean 'crack'"),
        ({"limits": [{"label": "good", "max_area": 1}]}, "'good' is the background"),
        ({"limits": [{"label": "hole", "max_area": 1, "min_area": 2}]}, "min_area: 2 is over max_area"),
        ({"limits": [{"label": "hole", "max_area": 1, "pass_area": 2}]}, "pass_area: 2 is over max_area"),
        ({"limits": [{"label": "hole", "max_area": 1}] * 2}, "'hole' has limits already"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(tmp_path: Path, rules: dict[str, object], words: str) -> None:
    check = Check(
        name="tile", bundle=tmp_path, rules=Rules(segmentation=SegmentationRules.model_validate(rules))
    )
    with pytest.raises(ConfigError, match=words):
        check_rules(check, Limits(), "segmentation", LABELS)


def inspected(prediction: Prediction, decision: Decision, picture: Frame) -> Inspection:
    return Inspection(picture, (Finding("tile", decision, None, prediction),), decision, {})


def test_a_message_says_how_large_each_label_is() -> None:
    found = segmented([(1, 1, 1)])
    decision = judged(found, mm_per_px=0.1)
    told = describe(inspected(found, decision, frame(np.zeros((50, 100, 3), np.uint8))), "tiles")
    assert told["checks"][0]["areas"] == [
        {"label": "crack", "area_px": 100.0, "area_mm2": 1.0},
        {"label": "hole", "area_px": 0.0, "area_mm2": 0.0},
    ]


def test_each_label_has_its_colour_and_a_legend_names_it() -> None:
    flat = np.full((250, 500, 3), 100, np.uint8)
    grid = np.zeros((5, 10), np.uint8)
    grid[3, 2], grid[3, 7] = 1, 2
    full = np.ones((5, 10), np.bool_)
    found = Segmentation(LABELS, grid, full.astype(np.float32), full, Box(0, 0, 500, 250))
    drawn = overlay(inspected(found, judged(found), frame(flat)), {})
    crack, hole, good = drawn[175, 125], drawn[175, 375], drawn[175, 250]
    assert good.tolist() == [100, 100, 100]
    assert not (crack == 100).all()
    assert not (hole == 100).all()
    assert np.abs(crack.astype(int) - hole).sum() > 60
    # Below picture and caption, a chip of each colour.
    words = drawn[250 + CAPTION_PX :].reshape(-1, 3).tolist()
    assert list(COLOURS[0]) in words
    assert list(COLOURS[1]) in words


def test_there_is_no_legend_where_there_is_nothing_to_name() -> None:
    flat = np.full((250, 500, 3), 100, np.uint8)
    found = segmented()
    drawn = overlay(inspected(found, judged(found), frame(flat)), {})
    assert drawn.shape[0] == 250 + CAPTION_PX
    assert (drawn[:250] == 100).all()


def test_a_legend_of_many_long_labels_takes_several_lines() -> None:
    areas = [(Area(f"a scratch of kind {number}", 100.0), COLOURS[0]) for number in range(9)]
    narrow, wide = legend(areas, 320), legend(areas, 1280)
    assert narrow is not None
    assert wide is not None
    assert narrow.shape[1] == 320
    assert narrow.shape[0] > wide.shape[0]
