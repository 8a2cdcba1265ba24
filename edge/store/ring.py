"""Records that wait in memory for the disk, and what goes first when there are too many of them."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain

from edge.message import JSON, Stamp
from edge.store.ranges import Ranges
from edge.types import Verdict


class Rank(IntEnum):
    """What goes first when something must: passed parts, then other parts; events last."""

    PASSED = 0
    JUDGED = 1
    EVENT = 2

    @classmethod
    def of(cls, verdict: Verdict | None) -> "Rank":
        """The rank of a part with that verdict; None is an event."""
        match verdict:
            case None:
                return cls.EVENT
            case Verdict.PASS:
                return cls.PASSED
            case _:
                return cls.JUDGED


@dataclass(frozen=True, eq=False)
class Pending:
    """A record that has its number but is not on the disk.

    `at_s` is when it came, in seconds that the outbox has run. `make` gives its content; the writer calls it.
    `deletes` are records whose loss it tells of: they go in the transaction that brings this one.
    """

    stamp: Stamp
    at_s: float
    rank: Rank
    topic: str
    make: Callable[[Stamp], JSON]
    on_durable: Callable[[], None] | None = None
    deletes: tuple[int, ...] = ()

    @property
    def seq(self) -> int:
        """The record's number."""
        return self.stamp.seq


class Ring:
    """A bounded waiting room. Not safe between threads: the outbox's lock guards it.

    When it is full, the oldest passed part goes, then the oldest other part, and events last (memory has an
    end, so there even they may go). `dropped` remembers the numbers until a gap message tells of them.
    """

    def __init__(self) -> None:
        self._queues: dict[Rank, deque[Pending]] = {rank: deque() for rank in Rank}
        self.dropped = Ranges()

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def add(self, pending: Pending) -> None:
        """It waits from now on."""
        self._queues[pending.rank].append(pending)

    def take(self) -> list[Pending]:
        """Everything that waits, in the order of the numbers."""
        taken = sorted(chain.from_iterable(self._queues.values()), key=lambda pending: pending.seq)
        for queue in self._queues.values():
            queue.clear()
        return taken

    def give_back(self, taken: Iterable[Pending]) -> None:
        """What was taken could not be written: it waits on, before all others."""
        for pending in reversed(list(taken)):
            self._queues[pending.rank].appendleft(pending)

    def shrink(self, room: int) -> int:
        """Drop records until at most `room` are left. Returns how many went."""
        gone = 0
        while len(self) > room:
            queue = next(queue for queue in self._queues.values() if queue)
            lost = queue.popleft()
            self.dropped.add(lost.seq, lost.seq)
            gone += 1
        return gone
