"""The outbox on a disk that works: numbers, durability, lanes, restarts."""

import sqlite3
from collections import Counter
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import pytest
from an_outbox import FAST, an_outbox, content, eventually, put, running, said, seqs, take_all

from edge import config
from edge.errors import ConfigError, DeviceError
from edge.mailbox import Closed
from edge.message import JSON, Stamp
from edge.types import Verdict


def test_records_are_numbered_from_one_as_they_are_accepted(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        assert put(outbox, 3) == [1, 2, 3]


def test_a_record_carries_the_stamp_that_accept_gave(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        stamp = outbox.accept("result", content())
        [row] = outbox.reader("mqtt").take(10, 5)
    assert said(row)["id"] == f"station/{outbox.epoch}/1" == stamp.id
    assert (row.seq, row.topic, row.historical) == (1, "result", False)


def test_a_record_is_on_the_disk_when_its_owner_is_told(tmp_path: Path) -> None:
    found: list[int] = []

    def look() -> None:
        with sqlite3.connect(tmp_path / "outbox.db") as other:
            found.append(other.execute("SELECT count(*) FROM record").fetchone()[0])

    with running(tmp_path) as outbox:
        outbox.accept("result", content(), Verdict.PASS, look)
        assert outbox.flush(5)
        eventually(lambda: found)
    assert found == [1]


def test_many_records_share_a_commit(tmp_path: Path) -> None:
    """A commit a record would wear an SD card out: the writer must not be woken for each."""
    with running(tmp_path) as outbox:
        put(outbox)
        commits: Counter[float] = Counter()
        for _ in range(40):
            outbox.accept("result", content(), Verdict.PASS, lambda: commits.update([outbox.commit_ms]))
        assert outbox.flush(5)
    assert sum(commits.values()) == 40
    assert len(commits) <= 4


def test_accept_does_not_wait_for_a_writer_that_is_busy(tmp_path: Path) -> None:
    busy, go_on = Event(), Event()

    def slow(stamp: Stamp) -> JSON:
        busy.set()
        go_on.wait(10)
        return stamp.fields()

    with running(tmp_path) as outbox:
        outbox.accept("result", slow)
        assert busy.wait(5)
        others = [outbox.accept("result", content()).seq for _ in range(100)]
        assert outbox.pending == 101
        go_on.set()
        assert outbox.flush(5)
    assert others == list(range(2, 102))


def test_a_bug_in_the_content_of_a_record_ends_the_writer(tmp_path: Path) -> None:
    outbox = an_outbox(tmp_path)
    outbox.accept("result", lambda _stamp: {"score": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        outbox.write()


def test_a_closed_outbox_takes_nothing_in(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        pass
    with pytest.raises(Closed):
        outbox.accept("result", content())


def test_what_was_accepted_before_closing_is_on_the_disk(tmp_path: Path) -> None:
    outbox = an_outbox(tmp_path)
    for _ in range(120):
        outbox.accept("result", content())
    outbox.close()
    outbox.write()
    with running(tmp_path) as again:
        assert len(take_all(again.reader("mqtt"))) == 120


def test_numbers_go_on_after_a_restart_even_when_all_records_are_gone(tmp_path: Path) -> None:
    limits = config.Outbox(keep_acknowledged_mb=0, backlog_rate_hz=1e6, min_free_mb=0)
    with running(tmp_path, limits=limits) as outbox:
        put(outbox, 600)
        epoch = outbox.epoch
        take_all(outbox.reader("mqtt"))
    with sqlite3.connect(tmp_path / "outbox.db") as other:
        other.execute("DELETE FROM record")
    with running(tmp_path) as outbox:
        assert (outbox.epoch, outbox.head, put(outbox)) == (epoch, 600, [601])


def test_live_records_come_in_order_and_are_not_historical(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 200)
        rows = take_all(outbox.reader("mqtt"))
    assert seqs(rows) == list(range(1, 201))
    assert not any(row.historical or "historical" in said(row) for row in rows)


def test_a_sink_that_is_slower_than_the_line_still_gets_every_live_record(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 2500)
        rows = take_all(outbox.reader("mqtt"))
    assert seqs(rows) == list(range(1, 2501))
    assert not any(row.historical for row in rows)


def test_taking_waits_for_a_record(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        got: list[int] = []
        taker = Thread(target=lambda: got.extend(seqs(outbox.reader("mqtt").take(10, 10))))
        taker.start()
        outbox.accept("result", content())
        taker.join(5)
    assert got == [1]


def test_taking_gives_up_after_its_time(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        began = monotonic()
        assert outbox.reader("mqtt").take(10, 0.05) == []
        assert monotonic() - began >= 0.05


def test_records_that_are_not_acknowledged_come_again_first(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 6)
        lane = outbox.reader("mqtt")
        assert seqs(lane.take(4, 1)) == [1, 2, 3, 4]
        lane.acknowledge([4, 2])
        assert seqs(lane.take(10, 1)) == [1, 3]
        lane.acknowledge([1, 3])
        assert seqs(lane.take(10, 1)) == [5, 6]


def test_acknowledging_twice_or_what_was_not_taken_changes_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 4)
        lane = outbox.reader("mqtt")
        lane.take(2, 1)
        lane.acknowledge([1, 2, 3, 99])
        lane.acknowledge([2, 1])
        assert (lane.acknowledged, lane.waiting) == (2, 2)
        assert seqs(lane.take(10, 1)) == [3, 4]


def test_what_waits_at_a_disconnection_is_backlog_and_says_so(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 3)
        lane = outbox.reader("mqtt")
        lane.take(2, 1)
        lane.disconnected()
        assert lane.backlog == 3
        put(outbox, 2)
        live = lane.take(10, 1)
        lane.acknowledge(seqs(live))
        old = lane.take(10, 1)
    assert seqs(live) == [4, 5]
    assert not any(row.historical for row in live)
    assert seqs(old) == [1, 2, 3]
    assert all(row.historical and said(row)["historical"] is True for row in old)


def test_the_backlog_is_offered_at_a_bounded_rate(tmp_path: Path) -> None:
    with running(tmp_path, limits=config.Outbox(backlog_rate_hz=50, min_free_mb=0)) as outbox:
        put(outbox, 100)
        lane = outbox.reader("mqtt")
        lane.disconnected()
        began = monotonic()
        while lane.acknowledged < 20:
            lane.acknowledge(seqs(lane.take(64, 1)))
        allowed = 2 + 50 * (monotonic() - began)
    assert lane.acknowledged <= allowed


def test_after_a_restart_what_was_not_acknowledged_is_backlog(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 10)
        lane = outbox.reader("mqtt")
        lane.take(6, 1)
        lane.acknowledge([1, 2, 3, 5])
    with running(tmp_path) as outbox:
        rows = take_all(outbox.reader("mqtt"))
        assert seqs(rows) == [4, 6, 7, 8, 9, 10]
        assert all(row.historical for row in rows)
        assert outbox.reader("mqtt").waiting == 0


def test_each_sink_has_a_place_of_its_own(tmp_path: Path) -> None:
    with running(tmp_path, ("mqtt", "file")) as outbox:
        put(outbox, 5)
        take_all(outbox.reader("mqtt"))
        assert outbox.reader("file").waiting == 5
    with running(tmp_path, ("mqtt", "file")) as outbox:
        assert seqs(take_all(outbox.reader("file"))) == [1, 2, 3, 4, 5]
        assert take_all(outbox.reader("mqtt"), patience_s=0.1) == []


def test_a_new_sink_begins_with_what_is_accepted_from_now_on(tmp_path: Path) -> None:
    with running(tmp_path, ("mqtt",)) as outbox:
        put(outbox, 5)
    with running(tmp_path, ("mqtt", "new")) as outbox:
        put(outbox, 1)
        assert seqs(take_all(outbox.reader("new"))) == [6]


def test_a_sink_that_is_not_named_any_more_holds_nothing_back(tmp_path: Path) -> None:
    limits = config.Outbox(keep_acknowledged_mb=0, backlog_rate_hz=1e6, min_free_mb=0)
    with running(tmp_path, ("mqtt", "gone"), limits) as outbox:
        put(outbox, 600)
        take_all(outbox.reader("mqtt"))
    with running(tmp_path, ("mqtt",), limits) as outbox:
        eventually(lambda: held(tmp_path) < 256)
        with pytest.raises(KeyError):
            outbox.reader("gone")


def test_a_refused_record_is_put_aside_with_the_reason(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 3)
        lane = outbox.reader("mqtt")
        lane.take(3, 1)
        lane.acknowledge([1, 3])
        lane.refuse({2: "packet too large"})
        eventually(lambda: outbox.dead == 1)
    with sqlite3.connect(tmp_path / "outbox.db") as other:
        dead = other.execute("SELECT sink, seq, topic, reason FROM dead").fetchall()
    assert dead == [("mqtt", 2, "result", "packet too large")]
    with running(tmp_path) as outbox:
        assert outbox.dead == 1
        assert outbox.reader("mqtt").take(10, 0.1) == []


def test_only_the_last_thousand_refused_records_are_put_aside(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 1200)
        lane = outbox.reader("mqtt")
        while rows := lane.take(500, 0.1):
            lane.refuse(dict.fromkeys(seqs(rows), "no"))
    with sqlite3.connect(tmp_path / "outbox.db") as other:
        assert other.execute("SELECT count(*), min(seq), max(seq) FROM dead").fetchone() == (1000, 201, 1200)


def test_acknowledged_records_can_be_asked_for_again(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 20)
        lane = outbox.reader("mqtt")
        take_all(lane)
        assert lane.replay(outbox.epoch, 5, 9) == 5
        again = take_all(lane)
    assert seqs(again) == [5, 6, 7, 8, 9]
    assert all(row.historical for row in again)


def test_a_replay_gives_only_what_was_acknowledged_and_is_there(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 10)
        lane = outbox.reader("mqtt")
        lane.take(4, 1)
        lane.acknowledge([1, 2, 3, 4])
        assert lane.replay(outbox.epoch, -(10**30), 10**30) == 4
        assert lane.replay("another", 1, 10) == 0
        assert lane.replay(outbox.epoch, 9, 2) == 0
        assert seqs(take_all(lane)) == [5, 6, 7, 8, 9, 10, 1, 2, 3, 4]


def test_a_replay_goes_on_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 10)
        take_all(outbox.reader("mqtt"))
        outbox.reader("mqtt").replay(outbox.epoch, 3, 4)
    with running(tmp_path) as outbox:
        assert seqs(take_all(outbox.reader("mqtt"))) == [3, 4]


def test_an_outbox_without_sinks_keeps_nothing_waiting(tmp_path: Path) -> None:
    limits = config.Outbox(keep_acknowledged_mb=0, min_free_mb=0)
    with running(tmp_path, (), limits) as outbox:
        put(outbox, 1000)
    assert held(tmp_path) < 256


def test_counts_add_up(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 30)
        lane = outbox.reader("mqtt")
        lane.acknowledge(seqs(lane.take(10, 1)))
        assert (outbox.accepted, outbox.committed, outbox.pending, outbox.head) == (30, 30, 0, 30)
        assert (lane.acknowledged, lane.waiting, lane.backlog, outbox.lost) == (10, 20, 0, 0)
        assert outbox.trouble is None
        assert outbox.commit_ms > 0


def test_two_outboxes_cannot_have_the_same_file(tmp_path: Path) -> None:
    with running(tmp_path), pytest.raises(DeviceError, match="another process"):
        an_outbox(tmp_path)
    with running(tmp_path):
        pass


def test_two_sinks_of_the_same_name_are_refused(tmp_path: Path) -> None:
    """They would share one place, and each would get half."""
    with pytest.raises(ConfigError, match="two of"):
        an_outbox(tmp_path, ("mqtt", "mqtt"))


def test_a_folder_that_is_missing_or_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "missing", tmp_path / "file", Path("/proc")):
        with pytest.raises(DeviceError, match=r"cannot be written.*folder"):
            an_outbox(folder)


def test_a_name_that_is_taken_by_a_folder_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").mkdir()
    with pytest.raises(DeviceError, match=r"outbox\.db"):
        an_outbox(tmp_path)


def test_the_defaults_of_the_settings_suit_the_outbox(tmp_path: Path) -> None:
    with running(tmp_path, limits=config.Outbox(min_free_mb=0)) as outbox:
        put(outbox, 10)
        assert seqs(take_all(outbox.reader("mqtt"))) == list(range(1, 11))
    assert FAST.max_mb == config.Outbox().max_mb


def held(folder: Path) -> int:
    """How many records are in the file."""
    with sqlite3.connect(folder / "outbox.db") as other:
        count = other.execute("SELECT count(*) FROM record").fetchone()[0]
    assert isinstance(count, int)
    return count
