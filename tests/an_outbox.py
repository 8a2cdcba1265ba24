"""An outbox for tests: opened, written to by its own thread, and closed."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

from edge import config
from edge.message import JSON, Stamp
from edge.store.intake import Clock
from edge.store.lane import Lane
from edge.store.outbox import Outbox
from edge.types import Row, Verdict

FAST = config.Outbox(backlog_rate_hz=1e6, min_free_mb=0)


class RunningClock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def an_outbox(
    folder: Path,
    readers: tuple[str, ...] = ("mqtt",),
    limits: config.Outbox = FAST,
    clock: Clock | None = None,
) -> Outbox:
    return Outbox(folder / "outbox.db", limits, "station", readers, clock or Clock())


@contextmanager
def running(
    folder: Path,
    readers: tuple[str, ...] = ("mqtt",),
    limits: config.Outbox = FAST,
    clock: Clock | None = None,
) -> Iterator[Outbox]:
    """An outbox with its writer at work; afterwards everything is on the disk."""
    outbox = an_outbox(folder, readers, limits, clock)
    faults: list[BaseException] = []

    def write() -> None:
        try:
            outbox.write()
        except BaseException as err:  # noqa: BLE001 - raised again below
            faults.append(err)

    writer = Thread(target=write, daemon=True)
    writer.start()
    try:
        yield outbox
    finally:
        outbox.close()
        writer.join(20)
        assert not writer.is_alive()
        for fault in faults:
            raise fault


def put(outbox: Outbox, many: int = 1, verdict: Verdict | None = Verdict.PASS, padding: int = 0) -> list[int]:
    """Accept so many records, and wait until they are on the disk. Returns their numbers."""
    numbers = [outbox.accept("result", content("x" * padding), verdict).seq for _ in range(many)]
    assert outbox.flush(20)
    return numbers


def content(padding: str = "") -> Callable[[Stamp], JSON]:
    return lambda stamp: {"schema": "edge.result/1", **stamp.fields(), "padding": padding}


def take_all(lane: Lane, most: int = 64, patience_s: float = 0.1) -> list[Row]:
    """Take and acknowledge until nothing comes any more."""
    taken = []
    while rows := lane.take(most, patience_s):
        taken += rows
        lane.acknowledge([row.seq for row in rows])
    return taken


def seqs(rows: list[Row]) -> list[int]:
    return [row.seq for row in rows]


def said(row: Row) -> dict[str, Any]:
    decoded = json.loads(row.payload)
    assert isinstance(decoded, dict)
    return decoded


def lost_in(rows: list[Row]) -> set[int]:
    """The numbers that the gap messages among these rows name."""
    ranges = [span for row in rows if row.topic == "event/gap" for span in said(row)["ranges"]]
    return {number for first, last in ranges for number in range(first, last + 1)}


def eventually(true: Callable[[], object], patience_s: float = 10.0) -> None:
    until = monotonic() + patience_s
    while not true():
        assert monotonic() < until, "it never came true"
        sleep(0.01)
