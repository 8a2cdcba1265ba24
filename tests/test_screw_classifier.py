"""The screw classifier that comes with the program, on boards put together from its golden pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from parts import frame

from edge.config import Check as CheckConfig
from edge.config import Quality, Rectangle, Rules
from edge.geometry import Image
from edge.model.bundle import load
from edge.model.runner import open_model
from edge.model.shipped import bundles
from edge.model.verify import verify
from edge.pipeline import Check, judge_frame, prepare_frame
from edge.preprocess.picture import read
from edge.preprocess.quality import QualityGate
from edge.types import Inspection, Verdict

BUNDLE = next(folder for folder in bundles() if folder.name == "screw-classifier")
PLACES = {"upper-left": (0, 65), "upper-right": (300, 65), "lower-left": (0, 425), "lower-right": (320, 425)}
PLACE_PX = 265
RULES = Rules(good_labels=["present"])


def place(label: str, number: int) -> Image:
    return read(sorted(BUNDLE.glob(f"golden-{label}-*.png"))[number])


def board(*labels: str) -> Image:
    """A board of 600×789 pixels; its places, row by row, are of different boards."""
    picture = np.full((789, 600, 3), (170, 120, 60), np.uint8)
    for number, (label, (left, top)) in enumerate(zip(labels, PLACES.values(), strict=True)):
        picture[top : top + PLACE_PX, left : left + PLACE_PX] = place(label, number % 3)
    return picture


def inspected(picture: Image) -> Inspection:
    """The picture, judged with a check for each place."""
    model = open_model(load(BUNDLE))
    checks = [
        Check(
            CheckConfig(
                name=name,
                bundle=BUNDLE,
                roi=Rectangle(x_min=x, y_min=y, x_max=x + PLACE_PX, y_max=y + PLACE_PX),
                rules=RULES,
            ),
            model,
        )
        for name, (x, y) in PLACES.items()
    ]
    gate = QualityGate(model.quality, Quality(frozen_after=0))
    return judge_frame(prepare_frame(frame(picture), gate, checks))


def test_it_answers_for_its_golden_pictures_as_when_it_was_made() -> None:
    bundle = load(BUNDLE)
    verify(bundle)
    assert {golden.label for golden in bundle.manifest.golden} == {"missing", "present"}


def test_it_is_as_small_as_was_promised() -> None:
    assert len(load(BUNDLE).files["classifier.tflite"]) <= 5_000_000


def test_a_board_with_all_its_screws_passes() -> None:
    part = inspected(board("present", "present", "present", "present"))
    assert part.decision.verdict is Verdict.PASS


@pytest.mark.parametrize("missing", range(4))
def test_a_board_that_misses_a_screw_fails_at_that_place(missing: int) -> None:
    labels = ["present"] * 4
    labels[missing] = "missing"
    part = inspected(board(*labels))
    assert part.decision.verdict is Verdict.FAIL
    assert [finding.decision.label for finding in part.findings] == labels
    assert "missing: is not one of good_labels" in part.findings[missing].decision.reasons[0]


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("label", ["missing", "present"])
def test_a_turned_place_is_what_it_was(label: str, turns: int) -> None:
    picture = np.ascontiguousarray(np.rot90(place(label, 0), turns))
    corner = np.full((789, 600, 3), (170, 120, 60), np.uint8)
    corner[65 : 65 + PLACE_PX, :PLACE_PX] = picture
    assert inspected(corner).findings[0].decision.label == label


def test_bare_wood_does_not_pass() -> None:
    wood = cv2.GaussianBlur(np.random.default_rng(0).integers(90, 160, (789, 600, 3), np.uint8), (0, 0), 2)
    assert inspected(np.asarray(wood, np.uint8)).decision.verdict is not Verdict.PASS


def test_its_card_has_its_digest() -> None:
    card = (BUNDLE / "README.md").read_text()
    assert load(BUNDLE).manifest.files["classifier.tflite"].sha256 in card


def test_its_folder_holds_nothing_that_no_one_checks() -> None:
    named = {*load(BUNDLE).manifest.files, "model.toml", "README.md"}
    assert {path.name for path in Path(BUNDLE).iterdir()} == named
