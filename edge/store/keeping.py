"""Keeps the outbox within its limits, piece by piece between two commits; every chosen loss is told of."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from edge import config
from edge.store import limits
from edge.store.journal import Change, Journal
from edge.store.ledger import Ledger, span_of
from edge.store.ranges import Range, Ranges, runs
from edge.store.table import BLOCK_BITS, Record


class Loss(NamedTuple):
    """Records that are to be deleted with the gap message that tells of them: `told`, for `reason`.

    `deletes` has all of them; those that are not in `told` were acknowledged.
    """

    deletes: tuple[int, ...]
    told: tuple[Range, ...]
    reason: str


class Needs(NamedTuple):
    """What the sinks have still to take, and what is with them at this moment."""

    waiting: Ranges
    offered: frozenset[int]


class Keeping:
    """For the writer thread alone. Raises `Damaged` and `Unusable` where the file cannot be used.

    Args:
        path: The outbox's file.
        settings: Its limits.
        journal: The open file.
        age_s: How long the outbox has run.
    """

    def __init__(
        self, path: Path, settings: config.Outbox, journal: Journal, age_s: Callable[[], float]
    ) -> None:
        self.bytes = 0
        self.oldest_s = 0.0
        self.stuck: str | None = None
        """Why the outbox is over a limit for good; None where it is not."""
        self._folder = path.parent
        self._settings = settings
        self._journal = journal
        self._age_s = age_s
        self._ledger = Ledger(journal.tail, journal.head)
        self._ceiling_bytes: float | None = None

    @property
    def learning(self) -> bool:
        """Whether it still looks at what was there at the start."""
        return self._ledger.learning

    def written(self, records: Iterable[Record], deleted: Iterable[int]) -> None:
        """These are new in the file, and those are gone."""
        self._ledger.written(records)
        self._relearn(deleted)

    def step(self, needs: Needs) -> Loss | bool:
        """Do a piece of what is to be done. Returns whether there is more to do, or records that have to go.

        Those are for the caller to delete, in the transaction that brings the gap message.
        """
        if self._ledger.learning:
            self._learn()
            return True
        plan = limits.plan(self._ledger, needs.waiting, self._room(), self._settings)
        self.stuck = f"only events are left, which are never deleted: {plan.reason}" if plan.stuck else None
        self._measure(needs)
        if plan.forget:
            self._journal.commit(Change(deletions=plan.forget))
            for first, _ in plan.forget:
                self._ledger.relearn(first >> BLOCK_BITS, ())
            return True
        return self._loss(plan, needs) if plan.victims else False

    def _learn(self) -> None:
        """A look at so much of the file that it holds up no commit."""
        first, last = self._ledger.unlearned
        first = self._journal.next_from(first, last)
        span = first, min(last, first + (limits.BITE << BLOCK_BITS) - 1)
        self._ledger.learn(span, self._journal.sizes(*span))

    def _loss(self, plan: limits.Plan, needs: Needs) -> Loss | bool:
        found = (seq for block, rank in plan.victims for seq in self._journal.numbers(*span_of(block), rank))
        # What is with a sink now may be delivered the next moment: it is spared.
        deletes = sorted(seq for seq in found if seq not in needs.offered)
        lost = [seq for seq in deletes if seq in needs.waiting]
        if lost:
            return Loss(tuple(deletes), tuple(runs(lost)), plan.reason)
        if deletes:
            self._journal.commit(Change(deletions=tuple(runs(deletes))))
            self._relearn(deletes)
        return bool(deletes)

    def _relearn(self, deleted: Iterable[int]) -> None:
        for block in {seq >> BLOCK_BITS for seq in deleted}:
            self._ledger.relearn(block, self._journal.sizes(*span_of(block)))

    def _room(self) -> limits.Room:
        """The ceiling stands for as long as the disk is nearly full: what comes in must then make room."""
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize >= self._settings.min_free_mb * limits.MEGABYTE:
            self._ceiling_bytes = None
        elif self._ceiling_bytes is None:
            _, spare = self._journal.room()
            room = self._ledger.total_bytes() + (spare - limits.RESERVE_BYTES) / limits.FILE_SHARE
            self._ceiling_bytes = max(room, limits.FLOOR_BYTES)
        return limits.Room(self._age_s(), self._ceiling_bytes)

    def _measure(self, needs: Needs) -> None:
        self.bytes, _ = self._journal.room()
        self.oldest_s = limits.oldest_s(self._ledger, needs.waiting, self._age_s())
