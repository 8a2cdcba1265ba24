"""The outbox through crashes, full disks and damaged files."""

import os
import random
import resource
import select
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import pytest
from an_outbox import an_outbox, content, eventually, lost_in, put, running, said, seqs, take_all

from edge import config
from edge.errors import DeviceError
from edge.message import JSON, Stamp, encode
from edge.store.intake import RING
from edge.store.journal import PAGE_BYTES
from edge.store.outbox import Outbox
from edge.store.ranges import Ranges
from edge.store.reader import Reader
from edge.store.ring import Rank
from edge.store.salvage import Wreck, exchange
from edge.store.table import Record, Unusable
from edge.types import Verdict

KILLS = 15


@pytest.mark.parametrize("max_mb", [512.0, 0.04])
def test_nothing_that_was_said_to_be_safe_is_lost_to_sigkill(tmp_path: Path, max_mb: float) -> None:
    """With the small limit, kills also hit the deletions and their gap messages."""
    moments = random.Random(4)
    limits = config.Outbox(max_mb=max_mb, min_free_mb=0, backlog_rate_hz=1e6)
    safe: list[int] = []
    delivered: set[int] = set()
    for _ in range(KILLS):
        heard = run_and_kill(tmp_path, limits, moments.uniform(0.0, 0.3))
        new = [int(line.split()[1]) for line in heard if line.startswith("safe")]
        assert not set(new) & set(safe), "a number that was safe was given again"
        safe += new
        delivered |= {int(line.split()[1]) for line in heard if line.startswith("got")}
    assert len(safe) > KILLS
    with running(tmp_path) as outbox:
        rows = take_all(outbox.reader("mqtt"))
        everything = set(range(1, outbox.head + 1))
    accounted = delivered | set(seqs(rows)) | lost_in(rows)
    assert set(safe) <= accounted
    assert accounted == everything, "there are holes that nobody explains"
    assert bool(lost_in(rows)) == (max_mb < 1)


def run_and_kill(folder: Path, limits: config.Outbox, seconds: float) -> list[str]:
    """Accept until so long after the first record is safe; then kill. Gives the whole lines that were said."""
    heard_at, said_at = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            accept_for_ever(folder, limits, said_at)
        finally:
            os._exit(1)
    os.close(said_at)
    heard, until = b"", monotonic() + 30.0
    started = False
    while monotonic() < until:
        ready, _, _ = select.select([heard_at], [], [], max(0.0, until - monotonic()))
        if ready:
            heard += os.read(heard_at, 1 << 16)
        if not started and b"safe" in heard:
            started, until = True, monotonic() + seconds
    os.kill(child, signal.SIGKILL)
    while rest := os.read(heard_at, 1 << 16):
        heard += rest
    os.close(heard_at)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert started
    return heard.decode().split("\n")[:-1]


def accept_for_ever(folder: Path, limits: config.Outbox, said_at: int) -> None:
    """A station whose sink is a pipe; with a small limit, one whose sink takes nothing."""
    outbox = an_outbox(folder, limits=limits)
    lane = outbox.reader("mqtt")

    def deliver() -> None:
        while limits.max_mb > 1:
            rows = lane.take(8, 1)
            for row in rows:
                os.write(said_at, b"got %d\n" % row.seq)
            lane.acknowledge(seqs(rows))

    Thread(target=outbox.write, daemon=True).start()
    Thread(target=deliver, daemon=True).start()
    for number in count():
        accept_and_say(outbox, Verdict.FAIL if number % 5 == 0 else Verdict.PASS, said_at)
        sleep(0.0005)


def accept_and_say(outbox: Outbox, verdict: Verdict, said_at: int) -> None:
    numbers: list[int] = []

    def make(stamp: Stamp) -> JSON:
        numbers.append(stamp.seq)
        return content("x" * 300)(stamp)

    outbox.accept("result", make, verdict, lambda: os.write(said_at, b"safe %d\n" % numbers[0]) and None)


@contextmanager
def full_disk(folder: Path, room: int = 0) -> Iterator[None]:
    """No file of this process grows beyond what the outbox's log has, and so much more."""
    log = folder / "outbox.db-wal"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_records_wait_in_memory_while_the_disk_is_full_and_are_safe_afterwards(tmp_path: Path) -> None:
    told: list[int] = []
    with running(tmp_path) as outbox:
        put(outbox)
        with full_disk(tmp_path):
            for number in range(200):
                outbox.accept(
                    "result", content("x" * 2000), Verdict.PASS, lambda number=number: told.append(number)
                )
            eventually(lambda: outbox.trouble)
            assert outbox.trouble is not None
            assert "outbox.db" in outbox.trouble
            assert not told
            assert outbox.pending == 200
        assert outbox.flush(10)
        eventually(lambda: len(told) == 200)
        assert outbox.trouble is None
        assert told == list(range(200))
        assert seqs(take_all(outbox.reader("mqtt"))) == list(range(1, 202))
        assert outbox.lost == 0


