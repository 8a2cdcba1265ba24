"""When the next part is due: an absolute schedule, so that small delays do not add up."""

from threading import Event
from time import monotonic

from edge.types import EndOfFrames

# A source that was held up for longer than this starts its schedule anew instead of racing after it.
MOST_LATE_S = 1.0


class Pace:
    """The beat of a source. `interrupt` may be called from any thread, the rest from the capture thread.

    Args:
        rate_hz: Parts a second; 0 is no waiting.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period_s = 1 / rate_hz if rate_hz else 0.0
        self._due_s: float | None = None
        self._interrupted = Event()

    def wait(self) -> None:
        """Return when the next part is due; at once for the first. Raises `EndOfFrames` when interrupted."""
        now = monotonic()
        if self._due_s is None or now - self._due_s > MOST_LATE_S + self._period_s:
            self._due_s = now
        self.sleep(self._due_s - now)
        self._due_s += self._period_s

    def sleep(self, duration_s: float) -> None:
        """Wait so long, off the beat. Raises `EndOfFrames` when interrupted, now or before."""
        if self._interrupted.wait(max(0.0, duration_s)):
            raise EndOfFrames

    def interrupt(self) -> None:
        """End the wait, and every later one."""
        self._interrupted.set()
