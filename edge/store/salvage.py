"""A damaged outbox is put aside, and a new one begins with what could still be read of it."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from edge.durable import sync_folder
from edge.store.cursor import Cursor
from edge.store.journal import Change, Journal
from edge.store.ranges import Range, Ranges
from edge.store.reader import Reader
from edge.store.table import Damaged, Record, Unusable, unsealed

FIRST_OLD = -(1 << 40)
"""Records of an earlier epoch keep their names, but are numbered from here, below all of the new epoch."""
NEW = ".new"
CHUNK = 64
MOST_FAILURES = 10_000
"""After so many places that cannot be read, the rest is given up."""
KEPT_ASIDE = 2
"""So many damaged files are kept for those who want to look into them."""
_PARTS = ("", "-wal", "-shm")

log = logging.getLogger(__name__)


@dataclass
class Wreck:
    """What is known of a damaged outbox: its epoch, and what each sink had still to take of it.

    `waiting` is None where nobody knows: everything that can be read is then offered to all sinks again.
    `orphans` are records that were on their way into it.
    """

    path: Path
    reason: str
    epoch: str
    waiting: Mapping[str, Ranges] | None
    lost: list[Range] = field(default_factory=list)
    orphans: list[Record] = field(default_factory=list)
    built: bool = False
    """Whether the file that takes its place is complete."""


Tell = Callable[[Wreck, str, list[Range], float], Record]
"""Makes the gap message: of the wreck, for a new epoch, of those numbers, when the outbox has run so long."""


def is_empty(path: Path) -> bool:
    """Whether there is no file, or one without a byte."""
    return not path.exists() or path.stat().st_size == 0


def settle(path: Path) -> None:
    """Finish an exchange of files that was cut off: `exchange` had put the old file away, but not more."""
    new = _beside(path, NEW)
    if new.exists() and not path.exists():
        _move(path, _aside(path))
        new.rename(path)
    else:
        _remove(new)


def read_wreck(path: Path, damage: Damaged, epoch: str | None, readers: Iterable[str]) -> Wreck:
    """What the damaged file, or the mark beside it, still says."""
    meta: dict[str, str] = {}
    try:
        reader = Reader(path)
        try:
            meta = reader.meta()
            head = reader.head()
        finally:
            reader.close()
        lanes = unsealed(meta["state"])["lanes"]
        waiting = {name: Cursor.restored(lanes[name], head, 0).waiting for name in readers if name in lanes}
    except (Damaged, Unusable, KeyError, ValueError, TypeError):
        return Wreck(path, str(damage), meta.get("epoch", epoch or "unknown"), None)
    return Wreck(path, str(damage), meta["epoch"], waiting)


def exchange(
    wreck: Wreck,
    epoch: str,
    readers: Iterable[str],
    tell: Tell,
    ran_s: float,
) -> int:
    """Put the damaged file aside and a new one in its place, with all that can be saved, and a gap message.

    The new file is complete before the old one moves: wherever this is cut off, nothing that could be saved is
    gone, and it can be called again. The outbox has run for `ran_s` seconds, or longer if a record says so.
    Returns how many records are lost.
    Raises `Unusable` and `OSError` where the disk does not allow it.
    """
    new = _beside(wreck.path, NEW)
    if not wreck.built:
        _remove(new)
        _build(new, wreck, epoch, {name: Cursor(0) for name in readers}, tell, ran_s)
        wreck.built = True
    if new.exists():
        _move(wreck.path, _aside(wreck.path))
        new.rename(wreck.path)
        sync_folder(wreck.path.parent)
        _forget_oldest(wreck.path)
    return sum(last - first + 1 for first, last in wreck.lost)


def _build(
    new: Path,
    wreck: Wreck,
    epoch: str,
    cursors: Mapping[str, Cursor],
    tell: Tell,
    ran_s: float,
) -> None:
    """The new file, complete; `wreck.lost` then has all that is lost."""
    journal = Journal(new, epoch)
    try:
        saved, lost = _fill(journal, wreck, cursors)
        ran_s = max(ran_s, journal.newest_s)
        gap = tell(wreck, epoch, lost, ran_s)
        for cursor in cursors.values():
            cursor.waiting.add(gap.seq, gap.seq)
            cursor.count += 1
            cursor.head = gap.seq
        lanes = {name: cursor.state() for name, cursor in cursors.items()}
        journal.commit(Change([gap], state={"ran_s": int(ran_s), "lanes": lanes}))
        journal.gather()
    finally:
        journal.close()
    wreck.lost = lost
    log.error("%s; it is put aside, and %d records of it are saved", wreck.reason, saved)


def _fill(journal: Journal, wreck: Wreck, cursors: Mapping[str, Cursor]) -> tuple[int, list[Range]]:
    """Bring what can be saved into the new file. Returns how many, and the numbers that are lost."""
    lost = Ranges(wreck.lost)
    number = FIRST_OLD
    for old, records in _saved(wreck, lost):
        renumbered = []
        for record in records:
            for name, cursor in cursors.items():
                if old and wreck.waiting is not None and record.seq not in wreck.waiting.get(name, Ranges()):
                    continue
                cursor.waiting.add(number, number)
                cursor.count += 1
            renumbered.append(record._replace(seq=number))
            number += 1
        if renumbered:
            journal.commit(Change(renumbered))
            journal.newest_s = max(journal.newest_s, *(record.at_s for record in renumbered))
    # Numbers below 1 are of an epoch before the damaged one: what they were called there is not known.
    return number - FIRST_OLD, [(max(1, first), last) for first, last in lost if last >= 1]


def _saved(wreck: Wreck, lost: Ranges) -> Iterator[tuple[bool, list[Record]]]:
    """The records that are saved, and whether they come from the old file; the others' numbers go to `lost`."""
    if wreck.path.exists():
        try:
            reader = Reader(wreck.path)
        except (Damaged, Unusable) as err:
            log.warning("nothing can be read any more: %s", err)
        else:
            try:
                yield from ((True, records) for records in _readable(reader, wreck.waiting, lost))
            finally:
                reader.close()
    yield False, wreck.orphans


