"""The path of a frame, from the camera to the sinks. Read it top to bottom.

    source ─ capture ─> frames ─ make_ready ─> ready ─ inspect ─> join ─> accept ─┬─> outbox ─ deliver ─> sink
                                                                                └─> evidence ─ keep ─> disk

Each function that loops is the body of one thread; `edge.daemon` starts them and builds what they use.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event
from time import monotonic_ns
from typing import TypeVar

from edge.config import Check as CheckConfig
from edge.errors import CaptureError, DeliveryError, DeviceError, InferenceError, NotTaughtError
from edge.judge.identity import identify
from edge.judge.rules import judge
from edge.judge.vote import Joining, worst
from edge.mailbox import Closed, Mailbox
from edge.message import Report
from edge.ports import EvidenceStore, Lane, Model
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.quality import QualityGate
from edge.preprocess.view import View, view
from edge.service import Crew, Trouble
from edge.types import (
    Decision,
    EndOfFrames,
    Finding,
    Frame,
    Inspection,
    Miss,
    Sink,
    Source,
    Stopwatch,
    Verdict,
)

Item = TypeVar("Item")
Correct = Callable[[Frame], Frame]
"""Undoes what the camera gets wrong in every picture. Raises `CaptureError` where it cannot."""

ROWS_AT_ONCE = 64
"""Rows that are offered to a sink in one call."""


@dataclass(eq=False)
class Check:
    """One check of the recipe at work.

    The rest is the inspect thread's: did the last frame fail, of which part was it, and how many could not be
    judged, in a row?
    """

    config: CheckConfig
    model: Model
    failing: bool = False
    part_id: str | None = None
    faults: int = 0


@dataclass(frozen=True, eq=False)
class Inspector:
    """What looks at a frame: the quality gate, then the checks. It is exchanged as a whole, between two frames."""

    gate: QualityGate
    checks: tuple[Check, ...]


@dataclass(frozen=True, eq=False)
class Ready:
    """A frame that waits for its inference. One view for each check, or why there is none.

    `checks` are those that it was prepared for: another model would not understand the views.
    """

    frame: Frame | Miss
    checks: tuple[Check, ...]
    unfit: tuple[str, ...] = ()
    views: tuple[View | InferenceError, ...] = ()
    stage_ms: Mapping[str, float] = field(default_factory=dict)


def capture(
    source: Source, frames: Mailbox[Frame | Miss], crew: Crew, trouble: Trouble, max_errors: int
) -> None:
    """Frames from the source, until it has no more. A part that went by unseen becomes a `Miss`."""
    while not crew.stopping.is_set():
        try:
            frame: Frame | Miss = source.read()
        except EndOfFrames:
            break
        except CaptureError as err:
            trouble.failed(err)
            if 0 < max_errors <= trouble.failures:
                raise DeviceError(
                    f"{source.name}: {trouble.failures} faults in a row; the last: {err}"
                ) from err
            if not err.part_unseen:
                continue
            frame = missed(source.name, getattr(source, "sequence", 0), str(err), err.part_id)
        else:
            trouble.worked()
        frames.put(frame)
    frames.close()


def make_ready(
    frames: Mailbox[Frame | Miss],
    ready: Mailbox[Ready],
    inspector: Callable[[], Inspector],
    crew: Crew,
    correct: Correct | None = None,
) -> None:
    """Everything before the inference; it overlaps the inference of the frame before.

    `inspector` is asked before each frame: what it gives then goes with the frame to its verdict. From here on a
    frame is what `correct` makes of it.
    """
    for frame in _each(frames, "prepare", crew):
        now = inspector()
        ready.put(prepare_frame(frame, now.gate, now.checks, correct))
    ready.close()


def prepare_frame(
    frame: Frame | Miss, gate: QualityGate, checks: Sequence[Check], correct: Correct | None = None
) -> Ready:
    """Is the picture fit to be judged, and what do the models get to see?"""
    checks = tuple(checks)
    if isinstance(frame, Miss):
        return Ready(frame, checks)
    stopwatch = Stopwatch()
    if correct is not None:
        try:
            frame = correct(frame)
        except CaptureError as err:
            return Ready(frame, checks, (str(err),))
        stopwatch.lap("correct")
    pyramid = Pyramid(frame.image)
    unfit = gate.examine(frame, pyramid)
    stopwatch.lap("quality")
    if unfit:
        return Ready(frame, checks, unfit, stage_ms=stopwatch.laps_ms)
    views = tuple(_view(pyramid, check) for check in checks)
    stopwatch.lap("preprocess")
    if pyramid.restoring_ms:
        stopwatch.split("preprocess", "restore", pyramid.restoring_ms)
    return Ready(frame, checks, (), views, stopwatch.laps_ms)


def inspect(
    ready: Mailbox[Ready],
    joining: Joining,
    accept: Callable[[Inspection], None],
    crew: Crew,
    max_errors: int,
) -> None:
    """From frames that are ready to parts that are judged."""
    for item in _each(ready, "inspect", crew):
        for part in joining.add(judge_frame(item)):
            accept(part)
        for check in item.checks:
            if check.faults >= max_errors:
                fall_back(check)
    for part in joining.flush():
        accept(part)


def judge_frame(ready: Ready) -> Inspection:
    """Judge one frame. One that cannot be judged says why, and never passes."""
    frame = ready.frame
    if isinstance(frame, Miss):
        return Inspection(frame, (), Decision(Verdict.ERROR, (frame.reason,)), {})
    if ready.unfit:
        return Inspection(frame, (), Decision(Verdict.INCONCLUSIVE, ready.unfit), ready.stage_ms)
    findings = tuple(
        judge_view(seen, check, frame.part_id) for seen, check in zip(ready.views, ready.checks, strict=True)
    )
    stage_ms = dict(ready.stage_ms)
    for finding in findings:
        for stage, ms in finding.stage_ms.items():
            stage_ms[stage] = stage_ms.get(stage, 0.0) + ms
    stage_ms["verdict"] = (monotonic_ns() - frame.captured_ns) / 1e6
    decisions = [finding.decision for finding in findings]
    part_id, doubts = identify(decisions, frame.part_id)
    return Inspection(replace(frame, part_id=part_id), findings, worst([*decisions, *doubts]), stage_ms)


def judge_view(seen: View | InferenceError, check: Check, part_id: str | None) -> Finding:
    """Run one check's model on what it is to see, and judge what it says."""
    was_failing = check.failing and check.part_id == part_id
    stopwatch = Stopwatch()
    prediction = None
    try:
        if isinstance(seen, InferenceError):
            raise seen
        outputs = check.model.run(seen)
        stopwatch.lap("inference")
        prediction = check.model.decode(outputs, seen)
        decision = judge(prediction, check.model.limits, check.config.rules, was_failing=was_failing)
        if decision.regions:
            decision = check.model.explain(decision, outputs, seen)
        stopwatch.lap("judge")
    except NotTaughtError as err:
        decision = Decision(Verdict.INCONCLUSIVE, (f"check {check.config.name}: {err}",))
    except InferenceError as err:
        decision = Decision(Verdict.ERROR, (f"check {check.config.name}: not judged: {err}",))
    check.failing, check.part_id = decision.verdict is Verdict.FAIL, part_id
    check.faults = check.faults + 1 if decision.verdict is Verdict.ERROR else 0
    return Finding(check.config.name, decision, check.model.identity, prediction, stopwatch.laps_ms)


