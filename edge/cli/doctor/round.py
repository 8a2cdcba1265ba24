"""The doctor's round: looks in threads, so that a camera or a broker that never answers holds up nobody."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic

from edge.cli.doctor.line import Line

Look = Callable[[], Iterator[Line]]
THREAD = "look "
"""How the names of the threads begin."""


@dataclass(eq=False)
class Round:
    """One look at work; `lines` grow while it lasts."""

    name: str
    look: Look
    lines: list[Line] = field(default_factory=list)
    whole: bool = False
    """It came to its end: otherwise it is stuck, or the doctor has a bug."""

    def start(self) -> None:
        """Begin. The thread ends with the process, whatever it waits for."""
        self._thread = threading.Thread(target=self._run, name=f"{THREAD}{self.name}", daemon=True)
        self._thread.start()

    def end(self, until_s: float) -> Iterator[Line]:
        """Its lines, and a line that says so where it is not done by `until_s` of the monotonic clock."""
        self._thread.join(max(0.0, until_s - monotonic()))
        stuck = self._thread.is_alive()
        yield from list(self.lines)
        if stuck:
            remedy = "its device, driver or network does not answer: unplug it, or see the last line above"
            yield Line("fail", self.name, "no answer in time; this check was given up", remedy)
        elif not self.whole:
            remedy = "report it, with the traceback above"
            yield Line("fail", self.name, "the check itself broke: a bug of edge-inspect", remedy)

    def _run(self) -> None:
        for line in self.look():
            self.lines.append(line)
        self.whole = True


def rounds(looks: Sequence[tuple[str, Look]], limit_s: float) -> Iterator[Line]:
    """All lines of looks that run side by side, in their order, after `limit_s` at the latest."""
    until_s = monotonic() + limit_s
    started = [Round(name, look) for name, look in looks]
    for each in started:
        each.start()
    for each in started:
        yield from each.end(until_s)
