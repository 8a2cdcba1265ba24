"""The first promise: whatever breaks on the path of a frame, the verdict is not `pass`."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest
import tiny_bundle
from delegate_double import Switch

from edge import config
from edge.errors import DeviceError, InferenceError
from edge.geometry import Image
from edge.judge.deviation import Limits
from edge.judge.vote import Quorum, Vote
from edge.mailbox import Mailbox, WhenFull
from edge.model.bundle import load
from edge.model.checks import probe_delegates
from edge.model.runner import open_model
from edge.model.standby import LOOK_S, Standby
from edge.pipeline import Check, Ready, fall_back, inspect, judge_frame, missed, prepare_frame, unseen
from edge.prediction import Anomaly, Prediction
from edge.preprocess.quality import QualityGate, QualityLimits, learn_limits, measure
from edge.preprocess.tensor import InputSpec, Prepared
from edge.service import Crew
from edge.types import Decision, Frame, Inspection, Miss, ModelIdentity, Verdict

NOISE = np.random.default_rng(0).integers(60, 200, (240, 320, 3), np.uint8)


class ModelDouble:
    """A model that finds every part good, but for what a test breaks in it."""

    spec = InputSpec(64, 64, "stretch", "none")
    limits = Limits(pass_below=0.9)
    quality = QualityLimits()
    identity = ModelIdentity("double", 1, "0" * 64, "cpu", 1)

    def __init__(
        self,
        run: Callable[[], Any] = lambda: None,
        scores: Callable[[], np.ndarray] = lambda: np.full((4, 4), 0.5, np.float32),
    ) -> None:
        self._run, self._scores = run, scores

    def run(self, prepared: Prepared) -> Any:
        assert prepared.tensors
        return self._run()

    def decode(self, _outputs: Any, prepared: Prepared) -> Prediction:
        return prepared.stitch([self._scores()])

    def explain(self, decision: Decision, _outputs: Any, _prepared: Prepared) -> Decision:
        return decision

    def fall_back(self, reason: str) -> bool:
        if self.identity.delegate == "cpu":
            return False
        self.identity = replace(self.identity, delegate="cpu", fallback=reason)
        return True


def a_check(model: ModelDouble, **settings: Any) -> Check:
    return Check(config.Check(name="surface", bundle="bundle", **settings), model)


def a_frame(image: Image = NOISE, part_id: str | None = "P1") -> Frame:
    return Frame(image, 1, 0, datetime.now(UTC), "test", part_id=part_id)


def on_a_delegate(folder: Path, switch: Switch, clock: Callable[[], float] = monotonic) -> Check:
    """A check on which a grey part is good, and its delegate in a process of its own."""
    bundle = load(tiny_bundle.proven(folder / "part"))
    model = Standby(bundle, open_model(bundle), switch.double(), 1, clock=clock)
    return Check(config.Check(name="surface", bundle=bundle.folder), model)


def verdicts(check: Check, parts: int) -> list[tuple[Verdict, str, bool]]:
    """Of grey parts: the verdict, on what it was found, and whether that is said to be a fall-back."""
    grey = np.full((240, 320, 3), 128, np.uint8)
    watching = QualityGate(QualityLimits(), config.Quality(enabled=False))
    found = []
    for _ in range(parts):
        (finding,) = judge_frame(prepare_frame(a_frame(grey), watching, [check])).findings
        assert finding.model is not None
        found.append((finding.decision.verdict, finding.model.delegate, finding.model.fallback is not None))
    return found


def gate(image: Image = NOISE) -> QualityGate:
    return QualityGate(learn_limits([measure(image)]), config.Quality())


def judged(frame: Frame | Miss, *checks: Check) -> Inspection:
    return judge_frame(prepare_frame(frame, gate(), checks))


def fails(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


def test_an_unbroken_path_passes_or_the_other_tests_would_prove_nothing() -> None:
    assert judged(a_frame(), a_check(ModelDouble())).decision.verdict is Verdict.PASS


BROKEN_MODELS = {
    "the runtime fails": ModelDouble(run=fails(InferenceError("delegate lost"))),
    "decoding fails": ModelDouble(scores=fails(InferenceError("output has another shape"))),
    "one score is NaN": ModelDouble(scores=lambda: np.array([[0.1, np.nan], [0.1, 0.1]], np.float32)),
    "every score is NaN": ModelDouble(scores=lambda: np.full((4, 4), np.nan, np.float32)),
    "scores are infinite": ModelDouble(scores=lambda: np.full((4, 4), -np.inf, np.float32)),
}


@pytest.mark.parametrize("model", BROKEN_MODELS.values(), ids=BROKEN_MODELS.keys())
def test_a_broken_model_is_an_error_that_says_why(model: ModelDouble) -> None:
    decision = judged(a_frame(), a_check(model)).decision
    assert decision.verdict is Verdict.ERROR
    assert decision.reasons[0]


def test_one_broken_check_among_good_ones_decides() -> None:
    broken = a_check(BROKEN_MODELS["the runtime fails"])
    part = judged(a_frame(), a_check(ModelDouble()), broken, a_check(ModelDouble()))
    assert part.decision.verdict is Verdict.ERROR
    assert part.decision.reasons == ("check surface: not judged: delegate lost",)


BROKEN_SETTINGS: dict[str, dict[str, Any]] = {
    "the region lies outside the frame": {"roi": {"x_min": 900, "y_min": 0, "x_max": 950, "y_max": 50}},
    "the polygon is empty in the frame": {"polygon": [(900, 900), (950, 900), (950, 950)]},
    "everything is ignored": {"rules": {"ignore": [[(-1, -1), (321, -1), (321, 241), (-1, 241)]]}},
}


@pytest.mark.parametrize("settings", BROKEN_SETTINGS.values(), ids=BROKEN_SETTINGS.keys())
def test_a_check_that_sees_nothing_is_an_error(settings: dict[str, Any]) -> None:
    assert judged(a_frame(), a_check(ModelDouble(), **settings)).decision.verdict is Verdict.ERROR


UNFIT: dict[str, Image] = {
    "dark": (NOISE * 0.1).astype(np.uint8),
    "bright": np.minimum(NOISE.astype(int) + 120, 255).astype(np.uint8),
    "covered": np.full_like(NOISE, 120),
    "black": np.zeros_like(NOISE),
    "another size": NOISE[:200],
    "a single pixel": NOISE[:1, :1],
}


@pytest.mark.parametrize("image", UNFIT.values(), ids=UNFIT.keys())
def test_a_picture_that_is_unfit_is_inconclusive_and_no_model_sees_it(image: Image) -> None:
    model = ModelDouble(run=fails(AssertionError("the model was asked")))
    decision = judged(a_frame(image), a_check(model)).decision
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reasons


def test_a_frozen_camera_passes_nothing_after_its_last_picture() -> None:
    checks = [a_check(ModelDouble())]
    watching = gate()
    verdicts = [judge_frame(prepare_frame(a_frame(), watching, checks)).decision.verdict for _ in range(4)]
    assert verdicts == [Verdict.PASS, *[Verdict.INCONCLUSIVE] * 3]


def test_a_part_that_went_by_unseen_is_an_error() -> None:
    part = judged(missed("camera", 3, "the picture is cut off", "P3"), a_check(ModelDouble()))
    assert part.decision.verdict is Verdict.ERROR
    assert part.decision.reasons == ("the picture is cut off",)


def test_parts_that_come_too_fast_are_errors_in_their_place_in_the_line() -> None:
    frames: Mailbox[Frame | Miss] = Mailbox(2, WhenFull.SHRINK_NEWEST, unseen)
    for number in range(5):
        frames.put(replace(a_frame(part_id=f"P{number}"), sequence=number))
    frames.close()
    check = a_check(ModelDouble())
    parts = [judge_frame(prepare_frame(frames.get(), QualityGate(QualityLimits(), config.Quality(enabled=False)),
                                       [check])) for _ in range(5)]  # fmt: skip
    assert [part.frame.part_id for part in parts] == ["P0", "P1", "P2", "P3", "P4"]
    assert [part.decision.verdict for part in parts] == [Verdict.PASS] * 2 + [Verdict.ERROR] * 3
    assert frames.dropped == 3


def line_of(model: ModelDouble, parts: int, max_errors: int) -> tuple[list[Inspection], Check]:
    check = a_check(model)
    ready: Mailbox[Ready] = Mailbox(parts)
    for number in range(parts):
        ready.put(prepare_frame(a_frame(part_id=f"P{number}"), QualityGate(QualityLimits(), config.Quality(
            frozen_after=0)), [check]))  # fmt: skip
    ready.close()
    judged_parts: list[Inspection] = []
    inspect(ready, Vote(Quorum(1, 1)), judged_parts.append, Crew(), max_errors)
    return judged_parts, check


def test_a_model_that_keeps_failing_ends_the_process_after_each_part_was_reported() -> None:
    with pytest.raises(DeviceError, match="the model failed 3 times in a row"):
        line_of(ModelDouble(run=fails(InferenceError("device gone"))), parts=5, max_errors=3)


def test_a_model_that_keeps_failing_on_a_delegate_falls_back_to_the_cpu_and_says_so() -> None:
    model = ModelDouble(run=fails(InferenceError("device gone")))
    model.identity = replace(model.identity, delegate="npu")
    check = a_check(model)
    check.faults = 3
    fall_back(check)
    assert check.model.identity.fallback == "the model failed 3 times in a row"
    assert check.faults == 0


@pytest.mark.parametrize("mode", ["lost", "hangs", "crashes"])
def test_a_delegate_that_fails_while_it_runs_passes_nothing_and_the_cpu_judges_the_next_part(
    tmp_path: Path, mode: str
) -> None:
    switch = Switch(tmp_path)
    check = on_a_delegate(tmp_path, switch)
    assert verdicts(check, 1) == [(Verdict.PASS, "npu", False)]
    switch.turn(mode)
    assert verdicts(check, 2) == [(Verdict.ERROR, "cpu", True), (Verdict.PASS, "cpu", True)]


@pytest.mark.parametrize(
    "mode", ["wrong", "no_device", "load_crashes", "crashes", "lost", "not_prepared", "idle"]
)
def test_a_delegate_that_was_never_fit_judges_nothing(tmp_path: Path, mode: str) -> None:
    check = on_a_delegate(tmp_path, Switch(tmp_path, mode))
    assert verdicts(check, 1) == [(Verdict.PASS, "cpu", True)]


def test_a_delegate_that_begins_to_err_judges_nothing_from_its_next_golden_picture_on(tmp_path: Path) -> None:
    now_s = 0.0
    switch = Switch(tmp_path)
    check = on_a_delegate(tmp_path, switch, lambda: now_s)
    switch.turn("wrong")
    now_s += LOOK_S
    assert verdicts(check, 2) == [(Verdict.PASS, "cpu", True)] * 2


def test_a_delegate_whose_outputs_are_wrong_is_not_taken_back(tmp_path: Path) -> None:
    switch = Switch(tmp_path)
    check = on_a_delegate(tmp_path, switch)
    switch.turn("lost")
    verdicts(check, 1)
    switch.turn("wrong")
    probe_delegates([check])
    assert verdicts(check, 2) == [(Verdict.PASS, "cpu", True)] * 2


def test_a_bug_in_the_model_reports_nothing_and_ends_the_crew_with_70() -> None:
    check = a_check(ModelDouble(run=fails(ZeroDivisionError())))
    ready: Mailbox[Ready] = Mailbox(1)
    ready.put(prepare_frame(a_frame(), gate(), [check]))
    crew = Crew()
    accepted: list[Inspection] = []
    crew.start("inspect", lambda: inspect(ready, Vote(Quorum(1, 1)), accepted.append, crew, 5))
    assert crew.stopping.wait(10)
    assert crew.exit_code == 70
    assert accepted == []


def test_a_part_of_which_frames_are_missing_does_not_pass() -> None:
    check = a_check(ModelDouble())
    vote = Vote(Quorum(fail_frames=2, of_frames=3))
    assert vote.add(judged(a_frame(), check)) == ()
    (part,) = vote.flush()
    assert part.decision.verdict is Verdict.INCONCLUSIVE


def test_the_worst_scores_of_a_good_map_decide() -> None:
    scores = np.full((14, 14), 0.1, np.float32)
    scores[5, 6:11] = 1.5
    part = judged(a_frame(), a_check(ModelDouble(scores=lambda: scores)))
    assert part.decision.verdict is Verdict.FAIL
    assert isinstance(part.findings[0].prediction, Anomaly)
