"""From a lesson to a fail that says how the place should look."""

from pathlib import Path

import parts
import pytest
from washers import washer

from edge.config import Check, Quality
from edge.message import describe
from edge.model.checks import open_check
from edge.pipeline import judge_frame, prepare_frame
from edge.preprocess.picture import decode
from edge.preprocess.quality import QualityGate
from edge.store.comparison import strip
from edge.teach.lesson import Taught
from edge.types import Inspection, Verdict


@pytest.fixture(scope="module")
def scratched(taught: Taught) -> Inspection:
    check = open_check(Check(name="surface", bundle=taught.bundle.folder), verified=None)
    gate = QualityGate(check.model.quality, Quality(enabled=False))
    return judge_frame(prepare_frame(parts.frame(washer(100, scratched=True)), gate, [check]))


def test_a_defect_is_explained_by_a_taught_picture_at_nearly_the_same_place(scratched: Inspection) -> None:
    assert scratched.decision.verdict is Verdict.FAIL
    region = scratched.findings[0].decision.regions[0]
    # The scratch is at x 66…82, y 48…56; parts lie a pixel off, and cells are 7 pixels wide.
    assert region.box.x_min < 74 < region.box.x_max
    assert region.box.y_min < 52 < region.box.y_max
    assert region.nearest is not None
    assert region.nearest.picture == Path(region.nearest.picture).name
    assert decode(region.nearest.jpeg, "thumbnail").shape == (96, 96, 3)


def test_the_report_names_the_example_and_the_evidence_shows_it(scratched: Inspection) -> None:
    (reported, *_) = describe(scratched, "washer")["checks"][0]["regions"]
    assert reported["nearest"]["picture"].endswith(".png")
    assert len(reported["nearest"]["box"]) == 4
    assert strip(scratched, 640) is not None
