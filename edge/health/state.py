"""The station's status: what it can do just now, and the sentences that say why not more."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

from edge.config import Health as HealthConfig
from edge.health.board import Board, disk_free_mb
from edge.health.meters import Meters
from edge.message import STATUS, TELEMETRY, clock_is_synced, timestamp
from edge.types import Verdict

QUEUE = ("waiting", "backlog", "lost", "dead")
COOLER_C = 3.0
"""A hot board counts as hot until it is so much cooler: no message for every tenth of a degree."""


class Health(Meters):
    """Meters, troubles and readings of a station. Any thread may call any method.

    Args:
        config: Limits.
        folder: Where the station writes: its disk is watched.
        min_free_mb: Less room than this on that disk is a trouble.
        root: Where the kernel's files are; a tree of examples in tests.
    """

    def __init__(
        self, config: HealthConfig, folder: Path, min_free_mb: float = 500.0, root: Path = Path("/")
    ) -> None:
        super().__init__()
        self.insecure = False
        """Set where the settings give up some of the transport's security."""
        self.teaching: Callable[[], Mapping[str, Any]] = dict
        """How far teaching is, for the status."""
        self._config = config
        self._folder = folder
        self._min_free_mb = min_free_mb
        self._board = Board(root)
        self._since = monotonic()
        self._gauges: dict[str, Callable[[], float]] = {}
        self._troubles: dict[str, str] = {}
        self._faults: set[str] = set()
        self._stage = "starting"
        self._hot = False
        self._announced: object = None
        self._trouble_lock = Lock()

    def ready(self) -> None:
        """The first good frame was judged, and everything is open."""
        self._stage = "ready"

    def stopping(self) -> None:
        """The station is on its way out."""
        self._stage = "stopping"

    def trouble(self, name: str, sentence: object, *, fault: bool = False) -> None:
        """Something named does not work, and why. With `fault`, parts cannot be inspected meanwhile."""
        with self._trouble_lock:
            self._troubles[name] = str(sentence)
            (self._faults.add if fault else self._faults.discard)(name)

    def well(self, name: str) -> None:
        """It works again, or always did."""
        if name in self._troubles:
            with self._trouble_lock:
                self._troubles.pop(name, None)
                self._faults.discard(name)

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """A reading that is taken when somebody asks; `waiting backlog lost dead` are the queue's."""
        self._gauges[name] = read

    def gauges(self) -> dict[str, float]:
        """Every reading, now."""
        return {name: read() for name, read in self._gauges.items()}

    def status(self) -> dict[str, Any]:
        """Topic `status`."""
        temperature_c = self._board.temperature_c()
        throttled = self._board.throttled()
        free_mb = disk_free_mb(self._folder)
        self._watch(temperature_c, throttled, free_mb)
        with self._trouble_lock:
            reasons = [f"{name}: {sentence}" for name, sentence in sorted(self._troubles.items())]
            state = self._state()
        return {
            "schema": STATUS,
            "ts": timestamp(datetime.now(UTC)),
            "state": state,
            "reasons": reasons,
            "queue": self._queue(),
            "clock": {"synced": clock_is_synced()},
            "temperature_c": None if temperature_c is None else round(temperature_c, 1),
            "throttled": None if throttled is None else bool(throttled),
            "insecure": self.insecure,
            "disk_free_mb": None if free_mb is None else round(free_mb),
            "teaching": dict(self.teaching()),
        }

    def telemetry(self) -> dict[str, Any]:
        """Topic `telemetry`. Counts are since the start; percentiles are of the latest 1,000 to 2,000."""
        parts = self.labels("parts")
        return {
            "schema": TELEMETRY,
            "ts": timestamp(datetime.now(UTC)),
            "uptime_s": round(self.uptime_s, 1),
            "parts": {verdict.value: parts.get(verdict.value, 0) for verdict in Verdict},
            "stages": self.stages(),
            "rss_mb": round(self.rss_mb(), 1),
            "queue": self._queue(),
            "drops": self.labels("drops"),
        }

    def rss_mb(self) -> float:
        """Memory of this process that is in RAM, in MB."""
        return self._board.rss_mb()

    def changed(self) -> bool:
        """Whether the status says something else than when this was last true: then it is to be published.

        Falling queues, rising temperatures and the disk's room alone are no news until they are a reason.
        """
        status = self.status()
        told = (
            status["state"],
            status["reasons"],
            status["clock"],
            status["throttled"],
            status["insecure"],
            status["queue"]["lost"],
            status["queue"]["dead"],
            status["queue"]["backlog"] > 0,
            status["teaching"],
        )
        news = told != self._announced
        self._announced = told
        return news

    @property
    def fault(self) -> bool:
        """Whether parts cannot be inspected just now."""
        return bool(self._faults)

    @property
    def uptime_s(self) -> float:
        """Seconds since this was built."""
        return monotonic() - self._since

    def _state(self) -> str:
        if self._stage == "stopping":
            return "stopping"
        if self._faults:
            return "fault"
        if self._stage == "starting":
            return "starting"
        return "degraded" if self._troubles else "ok"

    def _queue(self) -> dict[str, int]:
        return {name: int(self._gauges[name]()) if name in self._gauges else 0 for name in QUEUE}

    def _watch(
        self, temperature_c: float | None, throttled: tuple[str, ...] | None, free_mb: float | None
    ) -> None:
        limit_c = self._config.max_temperature_c
        self._hot = temperature_c is not None and temperature_c > limit_c - (COOLER_C if self._hot else 0)
        self._tell(self._hot, "temperature", f"the board is hotter than {limit_c:g} °C; cool it better")
        self._tell(bool(throttled), "throttled", "; ".join(throttled or ()))
        low = free_mb is not None and free_mb < self._min_free_mb
        self._tell(low, "disk", f"less than {self._min_free_mb:g} MB free at {self._folder}; make room")

    def _tell(self, wrong: bool, name: str, sentence: str) -> None:  # noqa: FBT001 - the subject of the sentence
        if wrong:
            self.trouble(name, sentence)
        else:
            self.well(name)
