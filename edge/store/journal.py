"""The outbox's file: an SQLite database with a row a record, and what the sinks still wait for.

Writes are what wears an SD card out, hence: WAL, one transaction for many records, no index but the number
itself, a page of 1 KiB (a commit writes whole pages, and three of them change with each), and one small value
that says what is acknowledged instead of a mark on each row. Measured, a record of 400 bytes costs 1.3 KB in
groups of 50 and 8 KB alone, against 1.4 and 14 KB with SQLite's usual pages of 4 KiB.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.store.ranges import Range
from edge.store.table import (
    APPLICATION,
    BLOCK_BITS,
    BUSY_S,
    FORMAT,
    HEAD,
    META,
    SCHEMA,
    Damaged,
    Dead,
    Record,
    Sizes,
    Unusable,
    checksum,
    sealed,
    told_apart,
    unsealed,
)

PAGE_BYTES = 1024
MOST_DEAD = 1000

_SETTINGS = (
    "synchronous = FULL",  # NORMAL may lose committed rows at a loss of power
    "wal_autocheckpoint = 1000",
    "journal_size_limit = 4194304",  # a log of constant size is cheaper to sync: it is only cut when it grew
    "cache_size = -512",
)


@dataclass(frozen=True)
class Change:
    """What one transaction does. `state` replaces the stored state; None leaves it."""

    records: Sequence[Record] = ()
    deletions: Sequence[Range] = ()
    dead: Sequence[Dead] = ()
    state: dict[str, Any] | None = None


class Journal:
    """The connection that writes. For the writer thread alone, once it is built.

    Raises `Damaged` and `Unusable` from every method. A transaction that failed has changed nothing.
    """

    def __init__(self, path: Path, epoch: str) -> None:
        """Open the file, or make it, with that epoch, where there is none."""
        self._path = path
        with told_apart(path):
            self._sql = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            with told_apart(path):
                self._set_up(epoch)
                meta = dict(self._sql.execute(META).fetchall())
            self.epoch = str(meta["epoch"])
            self.state = unsealed(meta["state"])
            self.head = self._number(HEAD)
            self.tail = self._number("SELECT coalesce(min(seq), 1) FROM record")
            newest = "SELECT at_s FROM record ORDER BY seq DESC LIMIT 1"
            self.newest_s = self._number(f"SELECT coalesce(({newest}), 0)")
            self.dead = self._number("SELECT count(*) FROM dead")
        except (Damaged, Unusable):
            self._sql.close()
            raise
        except (KeyError, ValueError, TypeError, AttributeError) as err:
            self._sql.close()
            raise Damaged(f"{path}: its head cannot be read ({err})") from err

    def commit(self, change: Change) -> None:
        """Carry out a change, durably: after this, no loss of power undoes it."""
        with told_apart(self._path):
            try:
                self._sql.execute("BEGIN IMMEDIATE")
                self._carry_out(change)
                self._sql.execute("COMMIT")
                self.dead = min(self.dead + len(change.dead), MOST_DEAD)
            finally:
                if self._sql.in_transaction:
                    self._sql.execute("ROLLBACK")

    def sizes(self, first: int, last: int) -> list[Sizes]:
        """What lies in `first` to `last`, by blocks of 256 numbers and by rank."""
        with told_apart(self._path):
            found = self._sql.execute(
                "SELECT seq >> ?, rank, count(*), sum(length(payload) + length(topic)), min(at_s), max(at_s)"
                " FROM record WHERE seq BETWEEN ? AND ? GROUP BY 1, 2",
                (BLOCK_BITS, first, last),
            ).fetchall()
        return [Sizes(*row) for row in found]

    def numbers(self, first: int, last: int, rank: int) -> list[int]:
        """The numbers of the records of a rank in `first` to `last`, ascending."""
        query = "SELECT seq FROM record WHERE seq BETWEEN ? AND ? AND rank = ? ORDER BY seq"
        with told_apart(self._path):
            return [seq for (seq,) in self._sql.execute(query, (first, last, rank)).fetchall()]

    def next_from(self, first: int, last: int) -> int:
        """The lowest number there is from `first` on, or `last`."""
        return self._number("SELECT coalesce(min(seq), ?) FROM record WHERE seq >= ?", last, first)

    def count_from(self, first: int) -> int:
        """How many records have that number or a higher one."""
        return self._number("SELECT count(*) FROM record WHERE seq >= ?", first)

    def room(self) -> tuple[int, int]:
        """Bytes in use, and bytes that deleted records left: so much can be written before the file grows."""
        spare = self._number("PRAGMA freelist_count")
        return (self._number("PRAGMA page_count") - spare) * PAGE_BYTES, spare * PAGE_BYTES

    def gather(self) -> None:
        """Bring everything from the log into the file itself, which can then be moved alone."""
        with told_apart(self._path):
            busy, left, _ = self._sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy or left:
            raise Unusable(f"{self._path}: its log is still in use")

    def close(self) -> None:
        """Let go of the file."""
        self._sql.close()

    def _set_up(self, epoch: str) -> None:
        new = not self._number("SELECT count(*) FROM sqlite_master")
        if new:
            self._sql.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        if self._sql.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise Unusable(f"{self._path}: this file system cannot hold a write-ahead log; use a local disk")
        for setting in _SETTINGS:
            self._sql.execute(f"PRAGMA {setting}")
        if new:
            self._sql.executescript(SCHEMA)
            self._sql.execute("INSERT INTO meta VALUES ('epoch', ?), ('state', ?)", (epoch, sealed({})))
            self._sql.execute("COMMIT")
        made_for = self._number("PRAGMA application_id"), self._number("PRAGMA user_version")
        if made_for != (APPLICATION, FORMAT):
            raise Damaged(f"{self._path}: is not an outbox of this version")

    def _number(self, query: str, *values: int) -> int:
        with told_apart(self._path):
            return int(self._sql.execute(query, values).fetchone()[0])

    def _carry_out(self, change: Change) -> None:
        self._sql.executemany("DELETE FROM record WHERE seq BETWEEN ? AND ?", change.deletions)
        self._sql.executemany(
            "INSERT INTO record (seq, rank, at_s, topic, payload, crc) VALUES (?, ?, ?, ?, ?, ?)",
            ((*record, checksum(record)) for record in change.records),
        )
        if change.dead:
            self._sql.executemany(
                "INSERT INTO dead (sink, seq, topic, payload, reason) VALUES (?, ?, ?, ?, ?)", change.dead
            )
            self._sql.execute("DELETE FROM dead WHERE n <= (SELECT max(n) FROM dead) - ?", (MOST_DEAD,))
        if change.state is not None:
            self._sql.execute("UPDATE meta SET value = ? WHERE key = 'state'", (sealed(change.state),))
