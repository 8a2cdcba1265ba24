"""How records become MQTT messages: batches, the mark of old ones, and CloudEvents attributes."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge.types import Row

# Every record of ours opens with these three; anything else goes out without attributes.
_OPENING = re.compile(rb'\{"schema":"([^"\\]{1,64})","id":"([^"\\]{1,200})","ts":"([^"\\]{1,40})"')


@dataclass(frozen=True, slots=True)
class Message:
    """Something to be published. `topic` is below the device's base topic, unless `elsewhere`."""

    topic: str
    payload: bytes
    rows: tuple[Row, ...] = ()
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    """MQTT 5 user properties."""
    correlation: bytes | None = None
    elsewhere: bool = False

    @property
    def content_type(self) -> str | None:
        """The MIME type, from the payload's first bytes."""
        if self.payload[:1] in (b"{", b"["):
            return "application/json"
        return "image/jpeg" if self.payload[:2] == b"\xff\xd8" else None


def messages(rows: Iterable[Row], batch: int, source: str) -> Iterator[Message]:
    """One message a row, or up to `batch` results that follow each other as an array.

    `source` is the CloudEvents source: the base topic.
    """
    group: list[Row] = []
    for row in rows:
        if batch > 1 and row.topic == "result":
            group.append(row)
            if len(group) < batch:
                continue
            yield _array(group)
            group = []
        else:
            if group:
                yield _array(group)
                group = []
            yield single(row, source)
    if group:
        yield _array(group)


def single(row: Row, source: str) -> Message:
    """The message of one record."""
    return Message(row.topic, row.payload, (row,), attributes=_attributes(row.payload, source))


def _array(rows: list[Row]) -> Message:
    return Message(rows[0].topic, b"[" + b",".join(row.payload for row in rows) + b"]", tuple(rows))


def _attributes(payload: bytes, source: str) -> tuple[tuple[str, str], ...]:
    found = _OPENING.match(payload)
    if found is None:
        return ()
    schema, identity, at = (part.decode(errors="replace") for part in found.groups())
    return (("specversion", "1.0"), ("type", schema), ("source", source), ("id", identity), ("time", at))
