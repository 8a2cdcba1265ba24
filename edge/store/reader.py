"""Reads the outbox's file beside its writer."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from edge.store.ranges import Range
from edge.store.table import BUSY_S, HEAD, META, Damaged, Record, Unusable, checksum, told_apart
from edge.types import Row


class Reader:
    """A connection that changes nothing; from one thread at a time.

    Raises `Damaged` and `Unusable` from every method, and where the file is of another epoch than `epoch`.
    """

    def __init__(self, path: Path, epoch: str | None = None) -> None:
        self._path = path
        with told_apart(path):
            self._sql = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro",
                uri=True,
                timeout=BUSY_S,
                isolation_level=None,
                check_same_thread=False,
            )
        if epoch is not None and self._epoch() != epoch:
            self.close()
            raise Unusable(f"{path}: another file is taking its place")

    def records(self, first: int, last: int, most: int) -> list[Record]:
        """Up to `most` records of `first` to `last`, ascending."""
        with told_apart(self._path):
            found = self._sql.execute(
                "SELECT seq, rank, at_s, topic, payload, crc FROM record"
                " WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
                (first, last, most),
            ).fetchall()
        return [self._checked(Record(*row), crc) for *row, crc in found]

    def rows(self, first: int, last: int, most: int) -> list[Row]:
        """The same, as sinks take them."""
        return [Row(record.seq, record.topic, record.payload) for record in self.records(first, last, most)]

    def bounds(self) -> list[Range]:
        """The lowest and the highest number there is, or nothing."""
        with told_apart(self._path):
            first, last = self._sql.execute("SELECT min(seq), max(seq) FROM record").fetchone()
        return [] if first is None else [(first, last)]

    def meta(self) -> dict[str, str]:
        """What is stored beside the records."""
        with told_apart(self._path):
            return dict(self._sql.execute(META).fetchall())

    def head(self) -> int:
        """The highest number ever given, 0 where there was none."""
        with told_apart(self._path):
            return int(self._sql.execute(HEAD).fetchone()[0])

    def count(self, ranges: Iterable[Range]) -> int:
        """How many records lie in the ranges."""
        query = "SELECT count(*) FROM record WHERE seq BETWEEN ? AND ?"
        with told_apart(self._path):
            return sum(self._sql.execute(query, span).fetchone()[0] for span in ranges)

    def close(self) -> None:
        """Let go of the file."""
        self._sql.close()

    def _epoch(self) -> str | None:
        try:
            return self.meta().get("epoch")
        except (Damaged, Unusable):
            self.close()
            raise

    def _checked(self, record: Record, crc: int) -> Record:
        whole = isinstance(record.topic, str) and isinstance(record.payload, bytes)
        if not whole or crc != checksum(record):
            raise Damaged(f"{self._path}: record {record.seq} is not what was written")
        return record