def test_what_memory_has_no_room_for_is_told_of_and_passed_parts_go_first(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox)
        with full_disk(tmp_path):
            outbox.accept("result", content("x" * 200_000), Verdict.FAIL)
            eventually(lambda: outbox.trouble)
            outbox.accept("event/drift", content())
            for _ in range(RING):
                outbox.accept("result", content(), Verdict.PASS)
            for _ in range(10):
                outbox.accept("result", content(), Verdict.FAIL)
            assert outbox.pending == RING
        assert outbox.flush(10)
        rows = take_all(outbox.reader("mqtt"))
        assert outbox.lost == 12
    assert lost_in(rows) == set(range(4, 16))
    everything = set(seqs(rows)) | lost_in(rows)
    assert everything == set(range(1, RING + 15))
    [gap] = [said(row) for row in rows if row.topic == "event/gap"]
    assert gap["count"] == 12
    assert gap["lost_epoch"] == outbox.epoch


def test_events_are_dropped_from_memory_last(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox)
        with full_disk(tmp_path):
            outbox.accept("event/fault", content("x" * 200_000))
            eventually(lambda: outbox.trouble)
            for _ in range(20):
                outbox.accept("event/fault", content())
            for _ in range(RING):
                outbox.accept("result", content(), Verdict.ERROR)
        assert outbox.flush(10)
        rows = take_all(outbox.reader("mqtt"))
    assert sum(row.topic == "event/fault" for row in rows) == 21
    assert lost_in(rows) == set(range(23, 44))


def test_a_disk_that_is_full_at_the_end_is_an_error_that_says_what_is_lost(tmp_path: Path) -> None:
    outbox = an_outbox(tmp_path)
    for _ in range(3):
        outbox.accept("result", content("x" * 100_000))
    outbox.close()
    with full_disk(tmp_path), pytest.raises(DeviceError, match="3 records are lost"):
        outbox.write()


def test_a_sink_goes_on_while_the_disk_is_full(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 5)
        with full_disk(tmp_path):
            outbox.accept("result", content("x" * 200_000))
            eventually(lambda: outbox.trouble)
            assert seqs(take_all(outbox.reader("mqtt"))) == [1, 2, 3, 4, 5]


# Damage


def damage(path: Path, first: int, pages: int = 1) -> None:
    """Overwrite pages of a file with something else."""
    with path.open("r+b") as file:
        file.seek(first * PAGE_BYTES)
        file.write(random.Random(1).randbytes(pages * PAGE_BYTES))


def pages_of(path: Path) -> int:
    return path.stat().st_size // PAGE_BYTES


def fill(folder: Path, many: int = 400, delivered: int = 0) -> str:
    """An outbox with so many records, of which the first have been delivered. Returns its epoch."""
    with running(folder) as outbox:
        put(outbox, many, padding=300)
        lane = outbox.reader("mqtt")
        while lane.acknowledged < delivered:
            lane.acknowledge(seqs(lane.take(min(50, delivered - lane.acknowledged), 1)))
        return outbox.epoch


