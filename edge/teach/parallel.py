"""Work on all processors: what takes long in a lesson is NumPy, which lets other threads run."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")

MOST = 4
"""More do not help: memory is what is waited for."""


def processors() -> int:
    """How many this process may use, 4 at most."""
    return min(MOST, len(os.sched_getaffinity(0)))


def each(work: Callable[[Given], Made], given: Iterable[Given]) -> list[Made]:
    """What `work` makes of each, in order; it may be called on several threads at once."""
    with ThreadPoolExecutor(processors()) as pool:
        return list(pool.map(work, given))


def counter(tell: Callable[[int], None]) -> Callable[[], None]:
    """Tells how many times it was called, from 1 on: on any thread, one after the other and in order."""
    lock, done = Lock(), 0

    def count() -> None:
        nonlocal done
        with lock:
            done += 1
            tell(done)

    return count
