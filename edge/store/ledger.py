"""How much the outbox's file holds, and of what: sums over blocks of 256 numbers, kept in memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from edge.store.ranges import Range
from edge.store.ring import Rank
from edge.store.table import BLOCK_BITS, Record, Sizes


def span_of(block: int) -> Range:
    """The first and the last number of a block."""
    return block << BLOCK_BITS, ((block + 1) << BLOCK_BITS) - 1


@dataclass
class Block:
    """The sums of a block, by rank. Times are seconds that the outbox had run."""

    rows: list[int] = field(default_factory=lambda: [0] * len(Rank))
    bytes: list[int] = field(default_factory=lambda: [0] * len(Rank))
    oldest_s: int = 1 << 62
    newest_s: int = -(1 << 62)

    def add(self, sizes: Sizes) -> None:
        """These are in it, too."""
        self.rows[sizes.rank] += sizes.rows
        self.bytes[sizes.rank] += sizes.size_bytes
        self.oldest_s = min(self.oldest_s, sizes.oldest_s)
        self.newest_s = max(self.newest_s, sizes.newest_s)


class Ledger:
    """What is in which block. For the writer thread alone.

    A file of 500 MB takes seconds to read, so what was there at the start is learned piece by piece: `learn`
    with what the file says of `unlearned`, until there is nothing in it any more.
    """

    def __init__(self, tail: int, head: int) -> None:
        self.blocks: dict[int, Block] = {}
        self.unlearned: Range = (tail, head)

    @property
    def learning(self) -> bool:
        """Whether there is more in the file than is known here."""
        first, last = self.unlearned
        return first <= last

    def learn(self, span: Range, sizes: Iterable[Sizes]) -> None:
        """The file holds this in that span, which is the first that has anything."""
        self._add(sizes)
        self.unlearned = (span[1] + 1, self.unlearned[1])

    def written(self, records: Iterable[Record]) -> None:
        """These are new."""
        self._add(
            Sizes(record.seq >> BLOCK_BITS, record.rank, 1, size_of(record), record.at_s, record.at_s)
            for record in records
        )

    def relearn(self, block: int, sizes: Sequence[Sizes]) -> None:
        """Some of a block was deleted, and this is left."""
        self.blocks.pop(block, None)
        self._add(sizes)

    def in_order(self) -> Iterator[tuple[int, Block]]:
        """The blocks, oldest first."""
        return ((number, self.blocks[number]) for number in sorted(self.blocks))

    def total_bytes(self) -> int:
        """What all records together take, without the file's own needs."""
        return sum(sum(block.bytes) for block in self.blocks.values())

    def _add(self, sizes: Iterable[Sizes]) -> None:
        for one in sizes:
            self.blocks.setdefault(one.block, Block()).add(one)


def size_of(record: Record) -> int:
    """Bytes of a record as `Journal.sizes` counts them."""
    return len(record.payload) + len(record.topic)
