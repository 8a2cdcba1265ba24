"""The tables of the outbox's file, what a row of them is, and what SQLite's complaints mean."""

import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

FORMAT = 1
APPLICATION = 0x65646765  # "edge": the mark in the file's header
BLOCK_BITS = 8  # numbers are summed up and deleted by blocks of 256
BUSY_S = 5.0

SCHEMA = f"""
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
META = "SELECT key, value FROM meta"

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
    """A row of `record`. `rank` says what goes first when something must: see `edge.store.ring.Rank`.

    `at_s` is when it came, in seconds that the outbox had run.
    """

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


def checksum(record: Record) -> int:
    """SQLite does not notice a page that was changed inside a payload, or a number that was."""
    return zlib.crc32(record.payload, zlib.crc32(record.topic.encode(), record.seq & 0xFFFFFFFF))


def sealed(state: dict[str, Any]) -> str:
    """The state as it is stored."""
    text = json.dumps(state, separators=(",", ":"))
    return f"{zlib.crc32(text.encode()):08x} {text}"


def unsealed(value: str) -> dict[str, Any]:
    """The state as it was stored. Raises `ValueError` where this is something else."""
    crc, _, text = value.partition(" ")
    state = json.loads(text)
    if f"{zlib.crc32(text.encode()):08x}" != crc or not isinstance(state, dict):
        raise ValueError("what the sinks have is not what was written")
    return state


@contextmanager
def told_apart(path: Path) -> Iterator[None]:
    """SQLite's complaints as ours: what will pass, and what will not. A wrong query of ours stays SQLite's."""
    try:
        yield
    except sqlite3.DatabaseError as err:
        code = getattr(err, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        # The Python module finds text that is not UTF-8 by itself; a table that is missing is no bug of ours.
        foreign = code == sqlite3.SQLITE_ERROR and str(err).startswith(("no such", "Could not decode"))
        if foreign or code in _DAMAGED or code & 0xFF in _DAMAGED:
            raise Damaged(f"{path}: {err}") from err
        if isinstance(err, sqlite3.OperationalError) and code & 0xFF != sqlite3.SQLITE_ERROR:
            raise Unusable(f"{path}: {err}") from err
        raise
