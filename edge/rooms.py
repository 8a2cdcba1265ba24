"""How much may wait between two stages, and what gives way where it would be more."""

from dataclasses import replace

from edge import pipeline
from edge.config import Config, FolderSource, SyntheticSource, WatchSource
from edge.mailbox import Mailbox, WhenFull
from edge.message import Report
from edge.types import Frame, Inspection, Miss

PARTS = 8
"""Triggered parts that may wait with their pictures: at 1280×960, 30 MB."""
EVIDENCE = 8
"""Judged parts whose pictures may wait for the disk."""


def for_frames(config: Config) -> Mailbox[Frame | Miss]:
    """Who waits for whom: a file can, a part on a conveyor cannot, and of a live view only the newest counts."""
    if (
        config.recipe.track is not None
    ):  # a part is in several frames: to lose one of them is not to lose the part
        waits = isinstance(config.source, FolderSource | SyntheticSource)
        return Mailbox(1) if waits else Mailbox(1, WhenFull.DROP_OLDEST)
    if config.gpio.trigger_line is not None:
        return Mailbox(PARTS, WhenFull.SHRINK_NEWEST, pipeline.unseen)
    match config.source:
        case WatchSource() | FolderSource(rate_hz=0.0) | SyntheticSource(rate_hz=0.0):
            return Mailbox(1)
        case FolderSource() | SyntheticSource():
            return Mailbox(PARTS, WhenFull.SHRINK_NEWEST, pipeline.unseen)
        case camera if camera.triggered:
            return Mailbox(PARTS, WhenFull.SHRINK_NEWEST, pipeline.unseen)
    return Mailbox(1, WhenFull.DROP_OLDEST)


def for_evidence() -> Mailbox[tuple[Report, Inspection]]:
    """Judged parts for the disk. Where it is too slow, the newest is kept without its picture."""
    return Mailbox(EVIDENCE, WhenFull.SHRINK_NEWEST, _without_picture)


def _without_picture(kept: tuple[Report, Inspection]) -> tuple[Report, Inspection]:
    """Evidence for which the disk is too slow: the report alone."""
    report, part = kept
    frame = part.frame
    reason = "its picture was not kept: the disk is slower than the line"
    bare = Miss(frame.sequence, frame.captured_ns, frame.captured_at, frame.camera, reason, frame.part_id)
    return report, replace(part, frame=bare)
