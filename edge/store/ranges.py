"""Sets of record numbers as ranges: what waits, what was lost. Both ends of a range belong to it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]


def runs(numbers: Iterable[int]) -> Iterator[Range]:
    """Ascending numbers as ranges without a hole, ascending."""
    first = last = None
    for number in numbers:
        if first is None or last is None:
            first = last = number
        elif number == last + 1:
            last = number
        else:
            yield first, last
            first = last = number
    if first is not None and last is not None:
        yield first, last


class Ranges:
    """A set of whole numbers that is cheap where they lie side by side. Not safe between threads."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __iter__(self) -> Iterator[Range]:
        """The ranges, ascending, with at least one number missing between two of them."""
        return zip(self._firsts, self._lasts, strict=True)

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # it changes

    def total(self) -> int:
        """How many numbers it holds."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def add(self, first: int, last: int) -> None:
        """Put in `first` to `last`; an inverted range is empty."""
        if first > last:
            return
        start = bisect_left(self._lasts, first - 1)
        end = bisect_right(self._firsts, last + 1)
        if start < end:
            first = min(first, self._firsts[start])
            last = max(last, self._lasts[end - 1])
        self._firsts[start:end] = [first]
        self._lasts[start:end] = [last]

    def discard(self, first: int, last: int) -> None:
        """Take out `first` to `last`, whether they are in or not; an inverted range is empty."""
        if first > last:
            return
        start = bisect_left(self._lasts, first)
        end = bisect_right(self._firsts, last)
        if start >= end:
            return
        kept = [(self._firsts[start], first - 1), (last + 1, self._lasts[end - 1])]
        kept = [(low, high) for low, high in kept if low <= high]
        self._firsts[start:end] = [low for low, _ in kept]
        self._lasts[start:end] = [high for _, high in kept]

    def within(self, first: int, last: int) -> Iterator[Range]:
        """What it holds of `first` to `last`, as ranges, ascending."""
        for at in range(bisect_left(self._lasts, first), bisect_right(self._firsts, last)):
            yield max(first, self._firsts[at]), min(last, self._lasts[at])

    def touches(self, first: int, last: int) -> bool:
        """Whether it holds any of `first` to `last`."""
        return bisect_left(self._lasts, first) < bisect_right(self._firsts, last)

    def first_from(self, start: int) -> Range | None:
        """The lowest range of what it holds from `start` on; None where there is nothing."""
        at = bisect_left(self._lasts, start)
        return (max(start, self._firsts[at]), self._lasts[at]) if at < len(self._firsts) else None
