"""The outbox: every record that has to leave the device is on the disk before anybody is told that it is safe."""

import logging
import secrets
import threading
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, monotonic_ns
from typing import Any, NamedTuple

from edge import config, message
from edge.errors import DeviceError
from edge.mailbox import Closed
from edge.message import JSON, Stamp
from edge.service import Trouble
from edge.store.claim import Claim
from edge.store.cursor import Cursor
from edge.store.journal import Change, Damaged, Journal, Record, Unusable
from edge.store.lane import Lane
from edge.store.ranges import runs
from edge.store.ring import Pending, Rank, Ring
from edge.types import Row, Verdict

GROUP = 50
"""A commit is due when so many records wait …"""
LINGER_S = 0.1
"""… or when the first of them has waited for so long."""
RING = 1000
"""So many records wait in memory while the disk errs; while it is only slow, four times as many."""
SAVE_S = 1.0
"""What sinks acknowledge is on the disk so soon; after a crash, younger acknowledgements are asked for again."""
RETRY_S = 0.5
"""A disk that errs is tried so often."""

log = logging.getLogger(__name__)


class Clock(NamedTuple):
    """What an outbox reads the time from.

    `wall` stamps records. `running_s` counts seconds and never jumps: ages rest on it alone, so that a wall
    clock that is set a year ahead expires nothing.
    """

    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    running_s: Callable[[], float] = monotonic


