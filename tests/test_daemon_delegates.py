"""A whole station whose delegate fails, and is well again: no part is lost, and everybody is told."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from brokers import Listener, Mosquitto, eventually
from delegate_double import Switch, library
from stations import HEIGHT, WIDTH, bundle, reports, settings, until

from edge import config
from edge.daemon import Daemon

# While a hang is waited for, two seconds, the eight parts that come have room.
CONVEYOR = f'type = "synthetic"\nwidth = {WIDTH}\nheight = {HEIGHT}\nrate_hz = 4\ndefect_rate = 0.0'


class Station:
    """A daemon on a thread, and what it tells."""

    def __init__(self, folder: Path, switch: Switch, sinks: str = "") -> None:
        self.folder, self.switch = folder, switch
        path = settings(folder, CONVEYOR, sinks)
        check = (
            f'name = "surface", bundle = "{bundle()}", delegate = "npu", delegate_library = "{library()}",'
            f' delegate_options = {{ switch = "{switch.path}" }}, delegate_deadline_ms = 2000,'
            " delegate_retry_s = 1"
        )
        plain = f'name = "surface", bundle = "{bundle()}"'
        path.write_text(path.read_text().replace(plain, check))
        self.daemon = Daemon(config.load(path))
        self.thread = Thread(target=self.daemon.run)

    def models(self) -> list[tuple[str, str, str | None]]:
        """Of each report: the verdict, the delegate, and why it is not the one that is wanted."""
        return [
            (report["verdict"], check["model"]["delegate"], check["model"]["fallback"])
            for report in reports(self.folder)
            for check in report["checks"]
        ]

    def delegates(self) -> set[str]:
        """Those of the last three parts."""
        return {delegate for _, delegate, _ in self.models()[-3:]}

    def trouble(self) -> list[str]:
        """What the status says of the check."""
        status = self.daemon.health.status()
        told = [reason for reason in status["reasons"] if reason.startswith("check surface: ")]
        assert not told or status["state"] == "degraded"
        return told

    def faults(self) -> list[str]:
        path = self.folder / "reports.jsonl"
        records: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]
        return [record["text"] for record in records if record.get("kind") == "fault"]


@contextmanager
def running(station: Station) -> Iterator[Station]:
    """A station whose first parts are judged; stopped at the end."""
    station.thread.start()
    until(lambda: len(station.models()) >= 3)
    try:
        yield station
    finally:
        station.daemon.stop()
        station.thread.join(30)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with running(Station(tmp_path, Switch(tmp_path))) as started:
        yield started


@pytest.mark.parametrize("mode", ["hangs", "crashes"])
def test_a_delegate_that_is_lost_and_returns_costs_one_part_and_everybody_hears_of_it(
    station: Station, mode: str
) -> None:
    assert station.delegates() == {"npu"}
    station.switch.turn(mode)
    until(lambda: station.delegates() == {"cpu"})
    until(station.trouble)
    assert station.trouble()[0].startswith("check surface: delegate 'npu'")
    station.switch.turn("works")
    until(lambda: station.delegates() == {"npu"})
    until(lambda: not station.trouble())
    until(lambda: len(station.faults()) == 2)
    lost, back = station.faults()
    assert lost.startswith("check surface: the CPU goes on: delegate 'npu'")
    assert back == "check surface: delegate 'npu' is back"
    station.daemon.stop()
    station.thread.join(30)
    told = station.models()
    assert len(told) == len(reports(station.folder))
    assert [verdict for verdict, _, _ in told].count("error") == 1
    for verdict, delegate, fallback in told:
        assert (delegate == "cpu") == (fallback is not None)
        assert verdict != "error" or delegate == "cpu"
    assert station.daemon.crew.exit_code == 0


def test_the_broker_hears_of_the_loss_in_status_event_and_model(tmp_path: Path, mosquitto: Mosquitto) -> None:
    switch = Switch(tmp_path)
    sink = f'[[sinks]]\ntype = "mqtt"\nhost = "127.0.0.1"\nport = {mosquitto.port}\n'
    with (
        Listener(mosquitto.port, "edge/test/+/station/#") as broker,
        running(Station(tmp_path, switch, sink)),
    ):

        def heard(topic: str, *words: str) -> bool:
            said = [payload.decode() for payload in broker.on(f"edge/test/line/station/{topic}")]
            return any(all(word in payload for word in words) for payload in said)

        eventually(lambda: heard("model", '"delegate":"npu"', '"fallback":null'), 30)
        switch.turn("crashes")
        eventually(lambda: heard("event/fault", "check surface: the CPU goes on: delegate 'npu' crashed"), 30)
        eventually(lambda: heard("status", '"state":"degraded"', "check surface: delegate 'npu' crashed"), 30)
        eventually(lambda: heard("model", '"delegate":"cpu"', "delegate 'npu' crashed"), 30)
        switch.turn("works")
        eventually(lambda: heard("event/fault", "check surface: delegate 'npu' is back"), 30)


def test_systemd_is_asked_to_wait_for_a_delegate_that_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        Station(tmp_path, Switch(tmp_path, "no_device"))
        assert systemd.recv(4096) == b"EXTEND_TIMEOUT_USEC=180000000"
