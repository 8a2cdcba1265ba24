"""What evidence there is, and in which order it goes. In memory only; knows nothing of the disk."""

import heapq
from collections.abc import Collection, Iterator
from typing import NamedTuple

from edge.store.layout import Part
from edge.types import Verdict


class Entry(NamedTuple):
    """The evidence of one part; entries sort by age. Epochs are numbered from the oldest up."""

    epoch: int
    part: Part
    size_bytes: int


class Shelf:
    """Evidence by age, passes apart from the rest: passes go first, the rest only after all of them.

    About 200 bytes a part. For one thread at a time.
    """

    def __init__(self) -> None:
        self.size_bytes = 0
        self._passes: list[Entry] = []
        self._others: list[Entry] = []
        self._epochs: list[str | None] = []
        self._last_seq: list[int] = []

    def __iter__(self) -> Iterator[Entry]:
        yield from self._passes
        yield from self._others

    def add(self, epoch: str, part: Part, size_bytes: int) -> None:
        """Put a part's evidence there; its epoch becomes the newest."""
        number = self.open(epoch)
        heap = self._passes if part.verdict is Verdict.PASS else self._others
        heapq.heappush(heap, Entry(number, part, size_bytes))
        self._last_seq[number] = max(part.seq, self._last_seq[number])
        self.size_bytes += size_bytes

    def open(self, epoch: str) -> int:
        """Make an epoch the newest: it is the one that grows. Gives its number."""
        if self._epochs and self._epochs[-1] == epoch:
            return len(self._epochs) - 1
        number = len(self._epochs)
        last_seq = 0
        if epoch in self._epochs:
            old = self._epochs.index(epoch)
            self._epochs[old] = None
            last_seq = self._last_seq[old]
            for heap in (self._passes, self._others):
                heap[:] = [entry._replace(epoch=number) if entry.epoch == old else entry for entry in heap]
                heapq.heapify(heap)
        self._epochs.append(epoch)
        self._last_seq.append(last_seq)
        return number

    def epoch(self, entry: Entry) -> str:
        """The name of the epoch that an entry belongs to."""
        return self._epochs[entry.epoch] or ""

    def pop_pass(self) -> Entry | None:
        """Take the oldest pass away; None where there is none."""
        return self._pop(self._passes)

    def pop_other(self) -> Entry | None:
        """Take the oldest of the rest away; None where there is none."""
        return self._pop(self._others)

    def since(self, epoch: str, seq: int) -> list[Entry]:
        """The entries of an epoch from `seq` on; costs nothing where there are none, as nearly always."""
        if epoch not in self._epochs:
            return []
        number = self._epochs.index(epoch)
        if seq > self._last_seq[number]:
            return []
        return [entry for entry in self if entry.epoch == number and entry.part.seq >= seq]

    def discard(self, entries: Collection[Entry]) -> None:
        """Take these away."""
        if not entries:
            return
        self.size_bytes -= sum(entry.size_bytes for entry in entries)
        for heap in (self._passes, self._others):
            heap[:] = [entry for entry in heap if entry not in entries]
            heapq.heapify(heap)

    def _pop(self, heap: list[Entry]) -> Entry | None:
        if not heap:
            return None
        entry = heapq.heappop(heap)
        self.size_bytes -= entry.size_bytes
        return entry
