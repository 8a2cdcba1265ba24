"""The outbox: every record that has to leave the device is on the disk before anybody is told that it is safe."""

import threading
from collections.abc import Callable, Collection
from pathlib import Path

from edge import config, message
from edge.errors import ConfigError, DeviceError
from edge.mailbox import Closed
from edge.message import JSON, Stamp
from edge.store.claim import Claim
from edge.store.intake import Clock, Intake
from edge.store.lane import Lane
from edge.store.ring import Rank
from edge.store.table import Unusable
from edge.store.writer import Writer
from edge.types import Verdict


class Outbox:
    """A durable queue in one SQLite file, with a lane for each sink.

    Records are numbered as they are accepted, wait in memory for the next group commit, and are offered to the
    lanes once they are on the disk. When the disk errs they stay in memory and `trouble` says why; what finds
    no room there is lost, the oldest passed parts first, and an `event/gap` record tells of it. A damaged file
    is put aside; a new epoch begins with what could be saved of it, and with a gap message.

    Raises `DeviceError` where the file can be neither opened nor made, `ConfigError` where two sinks are one.

    Args:
        path: The file; its folder must exist.
        limits: Its table in the settings.
        device: Who speaks, in every record.
        readers: The sinks. One that is new begins with the records accepted from now on; what is kept for
            one that is not named any more is let go.
        clock: Of the wall, and of ages.
    """

    def __init__(
        self,
        path: Path,
        limits: config.Outbox,
        device: str,
        readers: Collection[str],
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        if len(set(readers)) < len(readers):
            raise ConfigError(f"sinks: two of {', '.join(readers)} are the same; remove one")
        self.path = path
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._changed = threading.Condition(self._lock)
        self._intake = Intake(device, clock)
        self._claim = Claim(path)
        try:
            self._writer = Writer(path, limits, self._claim, self._intake, self._work, self._changed)
            self._lanes = {
                name: Lane(name, path, limits.backlog_rate_hz, self._changed, self._writer)
                for name in readers
            }
            self._writer.open(self._lanes)
        except Unusable as err:
            self._claim.close()
            raise DeviceError(
                f"{err}: the outbox cannot be opened; make the disk writable, with room"
            ) from err

    @property
    def epoch(self) -> str:
        """The name of the sequence of numbers; a new one begins with a new file."""
        return self._intake.epoch

    @property
    def head(self) -> int:
        """The highest number that is on the disk; 0 where there is none."""
        return self._writer.head

    @property
    def accepted(self) -> int:
        """How many records came in, gap messages included."""
        return self._intake.accepted

    @property
    def committed(self) -> int:
        """How many of them are on the disk."""
        return self._writer.committed

    @property
    def pending(self) -> int:
        """How many of them are not, and are not lost either."""
        with self._lock:
            return self._intake.accepted - self._intake.dropped - self._writer.committed

    @property
    def lost(self) -> int:
        """How many records will never be delivered; a gap message tells of each."""
        return self._intake.dropped + self._writer.deleted

    @property
    def dead(self) -> int:
        """How many records that a sink refused are put aside."""
        return self._writer.dead

    @property
    def bytes(self) -> int:
        """Bytes in use in the file, as of a second ago."""
        return self._writer.bytes

    @property
    def oldest_s(self) -> float:
        """How long the oldest record that waits has waited, at most."""
        return self._writer.oldest_s

    @property
    def commit_ms(self) -> float:
        """How long the last commit took."""
        return self._writer.commit_ms

    @property
    def trouble(self) -> str | None:
        """Why records are not safe, or will not be for long; None while all is well."""
        return self._writer.reason

    def accept(
        self,
        topic: str,
        make: Callable[[Stamp], JSON],
        verdict: Verdict | None = None,
        on_durable: Callable[[], None] | None = None,
    ) -> Stamp:
        """Take a record in and number it; returns at once, whatever the disk does. Any thread.

        Args:
            topic: Below the device's base topic.
            make: Gives the content; called on the writer thread, more than once where the disk errs.
            verdict: Of a part: what has to go goes by it. None is an event, which is kept longest.
            on_durable: Called on the writer thread once the record is on the disk.

        Raises:
            Closed: After `close`.
        """
        synced = message.clock_is_synced()
        with self._lock:
            if self._writer.closing:
                raise Closed
            due_at = self._intake.due_at
            pending = self._intake.add(topic, make, Rank.of(verdict), synced, on_durable)
            self._intake.shrink(erring=self._writer.erring)
            if self._intake.due_at < due_at:
                self._work.notify()
        return pending.stamp

    def reader(self, name: str) -> Lane:
        """The lane of a sink. Raises `KeyError` for one that was not named when the outbox was opened."""
        return self._lanes[name]

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was accepted before is on the disk, or lost and told of. Says whether it is."""
        with self._changed:
            epoch, newest = self._intake.epoch, self._intake.newest
            return self._changed.wait_for(
                lambda: self._writer.head >= (newest if self._intake.epoch == epoch else 1), timeout_s
            )

    def write(self) -> None:
        """The writer thread's work: bring records and acknowledgements to the disk until the outbox is closed.

        Raises `DeviceError` where the outbox is closed and the disk does not take what is left.
        """
        try:
            self._writer.run()
        finally:
            self._claim.close()

    def close(self) -> None:
        """Take nothing in any more; `write` then ends. To be called when the deliver threads have ended."""
        with self._lock:
            self._writer.closing = True
            self._work.notify()
