"""Pictures of good parts from a station's own camera: sharp, well lit, at rest, and each of another part."""

import logging
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic

from edge.config import Config, Quality
from edge.errors import CaptureError, ConfigError
from edge.gpio.lines import Lines
from edge.gpio.panel import Panel
from edge.preprocess.correction import Correction, open_correction
from edge.preprocess.picture import read
from edge.preprocess.selection import Look, Selection, alike, look
from edge.sources import open_source
from edge.store.examples import Examples
from edge.types import EndOfFrames, Frame, Source

log = logging.getLogger(__name__)

STILL_S = 0.4
"""A live view has to rest for so long: a hand that puts a part there rests for less."""
PATIENCE_S = 120.0
"""No good picture for so long: nobody is putting parts there."""
PAUSE_S = 0.2
"""After a fault of the camera, before it is asked again."""
MOVING = "moving; put a part there and take the hand away"


@dataclass(frozen=True)
class Captured:
    """What came of it. `refused` counts pictures by what was wrong with them, `why` says why it ended early."""

    paths: tuple[Path, ...]
    wanted: int
    refused: Counter[str]
    faults: int = 0
    why: str | None = None

    def missing(self) -> list[str]:
        """Lines for a person: what is missing, and why; none where all pictures are there."""
        if self.why is None:
            return []
        lines = [f"{len(self.paths)} of {self.wanted} pictures: {self.why}"]
        lines += [f"{count} pictures were {reason}" for reason, count in self.refused.most_common()]
        if self.faults:
            lines.append(f"{self.faults} times the camera gave no picture; see above")
        return lines


def capture(
    config: Config,
    folder: Path,
    count: int,
    *,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    say: Callable[[str], None] = log.warning,
    moving: bool = False,
) -> Captured:
    """Take pictures from the station's source into a folder, until there are `count`; those there count.

    A source of triggered parts gives a picture of each. Of a live view a picture is taken whenever it rests and
    shows something new; `moving`: also where it never rests, above a belt say. `say` is told what to do whenever
    that changes. The station's lamp is on, if it has one. Raises `ConfigError` where the folder has pictures that
    cannot be read, `DeviceError` where source or lamp cannot be opened, and `DeliveryError` where a picture cannot
    be stored.
    """
    lamp = config.gpio.steady_lamp
    with Panel(lamp, Lines(lamp)), open_source(config.source) as source:
        photographer = Photographer(
            source,
            Examples(folder),
            config.quality,
            correction=open_correction(config.correction),
            still=not moving,
            say=say,
        )
        return photographer.work(count, progress)


class Photographer:
    """Takes examples from a source that is open. For one thread.

    Args:
        source: Where frames come from.
        examples: Where pictures are kept, each of which is on the disk before the next is taken.
        quality: Limits that the station sets itself.
        correction: Makes of each frame what the station's models see.
        still: Whether a live view has to rest.
        say: Is told what is wrong, when that changes.
        patience_s: How long it may go on without a good picture.
    """

    def __init__(
        self,
        source: Source,
        examples: Examples,
        quality: Quality,
        *,
        correction: Correction | None = None,
        still: bool = True,
        say: Callable[[str], None] = log.warning,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Raises `ConfigError` where pictures that are there cannot be read."""
        self._source, self._examples, self._say, self._patience_s = source, examples, say, patience_s
        self._correction = correction
        self._needs_rest = still and not source.triggered
        self._selection = Selection(quality)
        self._before: Look | None = None
        self._rests_since_ns = 0
        self._refused: Counter[str] = Counter()
        self._faults = 0
        self._said = ""
        examples.sweep()
        for path in examples.paths():
            try:
                self._selection.add(look(read(path)))
            except CaptureError as err:
                raise ConfigError(f"{err}; remove it") from err

    def work(self, count: int, progress: Callable[[str, int, int], None]) -> Captured:
        """Take pictures until there are `count`, the source ends, or patience does. Raises `DeliveryError`."""
        until_s = monotonic() + self._patience_s
        while len(self._selection) < count:
            progress("taking pictures", len(self._selection), count)
            if monotonic() > until_s:
                said = self._said or "none came"
                return self._captured(count, f"no good one for {self._patience_s:g} s ({said})")
            try:
                taken = self._consider(self._source.read())
            except EndOfFrames:
                return self._captured(count, "the source has no more")
            except CaptureError as err:
                self._faults += 1
                self._tell(str(err))
                Event().wait(PAUSE_S)
                continue
            if taken:
                until_s = monotonic() + self._patience_s
        progress("taking pictures", count, count)
        return self._captured(count)

    def _consider(self, frame: Frame) -> bool:
        if self._correction is not None:
            frame = self._correction.correct(frame)
        seen = look(frame.image)
        if self._needs_rest and not self._rests(seen, frame.captured_ns):
            self._tell(MOVING)
            return False
        objections = self._selection.objections(seen, to_any=True)
        if objections:
            # Of a live view each fault counts once, and not for every frame that it lasts.
            if self._source.triggered or _kind(objections[0]) != _kind(self._said):
                self._refused[_kind(objections[0])] += 1
            self._tell("; ".join(objections))
            return False
        self._examples.add(frame.image)
        self._selection.add(seen)
        self._said = ""
        return True

    def _rests(self, seen: Look, at_ns: int) -> bool:
        if self._before is None or not alike(self._before, seen):
            self._rests_since_ns = at_ns
        self._before = seen
        return at_ns - self._rests_since_ns >= STILL_S * 1e9

    def _tell(self, text: str) -> None:
        """What is wrong, unless it was said of the picture before, too; figures may differ."""
        news = _kind(text) != _kind(self._said)
        self._said = text
        if news:
            self._say(text)

    def _captured(self, count: int, why: str | None = None) -> Captured:
        paths = tuple(self._examples.paths())
        return Captured(paths, count, self._refused, self._faults, why)


def _kind(text: str) -> str:
    """What is wrong, without figures and advice."""
    return re.split("[:;]", text, maxsplit=1)[0]
