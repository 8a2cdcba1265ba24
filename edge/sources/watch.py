"""Pictures that arrive in a folder, by FTP or SMB say: each is taken when complete, and put away when safe.

A picture stays where it is until its result is durable. After a crash it is therefore taken again.
"""

import logging
import os
import stat
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from edge.config import WatchSource
from edge.errors import CaptureError, DeviceError
from edge.preprocess import picture
from edge.service import Trouble
from edge.sources.naming import part_id, part_name
from edge.sources.pacing import Pace
from edge.types import Frame

log = logging.getLogger(__name__)

PATIENCE = 10
"""A file that is unchanged, but no picture, for so many settling times is given up."""
RETRY_S = 1.0
"""Pause after the folder could not be listed."""
UNFINISHED = frozenset((".part", ".tmp", ".temp", ".filepart", ".partial", ".crdownload", ".upload"))

Signature = tuple[int, int]
"""Size in bytes and time of the last change in ns. Inode numbers change at will on network shares."""


@dataclass
class _Arrival:
    """A file that is not taken yet. Files are taken in `order`: by when they were first seen."""

    name: str
    order: tuple[int, int, str]
    signature: Signature
    unchanged_since_s: float
    try_at_s: float


@dataclass(frozen=True)
class _Held:
    """A file that is taken, and waits for its result to be safe."""

    name: str
    signature: Signature
    failed: bool