def _readable(reader: Reader, waiting: Mapping[str, Ranges] | None, lost: Ranges) -> Iterator[list[Record]]:
    """What can be read of what waits, ascending."""
    wanted = (
        Ranges(_bounds(reader)) if waiting is None else Ranges(r for one in waiting.values() for r in one)
    )
    for span in wanted:
        lost.add(*span)
    failures = 0
    todo = list(wanted)[::-1]
    while todo and failures < MOST_FAILURES:
        first, last = todo.pop()
        try:
            records = reader.records(first, last, CHUNK)
        except (Damaged, Unusable):
            failures += 1
            if first < last:
                middle = (first + last) // 2
                todo += [(middle + 1, last), (first, middle)]
            continue
        end = records[-1].seq if len(records) == CHUNK else last
        # What is not there was deleted before, with a gap message of its own.
        lost.discard(first, end)
        if end < last:
            todo.append((end + 1, last))
        yield records


def _bounds(reader: Reader) -> list[Range]:
    """The lowest and the highest number in the file; nothing where it does not say."""
    try:
        return reader.bounds()
    except (Damaged, Unusable):
        return []


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _aside(path: Path) -> Path:
    return _beside(path, f".corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}")


def _move(path: Path, to: Path) -> None:
    """A database, with SQLite's files beside it: a log that stays would be taken for the new one's."""
    for part in _PARTS:
        if _beside(path, part).exists():
            _beside(path, part).rename(_beside(to, part))


def _remove(path: Path) -> None:
    for part in _PARTS:
        _beside(path, part).unlink(missing_ok=True)


def _forget_oldest(path: Path) -> None:
    aside = sorted(
        one for one in path.parent.glob(f"{path.name}.corrupt-*") if not one.name.endswith(_PARTS[1:])
    )
    for old in aside[:-KEPT_ASIDE]:
        _remove(old)
