"""What a daemon needs from its surroundings: a crew of threads, systemd, and quiet logs."""

import logging
import os
import socket
import threading
from collections.abc import Callable
from time import monotonic

from edge.errors import EXIT_SOFTWARE, EdgeError

log = logging.getLogger(__name__)

KEPT_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR")


def bare_environment() -> dict[str, str]:
    """What a child process gets of ours: no credentials, no sockets, no preloads; and one thread of BLAS."""
    kept = {key: os.environ[key] for key in KEPT_ENVIRONMENT if key in os.environ}
    return {**kept, "OPENBLAS_NUM_THREADS": "1"}


class Crew:
    """Named threads that live and die together: one that raises stops all.

    The first to raise gives the exit code: others may fail only because of it.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.exit_code = 0
        self._threads: list[threading.Thread] = []
        self._busy: dict[str, float] = {}

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Run `work` in a thread of its own. Returning is a good end; raising ends the crew."""
        thread = threading.Thread(target=self._run, args=(name, work), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Ask everybody to end. May be called from any thread and from a signal handler."""
        self.stopping.set()

    def join(self, name: str, timeout_s: float) -> bool:
        """Wait for a thread; says whether it has ended."""
        for thread in self._threads:
            if thread.name == name:
                thread.join(timeout_s)
                return not thread.is_alive()
        return True

    def busy(self, name: str) -> None:
        """The calling stage begins a piece of work; `idle` ends it. Never ending is what the watchdog sees."""
        self._busy[name] = monotonic()

    def idle(self, name: str) -> None:
        """The calling stage waits for work."""
        self._busy.pop(name, None)

    def stuck(self, limit_s: float) -> list[str]:
        """The stages that have been busy with one piece of work for longer than `limit_s`."""
        now = monotonic()
        return [name for name, since in list(self._busy.items()) if now - since > limit_s]

    def _run(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except EdgeError as err:
            log.critical("%s: %s", name, err)
            self.exit_code = self.exit_code or err.exit_code
            self.stop()
        except Exception:  # the only broad one: a bug ends the process, and systemd starts a fresh one
            log.critical("%s: a bug ended this thread", name, exc_info=True)
            self.exit_code = self.exit_code or EXIT_SOFTWARE
            self.stop()


class Trouble:
    """Logs when something breaks and when it mends, and not in between. For one thread.

    Args:
        what: What may break.
        logger: Whose words they are; None where somebody else tells of it.
        tell: Is told the reason whenever it changes, and None when all is well again.
    """

    def __init__(
        self,
        what: str,
        logger: logging.Logger | None,
        tell: Callable[[str | None], None] = lambda _reason: None,
    ) -> None:
        self.what = what
        self.failures = 0
        self.reason: str | None = None
        self._log = logger
        self._tell = tell

    def failed(self, error: object) -> None:
        """It did not work this time."""
        self.failures += 1
        if self.failures == 1 and self._log is not None:
            self._log.error("%s: %s", self.what, error)
        if str(error) != self.reason:
            self.reason = str(error)
            self._tell(self.reason)

    def worked(self) -> None:
        """It worked this time."""
        if self.failures:
            if self._log is not None:
                self._log.warning("%s: well again after %d failures", self.what, self.failures)
            self._tell(None)
        self.failures = 0
        self.reason = None


class Systemd:
    """systemd's notification protocol (sd_notify(3)); silent where systemd did not start us."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6
        """How often systemd wants to hear from us; 0 where it does not."""

    def notify(self, *assignments: str) -> None:
        """Send assignments such as `READY=1` or `STATUS=…`."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            try:
                sender.sendto("\n".join(assignments).encode(), self._address)
            except OSError as err:
                log.warning("systemd cannot be notified: %s", err)