class Watch:
    """The pictures that arrive in a folder, in the order of their arrival.

    Whatever is no picture's name is left alone: dot files, unfinished transfers (`.part`, `.tmp`), other endings.
    A picture whose result is safe goes to `done` below the folder, or is deleted; one that cannot be decoded goes
    to `failed`. `accepted` may be called from any thread; the rest is for the capture thread.
    """

    triggered = True

    def __init__(self, config: WatchSource) -> None:
        self.name = f"watch {config.path.name}"
        self.sequence = 0
        """Number of the part that was attempted last; the first is 1."""
        self._config = config
        self._pattern = part_name(config.part_id_pattern)
        self._pace = Pace(0.0)
        self._arrivals: dict[str, _Arrival] = {}
        self._settled: deque[_Arrival] = deque()
        self._polls = 0
        self._poll_at_s = 0.0
        self._unknown_endings: set[str] = set()
        # Shared with those who call `accepted`.
        self._lock = Lock()
        self._held: dict[int, _Held] = {}
        self._taken: dict[str, Signature] = {}
        self._not_put_away: list[_Held] = []
        self._trouble = Trouble(f"{self.name}: putting pictures away", log)

    def __enter__(self) -> Self:
        """Raises `DeviceError` where the folder is not there, or nothing can be moved in it."""
        path = self._config.path
        try:
            for name in ("done", "failed") if self._config.done == "move" else ("failed",):
                (path / name).mkdir(exist_ok=True)
            writable = os.access(path, os.W_OK)
        except FileNotFoundError as err:
            raise DeviceError(
                f"source.path: {path}: there is no such folder; create it, or mount it"
            ) from err
        except OSError as err:
            raise DeviceError(
                f"source.path: {path}: {err.strerror or err}; pictures cannot be moved away"
            ) from err
        if not writable:
            raise DeviceError(
                f"source.path: {path}: is not writable; pictures cannot be moved away: allow it"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put_away_late_ones()

    def read(self) -> Frame:
        """Wait for the next complete picture.

        Raises `CaptureError` with the part's id for a file that does not become a picture, or is removed when
        complete; without one while the folder cannot be listed.
        """
        while True:
            while self._settled:
                self._pace.sleep(0)
                frame = self._take(self._settled.popleft())
                if frame is not None:
                    return frame
            self._pace.sleep(self._poll_at_s - time.monotonic())
            self._poll_at_s = time.monotonic() + self._config.poll_s
            self._put_away_late_ones()
            self._settled.extend(self._poll())

    def interrupt(self) -> None:
        """See `Source`."""
        self._pace.interrupt()

    def accepted(self, sequence: int) -> None:
        """The result of that part is safe: its picture can go."""
        with self._lock:
            held = self._held.pop(sequence, None)
            if held is not None:
                self._put_away(held)

    def _poll(self) -> list[_Arrival]:
        """Look at the folder once; what has settled is returned, first come first."""
        now_s = time.monotonic()
        self._polls += 1
        try:
            present = dict(self._listing())
        except OSError as err:
            raise self._folder_is_away(err) from err
        with self._lock:
            taken = dict(self._taken)
        for gone in self._arrivals.keys() - present.keys():
            del self._arrivals[gone]
        for name, signature in present.items():
            if taken.get(name) == signature:
                continue
            known = self._arrivals.get(name)
            if known is None or known.signature != signature:
                order = known.order if known else (self._polls, signature[1], name)
                self._arrivals[name] = _Arrival(name, order, signature, now_s, now_s + self._config.settle_s)
        settled = [arrival for arrival in self._arrivals.values() if arrival.try_at_s <= now_s]
        return sorted(settled, key=lambda arrival: arrival.order)

    def _listing(self) -> Iterator[tuple[str, Signature]]:
        """The files that may be pictures. Raises `OSError`."""
        with os.scandir(self._config.path) as entries:
            for entry in entries:
                if not self._may_be_picture(entry.name):
                    continue
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # it went between the listing and now
                    continue
                if stat.S_ISREG(found.st_mode):
                    yield entry.name, (found.st_size, found.st_mtime_ns)

    def _may_be_picture(self, name: str) -> bool:
        ending = Path(name).suffix.lower()
        if ending in picture.ENDINGS:
            return not name.startswith((".", "~"))
        if ending and ending not in UNFINISHED and ending not in self._unknown_endings:
            self._unknown_endings.add(ending)
            log.warning("%s: %s: files with this ending are left alone: not a picture's", self.name, name)
        return False

    def _take(self, arrival: _Arrival) -> Frame | None:
        """Its frame; None where it is not a picture yet. Raises `CaptureError` where it will not become one."""
        path = self._config.path / arrival.name
        captured_ns, captured_at = time.monotonic_ns(), datetime.now(UTC)
        try:
            image = picture.read(path)
        except CaptureError as err:
            self._not_a_picture(arrival, path, err)
            return None
        if self._signature_now(path) not in {arrival.signature, None}:
            return None  # somebody writes to it: the next look sees the change
        part = self._hold(arrival, failed=False)
        return Frame(image, self.sequence, captured_ns, captured_at, self.name, part_id=part)

    def _not_a_picture(self, arrival: _Arrival, path: Path, error: CaptureError) -> None:
        now_s = time.monotonic()
        signature = self._signature_now(path)
        if signature is None:
            part = self._hold(arrival, failed=True)
            self.accepted(self.sequence)  # nothing is left to put away
            raise CaptureError(f"{path}: was removed before it could be read", part) from error
        if signature != arrival.signature:
            return
        if now_s - arrival.unchanged_since_s < PATIENCE * self._config.settle_s:
            arrival.try_at_s = now_s + self._config.settle_s
            return
        raise CaptureError(str(error), self._hold(arrival, failed=True)) from error

    def _signature_now(self, path: Path) -> Signature | None:
        try:
            return _signature(path)
        except OSError as err:
            raise self._folder_is_away(err) from err

    def _folder_is_away(self, error: OSError) -> CaptureError:
        self._settled.clear()
        self._poll_at_s = time.monotonic() + max(RETRY_S, self._config.poll_s)
        reason = error.strerror or error
        return CaptureError(f"{self._config.path}: {reason}; is the folder there, and its share mounted?")

    def _hold(self, arrival: _Arrival, *, failed: bool) -> str:
        """From now on it is taken: it has a sequence number, and waits to be accepted. Returns its part's id."""
        del self._arrivals[arrival.name]
        self.sequence += 1
        with self._lock:
            self._held[self.sequence] = _Held(arrival.name, arrival.signature, failed)
            self._taken[arrival.name] = arrival.signature
        return part_id(Path(arrival.name), self._pattern)

    def _put_away_late_ones(self) -> None:
        with self._lock:
            late, self._not_put_away = self._not_put_away, []
            for held in late:
                self._put_away(held)

    def _put_away(self, held: _Held) -> None:
        """Move or delete a file; one that resists is tried again at the next look. With the lock held."""
        path = self._config.path / held.name
        try:
            # Another picture may have come under the same name: that one is still to be judged.
            if _signature(path) == held.signature:
                if held.failed:
                    _move(path, path.parent / "failed")
                elif self._config.done == "move":
                    _move(path, path.parent / "done")
                else:
                    path.unlink(missing_ok=True)
        except OSError as err:
            self._not_put_away.append(held)
            self._trouble.failed(f"{path}: {err.strerror or err}")
            return
        self._trouble.worked()
        if self._taken.get(held.name) == held.signature:
            del self._taken[held.name]


def _signature(path: Path) -> Signature | None:
    """None where there is no such file. Raises `OSError` where its folder is not there either."""
    try:
        found = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        path.parent.stat()
        return None
    return found.st_size, found.st_mtime_ns


def _move(path: Path, folder: Path) -> None:
    """Into a folder, under a name that is free there. Raises `OSError`."""
    folder.mkdir(exist_ok=True)
    target = folder / path.name
    while target.exists():
        target = folder / f"{path.stem}-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}{path.suffix}"
    path.rename(target)
