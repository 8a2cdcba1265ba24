"""A reader of flatbuffers, the format of TFLite models and their metadata: tables, field by field, by number.

The package of that name comes with one of the two runtimes only, and brings a class for each table; a few dozen
fields are read here. Whatever a damaged file points at, the reader stays inside it.
"""

import struct
from dataclasses import dataclass
from typing import Self

from edge.errors import BundleError

_OFFSET_BYTES = 4
_MOST_ITEMS = 1_000_000


@dataclass(frozen=True)
class Table:
    """A table at `start` in `content`; `name` is what complaints call the file.

    Fields are numbered as in the schema, from 0; one that is absent reads as 0, "" or nothing. All raise
    `BundleError` where the bytes are no flatbuffer.
    """

    content: bytes
    start: int
    name: str

    @classmethod
    def root(cls, content: bytes, name: str) -> Self:
        """The table that a flatbuffer begins with."""
        first = cls(content, 0, name)
        return cls(content, first._offset(0), name)

    def number(self, field: int, kind: str = "i") -> int:
        """An integer; `kind` is its letter in Python's `struct`."""
        place = self._place(field)
        return 0 if place is None else int(self._unpack(kind, place))

    def text(self, field: int) -> str:
        """A string."""
        return self.raw(field).decode(errors="replace")

    def raw(self, field: int) -> bytes:
        """A string or a vector of bytes."""
        place = self._place(field)
        if place is None:
            return b""
        start, length = self._vector(self._offset(place), 1)
        return self.content[start : start + length]

    def floats(self, field: int) -> tuple[float, ...]:
        """A vector of float32."""
        place = self._place(field)
        if place is None:
            return ()
        start, length = self._vector(self._offset(place), 4)
        return struct.unpack_from(f"<{length}f", self.content, start)

    def table(self, field: int) -> Self | None:
        """A table inside this one; None where there is none."""
        place = self._place(field)
        return None if place is None else self._at(self._offset(place))

    def tables(self, field: int) -> tuple[Self, ...]:
        """A vector of tables."""
        place = self._place(field)
        if place is None:
            return ()
        start, length = self._vector(self._offset(place), _OFFSET_BYTES)
        return tuple(self._at(self._offset(start + _OFFSET_BYTES * item)) for item in range(length))

    def _at(self, start: int) -> Self:
        return type(self)(self.content, start, self.name)

    def _place(self, field: int) -> int | None:
        """Where a field's value stands; None where it is absent."""
        fields = self.start - self._unpack("i", self.start)
        entry = 4 + 2 * field
        if entry + 2 > self._unpack("H", fields):
            return None
        shift = self._unpack("H", fields + entry)
        return self.start + shift if shift else None

    def _offset(self, place: int) -> int:
        return place + self._unpack("I", place)

    def _vector(self, start: int, item_bytes: int) -> tuple[int, int]:
        length = self._unpack("I", start)
        first = start + _OFFSET_BYTES
        if first + length * item_bytes > len(self.content) or (item_bytes > 1 and length > _MOST_ITEMS):
            raise self._damaged()
        return first, length

    def _unpack(self, kind: str, place: int) -> int:
        try:
            if place < 0:  # struct would count it from the end
                raise self._damaged()
            number: int = struct.unpack_from(f"<{kind}", self.content, place)[0]
        except struct.error as err:
            raise self._damaged() from err
        return number

    def _damaged(self) -> BundleError:
        return BundleError(f"{self.name}: is cut off or damaged; copy it again")
