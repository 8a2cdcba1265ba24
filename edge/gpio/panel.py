"""What the station says to its machine by lines: which of them a verdict drives, and for how long."""

from threading import Event, Lock
from types import TracebackType
from typing import Literal, Protocol, Self, assert_never

from edge.config import Gpio, Output
from edge.errors import DeviceError
from edge.gpio.lines import Edge
from edge.mailbox import Closed, Mailbox
from edge.service import Crew, Trouble
from edge.types import Verdict

MOST_WAITING = 16
"""Verdicts that wait for the pulses before them: with more, the machine takes one part's answer for another's."""


class Lines(Protocol):
    """As much of `edge.gpio.lines.Lines` as is used here."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def switch(self, name: Output, *, on: bool) -> None:
        """Set an output."""
        ...

    def edges(self, timeout_s: float) -> list[Edge]:
        """The edges of the trigger since the last call."""
        ...


def answer(verdict: Verdict) -> Literal["pass", "fail"]:
    """The line that a verdict drives: whatever is not a pass is a fail."""
    match verdict:
        case Verdict.PASS:
            return "pass"
        case Verdict.FAIL | Verdict.INCONCLUSIVE | Verdict.ERROR:
            return "fail"
        case _:
            assert_never(verdict)


class Panel:
    """The lines at work. Open it before its threads start, and leave it after they have ended.

    All outputs are off before, and after however it is left.
    """

    def __init__(self, config: Gpio, lines: Lines) -> None:
        self._config = config
        self._lines = lines
        self._answers = bool({"pass", "fail", "busy"} & config.outputs.keys())
        self._verdicts: Mailbox[Verdict] = Mailbox(2 * MOST_WAITING)
        self._inside = 0
        self._lock = Lock()
        self._ready = False
        self._sees = config.trigger_line is None

    def __enter__(self) -> Self:
        """Raises `ConfigError` and `DeviceError`, as opening the lines does."""
        self._lines.__enter__()
        if self._config.lamp == "steady":
            self._lines.switch("lamp", on=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.__exit__(kind, error, trace)

    def edges(self, timeout_s: float) -> list[Edge]:
        """The edges of the trigger since the last call; waits for one. On the capture thread."""
        return self._lines.edges(timeout_s)

    def light(self, *, on: bool) -> None:
        """Switch the strobe; a steady lamp stays on. On the capture thread."""
        if self._config.lamp == "strobe":
            self._lines.switch("lamp", on=on)

    def began(self) -> None:
        """A part has come, and will get a verdict. On the capture thread."""
        self._count(1)

    def sees(self) -> None:
        """The camera gives frames: before, no part is to be announced. On the capture thread."""
        self._sees = True

    def ready(self, *, on: bool) -> None:
        """Whether a part that comes now is inspected. On the main thread."""
        on = on and self._sees
        if on != self._ready:
            self._lines.switch("ready", on=on)
            self._ready = on

    def judged(self, verdict: Verdict) -> None:
        """A part has its verdict; never waits. On the inspect thread.

        Raises `DeviceError` where so many verdicts wait for their pulses that they tell the machine nothing.
        """
        if not self._answers:
            return
        if len(self._verdicts) >= MOST_WAITING:
            raise DeviceError(
                f"gpio.pulse_ms: {MOST_WAITING} verdicts wait for the pulses of those before; "
                f"parts must come slower than one in {2 * self._config.pulse_ms:g} ms, or pulses be shorter"
            )
        self._verdicts.put(verdict)

    def close(self) -> None:
        """No more verdicts come."""
        self._verdicts.close()

    def work(self, crew: Crew, trouble: Trouble) -> None:
        """Drive the lines of the verdicts, until `close`: the body of a thread."""
        while True:
            try:
                verdict = self._verdicts.get()
            except Closed:
                return
            if len(self._verdicts):
                trouble.failed("verdicts wait for the pulses of those before; make gpio.pulse_ms shorter")
            else:
                trouble.worked()
            crew.busy("signal")
            name = self._drive(verdict)
            crew.idle("signal")
            if name in self._config.outputs and self._config.pulse_ms:
                self._end(name)

    def _drive(self, verdict: Verdict) -> Literal["pass", "fail"]:
        """The answer first, and only then the end of `busy`: a machine that waits for that finds it there."""
        name = answer(verdict)
        if not self._config.pulse_ms:
            self._lines.switch("fail" if name == "pass" else "pass", on=False)
        self._lines.switch(name, on=True)
        self._count(-1)
        return name

    def _end(self, name: Literal["pass", "fail"]) -> None:
        pause = Event()
        pause.wait(self._config.pulse_ms / 1e3)
        self._lines.switch(name, on=False)
        # Two parts are two pulses: without a rest of its own, a machine would see one long one.
        pause.wait(self._config.pulse_ms / 1e3)

    def _count(self, change: int) -> None:
        with self._lock:
            self._inside = max(0, self._inside + change)
            self._lines.switch("busy", on=self._inside > 0)
