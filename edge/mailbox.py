"""The only thing that carries data between threads: a bounded queue that counts what it drops."""

import threading
from collections import deque
from collections.abc import Callable
from enum import Enum
from time import monotonic
from typing import Generic, TypeVar


class Closed(Exception):
    """The mailbox is closed, and for a reader also empty."""


class WhenFull(Enum):
    """What `Mailbox.put` does when there is no room."""

    WAIT = "wait"
    DROP_OLDEST = "drop_oldest"
    SHRINK_NEWEST = "shrink_newest"


T = TypeVar("T")


class Mailbox(Generic[T]):
    """A bounded queue between two threads. Every method may be called from any thread.

    Args:
        room: How many items it holds, at least 1.
        when_full: `WAIT` holds the writer back. `DROP_OLDEST` makes room. `SHRINK_NEWEST` lets in, beyond the
            room, only what `shrink` leaves of the new item: its place in the line is kept.
        shrink: Makes a small item of a large one.
    """

    def __init__(
        self, room: int, when_full: WhenFull = WhenFull.WAIT, shrink: Callable[[T], T] = lambda item: item
    ) -> None:
        self._items: deque[T] = deque()
        self._room = room
        self._when_full = when_full
        self._shrink = shrink
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0
        """Items that were dropped or shrunk."""

    def put(self, item: T) -> None:
        """Add an item. Raises `Closed`."""
        with self._changed:
            if self._when_full is WhenFull.WAIT:
                self._changed.wait_for(lambda: len(self._items) < self._room or self._closed)
            if self._closed:
                raise Closed
            if len(self._items) >= self._room:
                self.dropped += 1
                if self._when_full is WhenFull.DROP_OLDEST:
                    self._items.popleft()
                else:
                    item = self._shrink(item)
            self._items.append(item)
            self._changed.notify_all()

    def get(self, timeout_s: float | None = None) -> T:
        """Take the oldest item. Raises `TimeoutError`, or `Closed` once closed and empty."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._closed, timeout_s):
                raise TimeoutError
            if not self._items:
                raise Closed
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def get_many(self, most: int, linger_s: float = 0.0, timeout_s: float | None = None) -> list[T]:
        """Take up to `most` items: waits for the first, then up to `linger_s` for more.

        Returns an empty list after `timeout_s` without an item. Raises `Closed` once closed and empty.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._closed, timeout_s):
                return []
            if not self._items:
                raise Closed
            until = monotonic() + linger_s
            while len(self._items) < most and not self._closed:
                if not self._changed.wait(max(0.0, until - monotonic())):
                    break
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._changed.notify_all()
            return taken

    @property
    def closed(self) -> bool:
        """Whether no more items come in."""
        return self._closed

    def close(self) -> None:
        """No more items come in; those inside can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._items)
