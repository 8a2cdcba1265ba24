"""The outbox's file: an SQLite database with a row a record, and what the sinks still wait for.

Writes are what wears an SD card out, hence: WAL, one transaction for many records, no index but the number
itself, a page of 1 KiB (a commit writes whole pages, and three of them change with each), and one small value
that says what is acknowledged instead of a mark on each row. Measured, a record of 400 bytes costs 1.3 KB in
groups of 50 and 8 KB alone, against 1.4 and 14 KB with SQLite's usual pages of 4 KiB.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from edge.store.ranges import Range
from edge.types import Row

PAGE_BYTES = 1024
CHECKPOINT_PAGES = 1000
WAL_LIMIT_BYTES = 4 << 20  # cut it only after an unusual growth: a file of constant size is cheaper to sync
CACHE_KIB = 512
MOST_DEAD = 1000
BLOCK_BITS = 8  # numbers are summed up and deleted by blocks of 256
FORMAT = 1
APPLICATION = 0x65646765  # "edge": the mark in the file's header
BUSY_S = 5.0

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE record (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    rank INTEGER NOT NULL,
    at_s INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE dead (n INTEGER PRIMARY KEY, sink TEXT, seq INTEGER, topic TEXT, payload BLOB, reason TEXT);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {FORMAT};
"""
HEAD = "SELECT coalesce(max(seq), 0) FROM (SELECT seq FROM sqlite_sequence UNION ALL SELECT max(seq) FROM record)"
_DAMAGED = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_IOERR_READ,  # a sector that is gone; a disk that is gone fails the exchange of files, too
    sqlite3.SQLITE_IOERR_CORRUPTFS,
}


class Damaged(Exception):
    """The file does not hold what was written into it."""


class Unusable(Exception):
    """The disk does not let us read or write the file now: full, read-only, failing."""


class Record(NamedTuple):
    """A row of the file. `rank` says what goes first when something must: see `edge.store.ring.Rank`."""

    seq: int
    rank: int
    at_s: int
    topic: str
    payload: bytes


class Dead(NamedTuple):
    """A record that a sink refused for good."""

    sink: str
    seq: int
    topic: str
    payload: bytes
    reason: str


class Sizes(NamedTuple):
    """What a block of numbers holds of one rank, and the times of its oldest and youngest record."""

    block: int
    rank: int
    rows: int
    size_bytes: int
    oldest_s: int
    newest_s: int


@dataclass(frozen=True)
class Change:
    """What one transaction does. `state` replaces the stored state; None leaves it."""

    records: Sequence[Record] = ()
    deletions: Sequence[Range] = ()
    dead: Sequence[Dead] = ()
    state: dict[str, Any] | None = None


