"""A check that is not taught yet, and a new version that comes to judge while the line runs."""

from pathlib import Path

import numpy as np
import parts
import pytest
import tiny_bundle

from edge.config import Check, Config, Quality, Recipe, Rectangle, Rules, SyntheticSource
from edge.errors import BundleError, ConfigError
from edge.judge.vote import Quorum, Vote
from edge.mailbox import Mailbox
from edge.model.checks import open_check, open_checks, open_inspector
from edge.model.manifest import Limits
from edge.model.shelves import find, renewed
from edge.model.versions import ACTIVE, Shelf, versions
from edge.pipeline import Inspector, Ready, inspect, judge_frame, make_ready, prepare_frame
from edge.preprocess.quality import QualityGate
from edge.service import Crew
from edge.types import Frame, Inspection, Miss, Verdict

GREY = np.full((64, 128, 3), 128, np.uint8)
OFF = Quality(enabled=False)


def shelve(shelf: Path, **manifest: object) -> None:
    """A next version, as a lesson makes it."""
    with Shelf(shelf) as held:
        number = held.number
        tiny_bundle.anomaly(held.next, version=number, **manifest)
        held.activate(number)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return tmp_path / "cap"


def a_config(shelf: Path, **check: object) -> Config:
    recipe = Recipe(checks=[Check.model_validate({"name": "surface", "bundle": shelf, **check})])
    station = {"state_dir": shelf.parent / "state"}
    return Config.model_validate(
        {"station": station, "source": SyntheticSource(type="synthetic"), "recipe": recipe, "quality": OFF}
    )


def judged(inspector: Inspector) -> Inspection:
    return judge_frame(prepare_frame(parts.frame(GREY), inspector.gate, inspector.checks))


def judges(part: Inspection) -> list[int | None]:
    """The version of each finding's model."""
    return [None if finding.model is None else finding.model.version for finding in part.findings]


def test_what_is_not_taught_is_inconclusive_for_ever_and_no_fault(shelf: Path) -> None:
    inspector = open_inspector(a_config(shelf, teachable=True), None)
    ready: Mailbox[Ready] = Mailbox(10)
    for _ in range(10):
        ready.put(prepare_frame(parts.frame(GREY), inspector.gate, inspector.checks))
    ready.close()
    told: list[Inspection] = []
    inspect(ready, Vote(Quorum(1, 1)), told.append, Crew(), max_errors=3)
    assert {part.decision.verdict for part in told} == {Verdict.INCONCLUSIVE}
    assert told[0].decision.reasons == ("check surface: nothing is taught yet",)
    assert judges(told[0]) == [None]


def test_beside_a_taught_check_the_one_that_is_not_still_decides(shelf: Path) -> None:
    shelve(shelf)
    taught = open_check(Check(name="first", bundle=shelf), None)
    untaught = open_check(Check(name="second", bundle=shelf / "none", teachable=True), None)
    part = judged(Inspector(QualityGate(taught.model.quality, OFF), (taught, untaught)))
    assert part.findings[0].decision.verdict is Verdict.PASS
    assert part.decision.verdict is Verdict.INCONCLUSIVE


def test_a_region_outside_the_frame_is_an_error_before_anything_is_taught(shelf: Path) -> None:
    roi = Rectangle(x_min=500, y_min=0, x_max=600, y_max=10)
    part = judged(open_inspector(a_config(shelf, teachable=True, roi=roi), None))
    assert part.decision.verdict is Verdict.ERROR


def test_a_bundle_that_is_missing_is_refused_where_nothing_is_to_be_taught(shelf: Path) -> None:
    with pytest.raises(BundleError, match="there is no such bundle"):
        open_checks(a_config(shelf), None)


def test_a_shelf_that_is_damaged_is_not_taken_for_one_that_is_empty(shelf: Path) -> None:
    shelve(shelf)
    (shelf / ACTIVE).write_text("0007\n")
    with pytest.raises(BundleError, match="version 0007 is missing"):
        open_checks(a_config(shelf, teachable=True), None)


def test_a_new_version_judges_from_the_next_frame_on_and_prepared_ones_keep_theirs(shelf: Path) -> None:
    config = a_config(shelf, teachable=True)
    inspector = open_inspector(config, None)
    frames: Mailbox[Frame | Miss] = Mailbox(6)
    for _ in range(6):
        frames.put(parts.frame(GREY))
    frames.close()
    asked = 0

    def current() -> Inspector:
        nonlocal asked, inspector
        asked += 1
        if asked in (3, 5):  # a lesson ends between two frames
            shelve(shelf)
            inspector = renewed(inspector, shelf, OFF, None) or inspector
        return inspector

    ready: Mailbox[Ready] = Mailbox(6)
    make_ready(frames, ready, current, Crew())
    told: list[Inspection] = []
    inspect(ready, Vote(Quorum(1, 1)), told.append, Crew(), max_errors=5)
    assert [judges(part) for part in told] == [[None], [None], [1], [1], [2], [2]]
    assert [part.decision.verdict for part in told[2:]] == [Verdict.PASS] * 4


def test_a_shelf_that_no_check_uses_changes_nothing(shelf: Path) -> None:
    inspector = open_inspector(a_config(shelf, teachable=True), None)
    assert renewed(inspector, shelf.with_name("lid"), OFF, None) is None


def test_a_version_that_contradicts_the_rules_is_not_taken_and_the_one_before_is_active(shelf: Path) -> None:
    shelve(shelf, limits=Limits(pass_below=0.9))
    inspector = open_inspector(a_config(shelf, teachable=True, rules=Rules(fail_at=0.95)), None)
    shelve(shelf, limits=Limits(pass_below=0.99))
    with pytest.raises(ConfigError, match="pass_below"):
        renewed(inspector, shelf, OFF, None)
    assert [version.active for version in versions(shelf)] == [True, False]


def test_only_what_the_settings_allow_is_taught(shelf: Path) -> None:
    assert find(a_config(shelf, teachable=True), "cap").shelf == shelf
    assert find(a_config(shelf), "lid").shelf == shelf.parent / "state" / "bundles" / "lid"
    with pytest.raises(ConfigError, match="which is not to be taught"):
        find(a_config(shelf), "cap")


def test_a_single_bundle_is_not_taken_for_a_shelf(shelf: Path) -> None:
    tiny_bundle.anomaly(shelf)
    with pytest.raises(BundleError, match="is a single bundle, not a shelf of versions"):
        find(a_config(shelf, teachable=True), "cap")