class Outbox:
    """A durable queue in one SQLite file, with a lane for each sink.

    Records are numbered as they are accepted, wait in memory for the next group commit, and are offered to the
    lanes once they are on the disk. When the disk errs they stay in memory and `trouble` says why; what finds
    no room there is lost, the oldest passed parts first, and an `event/gap` record tells of it.

    Raises `DeviceError` where the file can be neither opened nor made.

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
        self.path = path
        self.accepted = 0
        self.committed = 0
        self.dropped = 0
        self.trimmed = 0
        self.commit_ms = 0.0
        self._limits = limits
        self._device = device
        self._clock = clock
        self._claim = Claim(path)
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._changed = threading.Condition(self._lock)
        self._ring = Ring()
        self._gap: Pending | None = None
        self._linger_until = 0.0
        self._unsaved_since: float | None = None
        self._retry_at = 0.0
        self._closing = False
        self._trouble = Trouble("outbox", log)
        self._damage: Damaged | None = None
        self._lanes = {
            name: Lane(name, path, limits.backlog_rate_hz, self._changed, self._spoke, self._found_damage)
            for name in readers
        }
        try:
            self._journal = Journal(path, self._claim.epoch or new_epoch())
            self._adopt(self._journal)
        except (Unusable, Damaged) as err:
            self._claim.close()
            raise DeviceError(f"{err}; make room there, or make it writable") from err

    @property
    def trouble(self) -> str | None:
        """Why records wait in memory and are not safe; None while all is well."""
        return self._trouble.reason

    @property
    def lost(self) -> int:
        """How many records will never be delivered; a gap message tells of each."""
        return self.dropped + self.trimmed

    @property
    def dead(self) -> int:
        """How many refused records are put aside."""
        return self._journal.dead

    @property
    def pending(self) -> int:
        """How many records are accepted and not yet on the disk."""
        return self.accepted - self.committed - self.dropped

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
            if self._closing:
                raise Closed
            pending = self._numbered(topic, make, Rank.of(verdict), on_durable, synced=synced)
            self._ring.add(pending)
            self._ring_is_bounded()
            waiting = len(self._ring)
            if waiting == 1:
                self._linger_until = monotonic() + LINGER_S
            if waiting in {1, GROUP}:
                self._work.notify()
        return pending.stamp

    def reader(self, name: str) -> Lane:
        """The lane of a sink. Raises `KeyError` for one that was not named when the outbox was opened."""
        return self._lanes[name]

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was accepted before is on the disk, or lost. Says whether it is."""
        with self._changed:
            newest = self._next - 1
            epoch = self.epoch
            return self._changed.wait_for(lambda: self.head >= newest or self.epoch != epoch, timeout_s)

    def close(self) -> None:
        """Take nothing in any more; `write` then ends. To be called when the deliver threads have ended."""
        with self._lock:
            self._closing = True
            self._work.notify()

    def write(self) -> None:
        """The writer thread's work: bring records and acknowledgements to the disk until the outbox is closed.

        Raises `DeviceError` where the outbox is closed and the disk does not take what is left.
        """
        try:
            while not self._turn(closing=self._wait_for_work()):
                pass
        finally:
            for lane in self._lanes.values():
                lane.close()
            self._journal.close()
            self._claim.close()

    def _adopt(self, journal: Journal) -> None:
        """Go on with this file."""
        self.epoch = journal.epoch
        self.head = journal.head
        self._next = journal.head + 1
        self._claim.epoch = journal.epoch
        ran_s = max(journal.newest_s, journal.state.get("ran_s", 0))
        self._started_s = self._clock.running_s() - ran_s
        stored = journal.state.get("lanes", {})
        for name, lane in self._lanes.items():
            lane.epoch, lane.cursor = journal.epoch, Cursor(journal.head)
            if name in stored:
                newer = journal.count_from(stored[name]["seen"] + 1)
                lane.cursor = Cursor.restored(stored[name], journal.head, newer)
        self._unsaved_since = monotonic()

    def _numbered(
        self,
        topic: str,
        make: Callable[[Stamp], JSON],
        rank: Rank,
        on_durable: Callable[[], None] | None = None,
        *,
        synced: bool,
        deletes: tuple[int, ...] = (),
    ) -> Pending:
        """The next number is given out. The lock is held."""
        stamp = Stamp(self._device, self.epoch, self._next, self._clock.wall(), monotonic_ns(), synced)
        self._next += 1
        self.accepted += 1
        return Pending(stamp, self._age_clock_s(), rank, topic, make, on_durable, deletes)

    def _ring_is_bounded(self) -> None:
        self.dropped += self._ring.shrink(RING if self._trouble.failures else 4 * RING)

    def _age_clock_s(self) -> float:
        age_s: float = self._clock.running_s() - self._started_s
        return age_s

    def _spoke(self) -> None:
        """A sink has acknowledged something. The lock is held."""
        if self._unsaved_since is None:
            self._unsaved_since = monotonic()
            self._work.notify()

    def _found_damage(self, damage: Damaged) -> None:
        with self._lock:
            self._damage = damage
            self._work.notify()

    def _wait_for_work(self) -> bool:
        """Until there is something to do; says whether the outbox is closing."""
        with self._work:
            while not self._closing:
                pause_s = self._due() - monotonic()
                if pause_s <= 0:
                    break
                self._work.wait(pause_s)
            return self._closing

    def _due(self) -> float:
        """When the next turn of the writer is due, in `monotonic` seconds. The lock is held."""
        if self._trouble.failures:
            return self._retry_at
        if len(self._ring) >= GROUP:
            return 0.0
        due = monotonic() + 3600
        if len(self._ring):
            due = min(due, self._linger_until)
        if self._unsaved_since is not None:
            due = min(due, self._unsaved_since + SAVE_S)
        return due

    def _turn(self, *, closing: bool) -> bool:
        """Do what is due. Returns whether all is done: closing, and nothing left."""
        try:
            self._commit(save=closing)
        except Unusable as err:
            self._trouble.failed(err)
            self._retry_at = monotonic() + RETRY_S
            if closing:
                raise DeviceError(f"{err}; {len(self._ring)} records in memory are lost") from err
            return False
        return closing and not len(self._ring)

    def _commit(self, *, save: bool) -> None:
        """One transaction with all that waits. Raises `Damaged`, `Unusable`; then everything waits on."""
        with self._lock:
            batch, told = self._batch()
            dead = [dead for lane in self._lanes.values() for dead in lane.refused]
            unsaved_since = self._unsaved_since
            due = unsaved_since is not None and monotonic() >= unsaved_since + SAVE_S
            state = self._state() if save or due or dead or self._trouble.failures else None
            if state is not None:
                self._unsaved_since = None
        if not batch and state is None:
            return
        started = monotonic()
        try:
            records = [self._record(pending) for pending in batch]
            deletions = [run for pending in batch for run in runs(pending.deletes)]
            self._journal.commit(Change(records, deletions, dead, state))
        except (Unusable, Damaged):
            with self._lock:
                self._ring.give_back(pending for pending in batch if pending is not self._gap)
                self._ring_is_bounded()
                self._unsaved_since = unsaved_since
            raise
        self.commit_ms = (monotonic() - started) * 1000
        self._trouble.worked()
        with self._changed:
            for first, last in told:
                self._ring.dropped.discard(first, last)
            self._now_durable(batch, records)
            for lane in self._lanes.values():
                lane.refused = [one for one in lane.refused if one not in dead]
            self._changed.notify_all()
        for pending in batch:
            if pending.on_durable is not None:
                pending.on_durable()

    def _batch(self) -> tuple[list[Pending], list[tuple[int, int]]]:
        """All that waits, with a gap message for what was dropped from the ring. The lock is held.

        The gap is in the transaction of the first records that follow it: a crash between the two would leave
        a hole that nobody explains.
        """
        told = list(self._ring.dropped)
        if told and self._gap is None:
            synced = message.clock_is_synced()
            self._gap = self._numbered("event/gap", self._tell_of_dropped, Rank.EVENT, synced=synced)
        batch = self._ring.take()
        if self._gap is not None:
            batch = sorted([*batch, self._gap], key=lambda pending: pending.seq)
        self._told = told
        return batch, told

    def _tell_of_dropped(self, stamp: Stamp) -> JSON:
        reason = "the disk did not take records, and memory had no room for more"
        return message.gap(stamp, self.epoch, self._told, reason)

    def _record(self, pending: Pending) -> Record:
        payload = message.encode(pending.make(pending.stamp))
        return Record(pending.seq, pending.rank, int(pending.at_s), pending.topic, payload)

    def _now_durable(self, batch: list[Pending], records: list[Record]) -> None:
        """The lanes may have these. The lock is held."""
        self._gap = None if self._gap in batch else self._gap
        rows = [Row(record.seq, record.topic, record.payload) for record in records]
        if rows:
            self.head = rows[-1].seq
            self.committed += len(rows)
        for lane in self._lanes.values():
            lane.cursor.committed(rows)
            gone = [seq for pending in batch for seq in pending.deletes]
            if gone:
                lane.cursor.deleted(gone)

    def _state(self) -> dict[str, Any]:
        """What the file keeps beside the records. The lock is held."""
        return {
            "ran_s": int(self._age_clock_s()),
            "lanes": {name: lane.cursor.state() for name, lane in self._lanes.items()},
        }


def new_epoch() -> str:
    """A name for a new sequence of numbers that has not been used before."""
    return secrets.token_hex(4)