class Reader:
    """A connection that reads records, from one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _told_apart(path):
            self._sql = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro",
                uri=True,
                timeout=BUSY_S,
                isolation_level=None,
                check_same_thread=False,
            )

    def records(self, first: int, last: int, most: int) -> list[Record]:
        """Up to `most` records of `first` to `last`, ascending. Raises `Damaged`, `Unusable`."""
        with _told_apart(self._path):
            found = self._sql.execute(
                "SELECT seq, rank, at_s, topic, payload, crc FROM record"
                " WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
                (first, last, most),
            ).fetchall()
        for seq, *_, topic, payload, crc in found:
            if crc != _checksum(topic, payload):
                raise Damaged(f"{self._path}: record {seq} is not what was written")
        return [Record(*row) for *row, _ in found]

    def rows(self, first: int, last: int, most: int) -> list[Row]:
        """The same, as sinks take them. Raises `Damaged`, `Unusable`."""
        return [Row(record.seq, record.topic, record.payload) for record in self.records(first, last, most)]

    def bounds(self) -> list[Range]:
        """The lowest and the highest number there is, or nothing. Raises `Damaged`, `Unusable`."""
        with _told_apart(self._path):
            first, last = self._sql.execute("SELECT min(seq), max(seq) FROM record").fetchone()
        return [] if first is None else [(first, last)]

    def meta(self) -> dict[str, str]:
        """What is stored beside the records. Raises `Damaged`, `Unusable`."""
        with _told_apart(self._path):
            return dict(self._sql.execute("SELECT key, value FROM meta").fetchall())

    def head(self) -> int:
        """The highest number ever given, 0 where there was none. Raises `Damaged`, `Unusable`."""
        with _told_apart(self._path):
            return int(self._sql.execute(HEAD).fetchone()[0])

    def count(self, ranges: Iterable[Range]) -> int:
        """How many records lie in the ranges. Raises `Damaged`, `Unusable`."""
        with _told_apart(self._path):
            return sum(
                self._sql.execute("SELECT count(*) FROM record WHERE seq BETWEEN ? AND ?", span).fetchone()[0]
                for span in ranges
            )

    def close(self) -> None:
        """Let go of the file."""
        self._sql.close()


class Journal:
    """The connection that writes. For the writer thread alone, once it is built.

    Raises `Damaged` and `Unusable` from every method. A transaction that failed has changed nothing.
    """

    def __init__(self, path: Path, epoch: str) -> None:
        """Open the file, or make it, with that epoch, where there is none."""
        self._path = path
        with _told_apart(path):
            self._sql = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            self._set_up(epoch)
            meta = self._meta()
            self.epoch = meta["epoch"]
            self.state: dict[str, Any] = json.loads(meta["state"])
            self.head = self._number(HEAD)
            self.tail = self._number("SELECT coalesce(min(seq), 1) FROM record")
            self.newest_s = self._number(
                "SELECT coalesce((SELECT at_s FROM record ORDER BY seq DESC LIMIT 1), 0)"
            )
            self.dead = self._number("SELECT count(*) FROM dead")
        except (Damaged, Unusable):
            self._sql.close()
            raise
        except (KeyError, ValueError) as err:
            self._sql.close()
            raise Damaged(f"{path}: its head cannot be read ({err})") from err

    def commit(self, change: Change) -> None:
        """Carry out a change, durably: after this, no loss of power undoes it."""
        with _told_apart(self._path):
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
        with _told_apart(self._path):
            found = self._sql.execute(
                "SELECT seq >> ?, rank, count(*), sum(length(payload) + length(topic)), min(at_s), max(at_s)"
                " FROM record WHERE seq BETWEEN ? AND ? GROUP BY 1, 2",
                (BLOCK_BITS, first, last),
            ).fetchall()
        return [Sizes(*row) for row in found]

    def numbers(self, first: int, last: int, rank: int) -> list[int]:
        """The numbers of the records of a rank in `first` to `last`, ascending."""
        with _told_apart(self._path):
            found = self._sql.execute(
                "SELECT seq FROM record WHERE seq BETWEEN ? AND ? AND rank = ? ORDER BY seq",
                (first, last, rank),
            ).fetchall()
        return [seq for (seq,) in found]

    def next_from(self, first: int, last: int) -> int:
        """The lowest number there is from `first` on, or `last`."""
        with _told_apart(self._path):
            query = "SELECT coalesce(min(seq), ?) FROM record WHERE seq >= ?"
            return int(self._sql.execute(query, (last, first)).fetchone()[0])

    def count_from(self, first: int) -> int:
        """How many records have that number or a higher one."""
        with _told_apart(self._path):
            return int(
                self._sql.execute("SELECT count(*) FROM record WHERE seq >= ?", (first,)).fetchone()[0]
            )

    def room(self) -> tuple[int, int]:
        """Bytes in use, and bytes that deleted records left: so much can be written before the file grows."""
        spare = self._number("PRAGMA freelist_count")
        return (self._number("PRAGMA page_count") - spare) * PAGE_BYTES, spare * PAGE_BYTES

    def close(self) -> None:
        """Let go of the file."""
        self._sql.close()

    def _set_up(self, epoch: str) -> None:
        with _told_apart(self._path):
            if self._number("PRAGMA application_id") == 0 and not self._number(
                "SELECT count(*) FROM sqlite_master"
            ):
                self._sql.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            if self._sql.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                raise Unusable(
                    f"{self._path}: this file system cannot hold a write-ahead log; use a local disk"
                )
            for setting in (
                "synchronous = FULL",  # NORMAL may lose committed rows at a loss of power
                f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
                f"journal_size_limit = {WAL_LIMIT_BYTES}",
                f"cache_size = -{CACHE_KIB}",
            ):
                self._sql.execute(f"PRAGMA {setting}")
            if not self._number("SELECT count(*) FROM sqlite_master"):
                self._sql.executescript(_SCHEMA)
                self._sql.execute("INSERT INTO meta VALUES ('epoch', ?), ('state', '{}')", (epoch,))
                self._sql.execute("COMMIT")
        if (
            self._number("PRAGMA application_id") != APPLICATION
            or self._number("PRAGMA user_version") != FORMAT
        ):
            raise Damaged(f"{self._path}: is not an outbox of this version")

    def _meta(self) -> dict[str, str]:
        with _told_apart(self._path):
            return dict(self._sql.execute("SELECT key, value FROM meta").fetchall())

    def _number(self, query: str) -> int:
        with _told_apart(self._path):
            return int(self._sql.execute(query).fetchone()[0])

    def _carry_out(self, change: Change) -> None:
        self._sql.executemany("DELETE FROM record WHERE seq BETWEEN ? AND ?", change.deletions)
        self._sql.executemany(
            "INSERT INTO record (seq, rank, at_s, crc, topic, payload) VALUES (?, ?, ?, ?, ?, ?)",
            (
                (
                    record.seq,
                    record.rank,
                    record.at_s,
                    _checksum(record.topic, record.payload),
                    record.topic,
                    record.payload,
                )
                for record in change.records
            ),
        )
        if change.dead:
            self._sql.executemany(
                "INSERT INTO dead (sink, seq, topic, payload, reason) VALUES (?, ?, ?, ?, ?)", change.dead
            )
            self._sql.execute("DELETE FROM dead WHERE n <= (SELECT max(n) FROM dead) - ?", (MOST_DEAD,))
        if change.state is not None:
            state = json.dumps(change.state, separators=(",", ":"))
            self._sql.execute("UPDATE meta SET value = ? WHERE key = 'state'", (state,))


def _checksum(topic: str, payload: bytes) -> int:
    """SQLite itself does not notice a page that was changed inside a payload."""
    return zlib.crc32(payload, zlib.crc32(topic.encode()))


@contextmanager
def _told_apart(path: Path) -> Iterator[None]:
    """SQLite's complaints as ours: what will pass, and what will not. A wrong query of ours stays SQLite's."""
    try:
        yield
    except sqlite3.DatabaseError as err:
        code = getattr(err, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        foreign = code == sqlite3.SQLITE_ERROR and str(err).startswith("no such")
        if foreign or code in _DAMAGED or code & 0xFF in _DAMAGED:
            raise Damaged(f"{path}: {err}") from err
        if isinstance(err, sqlite3.OperationalError) and code & 0xFF != sqlite3.SQLITE_ERROR:
            raise Unusable(f"{path}: {err}") from err
        raise
