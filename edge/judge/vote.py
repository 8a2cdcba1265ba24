"""One verdict from several: of the checks of a frame, and of the frames of a part."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from edge.errors import ConfigError
from edge.types import Decision, Inspection, Verdict


def worst(decisions: Iterable[Decision]) -> Decision:
    """The worst of the decisions, the first of several that are equally bad. Of none: an error."""
    return max(
        decisions,
        key=lambda decision: decision.verdict.severity,
        default=Decision(Verdict.ERROR, ("not judged: there was no check",)),
    )


class Joining(Protocol):
    """Which judged frames are one part. For one thread, but for `begun`."""

    @property
    def begun(self) -> bool:
        """Whether a frame was judged: a belt may be empty for hours after that. Any thread."""
        ...

    def add(self, inspection: Inspection) -> tuple[Inspection, ...]:
        """The parts that are complete with this frame, or ended before it; none while frames are to come."""
        ...

    def flush(self) -> tuple[Inspection, ...]:
        """The parts that are complete since no more frames will come."""
        ...


class Quorum:
    """A part fails when `fail_frames` of its `of_frames` fail.

    Raises `ConfigError` where more frames would have to fail than there are.
    """

    def __init__(self, fail_frames: int, of_frames: int) -> None:
        if fail_frames > of_frames:
            raise ConfigError(
                f"recipe.fail_frames: {fail_frames} is over of_frames, {of_frames}; no part could ever fail"
            )
        self.fail_frames = fail_frames
        self.of_frames = of_frames

    def join(self, seen: Sequence[Inspection]) -> Inspection:
        """The part that these frames, at least one, show; the frame that decided stands for it."""
        verdict, reason = self._count(seen)
        deciding = max(
            (frame for frame in seen if frame.decision.verdict is verdict),
            key=lambda frame: frame.decision.score or 0.0,
            default=max(seen, key=lambda frame: frame.decision.verdict.severity),
        )
        reasons = deciding.decision.reasons if deciding.decision.verdict is verdict else ()
        return replace(
            deciding,
            decision=replace(deciding.decision, verdict=verdict, reasons=(reason, *reasons)),
            joined=tuple(frame.frame.sequence for frame in seen),
        )

    def _count(self, seen: Sequence[Inspection]) -> tuple[Verdict, str]:
        count = {verdict: sum(frame.decision.verdict is verdict for frame in seen) for verdict in Verdict}
        failed, doubtful = count[Verdict.FAIL], count[Verdict.INCONCLUSIVE]
        frames = f"{self.of_frames} frames"
        if count[Verdict.ERROR]:
            return Verdict.ERROR, f"{count[Verdict.ERROR]} of {frames} could not be judged"
        if failed >= self.fail_frames:
            return Verdict.FAIL, f"{failed} of {frames} failed"
        if len(seen) < self.of_frames:
            return Verdict.INCONCLUSIVE, f"only {len(seen)} of {frames} seen"
        if failed + doubtful >= self.fail_frames:
            return Verdict.INCONCLUSIVE, f"{failed} of {frames} failed, {doubtful} are inconclusive"
        return Verdict.PASS, f"{failed} of {frames} failed; {self.fail_frames} make a fail"


class Vote:
    """Joins the frames of a part where each frame shows one.

    Frames with the same part id belong together; without one, as many in a row as a part has.
    """

    def __init__(self, quorum: Quorum) -> None:
        self._quorum = quorum
        self._seen: list[Inspection] = []
        self.begun = False

    def add(self, inspection: Inspection) -> tuple[Inspection, ...]:
        """See `Joining`."""
        self.begun = True
        if self._quorum.of_frames == 1:
            return (inspection,)
        ended: tuple[Inspection, ...] = ()
        if self._seen and self._seen[-1].frame.part_id != inspection.frame.part_id:
            ended = self.flush()
        self._seen.append(inspection)
        return self.flush() if len(self._seen) == self._quorum.of_frames else ended

    def flush(self) -> tuple[Inspection, ...]:
        """See `Joining`."""
        seen, self._seen = self._seen, []
        return (self._quorum.join(seen),) if seen else ()
