"""The figures of `edge eval`."""

from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cli.evaluation import Evaluation, mask_of, read_classes, read_mask
from edge.errors import ConfigError
from edge.geometry import Box, Classes, Map
from edge.prediction import Anomaly, Segmentation
from edge.types import Decision, Finding, Frame, Inspection, Verdict

WIDTH, HEIGHT = 80, 60
LABELS = ("good", "crack", "hole")


def part(scores: Map, verdict: Verdict = Verdict.FAIL) -> Inspection:
    """A part with one check that looked at the whole frame."""
    frame = Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0, 0, datetime.now(UTC), "files")
    prediction = Anomaly(scores, np.ones(scores.shape, np.bool_), Box(0, 0, WIDTH, HEIGHT))
    decision = Decision(verdict, (), float(scores.max()))
    return Inspection(frame, (Finding("check", decision, None, prediction),), decision, {"inference": 4.0})


def unfit() -> Inspection:
    frame = Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0, 0, datetime.now(UTC), "files")
    return Inspection(frame, (), Decision(Verdict.INCONCLUSIVE, ("too dark",)), {})


def write(path: Path, colour: tuple[int, int, int] | None = None) -> Path:
    """A picture; with a colour, of a mask with a bad square of 20 pixels at the left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    if colour is not None:
        pixels[20:40, 0:20] = colour[::-1]
    cv2.imwrite(str(path), pixels)
    return path


def hot_left() -> Map:
    scores = np.full((6, 8), 0.3, np.float32)
    scores[2:4, :2] = 2
    return scores


def test_masks_give_pixel_figures_and_good_parts_count_in_them(tmp_path: Path) -> None:
    picture = write(tmp_path / "bad" / "a.png")
    write(tmp_path / "masks" / "a_mask.png", (255, 255, 255))
    without, with_good = Evaluation(), Evaluation()
    for evaluation in (without, with_good):
        evaluation.add(picture, part(hot_left()), is_bad=True, masks=tmp_path / "masks")
    falsely_hot = part(np.full((6, 8), 3, np.float32))
    with_good.add(tmp_path / "good.png", falsely_hot, is_bad=False, masks=tmp_path / "masks")
    assert without.figures()["pixel_auroc"] > 0.99
    assert without.figures()["au_pro"] > 0.97
    assert with_good.figures()["pixel_auroc"] < 0.6
    assert with_good.figures()["au_pro"] < 0.1


def test_without_masks_there_are_no_pixel_figures() -> None:
    evaluation = Evaluation()
    evaluation.add(Path("a.png"), part(hot_left()), is_bad=True, masks=None)
    assert not {"pixel_auroc", "au_pro"} & evaluation.figures().keys()


def test_pictures_without_a_score_are_counted() -> None:
    evaluation = Evaluation()
    evaluation.add(Path("a.png"), part(hot_left()), is_bad=True, masks=None)
    evaluation.add(Path("b.png"), unfit(), is_bad=True, masks=None)
    figures = evaluation.figures()
    assert (figures["bad"], figures["unscored"], figures["undecided_bad"]) == (2, 1, 1)


def test_a_mask_may_have_any_bright_colour(tmp_path: Path) -> None:
    bad = read_mask(write(tmp_path / "mask.png", (35, 164, 54)), WIDTH, HEIGHT)
    assert bad.sum() == 400
    assert bad[20:40, 0:20].all()


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "mask.png", (255, 0, 0))
    with pytest.raises(ConfigError, match=r"mask.png: is 80×60, its picture 160×60"):
        read_mask(path, 2 * WIDTH, HEIGHT)


def test_masks_may_lie_beside_the_pictures(tmp_path: Path) -> None:
    picture, mask = write(tmp_path / "crack" / "a.jpg"), write(tmp_path / "crack" / "a_mask.png", (255, 0, 0))
    assert mask_of(picture, tmp_path) == mask


def test_a_mask_may_have_the_name_of_its_picture(tmp_path: Path) -> None:
    picture, mask = write(tmp_path / "bad" / "a[1].jpg"), write(tmp_path / "masks" / "a[1].png", (255, 0, 0))
    assert mask_of(picture, tmp_path / "masks") == mask


def test_of_masks_with_one_name_that_of_the_same_class_is_meant(tmp_path: Path) -> None:
    picture = write(tmp_path / "test" / "crack" / "000.png")
    write(tmp_path / "masks" / "blowhole" / "000_mask.png", (255, 0, 0))
    mask = write(tmp_path / "masks" / "crack" / "000_mask.png", (255, 0, 0))
    assert mask_of(picture, tmp_path / "masks") == mask


def test_a_picture_is_not_its_own_mask(tmp_path: Path) -> None:
    picture = write(tmp_path / "crack" / "a.jpg")
    with pytest.raises(ConfigError, match=r"holds no mask for a.jpg; expected a_mask.png"):
        mask_of(picture, tmp_path)


def segmented(classes: Classes) -> Inspection:
    """A part whose check segmented it into 6×8 cells of 10×10 px."""
    frame = Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0, 0, datetime.now(UTC), "files")
    full = np.ones(classes.shape, np.bool_)
    prediction = Segmentation(LABELS, classes, full.astype(np.float32), full, Box(0, 0, WIDTH, HEIGHT))
    decision = Decision(Verdict.FAIL, (), 0.1)
    return Inspection(frame, (Finding("check", decision, None, prediction),), decision, {"inference": 4.0})


def cells(kind: int, columns: int) -> Classes:
    """`kind` in rows 2 and 3 and so many columns from the left: the square of `write` has two."""
    classes = np.zeros((6, 8), np.uint8)
    classes[2:4, :columns] = kind
    return classes


def test_of_a_segmentation_masks_give_the_iou_of_each_label(tmp_path: Path) -> None:
    evaluation = Evaluation()
    for label in ("crack", "hole"):
        write(tmp_path / "masks" / label / "a_mask.png", (255, 255, 255))
        picture = write(tmp_path / "bad" / label / "a.png")
        kind, columns = (1, 4) if label == "crack" else (2, 2)
        evaluation.add(picture, segmented(cells(kind, columns)), is_bad=True, masks=tmp_path / "masks")
    figures = evaluation.figures()
    assert figures["iou"] == {"crack": 0.5, "hole": 1.0}
    assert figures["mean_iou"] == 0.75
    assert figures["defect_iou"] == pytest.approx(800 / 1200, abs=1e-4)


def test_a_defect_in_a_good_part_counts_against_the_iou(tmp_path: Path) -> None:
    evaluation = Evaluation()
    write(tmp_path / "masks" / "crack" / "a_mask.png", (255, 255, 255))
    picture = write(tmp_path / "bad" / "crack" / "a.png")
    evaluation.add(picture, segmented(cells(1, 2)), is_bad=True, masks=tmp_path / "masks")
    evaluation.add(tmp_path / "b.png", segmented(cells(1, 2)), is_bad=False, masks=tmp_path / "masks")
    assert evaluation.figures()["iou"]["crack"] == 0.5


def test_a_mask_without_a_label_counts_for_defects_but_for_no_label(tmp_path: Path) -> None:
    evaluation = Evaluation()
    write(tmp_path / "masks" / "a_mask.png", (255, 255, 255))
    picture = write(tmp_path / "bad" / "a.png")
    evaluation.add(picture, segmented(cells(2, 2)), is_bad=True, masks=tmp_path / "masks")
    figures = evaluation.figures()
    assert figures["defect_iou"] == 1.0
    assert figures["iou"] == {"crack": None, "hole": None}


def test_a_mask_of_several_labels_names_them_by_number(tmp_path: Path) -> None:
    write(tmp_path / "mask.png", (2, 2, 2))
    found = read_classes(tmp_path / "mask.png", WIDTH, HEIGHT, LABELS)
    assert (found[20:40, :20] == 2).all()
    assert found.sum() == 2 * 400
