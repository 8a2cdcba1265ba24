"""A source whose parts are announced by a line: each edge of the trigger is a part, and has to be answered for.

The camera runs freely, and a part gets the first frames that began when it was in place. A part without such a
frame is a `Miss`, whatever the reason: the camera is away, the next part was there already, there were too many.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from threading import Event
from time import monotonic_ns
from types import TracebackType
from typing import Protocol, Self

from edge.config import Gpio
from edge.errors import CaptureError
from edge.gpio.lines import Edge
from edge.types import EndOfFrames, Frame, Source

log = logging.getLogger(__name__)

LOOK_S = 0.2
"""How long a wait for an edge lasts before interruption is looked at."""
CHECK_NS = 1_000_000_000
"""A camera that nobody has asked for so long is asked, so that its loss is known before a part comes."""
PATIENCE_NS = 2_000_000_000
"""Frames that come, but are all older than the part: after so long, something is wrong with their time."""


class Panel(Protocol):
    """As much of `edge.gpio.panel.Panel` as is used here."""

    def edges(self, timeout_s: float) -> list[Edge]:
        """The edges since the last call; waits for one."""
        ...

    def light(self, *, on: bool) -> None:
        """Switch the strobe."""
        ...

    def began(self) -> None:
        """A part has come."""
        ...

    def sees(self) -> None:
        """The source gives frames."""
        ...


class Triggered:
    """The frames of a source, some for each edge.

    Args:
        source: The camera.
        panel: The lines.
        config: Their settings.
        frames: How many frames a part has.
        well: Is told, on the capture thread, when the camera gives frames while no part comes.
    """

    triggered = True

    def __init__(
        self,
        source: Source,
        panel: Panel,
        config: Gpio,
        frames: int,
        well: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = source.name
        self.sequence = 0
        """Number of the frame that was given last, or should have been; the first is 1."""
        self._source = source
        self._panel = panel
        self._delay_ns = round(config.delay_ms * 1e6)
        strobe = config.lamp_line is not None and config.lamp == "strobe"
        self._lead_ns = round(config.lamp_lead_ms * 1e6) if strobe else None
        self._frames = frames
        self._well = well
        self._awaited: deque[Edge] = deque()
        self._given: deque[Frame | CaptureError] = deque()
        self._last = 0
        self._asked_ns = 0
        self._ended = Event()

    def __enter__(self) -> Self:
        self._source.__enter__()
        if self._source.triggered:
            self._panel.sees()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.__exit__(kind, error, trace)
        self._collect(0)
        left = len(self._awaited) + len(self._given) // self._frames
        if left:
            log.warning("%s: stopped with %d parts announced that were not inspected", self.name, left)

    def read(self) -> Frame:
        """The next frame of a part; waits for the edge.

        Raises `CaptureError`, with the part's id, for each frame that a part should have had; without one, where
        the camera fails while no part is awaited.
        """
        while not self._given:
            if self._ended.is_set():
                raise EndOfFrames
            self._collect(0 if self._awaited else LOOK_S)
            if self._awaited:
                self._photograph()
            elif not self._given and not self._source.triggered:
                self._check()
        self.sequence += 1
        given = self._given.popleft()
        if isinstance(given, CaptureError):
            raise given
        return replace(given, sequence=self.sequence)

    def interrupt(self) -> None:
        """See `Source`."""
        self._ended.set()
        self._source.interrupt()

    def _collect(self, timeout_s: float) -> None:
        for edge in self._panel.edges(timeout_s):
            for number in range(self._last + 1, edge.number):
                self._panel.began()
                self._miss(Edge(number, edge.at_ns), "parts came faster than the kernel can count them")
            self._last = edge.number
            self._panel.began()
            self._awaited.append(edge)

    def _check(self) -> None:
        if monotonic_ns() - self._asked_ns > CHECK_NS:
            self._source.read()
            self._asked_ns = monotonic_ns()
            self._panel.sees()
            self._well()

    def _photograph(self) -> None:
        """Frames for the part that is awaited first; or why neither it nor those behind it can have any."""
        self._panel.light(on=True)
        try:
            taken = self._take(0 if self._lead_ns is None else monotonic_ns() + self._lead_ns)
        except CaptureError as err:
            self._miss_all(str(err))
        except EndOfFrames:
            self._miss_all("the source has come to its end")
            self._ended.set()
        else:
            part = self._awaited.popleft()
            self._given += (replace(frame, trigger="gpio", part_id=_part_id(part)) for frame in taken)
        finally:
            self._panel.light(on=False)
            self._asked_ns = monotonic_ns()

    def _take(self, lit_ns: int) -> list[Frame]:
        taken: list[Frame] = []
        while len(taken) < self._frames:
            frame = self._source.read()
            self._collect(0)
            begin_ns = max(self._due_ns(self._awaited[0]), lit_ns)
            if frame.captured_ns < begin_ns:
                if monotonic_ns() > begin_ns + PATIENCE_NS:
                    raise CaptureError(
                        f"{self.name}: its frames are all older than the trigger; is its clock right?"
                    )
                continue
            while len(self._awaited) > 1 and frame.captured_ns >= self._due_ns(self._awaited[1]):
                self._miss(self._awaited.popleft(), "the next part was there before its picture was taken")
                taken.clear()
            taken.append(frame)
        return taken

    def _due_ns(self, part: Edge) -> int:
        return part.at_ns + self._delay_ns

    def _miss_all(self, reason: str) -> None:
        self._collect(0)
        while self._awaited:
            self._miss(self._awaited.popleft(), reason)

    def _miss(self, part: Edge, reason: str) -> None:
        self._given += (CaptureError(f"not judged: {reason}", _part_id(part)) for _ in range(self._frames))


def _part_id(edge: Edge) -> str:
    return f"T{edge.number:06d}"
