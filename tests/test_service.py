"""Threads that live and die together, quiet logs, and systemd's protocol."""

import logging
import socket
import threading
from pathlib import Path

import pytest

from edge.errors import EXIT_CONFIG, EXIT_SOFTWARE, EXIT_UNAVAILABLE, BundleError, DeviceError, EdgeError
from edge.service import Crew, Systemd, Trouble

log = logging.getLogger("tests.service")


def raising(error: Exception) -> object:
    def work() -> None:
        raise error

    return work


# The crew


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (DeviceError("camera: gone"), EXIT_UNAVAILABLE),
        (BundleError("bundle: wrong hash"), EXIT_CONFIG),
        (ZeroDivisionError("a bug"), EXIT_SOFTWARE),
    ],
)
def test_a_thread_that_dies_ends_the_crew_with_its_code(error: Exception, exit_code: int) -> None:
    crew = Crew()
    crew.start("capture", raising(error))  # type: ignore[arg-type]
    assert crew.stopping.wait(5)
    assert crew.join("capture", 5)
    assert crew.exit_code == exit_code


def test_a_thread_that_ends_well_ends_nobody_else() -> None:
    crew = Crew()
    crew.start("capture", lambda: None)
    assert crew.join("capture", 5)
    assert not crew.stopping.is_set()
    assert crew.exit_code == 0


@pytest.mark.parametrize(
    "later", [KeyError("missing what capture brings"), BundleError("nothing to judge with")]
)
def test_the_first_fault_decides_the_exit_code(later: Exception) -> None:
    crew = Crew()
    crew.start("capture", raising(DeviceError("camera: gone")))  # type: ignore[arg-type]
    crew.join("capture", 5)
    crew.start("inspect", raising(later))  # type: ignore[arg-type]
    crew.join("inspect", 5)
    assert crew.exit_code == EXIT_UNAVAILABLE


def test_a_bug_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    crew = Crew()
    crew.start("judge", raising(ZeroDivisionError("a bug")))  # type: ignore[arg-type]
    crew.join("judge", 5)
    assert "judge: a bug ended this thread" in caplog.text
    assert "Traceback" in caplog.text


def test_a_known_error_is_logged_as_one_sentence(caplog: pytest.LogCaptureFixture) -> None:
    crew = Crew()
    crew.start("capture", raising(EdgeError("camera: gone")))  # type: ignore[arg-type]
    crew.join("capture", 5)
    assert [record.getMessage() for record in caplog.records] == ["capture: camera: gone"]
    assert "Traceback" not in caplog.text


def test_joining_a_thread_that_works_on_gives_up_after_a_while() -> None:
    crew, go = Crew(), threading.Event()
    crew.start("keep", lambda: go.wait(30) and None)  # type: ignore[func-returns-value]
    assert not crew.join("keep", 0.02)
    go.set()
    assert crew.join("keep", 5)


def test_joining_nobody_is_done() -> None:
    assert Crew().join("nobody", 0)


def test_only_who_is_busy_for_too_long_is_stuck() -> None:
    crew = Crew()
    crew.busy("inspect")
    assert crew.stuck(limit_s=60) == []
    assert crew.stuck(limit_s=-1) == ["inspect"]
    crew.idle("inspect")
    assert crew.stuck(limit_s=-1) == []


def test_who_waits_for_work_is_not_stuck() -> None:
    crew = Crew()
    crew.idle("inspect")
    assert crew.stuck(limit_s=-1) == []


# Trouble


def test_trouble_is_logged_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    trouble = Trouble("sink mqtt", log)
    for _ in range(412):
        trouble.failed("connection refused")
    trouble.worked()
    trouble.worked()
    assert [record.getMessage() for record in caplog.records] == [
        "sink mqtt: connection refused",
        "sink mqtt: well again after 412 failures",
    ]


def test_what_always_works_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    Trouble("sink mqtt", log).worked()
    assert not caplog.records


def test_whoever_listens_is_told_of_every_new_reason_and_of_the_end() -> None:
    told: list[str | None] = []
    trouble = Trouble("sink mqtt", log, told.append)
    for reason in ("connection refused", "connection refused", "wrong password"):
        trouble.failed(reason)
    trouble.worked()
    trouble.worked()
    assert told == ["connection refused", "wrong password", None]


def test_trouble_that_comes_back_counts_from_one(caplog: pytest.LogCaptureFixture) -> None:
    trouble = Trouble("sink mqtt", log)
    for _ in range(2):
        trouble.failed("connection refused")
        trouble.worked()
    assert caplog.text.count("well again after 1 failures") == 2


# systemd


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """A socket such as systemd gives to its services."""
    path = str(tmp_path / "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(5)
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    return listener


def test_systemd_hears_all_assignments_in_one_datagram(manager: socket.socket) -> None:
    Systemd().notify("READY=1", "STATUS=inspecting housing")
    assert manager.recv(4096) == b"READY=1\nSTATUS=inspecting housing"


def test_an_abstract_socket_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0edge-inspect-test")
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@edge-inspect-test")
        Systemd().notify("WATCHDOG=1")
        assert listener.recv(4096) == b"WATCHDOG=1"


def test_without_systemd_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Systemd().notify("READY=1")
    assert not caplog.records


def test_a_systemd_that_is_gone_is_logged_and_no_more(
    manager: socket.socket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    systemd = Systemd()
    manager.close()
    (tmp_path / "notify").unlink()
    systemd.notify("WATCHDOG=1")
    assert "systemd cannot be notified" in caplog.text


@pytest.mark.parametrize(("microseconds", "seconds"), [("30000000", 30.0), (None, 0.0)])
def test_the_watchdog_is_as_patient_as_systemd_says(
    monkeypatch: pytest.MonkeyPatch, microseconds: str | None, seconds: float
) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    if microseconds is not None:
        monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    assert Systemd().watchdog_s == seconds
