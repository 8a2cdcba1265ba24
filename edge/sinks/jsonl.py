"""The sink for people without a broker: a file with a JSON object a line."""

import logging
import os
import re
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from edge.config import JsonlSink
from edge.durable import sync_folder
from edge.errors import DeliveryError
from edge.types import Receipt, Row

log = logging.getLogger(__name__)

_ID = re.compile(rb'"id":\s*"([^"\\]+)"')
_REMEMBERED_BYTES = 1 << 20


class Jsonl:
    """Appends records; a batch is on the disk when `write` returns. For one thread.

    A record whose id is among the last megabyte of the file is not written again, so a restart repeats
    nothing. A file that was moved away (logrotate) is made anew.
    """

    def __init__(self, config: JsonlSink) -> None:
        self.name = f"jsonl:{config.path}"
        self._path = config.path
        self._file: int | None = None
        self._seen: dict[bytes, None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def write(self, rows: Sequence[Row]) -> Receipt:
        """Append what is not there yet, and wait for the disk. Raises `DeliveryError` where it cannot."""
        try:
            file = self._current()
            self._append(file, [row.payload for row in rows])
        except OSError as err:
            self._close()
            raise DeliveryError(f"{self._path}: cannot be written: {err.strerror or err}") from err
        return Receipt(frozenset(row.seq for row in rows))

    def _append(self, file: int, payloads: Sequence[bytes]) -> None:
        fresh = {_identity(payload): payload for payload in payloads}
        fresh = {identity: payload for identity, payload in fresh.items() if identity not in self._seen}
        if not fresh:
            return
        lines = b"".join(payload + b"\n" for payload in fresh.values())
        size = os.fstat(file).st_size
        try:
            _write_all(file, lines)
            os.fsync(file)
        except OSError:
            os.ftruncate(file, size)  # half a line would spoil the next
            raise
        self._seen.update(dict.fromkeys(fresh))
        self._forget()

    def _forget(self) -> None:
        for identity in list(self._seen)[: len(self._seen) - 20_000]:
            del self._seen[identity]

    def _current(self) -> int:
        """The open file, opened again where the path now names another one, or none."""
        if self._file is not None:
            mine = os.fstat(self._file)
            try:
                there = self._path.stat()
            except FileNotFoundError:
                self._close()
            else:
                if (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino):
                    self._close()
        if self._file is None:
            self._file = self._open()
        return self._file

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._remember(file)
        sync_folder(self._path.parent)
        return file

    def _remember(self, file: int) -> None:
        """Read which records the end of the file has, and cut off a line that power loss left half written."""
        size = os.fstat(file).st_size
        start = max(0, size - _REMEMBERED_BYTES)
        tail = os.pread(file, size - start, start)
        whole = tail.rfind(b"\n") + 1
        if whole < len(tail) and (whole or start == 0):
            log.warning("%s: the last line was half written; it is cut off, and comes again", self._path)
            os.ftruncate(file, start + whole)
        self._seen.update(dict.fromkeys(_identity(line) for line in tail[:whole].splitlines()))

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _write_all(file: int, lines: bytes) -> None:
    left = memoryview(lines)
    while left:
        left = left[os.write(file, left) :]


def _identity(record: bytes) -> bytes:
    """A record's id, which stands near its beginning; all of it where there is none."""
    found = _ID.search(record, 0, 512)
    return record if found is None else found[1]