def test_a_damaged_page_is_noticed_and_what_else_there_is_is_saved(tmp_path: Path) -> None:
    old = fill(tmp_path, 400, delivered=100)
    damage(tmp_path / "outbox.db", pages_of(tmp_path / "outbox.db") // 2)
    with running(tmp_path) as outbox:
        eventually(lambda: outbox.epoch != old and outbox.head)
        eventually(lambda: outbox.trouble is None)
        new = put(outbox, 3)
        rows = take_all(outbox.reader("mqtt"))
    saved = [row for row in rows if said(row)["id"].startswith(f"station/{old}/")]
    lost = lost_in(rows)
    present = {int(said(row)["id"].split("/")[2]) for row in saved}
    assert 0 < len(lost) < 20
    assert present | lost == set(range(101, 401))
    assert not present & lost
    assert new == [2, 3, 4]
    assert outbox.lost == len(lost)
    assert len(rows) == len(saved) + 1 + 3


def test_the_gap_names_the_old_epoch_and_the_damaged_file_is_put_aside(tmp_path: Path) -> None:
    old = fill(tmp_path)
    damage(tmp_path / "outbox.db", pages_of(tmp_path / "outbox.db") // 2)
    with running(tmp_path) as outbox:
        eventually(lambda: outbox.epoch != old and outbox.head)
        rows = take_all(outbox.reader("mqtt"))
    [gap] = [said(row) for row in rows if row.topic == "event/gap"]
    assert gap["lost_epoch"] == old
    assert gap["id"] == f"station/{outbox.epoch}/1"
    assert "outbox.db" in gap["reason"]
    assert len(list(tmp_path.glob("outbox.db.corrupt-*[0-9]"))) == 1


@pytest.mark.parametrize("where", ["header", "empty", "gone", "text"])
def test_a_file_that_is_no_outbox_any_more_is_told_of_by_its_epoch(tmp_path: Path, where: str) -> None:
    old = fill(tmp_path)
    path = tmp_path / "outbox.db"
    match where:
        case "header":
            damage(path, 0)
        case "empty":
            path.write_bytes(b"")
        case "gone":
            path.unlink()
        case "text":
            path.write_text("no database" * 1000)
    with running(tmp_path) as outbox:
        assert outbox.epoch != old
        put(outbox)
        rows = take_all(outbox.reader("mqtt"))
    assert [row.topic for row in rows] == ["result", "event/gap"]
    assert said(rows[1])["lost_epoch"] == old


def test_a_damaged_cursor_makes_everything_come_again(tmp_path: Path) -> None:
    """Nobody knows what was delivered: twice is better than never."""
    fill(tmp_path, 30, delivered=20)
    with sqlite3.connect(tmp_path / "outbox.db") as other:
        other.execute("UPDATE meta SET value = '{\"lanes\":' WHERE key = 'state'")
    with running(tmp_path) as outbox:
        rows = take_all(outbox.reader("mqtt"))
    assert [said(row)["id"].split("/")[2] for row in rows if row.topic == "result"] == [
        str(n) for n in range(1, 31)
    ]
    assert lost_in(rows) == set()


def test_a_bit_that_flipped_in_a_record_is_noticed(tmp_path: Path) -> None:
    """SQLite does not see it, and the sink would send nonsense."""
    old = fill(tmp_path, 30)
    path = tmp_path / "outbox.db"
    file = bytearray(path.read_bytes())
    at = file.index(f'station/{old}/17"'.encode())
    file[file.index(b"xxx", at) + 1] ^= 1
    path.write_bytes(file)
    with running(tmp_path) as outbox:
        rows = take_all(outbox.reader("mqtt"), patience_s=1)
    assert lost_in(rows) == {17}
    present = {int(said(row)["id"].split("/")[2]) for row in rows if row.topic == "result"}
    assert present == set(range(1, 31)) - {17}


def test_damage_at_work_loses_no_record_that_is_on_its_way(tmp_path: Path) -> None:
    fill(tmp_path, 600)
    told: list[int] = []
    with running(tmp_path) as outbox:
        old = outbox.epoch
        damage(tmp_path / "outbox.db", 2, pages_of(tmp_path / "outbox.db") - 2)
        for number in range(300):
            outbox.accept("result", content(), Verdict.PASS, lambda number=number: told.append(number))
        eventually(lambda: outbox.epoch != old and outbox.head)
        assert outbox.flush(10)
        eventually(lambda: len(told) == 300)
        rows = take_all(outbox.reader("mqtt"), patience_s=1)
    ids = [said(row)["id"] for row in rows]
    assert len(set(ids)) == len(ids)
    lost = lost_in(rows)
    from_old = {int(one.split("/")[2]) for one in ids if f"/{old}/" in one}
    from_new = {int(one.split("/")[2]) for one in ids if f"/{outbox.epoch}/" in one}
    last = max(from_old | lost)
    assert from_old | lost == set(range(1, last + 1))
    assert from_new == set(range(1, outbox.head + 1))
    assert last + outbox.head - 1 == 900


def test_an_outbox_that_was_made_anew_is_an_ordinary_one(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    damage(tmp_path / "outbox.db", 0)
    with running(tmp_path) as outbox:
        epoch = outbox.epoch
        put(outbox, 5)
        lane = outbox.reader("mqtt")
        lane.acknowledge(seqs(lane.take(3, 1)))
    with running(tmp_path) as outbox:
        assert outbox.epoch == epoch
        assert outbox.head == 6
        assert seqs(take_all(outbox.reader("mqtt"))) == [1, 5, 6]


def test_old_records_that_were_saved_survive_a_restart(tmp_path: Path) -> None:
    old = fill(tmp_path, 200)
    damage(tmp_path / "outbox.db", pages_of(tmp_path / "outbox.db") // 2)
    with running(tmp_path) as outbox:
        eventually(lambda: outbox.epoch != old and outbox.head)
        lane = outbox.reader("mqtt")
        lane.acknowledge(seqs(lane.take(10, 2)))
        waiting = lane.waiting
        assert waiting > 150
    with running(tmp_path) as outbox:
        rows = take_all(outbox.reader("mqtt"))
        assert len(rows) == waiting
        assert outbox.reader("mqtt").waiting == 0
    assert lost_in(rows) == lost_in(rows[-1:])


def test_an_exchange_of_files_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    with running(tmp_path) as outbox:
        put(outbox, 300)
        log_of_the_old_file = (tmp_path / "outbox.db-wal").read_bytes()
    for path in tmp_path.iterdir():
        path.unlink()
    with running(tmp_path) as outbox:
        put(outbox, 5)
        epoch = outbox.epoch
    (tmp_path / "outbox.db").rename(tmp_path / "outbox.db.new")
    (tmp_path / "outbox.db-wal").write_bytes(log_of_the_old_file)
    with running(tmp_path) as outbox:
        assert outbox.epoch == epoch
        assert seqs(take_all(outbox.reader("mqtt"))) == [1, 2, 3, 4, 5]


def test_an_exchange_of_files_can_be_asked_for_again(tmp_path: Path) -> None:
    """As the writer does when the disk failed after it: the new file must not be taken for the damaged one."""
    old = fill(tmp_path, 5)
    path = tmp_path / "outbox.db"

    def tell(wreck: Wreck, epoch: str, lost: list[tuple[int, int]], ran_s: float) -> Record:
        return Record(
            1, Rank.EVENT, int(ran_s), "event/gap", encode({"id": f"{wreck.epoch}-{epoch}", "ranges": lost})
        )

    wreck = Wreck(path, "damaged", old, {"mqtt": Ranges([(2, 5)])})
    for _ in range(2):
        assert exchange(wreck, "new", ["mqtt"], tell, 0.0) == 0
    with running(tmp_path) as outbox:
        assert len(take_all(outbox.reader("mqtt"))) == 4 + 1
    assert len(list(tmp_path.glob("outbox.db.corrupt-*[0-9]"))) == 1


def test_a_lane_never_reads_another_epochs_file(tmp_path: Path) -> None:
    """Numbers that are not in it would be taken for deleted records."""
    old = fill(tmp_path, 5)
    Reader(tmp_path / "outbox.db", old).close()
    with pytest.raises(Unusable, match="another file"):
        Reader(tmp_path / "outbox.db", "another")


def test_an_exchange_of_files_that_had_only_begun_is_forgotten(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    (tmp_path / "outbox.db.new").write_bytes(b"half of it")
    with running(tmp_path) as outbox:
        assert seqs(take_all(outbox.reader("mqtt"))) == [1, 2, 3, 4, 5]
    assert not (tmp_path / "outbox.db.new").exists()


def test_only_the_last_damaged_files_are_kept(tmp_path: Path) -> None:
    for _ in range(4):
        fill(tmp_path, 2)
        damage(tmp_path / "outbox.db", 0)
    fill(tmp_path, 2)
    assert len(list(tmp_path.glob("outbox.db.corrupt-*[0-9]"))) == 2


def test_a_damaged_file_on_a_full_disk_is_exchanged_when_there_is_room(tmp_path: Path) -> None:
    old = fill(tmp_path, 400)
    with running(tmp_path) as outbox:
        damage(tmp_path / "outbox.db", 2, pages_of(tmp_path / "outbox.db") - 2)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            for _ in range(50):
                outbox.accept("result", content(), Verdict.FAIL)
            eventually(lambda: outbox.trouble)
            eventually(lambda: outbox.epoch != old)
            outbox.accept("result", content(), Verdict.FAIL)
            assert outbox.pending == 51
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert outbox.flush(10)
        rows = take_all(outbox.reader("mqtt"), patience_s=1)
    ids = [said(row)["id"] for row in rows]
    on_their_way = [one for one in ids if f"/{old}/" in one and int(one.split("/")[2]) > 400]
    of_the_new = [one for one in ids if f"/{outbox.epoch}/" in one]
    assert len(on_their_way) + len(of_the_new) == 51 + 1
