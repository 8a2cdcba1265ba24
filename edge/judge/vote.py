"""One verdict from several: of the checks of a frame, and of the frames of a part."""

from collections.abc import Iterable
from dataclasses import replace

from edge.errors import ConfigError
from edge.types import Decision, Inspection, Verdict


def worst(decisions: Iterable[Decision]) -> Decision:
    """The worst of the decisions, the first of several that are equally bad. Of none: an error."""
    return max(
        decisions,
        key=lambda decision: decision.verdict.severity,
        default=Decision(Verdict.ERROR, ("not judged: there was no check",)),
    )


class Vote:
    """Joins the frames of a part: it fails when `fail_frames` of its `of_frames` fail.

    Frames with the same part id belong together; without one, every `of_frames` frames in a row.
    For one thread. Raises `ConfigError` where more frames would have to fail than there are.
    """

    def __init__(self, fail_frames: int, of_frames: int) -> None:
        if fail_frames > of_frames:
            raise ConfigError(
                f"recipe.fail_frames: {fail_frames} is over of_frames, {of_frames}; no part could ever fail"
            )
        self.fail_frames = fail_frames
        self.of_frames = of_frames
        self._seen: list[Inspection] = []

    def add(self, inspection: Inspection) -> Inspection | None:
        """The part that is complete with this frame, or ended before it; None while frames are to come."""
        if self.of_frames == 1:
            return inspection
        ended = None
        if self._seen and self._seen[-1].frame.part_id != inspection.frame.part_id:
            ended = self.flush()
        self._seen.append(inspection)
        return self.flush() if len(self._seen) == self.of_frames else ended

    def flush(self) -> Inspection | None:
        """The part whose frames have been seen so far; None where there are none."""
        seen, self._seen = self._seen, []
        if not seen:
            return None
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

    def _count(self, seen: list[Inspection]) -> tuple[Verdict, str]:
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
