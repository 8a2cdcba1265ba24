"""What one sink takes from the outbox: live records first, then the backlog at a bounded rate."""

import logging
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from time import monotonic
from typing import Protocol

from edge.service import Trouble
from edge.store.cursor import Cursor, Span
from edge.store.ranges import Range, Ranges
from edge.store.reader import Reader
from edge.store.table import Damaged, Dead, Unusable
from edge.types import Row

log = logging.getLogger(__name__)


class Ears(Protocol):
    """What a lane tells the writer."""

    def spoke(self) -> None:
        """The sink has acknowledged or refused something. The lock is held."""
        ...

    def found_damage(self, epoch: str, damage: Damaged) -> None:
        """The file of that epoch cannot be read in some place."""
        ...


class Lane:
    """A sink's own view of the outbox. `take`, `acknowledge`, `refuse` and `disconnected` are for its thread.

    Made by `Outbox.reader`. A record is offered until it is acknowledged or refused, also after a restart.

    Args:
        name: Of the sink.
        path: The outbox's file.
        rate_hz: The backlog is offered at most so fast.
        changed: Notified when there are new records; its lock guards all cursors.
        writer: Is told when the sink has spoken, and when the file turns out to be damaged.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        rate_hz: float,
        changed: threading.Condition,
        writer: Ears,
    ) -> None:
        self.name = name
        self.acknowledged = 0
        self.refused: list[Dead] = []
        """Not yet in the file; the writer empties it, with the lock held."""
        self.cursor = Cursor(0)
        self.epoch = ""
        self._path = path
        self._rate_hz = rate_hz
        self._allowance = 1.0
        self._allowed_at = monotonic()
        self._changed = changed
        self._writer = writer
        self._reader: Reader | None = None
        self._reading = threading.Lock()
        self._trouble = Trouble(f"outbox: reading for {name}", log)

    @property
    def waiting(self) -> int:
        """How many records this sink has still to take, those that are with it included."""
        return self.cursor.count

    @property
    def backlog(self) -> int:
        """How many of them are old; at most, where some were deleted."""
        with self._changed:
            return min(self.cursor.count, self.cursor.backlog())

    def take(self, most: int, timeout_s: float) -> list[Row]:
        """Up to `most` records to offer, in order; an empty list after `timeout_s` without any.

        What was taken before and is neither acknowledged nor refused comes again first. Live and old records
        never come in one list; old ones are marked, in the row and in the payload.
        """
        until = monotonic() + timeout_s
        while True:
            with self._changed:
                offer = self._wait_for_offer(most, until)
                cursor = self.cursor
                if isinstance(offer, list):
                    return offer
                span, most_now = offer
                epoch = self.epoch
            rows = self._read(epoch, span, most_now, until)
            if rows is None:
                return []
            with self._changed:
                if self.cursor is not cursor:
                    continue  # another file took the place of that one meanwhile
                cursor.found(span, rows, complete=len(rows) < most_now)
                if span.historical:
                    self._allowance -= len(rows)
            if rows:
                return rows

    def acknowledge(self, seqs: Collection[int]) -> None:
        """The sink has these. Any order, and twice is as good as once; what was not taken is passed over."""
        with self._changed:
            count = self.cursor.acknowledge(seqs)
            self.acknowledged += count
            if count:
                self._writer.spoke()

    def refuse(self, reasons: Mapping[int, str]) -> None:
        """The sink will never take these, for those reasons: they are put aside and not offered again."""
        with self._changed:
            for seq, reason in reasons.items():
                row = self.cursor.round.get(seq)
                if row is not None:
                    self.refused.append(Dead(self.name, seq, row.topic, row.payload, reason))
            if self.cursor.acknowledge(reasons):
                self._writer.spoke()

    def disconnected(self) -> None:
        """The sink is out of reach: all that waits is backlog from now on. Repeating it is fine."""
        with self._changed:
            self.cursor.disconnected()
            self._allowance, self._allowed_at = 1.0, monotonic()

    def replay(self, epoch: str, first: int, last: int) -> int:
        """Offer acknowledged records of `first` to `last` again, as backlog. Returns how many. Any thread.

        Those of another epoch than the outbox's are not there any more; 0 also where the file cannot be read now.
        """
        with self._changed:
            cursor = self.cursor
            if epoch != self.epoch:
                return 0
            wanted = Ranges([(max(1, first), min(last, cursor.head))])
            for span in cursor.waiting:
                wanted.discard(*span)
        count = self._count(epoch, list(wanted))
        with self._changed:
            if count and self.cursor is cursor:
                cursor.again(wanted, count)
                self._writer.spoke()
                self._changed.notify_all()
        return count

    def begin(self, epoch: str, cursor: Cursor) -> None:
        """Another file has taken the old one's place; what was taken from that is forgotten. The lock is held."""
        self.epoch, self.cursor = epoch, cursor

    def close(self) -> None:
        """Let go of the file; the next look at it opens it again."""
        with self._reading:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def _wait_for_offer(self, most: int, until: float) -> list[Row] | tuple[Span, int]:
        """Records, or what to read and how many at most; an empty list when time is up. The lock is held."""
        while True:
            offer = self.cursor.next(most)
            pause_s = until - monotonic()
            if isinstance(offer, Span):
                allowed = self._allowed() if offer.historical else float(most)
                if allowed >= 1.0:
                    return offer, min(most, int(allowed))
                pause_s = min(pause_s, (1.0 - allowed) / self._rate_hz)
            elif offer:
                return offer
            if monotonic() >= until:
                return []
            self._changed.wait(max(0.0, pause_s))

    def _allowed(self) -> float:
        """How many records of the backlog may go now; what was saved up is at most a second's worth."""
        now = monotonic()
        saved = self._allowance + (now - self._allowed_at) * self._rate_hz
        self._allowance, self._allowed_at = min(saved, max(1.0, self._rate_hz)), now
        return self._allowance

    def _read(self, epoch: str, span: Span, most: int, until: float) -> list[Row] | None:
        """The span's records, marked if they are old; None, when time is up, where the file cannot be read."""
        try:
            with self._reading:
                rows = self._opened(epoch).rows(span.first, span.last, most)
        except Damaged as err:
            self._writer.found_damage(epoch, err)
        except Unusable as err:
            self._trouble.failed(err)
        else:
            self._trouble.worked()
            return [_marked(row) for row in rows] if span.historical else rows
        with self._changed:
            changed = self._changed.wait_for(lambda: self.epoch != epoch, max(0.0, until - monotonic()))
        return [] if changed else None

    def _opened(self, epoch: str) -> Reader:
        """The reader of that epoch's file. `_reading` is held."""
        if self._reader is None:
            self._reader = Reader(self._path, epoch)
        return self._reader

    def _count(self, epoch: str, ranges: list[Range]) -> int:
        try:
            with self._reading:
                return self._opened(epoch).count(ranges) if ranges else 0
        except Damaged as err:
            self._writer.found_damage(epoch, err)
        except Unusable as err:
            log.warning("outbox: nothing to send again: %s", err)
        return 0


def _marked(row: Row) -> Row:
    """The same record with `"historical":true` as its last field."""
    inside = row.payload[:-1]
    comma = b"" if inside.endswith(b"{") else b","
    return Row(row.seq, row.topic, inside + comma + b'"historical":true}', historical=True)
