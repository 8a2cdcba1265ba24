"""How long a model takes on this machine, on one thread, undisturbed: milliseconds, the middle of several runs."""

from collections.abc import Callable
from statistics import median
from time import perf_counter_ns

WARM = 3
RUNS = 15


def pace_ms(work: Callable[[], object]) -> float:
    """The median time of one call."""
    for _ in range(WARM):
        work()
    spent_ns = []
    for _ in range(RUNS):
        start_ns = perf_counter_ns()
        work()
        spent_ns.append(perf_counter_ns() - start_ns)
    return median(spent_ns) / 1e6
