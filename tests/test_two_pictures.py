"""A camera that gives two sizes at once: the small picture is judged and taught, the large one is for people."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from parts import frame, heat, part, picture, report

from edge.config import Evidence, Quality
from edge.errors import CaptureError
from edge.geometry import Image
from edge.mailbox import Mailbox
from edge.pipeline import capture, prepare_frame
from edge.preprocess.layout import InputSpec
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.quality import QualityGate, QualityLimits
from edge.preprocess.tensor import prepare
from edge.service import Crew, Trouble
from edge.store.evidence import EvidenceStore
from edge.store.overlay import CAPTION_PX, overlay
from edge.store.sheet import exhibits_in
from edge.types import EndOfFrames, Frame, Inspection, Miss, Verdict

LARGE = picture(width=640, height=480, grey=90)


def with_both(inspection: Inspection) -> Inspection:
    assert isinstance(inspection.frame, Frame)
    return replace(inspection, frame=replace(inspection.frame, evidence=LARGE))


def small(width: int = 224, height: int = 224) -> Image:
    return picture(width=width, height=height, grey=90)


def test_evidence_keeps_the_large_picture(tmp_path: Path) -> None:
    inspection = with_both(part(Verdict.FAIL, small()))
    settings = Evidence(min_free_mb=0, pass_rate=1.0)
    kept = EvidenceStore(tmp_path, settings, {}).keep(report(1, inspection), inspection)
    assert PIL.Image.open(kept.files[0]).size == (640, 480)


def test_a_report_says_in_which_pixels_its_boxes_are() -> None:
    told = report(1, with_both(part(Verdict.FAIL, small()))).to_json()
    assert told["camera"]["size"] == [224, 224]


def test_heat_lies_over_the_large_picture_where_the_small_one_had_it() -> None:
    hot = heat(rows=14, columns=14, hot=1.6, at=(2, 10))
    inspection = with_both(part(Verdict.FAIL, small(), scores=hot))
    drawn = overlay(inspection, {}, compare=False)
    cold = overlay(with_both(part(Verdict.PASS, small(), scores=heat(14, 14))), {}, compare=False)
    rows = drawn.shape[0] - CAPTION_PX
    changed = (drawn[:rows].astype(int) != cold[:rows]).any(axis=2)
    y, x = (float(np.median(at)) for at in np.nonzero(changed))
    assert abs(x / drawn.shape[1] - 11 / 14) < 0.05
    assert abs(y / rows - 3 / 14) < 0.05
    assert drawn.shape[1] > 224  # there is more to see than what was judged


def test_a_contact_sheet_shows_the_region_at_its_place_in_the_large_picture(tmp_path: Path) -> None:
    hot = heat(rows=14, columns=14, hot=1.6, at=(2, 10))
    inspection = with_both(part(Verdict.FAIL, small(320, 240), scores=hot))
    EvidenceStore(tmp_path, Evidence(min_free_mb=0), {}).keep(report(1, inspection), inspection)
    (shown,) = exhibits_in(tmp_path, 1)
    assert shown.spot is not None
    assert shown.spot == pytest.approx([640 * 10 / 14, 480 * 2 / 14, 640 * 12 / 14, 480 * 4 / 14], abs=0.2)


def test_what_is_judged_comes_into_the_tensor_as_it_is() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (224, 224, 3), np.uint8)
    (tensor,) = prepare(pixels, InputSpec(224, 224)).tensors
    assert (tensor[0].astype(int) + 128 == pixels).all()


def test_the_quality_gate_looks_at_what_is_judged() -> None:
    dark = np.zeros((224, 224, 3), np.uint8)
    gate = QualityGate(QualityLimits(min_brightness=40), Quality())
    both = replace(frame(dark), evidence=LARGE)
    assert prepare_frame(both, gate, ()).unfit == ("too dark: brightness 0.0 is under 40.0",)


def test_a_model_that_was_taught_on_the_large_picture_does_not_judge_the_small_one() -> None:
    gate = QualityGate(QualityLimits(width=640, height=480), Quality())
    both = replace(frame(small()), evidence=LARGE)
    (said,) = gate.examine(both, Pyramid(both.image))
    assert said == "wrong size: 224×224 pixels; 640×480 were taught"


class Hasty:
    """A source that misses the second of three parts, and knows no names of parts."""

    name, triggered = "hasty", True

    def __init__(self) -> None:
        self.sequence = 0

    def read(self) -> Frame:
        self.sequence += 1
        if self.sequence == 2:
            raise CaptureError("there was no room", part_unseen=True)
        if self.sequence == 4:
            raise EndOfFrames
        return replace(frame(part_id=None), sequence=self.sequence)


def test_a_part_without_a_name_that_was_not_seen_is_reported_all_the_same() -> None:
    frames: Mailbox[Frame | Miss] = Mailbox(8)
    capture(Hasty(), frames, Crew(), Trouble("source", None), 0)  # type: ignore[arg-type]
    taken = frames.get_many(8)
    assert [item.sequence for item in taken] == [1, 2, 3]
    assert isinstance(taken[1], Miss)
    assert taken[1].reason == "there was no room"
