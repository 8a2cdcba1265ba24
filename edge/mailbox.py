"""The only thing that carries data between threads: a bounded queue that counts what it drops."""

import threading
from collections import deque
from enum import Enum
from time import monotonic
from typing import Generic, TypeVar


class Closed(Exception):
    """The mailbox is closed, and for a reader also empty."""


class WhenFull(Enum):
    """What `Mailbox.put` does when there is no room."""

    WAIT = "wait"
    DROP_OLDEST = "drop_oldest"


T = TypeVar("T")


class Mailbox(Generic[T]):
    """A bounded queue between two threads. Every method may be called from any thread.

    Args:
        room: How many items it holds, at least 1.
        when_full: `WAIT` holds the writer back; `DROP_OLDEST` makes room, counts, and gives the dropped
            item back to the writer, who alone knows what its loss means.
    """

    def __init__(self, room: int, when_full: WhenFull = WhenFull.WAIT) -> None:
        self._items: deque[T] = deque()
        self._room = room
        self._when_full = when_full
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> T | None:
        """Add an item. Returns the item that had to go for it, or None. Raises `Closed`."""
        with self._changed:
            while len(self._items) >= self._room and not self._closed:
                if self._when_full is WhenFull.DROP_OLDEST:
                    self.dropped += 1
                    lost = self._items.popleft()
                    self._items.append(item)
                    return lost
                self._changed.wait()
            if self._closed:
                raise Closed
            self._items.append(item)
            self._changed.notify_all()
            return None

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

    def close(self) -> None:
        """No more items come in; those inside can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._items)
