"""The outbox at its limits: what goes first, and that every loss is told of."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path

import pytest
from an_outbox import (
    RunningClock,
    an_outbox,
    content,
    eventually,
    lost_in,
    put,
    running,
    said,
    seqs,
    take_all,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import config
from edge.store.intake import Clock
from edge.store.ledger import Ledger
from edge.store.limits import FILE_SHARE, RESERVE_BYTES, Plan, Room, plan
from edge.store.ranges import Ranges
from edge.store.ring import Rank
from edge.store.table import BLOCK_BITS, Sizes
from edge.types import Verdict

HOUR_S = 3600


def limited(**changed: float) -> config.Outbox:
    return config.Outbox(**{"backlog_rate_hz": 1e6, "min_free_mb": 0, **changed})


def write_all(folder: Path, verdicts: Iterator[Verdict | None], many: int, limits: config.Outbox) -> None:
    """Accept so many records of 400 bytes, a few at a time, while no sink takes any; then close."""
    with running(folder, limits=limits) as outbox:
        for verdict, _ in zip(verdicts, range(many), strict=False):
            outbox.accept("result" if verdict else "event/drift", content("x" * 200), verdict)
            if outbox.pending >= 500:
                assert outbox.flush(10)


def ranks(folder: Path) -> dict[int, int]:
    """The numbers that are in the file, and their ranks."""
    with sqlite3.connect(folder / "outbox.db") as other:
        return dict(other.execute("SELECT seq, rank FROM record").fetchall())


def left(folder: Path) -> tuple[set[int], set[int]]:
    """What a sink still gets, and what gap messages name."""
    with running(folder) as outbox:
        rows = take_all(outbox.reader("mqtt"))
    return set(seqs(rows)), lost_in(rows)


def test_over_its_size_the_oldest_passed_parts_go_and_are_told_of(tmp_path: Path) -> None:
    verdicts = cycle([Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.PASS, None])
    write_all(tmp_path, verdicts, 2000, limited(max_mb=0.8))
    there = ranks(tmp_path)
    present, lost = left(tmp_path)
    assert lost
    assert not present & lost
    assert present | lost == set(range(1, max(present) + 1))
    assert all(number % 5 in {1, 2, 4} for number in lost), "only passed parts went"
    passed = {number for number in present if there[number] == Rank.PASSED}
    assert max(lost) < min(passed), "the oldest went first"


def test_it_stays_within_its_size(tmp_path: Path) -> None:
    write_all(tmp_path, cycle([Verdict.PASS]), 4000, limited(max_mb=0.5))
    with sqlite3.connect(tmp_path / "outbox.db") as other:
        used = other.execute("SELECT sum(length(payload)) FROM record").fetchone()[0]
    assert used < 0.5e6


def test_other_parts_go_when_no_passed_part_is_left(tmp_path: Path) -> None:
    write_all(tmp_path, cycle([Verdict.FAIL, Verdict.ERROR]), 2000, limited(max_mb=0.4))
    there = ranks(tmp_path)
    present, lost = left(tmp_path)
    assert {there[number] for number in set(range(1, max(lost))) - lost} <= {Rank.EVENT}, (
        "the oldest went first"
    )
    assert present | lost == set(range(1, max(present) + 1))


def test_events_never_go_and_the_outbox_says_that_it_is_full_of_them(tmp_path: Path) -> None:
    with running(tmp_path, limits=limited(max_mb=0.1)) as outbox:
        put(outbox, 600, None)
        eventually(lambda: outbox.trouble)
        assert outbox.trouble is not None
        assert "events" in outbox.trouble
        assert outbox.lost == 0
    assert len(ranks(tmp_path)) == 600


def test_what_is_with_a_sink_at_this_moment_is_spared(tmp_path: Path) -> None:
    with running(tmp_path, limits=limited(max_mb=0.1)) as outbox:
        put(outbox, 20, padding=200)
        lane = outbox.reader("mqtt")
        with_it = set(seqs(lane.take(20, 1)))
        put(outbox, 800, padding=200)
        eventually(lambda: outbox.lost)
        lane.acknowledge(with_it)
        rows = take_all(lane)
        assert lost_in(rows)
        assert not lost_in(rows) & with_it
        assert lane.waiting == 0


def test_a_sink_that_takes_all_loses_nothing_to_one_that_takes_none(tmp_path: Path) -> None:
    with running(tmp_path, ("mqtt", "stuck"), limited(max_mb=0.2)) as outbox:
        lane = outbox.reader("mqtt")
        taken = []
        for _ in range(30):
            put(outbox, 50, padding=200)
            taken += take_all(lane, patience_s=0)
        eventually(lambda: outbox.lost)
        taken += take_all(lane)
        assert set(seqs(taken)) == set(range(1, outbox.head + 1))
        stuck = take_all(outbox.reader("stuck"))
        assert set(seqs(stuck)) | lost_in(stuck) == set(range(1, outbox.head + 1))
        assert outbox.lost == len(lost_in(stuck))


def test_a_smaller_limit_takes_effect_at_the_next_start(tmp_path: Path) -> None:
    write_all(tmp_path, cycle([Verdict.PASS]), 6000, limited())
    with running(tmp_path, limits=limited(max_mb=0.5)) as outbox:
        eventually(lambda: outbox.lost > 3000)
        assert outbox.flush(5)
        rows = take_all(outbox.reader("mqtt"))
    assert set(seqs(rows)) | lost_in(rows) == set(range(1, max(seqs(rows)) + 1))


def test_on_a_disk_that_is_nearly_full_the_file_stops_growing(tmp_path: Path) -> None:
    limits = limited(min_free_mb=1e12)
    sizes = []
    for _ in range(4):
        write_all(tmp_path, cycle([Verdict.PASS, Verdict.PASS, Verdict.FAIL]), 4000, limits)
        sizes.append((tmp_path / "outbox.db").stat().st_size)
    assert sizes[-1] < sizes[0] + RESERVE_BYTES
    present, lost = left(tmp_path)
    assert present | lost == set(range(1, max(present) + 1))
    assert lost


def test_records_that_are_too_old_go_and_are_told_of_but_events_stay(tmp_path: Path) -> None:
    hours = RunningClock()
    with running(tmp_path, limits=limited(max_age_h=10), clock=Clock(running_s=hours)) as outbox:
        put(outbox, 10, Verdict.FAIL)
        put(outbox, 1, None)
        outbox.reader("mqtt").disconnected()
        hours.now_s = 5 * HOUR_S
        put(outbox, 300, Verdict.PASS)
        hours.now_s = 16 * HOUR_S
        put(outbox, 5, Verdict.PASS)
        eventually(lambda: outbox.lost)
        rows = take_all(outbox.reader("mqtt"))
    gap = next(said(row) for row in rows if row.topic == "event/gap")
    assert "10 h" in gap["reason"]
    assert lost_in(rows) == set(range(1, 256)) - {11}, "by blocks of 256, when the youngest of one is too old"
    assert set(seqs(rows)) | lost_in(rows) == set(range(1, outbox.head + 1))


def test_a_wall_clock_that_is_set_back_and_forth_loses_nothing(tmp_path: Path) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    years = timedelta(days=3650)
    steps = cycle([now, now + years, now - timedelta(hours=1), now - years])
    clock = Clock(wall=lambda: next(steps))
    with running(tmp_path, limits=limited(max_age_h=1, keep_acknowledged_h=1), clock=clock) as outbox:
        put(outbox, 600)
    with running(tmp_path, limits=limited(max_age_h=1, keep_acknowledged_h=1), clock=clock) as outbox:
        assert seqs(take_all(outbox.reader("mqtt"))) == list(range(1, 601))
        assert outbox.lost == 0


def test_age_counts_the_hours_that_the_outbox_has_run_over_restarts(tmp_path: Path) -> None:
    limits = limited(max_age_h=10)
    for start_h in (0, 500, 9):
        hours = RunningClock()
        hours.now_s = start_h * HOUR_S
        with running(tmp_path, limits=limits, clock=Clock(running_s=hours)) as outbox:
            put(outbox, 255)
            assert outbox.lost == 0
            hours.now_s += 4 * HOUR_S
            put(outbox, 1)
    with running(tmp_path, limits=limits) as outbox:
        rows = take_all(outbox.reader("mqtt"))
    assert lost_in(rows) == set(range(1, 256))


def test_acknowledged_records_go_by_size_without_a_word(tmp_path: Path) -> None:
    with running(tmp_path, limits=limited(keep_acknowledged_mb=0.3)) as outbox:
        put(outbox, 3000, padding=200)
        taken = take_all(outbox.reader("mqtt"))
        assert lost_in(taken) == set()
    there = ranks(tmp_path)
    assert 256 <= len(there) < 1500
    assert min(there) % 256 == 0
    assert set(there) == set(range(min(there), 3001)), "the youngest stay"


def test_acknowledged_records_go_by_age_without_a_word(tmp_path: Path) -> None:
    hours = RunningClock()
    with running(tmp_path, limits=limited(keep_acknowledged_h=24), clock=Clock(running_s=hours)) as outbox:
        put(outbox, 600)
        take_all(outbox.reader("mqtt"))
        hours.now_s = 23 * HOUR_S
        put(outbox, 300)
        take_all(outbox.reader("mqtt"))
        hours.now_s = 25 * HOUR_S
        eventually(lambda: len(ranks(tmp_path)) < 600)
        assert outbox.lost == 0
    assert set(ranks(tmp_path)) == set(range(512, 901))


def test_what_is_not_acknowledged_holds_its_block(tmp_path: Path) -> None:
    with running(tmp_path, limits=limited(keep_acknowledged_mb=0)) as outbox:
        put(outbox, 1000)
        lane = outbox.reader("mqtt")
        lane.acknowledge([seq for seq in seqs(lane.take(1000, 1)) if seq != 300])
        eventually(lambda: len(ranks(tmp_path)) < 600)
        assert 300 in ranks(tmp_path)
        assert seqs(lane.take(10, 1)) == [300]


def test_a_file_over_its_limit_at_closing_is_trimmed(tmp_path: Path) -> None:
    outbox = an_outbox(tmp_path, limits=limited(max_mb=0.1))
    for _ in range(900):
        outbox.accept("result", content("x" * 200), Verdict.PASS)
    outbox.close()
    outbox.write()
    present, lost = left(tmp_path)
    assert lost
    assert present | lost == set(range(1, max(present) + 1))


blocks = st.dictionaries(
    st.integers(0, 30),
    st.lists(st.tuples(st.sampled_from(list(Rank)), st.integers(1, 256), st.integers(1, 10**6)), min_size=1),
    min_size=1,
)


@settings(deadline=None)
@given(
    blocks,
    st.lists(st.tuples(st.integers(0, 8000), st.integers(0, 8000))),
    st.floats(0.001, 50),
    st.one_of(st.none(), st.floats(0, 1e7)),
    st.integers(0, 2000),
)
def test_a_plan_never_names_events_nor_forgets_what_waits(
    content_of: dict[int, list[tuple[Rank, int, int]]],
    spans: list[tuple[int, int]],
    max_mb: float,
    ceiling_bytes: float | None,
    age_h: int,
) -> None:
    ledger = Ledger(1, 0)
    sizes = [
        Sizes(block, rank, rows, size, block * 60, block * 60)
        for block, ranks_of in content_of.items()
        for rank, rows, size in ranks_of
    ]
    ledger.learn((0, 0), sizes)
    waiting = Ranges(spans)
    made = plan(ledger, waiting, Room(age_h * HOUR_S, ceiling_bytes), limited(max_mb=max_mb))
    assert all(rank is not Rank.EVENT for _, rank in made.victims)
    assert not any(waiting.touches(*span) for span in made.forget)
    assert all(ledger.blocks[block].rows[rank] for block, rank in made.victims)
    held = sum(sum(block.bytes) for block in ledger.blocks.values()) * FILE_SHARE
    if held <= max_mb * 1e6 and held <= 64e6 and ceiling_bytes is None and age_h <= 24:
        assert made == Plan()


def test_a_block_is_as_wide_as_the_file_says(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 1 << BLOCK_BITS)
        eventually(lambda: outbox.bytes > 0)


@pytest.mark.parametrize("waiting", [True, False])
def test_the_oldest_record_that_waits_tells_its_age(tmp_path: Path, *, waiting: bool) -> None:
    seconds = RunningClock()
    with running(tmp_path, clock=Clock(running_s=seconds)) as outbox:
        put(outbox, 3)
        if not waiting:
            take_all(outbox.reader("mqtt"))
        seconds.now_s = 50.0
        outbox.accept("event/clock", content())
        assert outbox.flush(5)
        if not waiting:
            take_all(outbox.reader("mqtt"))
            eventually(lambda: outbox.oldest_s == 0)
        else:
            eventually(lambda: outbox.oldest_s >= 50)
