"""Where records come in: each gets its number and its stamp, and waits for the writer in bounded memory."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from time import monotonic, monotonic_ns
from typing import NamedTuple

from edge import message
from edge.message import JSON, Stamp
from edge.store.ranges import Range
from edge.store.ring import Pending, Rank, Ring

GAP = "event/gap"
"""The topic of a message that tells of lost records."""
GROUP = 50
"""A commit is due when so many records wait …"""
LINGER_S = 0.1
"""… or when the first of them has waited for so long."""
RING = 1000
"""So many records wait in memory while the disk errs; while it is only slow, four times as many."""


class Clock(NamedTuple):
    """What an outbox reads the time from.

    `wall` stamps records. `running_s` counts seconds and never jumps: ages rest on it alone, so that a wall
    clock that is set a year ahead expires nothing.
    """

    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    running_s: Callable[[], float] = monotonic


@dataclass(frozen=True)
class Batch:
    """What is to be written in one transaction; `told` are the dropped numbers that its gap message names."""

    pending: tuple[Pending, ...]
    told: tuple[Range, ...]


class Intake:
    """Numbers records. Not safe between threads: the outbox's lock guards it.

    Every number ends in the file or in a gap message that is there: the one for what the ring dropped is written
    with the first records that follow, since a crash between the two would leave a hole that nobody explains.
    """

    def __init__(self, device: str, clock: Clock) -> None:
        self.epoch = ""
        self.newest = 0
        self.accepted = 0
        self.dropped = 0
        self._device = device
        self._clock = clock
        self._ring = Ring()
        self._gap: Pending | None = None
        self._told: tuple[Range, ...] = ()
        self._started_s = clock.running_s()
        self._due_at = inf

    def __len__(self) -> int:
        return len(self._ring) + (self._gap is not None)

    @property
    def due_at(self) -> float:
        """When the next commit is due, in `time.monotonic` seconds; infinity where nothing waits."""
        return 0.0 if len(self._ring) >= GROUP else self._due_at

    @property
    def age_s(self) -> float:
        """Seconds that the outbox has run since it was made."""
        return self._clock.running_s() - self._started_s

    def begin(self, epoch: str, head: int, ran_s: float) -> None:
        """Go on after number `head` of `epoch`; the outbox has run for `ran_s` seconds before."""
        self.epoch = epoch
        self.newest = head
        self._started_s = self._clock.running_s() - ran_s

    def add(
        self,
        topic: str,
        make: Callable[[Stamp], JSON],
        rank: Rank,
        synced: bool,  # noqa: FBT001 - of the stamp
        on_durable: Callable[[], None] | None = None,
        deletes: tuple[int, ...] = (),
    ) -> Pending:
        """A record with the next number; it waits from now on."""
        pending = self._numbered(topic, make, rank, synced, on_durable, deletes)
        if not len(self._ring):
            self._due_at = monotonic() + LINGER_S
        self._ring.add(pending)
        return pending

    def stamp(self, epoch: str, seq: int, synced: bool = False) -> Stamp:  # noqa: FBT001, FBT002
        """This moment's stamp for a record of that name."""
        return Stamp(self._device, epoch, seq, self._clock.wall(), monotonic_ns(), synced)

    def shrink(self, *, erring: bool) -> None:
        """Drop what memory has no room for."""
        self.dropped += self._ring.shrink(RING if erring else 4 * RING)

    def take(self) -> Batch:
        """All that waits, in the order of the numbers, with a gap message where some were dropped."""
        self._told = tuple(self._ring.dropped)
        if self._told and self._gap is None:
            synced = message.clock_is_synced()
            self._gap = self._numbered(GAP, self._tell_of_dropped, Rank.EVENT, synced)
        pending = self._ring.take()
        self._due_at = inf
        if self._gap is not None:
            pending = sorted([*pending, self._gap], key=lambda one: one.seq)
        return Batch(tuple(pending), self._told)

    def give_back(self, batch: Batch) -> None:
        """That batch could not be written: it waits on."""
        self._ring.give_back(one for one in batch.pending if one is not self._gap)
        self._due_at = 0.0

    def written(self, batch: Batch) -> None:
        """That batch is in the file."""
        for first, last in batch.told:
            self._ring.dropped.discard(first, last)
        if self._gap in batch.pending:
            self._gap = None

    def orphan(self) -> tuple[list[Pending], list[Range]]:
        """Give up all that waits, with its numbers and with the dropped ones: their epoch has ended."""
        orphans, lost = self._ring.take(), self._ring.dropped
        if self._gap is not None:
            lost.add(self._gap.seq, self._gap.seq)
            self.dropped += 1
        self._ring, self._gap, self._due_at = Ring(), None, inf
        return orphans, list(lost)

    def _numbered(
        self,
        topic: str,
        make: Callable[[Stamp], JSON],
        rank: Rank,
        synced: bool,  # noqa: FBT001
        on_durable: Callable[[], None] | None = None,
        deletes: tuple[int, ...] = (),
    ) -> Pending:
        self.newest += 1
        self.accepted += 1
        stamp = self.stamp(self.epoch, self.newest, synced)
        return Pending(stamp, self.age_s, rank, topic, make, on_durable, deletes)

    def _tell_of_dropped(self, stamp: Stamp) -> JSON:
        reason = "the disk did not take records, and memory had no room for more"
        return message.gap(stamp, stamp.epoch, list(self._told), reason)
