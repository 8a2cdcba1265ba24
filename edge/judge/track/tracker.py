"""Parts on a belt, several in a frame: each gets one verdict, from several frames, when it crosses the line."""

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from time import perf_counter_ns

from edge.config import Recipe
from edge.config.track import Track
from edge.geometry import Box
from edge.judge.track.follow import Complete, Follower, How, Step
from edge.judge.track.share import Judge, Scene, codes, share
from edge.judge.vote import Quorum
from edge.prediction import Detections
from edge.preprocess.mask import holds
from edge.types import Decision, Inspection, Miss, Passage, Verdict

log = logging.getLogger(__name__)

MOST = 100
"""More parts in one frame than these cannot be followed."""
WHOLE_PX = 1.0
"""A box that ends so near the edge of the view is cut off by it: such a frame does not show the part whole."""
WHY = {
    How.LATE: "it was seen only after the line, so it may have been judged too late",
    How.LOST: "it was not seen any more before it came to the line",
}


@dataclass(eq=False)
class _Record:
    """What is kept of a part until its verdict is due: its latest whole frames, and one to show without any."""

    scenes: deque[Scene]
    latest: Scene
    first: int
    frames: int = 0


class Tracker:
    """Takes the place of the `Vote` where a frame shows several parts, and a part is in several frames.

    Its latest `of_frames` frames decide, of those in which it is in view whole. A frame in which nothing could be
    found counts, for each part that should be in view, as what it is: an error, or in doubt. Pictures are kept
    of those frames only. For one thread.

    Args:
        recipe: With its `track`.
        check: The name of the check whose detections are followed.
        judge: The decision on a part of what a check has found.
        session: What part ids start with: another one each time that counting begins.
    """

    def __init__(self, recipe: Recipe, check: str, judge: Judge, session: str) -> None:
        assert recipe.track is not None  # noqa: S101 - who does not follow parts has a Vote
        self._track: Track = recipe.track
        self._quorum = Quorum(recipe.fail_frames, recipe.of_frames)
        self._check = next(known for known in recipe.checks if known.name == check)
        self._judge = judge
        self._session = session
        self.begun = False
        self._follower = Follower(self._track)
        self._records: dict[int, _Record] = {}
        self._told: set[int] = set()
        self._numbers = count(1)
        self._view: Box | None = None
        self._blind_since_ns: int | None = None

    def add(self, inspection: Inspection) -> tuple[Inspection, ...]:
        """The parts whose verdicts are due with this frame."""
        self.begun, start_ns = True, perf_counter_ns()
        found = self._found(inspection)
        if isinstance(found, str):
            parts = self._stumble(inspection, found)
        else:
            self._blind_since_ns = None
            parts = self._look(inspection, *found)
        ms = (perf_counter_ns() - start_ns) / 1e6
        stages = {**inspection.stage_ms, "track": ms}
        if "verdict" in stages:
            stages["verdict"] += ms
        # How long a part waited for its verdict is what the frame took in which it crossed the line.
        return tuple(replace(part, stage_ms=stages) for part in parts)

    def flush(self) -> tuple[Inspection, ...]:
        """None: what has not come to the line is no part yet, and whoever begins again sees it come."""
        waiting = len(self._records)
        if waiting:
            log.info("parts in view that had not come to the line: %d", waiting)
        self._records.clear()
        return ()

    def _found(self, inspection: Inspection) -> tuple[list[Box], Box] | str:
        """The boxes of parts and the view; or, in words, why this frame says nothing of where parts are."""
        frame = inspection.frame
        finding = next((known for known in inspection.findings if known.check == self._check.name), None)
        if isinstance(frame, Miss) or finding is None or not isinstance(finding.prediction, Detections):
            return ""
        rules = self._check.rules
        boxes = [
            thing.box
            for thing in finding.prediction.found
            if thing.label == self._track.label
            and thing.score >= rules.detection.min_score
            and thing.box.area > 0
            and not any(holds(polygon, thing.box.middle) for polygon in rules.ignore)
        ]
        if len(boxes) > MOST:
            return (
                f"not judged: {len(boxes)} times '{self._track.label}' in one frame; {MOST} can be followed"
            )
        height, width = frame.image.shape[:2]
        view = finding.prediction.box or Box(0, 0, width, height)
        if not self._in(view):
            seen = f"x {view.x_min:.0f}…{view.x_max:.0f}, y {view.y_min:.0f}…{view.y_max:.0f}"
            return f"not judged: recipe.track.report_at: {self._track.report_at} lies outside of the view, {seen}"
        return boxes, view

    def _in(self, view: Box) -> bool:
        """Whether a part can cross the line in view."""
        sideways = self._track.direction in {"left", "right"}
        start, end = (view.x_min, view.x_max) if sideways else (view.y_min, view.y_max)
        return start < self._track.report_at < end

    def _look(self, inspection: Inspection, boxes: list[Box], view: Box) -> Iterator[Inspection]:
        self._view = view
        step = self._follower.look(boxes, inspection.frame.captured_ns, view)
        scene = Scene(inspection, {number: boxes[place] for place, number in step.seen.items()})
        for number, box in scene.boxes.items():
            if number not in self._told:
                self._note(number, scene, whole=_is_whole(box, view))
        return self._finish(step)

    def _stumble(self, inspection: Inspection, reason: str) -> Iterator[Inspection]:
        """A frame without sight: it counts for whoever should be in view, and too many of them are told."""
        if reason:
            inspection = replace(inspection, findings=(), decision=Decision(Verdict.ERROR, (reason,)))
        now_ns = inspection.frame.captured_ns
        if self._view is not None:
            step = self._follower.blind(now_ns, self._view)
            scene = Scene(replace(inspection, findings=()), self._follower.boxes())
            for number, box in scene.boxes.items():
                if number in self._records and _is_whole(box, self._view):
                    self._records[number].scenes.append(scene)
            yield from self._finish(step)
        if self._blind_since_ns is None:
            self._blind_since_ns = now_ns
        elif now_ns - self._blind_since_ns >= self._track.longest_gap_s * 1e9:
            self._blind_since_ns = now_ns
            gap_s = self._track.longest_gap_s
            blind = f"for {gap_s:g} s no part could be seen; those that went by are not counted"
            decision = inspection.decision
            yield replace(
                inspection,
                frame=replace(inspection.frame, part_id=None),
                decision=replace(decision, reasons=(*decision.reasons, blind)),
            )

    def _note(self, number: int, scene: Scene, *, whole: bool) -> None:
        sequence = scene.inspection.frame.sequence
        record = self._records.get(number)
        if record is None:
            scenes: deque[Scene] = deque(maxlen=self._quorum.of_frames)
            record = self._records[number] = _Record(scenes, scene, sequence)
        record.latest = scene
        record.frames += 1
        if whole:
            record.scenes.append(scene)

    def _finish(self, step: Step) -> Iterator[Inspection]:
        for complete in step.complete:
            self._told.add(complete.number)
            yield self._verdict(complete)
        for number in (*step.gone, *(complete.number for complete in step.complete)):
            self._records.pop(number, None)
        self._told.difference_update(step.gone)

    def _verdict(self, complete: Complete) -> Inspection:
        number, record = complete.number, self._records[complete.number]
        shares = [share(scene, number, self._judge) for scene in record.scenes]
        if shares:
            part = self._quorum.join(shares)
        else:
            part = _doubted(share(record.latest, number, self._judge), "it was never in view as a whole")
        if complete.how is not How.CROSSED:
            part = _doubted(part, WHY[complete.how])
        read = frozenset().union(*map(codes, shares))
        if len(read) > 1:
            part = _doubted(part, f"different codes were read on it: {', '.join(sorted(read))}")
        part_id = next(iter(read)) if len(read) == 1 else f"{self._session}-{next(self._numbers):06}"
        return replace(
            part,
            frame=replace(part.frame, part_id=part_id),
            passage=Passage(record.frames, record.first, record.latest.inspection.frame.sequence),
        )


def _doubted(part: Inspection, reason: str) -> Inspection:
    """The part with a reason more, and no better than inconclusive."""
    decision = part.decision
    verdict = max(decision.verdict, Verdict.INCONCLUSIVE, key=lambda verdict: verdict.severity)
    return replace(part, decision=replace(decision, verdict=verdict, reasons=(reason, *decision.reasons)))


def _is_whole(box: Box, view: Box) -> bool:
    return (
        box.x_min >= view.x_min + WHOLE_PX
        and box.y_min >= view.y_min + WHOLE_PX
        and box.x_max <= view.x_max - WHOLE_PX
        and box.y_max <= view.y_max - WHOLE_PX
    )
