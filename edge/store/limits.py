"""What has to go from the outbox, and why: by bytes, by age, and by the room that is left on the disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from edge import config
from edge.store.ledger import Block, Ledger, span_of
from edge.store.ranges import Range, Ranges
from edge.store.ring import Rank

MEGABYTE = 1_000_000
BITE = 16
"""So many blocks are deleted at a time, each bite with its gap message: 4,096 records of a rank at most."""
SLACK = 0.05
"""What is over its limit goes down to so much below it, so that a gap message tells of many records."""
FILE_SHARE = 1.25
"""What a record takes of the file, by its own bytes: its row's head and what stays unused of its pages.
Measured 1.1 to 1.7; a constant, because pages are given back later than the records in them."""


FLOOR_BYTES = 1 << 20
"""So many bytes of records the outbox may always hold, however full the disk is."""


RESERVE_BYTES = 1 << 20
"""So much room the file shall have inside on such a disk, for what comes in before the next look at it."""


class Room(NamedTuple):
    """Where the outbox stands.

    `age_s` is how long it has run. `ceiling_bytes` is what its records may hold at most so that the file does
    not grow, on a disk that is nearly full; None elsewhere.
    """

    age_s: float
    ceiling_bytes: float | None = None


@dataclass(frozen=True)
class Plan:
    """What is to be deleted now. There may be more to do after that.

    `forget` are acknowledged records: nothing is lost with them. `victims` are blocks, of which all records of
    that rank go, for that reason. `stuck` says that something has to go and nothing may.
    """

    forget: tuple[Range, ...] = ()
    victims: tuple[tuple[int, Rank], ...] = ()
    reason: str = ""
    stuck: bool = False

    def __bool__(self) -> bool:
        return bool(self.forget or self.victims)


class _Wanted(NamedTuple):
    """How many bytes of records that wait are to go, and why."""

    size_bytes: float
    reason: str


def plan(ledger: Ledger, waiting: Ranges, room: Room, limits: config.Outbox) -> Plan:
    """What to delete first. `waiting` are the numbers that some sink still has to take.

    Acknowledged records go by whole blocks, oldest first; the block that is being filled stays. Of those that
    wait, the oldest passed parts go first, then the oldest other parts, and events never.
    """
    blocks = list(ledger.in_order())
    needed = [(number, block) for number, block in blocks if waiting.touches(*span_of(number))]
    done = [(number, block) for number, block in blocks[:-1] if not waiting.touches(*span_of(number))]
    surplus = 0.0 if room.ceiling_bytes is None else ledger.total_bytes() - room.ceiling_bytes
    forget = tuple(_old_enough(done, room, limits, surplus))[:BITE]
    if forget:
        return Plan(forget=forget)
    expired = _expired(needed, room, limits)
    if expired:
        return Plan(victims=expired, reason=f"older than {limits.max_age_h:g} h and never delivered")
    wanted = _too_much(needed, surplus, limits)
    if wanted is None:
        return Plan()
    victims = tuple(_oldest_first(needed, wanted.size_bytes))
    return Plan(victims=victims, reason=wanted.reason, stuck=not victims)


def oldest_s(ledger: Ledger, waiting: Ranges, room_age_s: float) -> float:
    """How old the oldest record that waits is, at most; 0 where none waits."""
    times = (block.oldest_s for number, block in ledger.blocks.items() if waiting.touches(*span_of(number)))
    return max(0.0, room_age_s - min(times, default=room_age_s))


def _old_enough(
    done: list[tuple[int, Block]], room: Room, limits: config.Outbox, surplus: float
) -> Iterator[Range]:
    """Acknowledged blocks that are not kept any longer."""
    held = sum(sum(block.bytes) for _, block in done)
    surplus = max(surplus, held - limits.keep_acknowledged_mb * MEGABYTE / FILE_SHARE)
    for number, block in done:
        if surplus <= 0 and room.age_s - block.newest_s <= limits.keep_acknowledged_h * 3600:
            return
        surplus -= sum(block.bytes)
        yield span_of(number)


def _expired(
    needed: list[tuple[int, Block]], room: Room, limits: config.Outbox
) -> tuple[tuple[int, Rank], ...]:
    limit_s = limits.max_age_h * 3600
    old = ((number, block) for number, block in needed if room.age_s - block.newest_s > limit_s)
    ranks = (Rank.PASSED, Rank.JUDGED)
    return tuple((number, rank) for number, block in old for rank in ranks if block.rows[rank])[:BITE]


def _too_much(needed: list[tuple[int, Block]], surplus: float, limits: config.Outbox) -> _Wanted | None:
    """How much has to go of what waits, in bytes of records; None where all may stay."""
    held = sum(sum(block.bytes) for _, block in needed)
    most = limits.max_mb * MEGABYTE / FILE_SHARE
    if held > most:
        return _Wanted(held - most * (1 - SLACK), f"over {limits.max_mb:g} MB and never delivered")
    if surplus > 0:
        reason = f"less than {limits.min_free_mb:g} MB free on the disk, and never delivered"
        return _Wanted(surplus + SLACK * held, reason)
    return None


def _oldest_first(needed: list[tuple[int, Block]], size_bytes: float) -> Iterator[tuple[int, Rank]]:
    """Blocks of the lowest rank that there is, until they hold that many bytes or the bite is full."""
    for rank in (Rank.PASSED, Rank.JUDGED):
        chosen = 0
        for number, block in needed:
            if size_bytes <= 0 or chosen == BITE:
                return
            if block.rows[rank]:
                size_bytes -= block.bytes[rank]
                chosen += 1
                yield number, rank
        if chosen:
            return
