"""What one sink has and what it still waits for: arithmetic on record numbers, no disk and no threads."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from edge.store.ranges import Range, Ranges, runs
from edge.types import Row

FRESH = 1000
"""So many new records are kept in memory for each sink: one that keeps up never reads the disk."""
MIN_SEQ = -(1 << 62)
"""Below every number: those of an earlier epoch are negative."""


class Span(NamedTuple):
    """Records to be read from the file next; numbers that are missing there were deleted."""

    first: int
    last: int
    historical: bool


class Cursor:
    """A sink's place in the outbox. Not safe between threads: the outbox's lock guards it.

    `waiting` are the numbers not yet acknowledged; records that were deleted may stay in it until they are
    looked for. Those from `live_from` on are live, those below are the backlog. `round` are the records that
    are with the sink now.
    """

    def __init__(self, head: int, waiting: Iterable[Range] = (), count: int = 0) -> None:
        self.waiting = Ranges(waiting)
        self.count = count
        self.head = head
        self.live_from = head + 1
        self.round: dict[int, Row] = {}
        self._fresh: deque[Row] = deque(maxlen=FRESH)

    @classmethod
    def restored(cls, state: Mapping[str, Any], head: int, newer: int) -> "Cursor":
        """The place as it was stored; `newer` records up to `head` came after that, and wait too."""
        cursor = cls(head, ((first, last) for first, last in state["waiting"]), state["count"] + newer)
        cursor.waiting.add(state["seen"] + 1, head)
        return cursor

    def state(self) -> dict[str, Any]:
        """What `restored` takes, as JSON."""
        return {"seen": self.head, "waiting": [list(span) for span in self.waiting], "count": self.count}

    def committed(self, rows: Collection[Row]) -> None:
        """These are new, in the order of their numbers."""
        for first, last in runs(row.seq for row in rows):
            self.waiting.add(first, last)
            self.head = last
        self.count += len(rows)
        self._fresh.extend(rows)

    def next(self, most: int) -> list[Row] | Span:
        """What to offer: records, or where to read them. An empty list where nothing waits.

        Records that the sink has had and that were not acknowledged come again first; then live ones in order;
        then the backlog in order.
        """
        if self.round:
            return list(self.round.values())[:most]
        live = self.waiting.first_from(self.live_from)
        if live is None:
            old = next(iter(self.waiting), None)
            return Span(old[0], min(old[1], self.live_from - 1), historical=True) if old else []
        if self._fresh and self._fresh[0].seq <= live[0]:
            rows = [self._fresh.popleft() for _ in range(min(most, len(self._fresh)))]
            self._offered(rows)
            return rows
        last = min(live[1], self._fresh[0].seq - 1) if self._fresh else live[1]
        return Span(live[0], last, historical=False)

    def found(self, span: Span, rows: list[Row], *, complete: bool) -> None:
        """These are in the file of that span, and are offered now; `complete`: there are no others in it."""
        missing = Ranges([(span.first, span.last if complete else rows[-1].seq)])
        for first, last in runs(row.seq for row in rows):
            missing.discard(first, last)
        for first, last in missing:
            self.waiting.discard(first, last)
        if not self.waiting:
            self.count = 0
        self._offered(rows)

    def acknowledge(self, seqs: Iterable[int]) -> int:
        """Those are done with. Numbers that are not with the sink are passed over. Returns how many were new."""
        done = sorted(seq for seq in set(seqs) if seq in self.round)
        for first, last in runs(done):
            self.waiting.discard(first, last)
        for seq in done:
            del self.round[seq]
        self.count = max(0, self.count - len(done)) if self.waiting else 0
        return len(done)

    def disconnected(self) -> None:
        """All that waits is backlog from now on."""
        self.live_from = self.head + 1
        self.round.clear()
        self._fresh.clear()

    def deleted(self, seqs: Collection[int]) -> None:
        """These will never come: they were deleted for room, or for their age."""
        gone = set(seqs)
        self._fresh = deque((row for row in self._fresh if row.seq not in gone), maxlen=FRESH)
        self.count -= sum(seq in self.waiting and seq not in self.round for seq in gone)

    def again(self, ranges: Iterable[Range], count: int) -> None:
        """`count` records in these ranges, acknowledged before, wait once more, as backlog."""
        live = self.waiting.first_from(self.live_from)
        self.live_from = live[0] if live else self.head + 1
        for first, last in ranges:
            self.waiting.add(first, last)
        self.count += count

    def backlog(self) -> int:
        """How many numbers that wait are not live."""
        return sum(last - first + 1 for first, last in self.waiting.within(MIN_SEQ, self.live_from - 1))

    def _offered(self, rows: Iterable[Row]) -> None:
        self.round.update((row.seq, row) for row in rows)
