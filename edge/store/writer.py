"""The writer of the outbox: group commits, acknowledgements, limits, and a new file where the old is damaged."""

import logging
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from edge import config, message
from edge.errors import DeviceError
from edge.message import JSON, Stamp
from edge.service import Trouble
from edge.store.claim import Claim
from edge.store.cursor import Cursor
from edge.store.intake import GAP, Batch, Intake
from edge.store.journal import Change
from edge.store.keeping import Keeping, Loss, Needs
from edge.store.lane import Lane
from edge.store.opening import Opened, new_epoch, open_anew, open_file
from edge.store.ranges import Range, Ranges, runs
from edge.store.ring import Pending, Rank
from edge.store.salvage import Wreck
from edge.store.table import Damaged, Dead, Record, Unusable
from edge.types import Row

SAVE_S = 1.0
"""What sinks acknowledge is on the disk so soon; after a crash, younger acknowledgements are asked for again."""
SAVE_ROWS = 4096
"""… and after so many records: those that are younger than what is stored are counted at the next start."""
RETRY_S = 0.5
"""A disk that errs is tried so often."""
KEEP_S = 1.0
"""The limits are looked after so often …"""
KEEP_ROWS = 1024
"""… and after so many new records."""

log = logging.getLogger(__name__)


class Writer:
    """The only one that changes the file. `open` comes first, then `run` on a thread of its own.

    Its attributes may be read from any thread.

    Args:
        path: The outbox's file.
        limits: The outbox's table in the settings.
        claim: The mark beside the file.
        intake: Where records come in.
        work: Notified when there is something to do; its lock guards the intake and the lanes' cursors.
        changed: On the same lock; notified when there is something new in the file.
    """

    def __init__(
        self,
        path: Path,
        limits: config.Outbox,
        claim: Claim,
        intake: Intake,
        work: threading.Condition,
        changed: threading.Condition,
    ) -> None:
        self.head = self.committed = self.deleted = self.dead = self.bytes = 0
        self.oldest_s = self.commit_ms = 0.0
        self.closing = False
        self._path = path
        self._limits = limits
        self._claim = claim
        self._intake = intake
        self._work = work
        self._changed = changed
        self._lanes: Mapping[str, Lane] = {}
        self._trouble = Trouble("outbox", log)
        self._damage: Damaged | None = None
        self._wreck: Wreck | None = None
        self._orphans: Collection[Pending] = ()
        self._unsaved_since: float | None = None
        self._unsaved_rows = self._unkept_rows = 0
        self._retry_at = self._keep_at = 0.0

    @property
    def erring(self) -> bool:
        """Whether the disk did not take the last commit."""
        return self._trouble.failures > 0

    @property
    def reason(self) -> str | None:
        """Why records are not safe, or will not be for long; None while all is well."""
        return self._trouble.reason or self._keeping.stuck

    def open(self, lanes: Mapping[str, Lane]) -> None:
        """Open the file, or make it, or make another where it is damaged. Raises `Unusable`."""
        self._lanes = lanes
        self._begin(open_file(self._path, self._claim.epoch, lanes.keys(), self._tell_of_wreck))

    def run(self) -> None:
        """Work until `closing` is set and all is in the file. Raises `DeviceError` where that cannot be."""
        try:
            while not self._turn(closing=self._wait_for_work()):
                pass
        finally:
            for lane in self._lanes.values():
                lane.close()
            self._journal.close()

    def spoke(self) -> None:
        """A sink has acknowledged or refused something. The lock is held."""
        if self._unsaved_since is None:
            self._unsaved_since = monotonic()
            self._work.notify()

    def found_damage(self, epoch: str, damage: Damaged) -> None:
        """The file of that epoch cannot be read in some place. Any thread."""
        with self._work:
            if epoch == self._intake.epoch and self._damage is None:
                self._damage = damage
                self._work.notify()

    # A file, and another

    def _begin(self, opened: Opened) -> None:
        """Go on with this file."""
        journal = self._journal = opened.journal
        self._claim.epoch = journal.epoch
        self._keeping = Keeping(self._path, self._limits, journal, lambda: self._intake.age_s)
        self.deleted += opened.lost
        with self._changed:
            if self._intake.epoch != journal.epoch:
                ran_s = max(journal.newest_s, journal.state.get("ran_s", 0))
                self._intake.begin(journal.epoch, journal.head, ran_s)
            self.head, self.dead = journal.head, journal.dead
            for name, lane in self._lanes.items():
                lane.begin(journal.epoch, opened.cursors[name])
            # The first commit stores who reads: a sink that is not in the file gets nothing that is older.
            self._unsaved_since = -SAVE_S
            self._changed.notify_all()

    def _begin_anew(self, damage: Damaged) -> None:
        """The file turned out to be damaged. Raises `Unusable` where there can be no other, for the next try.

        Records that come in meanwhile are of the new epoch already.
        """
        if self._wreck is None:
            with self._changed:
                old_epoch = self._intake.epoch
                self._orphans, lost = self._intake.orphan()
                waiting = {name: lane.cursor.waiting for name, lane in self._lanes.items()}
                self._intake.begin(new_epoch(), 1, self._intake.age_s)
                self.head = 0
                for lane in self._lanes.values():
                    lane.begin(self._intake.epoch, Cursor(0))
            orphans = [_record(pending) for pending in self._orphans]
            self._wreck = Wreck(self._path, str(damage), old_epoch, waiting, lost, orphans)
        for lane in self._lanes.values():
            lane.close()
        self._journal.close()
        epoch, ran_s = self._intake.epoch, self._intake.age_s
        self._begin(open_anew(self._wreck, epoch, self._lanes.keys(), self._tell_of_wreck, ran_s))
        self._wreck = self._damage = None
        self.committed += len(self._orphans)
        _tell_durable(self._orphans)

    def _tell_of_wreck(self, wreck: Wreck, epoch: str, lost: list[Range], ran_s: float) -> Record:
        """The first record of the file that takes the place of a damaged one."""
        stamp = self._intake.stamp(epoch, 1)
        gap = message.gap(stamp, wreck.epoch, lost, f"{wreck.reason}: put aside, and begun anew")
        return Record(1, Rank.EVENT, int(ran_s), GAP, message.encode(gap))

    # The turns

    def _wait_for_work(self) -> bool:
        """Until there is something to do; says whether the outbox is closing."""
        with self._work:
            while not self.closing:
                pause_s = self._due() - monotonic()
                if pause_s <= 0:
                    break
                self._work.wait(pause_s)
            return self.closing

    def _due(self) -> float:
        """When the next turn is due, in `monotonic` seconds. The lock is held."""
        if self._trouble.failures:
            return self._retry_at
        if self._damage is not None:
            return 0.0
        saving = self._keep_at if self._unsaved_since is None else self._unsaved_since + SAVE_S
        return min(self._intake.due_at, self._keep_at, saving)

    def _turn(self, *, closing: bool) -> bool:
        """Do what is due. Returns whether all is done: closing, and nothing left."""
        try:
            if self._damage is not None:
                self._begin_anew(self._damage)
            self._commit(save=closing)
            more = self._keep(closing=closing)
        except Damaged as err:
            self._damage = err
            self._failed(err, RETRY_S if self.erring else 0.0)
            return False
        except Unusable as err:
            self._failed(err, RETRY_S)
            if closing:
                raise DeviceError(
                    f"{err}: {len(self._intake)} records are lost; make room on the disk"
                ) from err
            return False
        return closing and not more and not len(self._intake)

    def _failed(self, error: Exception, pause_s: float) -> None:
        self._trouble.failed(error)
        self._retry_at = monotonic() + pause_s

    def _commit(self, *, save: bool) -> None:
        """One transaction with all that waits. Raises `Damaged`, `Unusable`; then everything waits on."""
        with self._work:
            batch = self._intake.take()
            dead = [one for lane in self._lanes.values() for one in lane.refused]
            since, self._unsaved_rows = self._unsaved_since, self._unsaved_rows + len(batch.pending)
            late = (since is not None and monotonic() >= since + SAVE_S) or self._unsaved_rows >= SAVE_ROWS
            state = self._state() if save or late or dead or self.erring else None
            if state is not None:
                self._unsaved_since, self._unsaved_rows = None, 0
        if not batch.pending and state is None:
            return
        started = monotonic()
        try:
            records = [_record(pending) for pending in batch.pending]
            deleted = [seq for pending in batch.pending for seq in pending.deletes]
            self._journal.commit(Change(records, tuple(runs(deleted)), dead, state))
        except (Unusable, Damaged):
            with self._work:
                self._intake.give_back(batch)
                self._intake.shrink(erring=True)
                self._unsaved_since = self._unsaved_since if since is None else since
            raise
        self.commit_ms = (monotonic() - started) * 1000
        self.dead = self._journal.dead
        self._trouble.worked()
        self._now_in_the_file(batch, records, deleted, dead)

    def _now_in_the_file(
        self, batch: Batch, records: list[Record], deleted: list[int], dead: list[Dead]
    ) -> None:
        """The lanes may have these, and whoever waits for them is told."""
        rows = [Row(record.seq, record.topic, record.payload) for record in records]
        with self._changed:
            self._intake.written(batch)
            self.head = rows[-1].seq if rows else self.head
            self.committed += len(rows)
            for lane in self._lanes.values():
                lane.cursor.committed(rows)
                lane.refused = [one for one in lane.refused if one not in dead]
                if deleted:
                    lane.cursor.deleted(deleted)
            self._changed.notify_all()
        self._unkept_rows += len(rows)
        _tell_durable(batch.pending)
        self._keeping.written(records, deleted)

    def _keep(self, *, closing: bool) -> bool:
        """Look after the limits where that is due, a piece at a time. Returns whether there is more to do."""
        due = monotonic() >= self._keep_at or self._unkept_rows >= KEEP_ROWS
        if self._keeping.learning if closing else not due:
            return False
        self._unkept_rows = 0
        with self._work:
            waiting = Ranges(span for lane in self._lanes.values() for span in lane.cursor.waiting)
            offered = frozenset(seq for lane in self._lanes.values() for seq in lane.cursor.round)
        more = self._keeping.step(Needs(waiting, offered))
        self.bytes, self.oldest_s = self._keeping.bytes, self._keeping.oldest_s
        if isinstance(more, Loss):
            self._let_go(more)
        self._keep_at = monotonic() + (0.0 if more else KEEP_S)
        return bool(more)

    def _let_go(self, loss: Loss) -> None:
        """The gap message comes in like any record; the deletion is in its transaction."""

        def tell(stamp: Stamp) -> JSON:
            return message.gap(stamp, stamp.epoch, list(loss.told), loss.reason)

        synced = message.clock_is_synced()
        with self._work:
            self._intake.add(GAP, tell, Rank.EVENT, synced, deletes=loss.deletes)
        self.deleted += sum(last - first + 1 for first, last in loss.told)
        log.warning("outbox: %d records deleted: %s", len(loss.deletes), loss.reason)

    def _state(self) -> dict[str, Any]:
        """What the file keeps beside the records. The lock is held."""
        return {
            "ran_s": int(self._intake.age_s),
            "lanes": {name: lane.cursor.state() for name, lane in self._lanes.items()},
        }


def _tell_durable(durable: Collection[Pending]) -> None:
    for pending in durable:
        if pending.on_durable is not None:
            pending.on_durable()


def _record(pending: Pending) -> Record:
    payload = message.encode(pending.make(pending.stamp))
    return Record(pending.seq, pending.rank, int(pending.at_s), pending.topic, payload)
