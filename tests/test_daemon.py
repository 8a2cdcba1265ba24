"""The whole station, as systemd runs it: a process, its settings, its state, its signals."""

import json
import os
import signal
import socket
import sqlite3
import threading
from pathlib import Path

import pytest
from stations import HEIGHT, WIDTH, bundle, daemon, render, reports, settings, until

from edge import config
from edge.daemon import Daemon

CONVEYOR = f'type = "synthetic"\nwidth = {WIDTH}\nheight = {HEIGHT}\nrate_hz = 20\ndefect_rate = 0.3'


@pytest.fixture
def line(tmp_path: Path) -> Path:
    return tmp_path


def test_every_part_of_the_conveyor_is_reported_once_and_in_order(line: Path) -> None:
    with daemon(settings(line)) as process:
        assert process.wait(60) == 0
    told = reports(line)
    assert [report["part_id"] for report in told] == [f"P{number:06}" for number in range(1, 9)]
    assert len(told) == 8
    assert [int(report["id"].split("/")[2]) for report in told] == list(range(1, 9))


def test_a_report_says_what_judged_and_on_what(line: Path) -> None:
    with daemon(settings(line)) as process:
        process.wait(60)
    report = reports(line)[0]
    (check,) = report["checks"]
    assert check["model"]["delegate"] == "cpu"
    assert check["model"]["threads"] == 1
    assert check["model"]["fallback"] is None
    assert len(check["model"]["digest"]) == 64
    assert {"quality", "preprocess", "inference", "judge", "verdict"} <= report["stage_ms"].keys()


def test_sigterm_in_the_middle_of_the_line_loses_no_accepted_part(line: Path) -> None:
    with daemon(settings(line, CONVEYOR)) as process:
        until(lambda: len(reports(line)) >= 5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    with sqlite3.connect(line / "state" / "outbox.db") as database:
        (accepted,) = database.execute("SELECT seq FROM sqlite_sequence").fetchone()
    assert len(reports(line)) == accepted


def test_after_sigkill_the_numbers_go_on_where_they_were(line: Path) -> None:
    path = settings(line, CONVEYOR)
    for _ in range(3):
        before = len(reports(line))
        with daemon(path) as process:
            until(lambda wanted=before + 5: len(reports(line)) >= wanted)
            process.kill()
    with daemon(settings(line)) as process:
        assert process.wait(60) == 0
    numbers = [int(report["id"].split("/")[2]) for report in reports(line)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_evidence_is_named_by_the_report_and_only_of_reports_that_are_safe(line: Path) -> None:
    path = settings(line, CONVEYOR, more="[evidence]\npass_rate = 1.0\nmin_free_mb = 0\n")
    with daemon(path) as process:
        until(lambda: len(reports(line)) >= 10)
        process.kill()
    with daemon(settings(line, more="[evidence]\npass_rate = 1.0\nmin_free_mb = 0\n")) as process:
        process.wait(60)
    told = {report["id"]: report["verdict"] for report in reports(line)}
    kept = list((line / "state" / "evidence").rglob("*-*.json"))
    assert kept
    for path in kept:
        record = json.loads(path.read_text())
        assert told[record["id"]] == record["verdict"]


def test_pictures_that_arrive_are_moved_when_their_result_is_safe(line: Path) -> None:
    drop = line / "drop"
    drop.mkdir()
    path = settings(line, 'type = "watch"\npath = "drop"\nsettle_s = 0.1')
    with daemon(path) as process:
        until((line / "state" / "outbox.db").exists)
        render(drop, count=3, defect_rate=0.0, seed=7)
        (drop / "broken.png").write_bytes(b"this is no picture")
        until(lambda: len(reports(line)) == 4)
        until(lambda: len(list((drop / "done").glob("*.png"))) == 3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    broken = next(report for report in reports(line) if report["part_id"] == "broken")
    assert broken["verdict"] == "error"
    assert not list(drop.glob("*.png"))


def test_unreadable_pictures_of_a_folder_are_errors_and_the_line_goes_on(line: Path) -> None:
    pictures = line / "pictures"
    render(pictures, count=2, defect_rate=0.0, seed=8)
    (pictures / "A-empty.png").write_bytes(b"")
    (pictures / "Q-cut.png").write_bytes((pictures / "P000001.png").read_bytes()[:2000])
    with daemon(settings(line, 'type = "folder"\npath = "pictures"')) as process:
        assert process.wait(60) == 0
    verdicts = {report["part_id"]: report["verdict"] for report in reports(line)}
    assert verdicts["A-empty"] == verdicts["Q-cut"] == "error"
    assert verdicts.keys() == {"A-empty", "P000001", "P000002", "Q-cut"}


def test_systemd_hears_ready_watchdog_and_stopping(line: Path) -> None:
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(line / "notify"))
        listener.settimeout(30)
        environment = {**os.environ, "NOTIFY_SOCKET": str(line / "notify"), "WATCHDOG_USEC": "1000000"}
        with daemon(settings(line, CONVEYOR), env=environment) as process:

            def listen() -> None:
                while "STOPPING=1" not in heard:
                    heard.extend(listener.recv(4096).decode().splitlines())

            thread = threading.Thread(target=listen)
            thread.start()
            until(lambda: heard.count("WATCHDOG=1") >= 2 and "READY=1" in heard)
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            thread.join(30)
    assert "STOPPING=1" in heard


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("count = 8", "coutn = 8", "source.coutn: unknown key; did you mean 'count'?"),
        ('type = "synthetic"', 'type = "folder"\npath = "nowhere"', "nowhere"),
        ('bundle = "{bundle}"', 'bundle = "elsewhere"', "elsewhere: there is no such bundle"),
        ('state_dir = "state"', 'state_dir = "/proc/nowhere"', "station.state_dir: /proc/nowhere"),
    ],
)
def test_what_a_user_can_get_wrong_is_one_clear_sentence_and_78(
    line: Path, old: str, new: str, said: str
) -> None:
    path = settings(line)
    text = path.read_text()
    if "nowhere" in new and "folder" in new:
        text = text.replace(f"width = {WIDTH}\nheight = {HEIGHT}\ncount = 8", "")
    path.write_text(text.replace(old.replace("{bundle}", str(bundle())), new))
    with daemon(path) as process:
        assert process.wait(60) == 78
    log = (line / "daemon.log").read_text()
    assert said in log
    assert "Traceback" not in log


def test_parts_of_several_frames_get_one_report_each(line: Path) -> None:
    path = settings(line)
    path.write_text(path.read_text().replace('name = "part"', 'name = "part"\nof_frames = 4', 1))
    with daemon(path) as process:
        assert process.wait(60) == 0
    assert len(reports(line)) == 8, "each rendered part has an id of its own, and one frame only"
    assert {report["verdict"] for report in reports(line)} <= {"inconclusive", "fail"}


def test_a_daemon_in_this_process_ends_when_its_source_does(line: Path) -> None:
    assert Daemon(config.load(settings(line))).run() == 0
    assert len(reports(line)) == 8