def fall_back(check: Check) -> None:
    """Go on without the delegate that keeps failing; where there is none, raise `DeviceError`."""
    reason = f"the model failed {check.faults} times in a row"
    if not check.model.fall_back(reason):
        raise DeviceError(f"check {check.config.name}: {reason}")
    check.faults = 0


def keep(
    parts: Mailbox[tuple[Report, Inspection]],
    store: EvidenceStore,
    crew: Crew,
    private: Callable[[Inspection], Inspection],
    told: Callable[[Inspection, int], None],
    trouble: Trouble,
) -> None:
    """Pictures of parts to disk. A part whose picture cannot be kept is still reported.

    `private` covers what nobody else may see: from here on, the picture may leave the device. `told` hears of
    every part, with how many that did not pass lost their pictures for it.
    """
    for report, inspection in _each(parts, "keep", crew):
        shown = private(inspection)
        lost = 0
        try:
            lost = store.keep(report, shown).lost
        except DeliveryError as err:
            trouble.failed(err)
        else:
            trouble.worked()
        told(shown, lost)


def deliver(lane: Lane, sink: Sink, trouble: Trouble, pause_s: float, drained: Callable[[], bool]) -> None:
    """Rows of the outbox to one sink, until `drained` says that it is time to go."""
    while not drained():
        rows = lane.take(ROWS_AT_ONCE, timeout_s=0.2)
        if not rows:
            continue
        try:
            receipt = sink.write(rows)
        except DeliveryError as err:
            trouble.failed(err)
            lane.disconnected()
            Event().wait(pause_s)
            continue
        lane.acknowledge(receipt.delivered)
        if receipt.refused:
            lane.refuse(receipt.refused)
        if receipt.trouble is None:
            trouble.worked()
        else:
            trouble.failed(receipt.trouble)
            lane.disconnected()


def missed(camera: str, sequence: int, reason: str, part_id: str | None = None) -> Miss:
    """A part that went by unseen just now."""
    return Miss(sequence, monotonic_ns(), datetime.now(UTC), camera, reason, part_id)


def unseen(frame: Frame | Miss) -> Frame | Miss:
    """What is left of a triggered part for which there is no room: its report, with verdict `error`."""
    if isinstance(frame, Miss):
        return frame
    reason = "not judged: parts came faster than they can be inspected, and this one had to give way"
    return Miss(
        frame.sequence, frame.captured_ns, frame.captured_at, frame.camera, reason, frame.part_id, frame.truth
    )


def _view(pyramid: Pyramid, check: Check) -> View | InferenceError:
    try:
        own = check.config
        return view(pyramid, check.model.spec, own.roi, own.polygon, own.enhance)
    except InferenceError as err:
        return err


def _each(mail: Mailbox[Item], stage: str, crew: Crew) -> Iterator[Item]:
    """Items until the mailbox is closed; while one is worked on, the watchdog knows."""
    while True:
        try:
            item = mail.get()
        except Closed:
            return
        crew.busy(stage)
        try:
            yield item
        finally:
            crew.idle(stage)
