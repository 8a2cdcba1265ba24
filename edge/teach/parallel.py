"""Work on all processors: what takes long in a lesson is NumPy, which lets other threads run."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
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
