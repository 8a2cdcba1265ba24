"""Meters, readings of the board, and the status that follows."""

import json
import re
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edge
from edge.config import Health as HealthConfig
from edge.errors import ConfigError
from edge.health import Health
from edge.health.board import Board, ClockWatch, disk_free_mb
from edge.health.meters import RECENT, Histogram, Meters
from edge.health.prometheus import exposition, serve

PI4 = "sys/devices/platform/soc/soc:firmware/get_throttled"
PI5 = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"


def board(root: Path, files: dict[str, str]) -> Path:
    """A tree of the kernel's files."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return root


def zone(number: int, kind: str, temperature: str) -> dict[str, str]:
    folder = f"sys/class/thermal/thermal_zone{number}"
    return {f"{folder}/type": kind, f"{folder}/temp": temperature}


def cooler(number: int, kind: str, state: str) -> dict[str, str]:
    folder = f"sys/class/thermal/cooling_device{number}"
    return {f"{folder}/type": kind, f"{folder}/cur_state": state}


def health(folder: Path, files: dict[str, str] | None = None, **config: object) -> Health:
    root = board(folder / "root", files or {})
    return Health(HealthConfig.model_validate(config), folder, min_free_mb=0, root=root)


# Meters


@given(st.lists(st.floats(0.002, 100_000), min_size=1, max_size=400), st.sampled_from([0.5, 0.9, 0.99]))
def test_percentiles_are_right_within_five_percent(values: list[float], share: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = float(np.quantile(values, share, method="inverted_cdf"))
    assert histogram.percentile(share) == pytest.approx(exact, rel=0.05)


def test_percentiles_are_of_the_recent_past() -> None:
    histogram = Histogram()
    for _ in range(10 * RECENT):
        histogram.add(1.0)
    for _ in range(2 * RECENT):
        histogram.add(100.0)
    assert histogram.spread().p50_ms == pytest.approx(100, rel=0.05)
    assert histogram.spread().count == 12 * RECENT


@pytest.mark.parametrize("value", [0.0, -5.0, 1e-9, 1e12])
def test_times_beyond_the_scale_are_counted_at_its_end(value: float) -> None:
    histogram = Histogram()
    histogram.add(value)
    assert histogram.spread().count == 1
    assert 0 < histogram.percentile(0.5) < 2e6


def test_an_empty_histogram_says_zero() -> None:
    assert Histogram().percentile(0.99) == 0


def test_no_count_is_lost_between_threads() -> None:
    meters = Meters()

    def work() -> None:
        for _ in range(5000):
            meters.count("parts", "pass")
            meters.observe("judge", 1.0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meters.labels("parts") == {"pass": 20_000}
    assert meters.spreads()["judge"].count == 20_000


def test_counters_are_kept_apart_by_label() -> None:
    meters = Meters()
    meters.count("drops", "frames")
    meters.count("drops", "evidence", by=3)
    meters.count("reconnects")
    assert meters.labels("drops") == {"frames": 1, "evidence": 3}
    assert meters.labels("reconnects") == {"": 1}


def test_the_stages_of_a_part_are_observed_together() -> None:
    meters = Meters()
    meters.observe_all({"preprocess": 1.0, "inference": 4.0})
    assert {stage: spread["count"] for stage, spread in meters.stages().items()} == {
        "preprocess": 1,
        "inference": 1,
    }


# The board


def test_the_hottest_thermometer_counts(tmp_path: Path) -> None:
    files = zone(0, "cpu-thermal", "48312") | zone(1, "gpu-thermal", "55500")
    assert Board(board(tmp_path, files)).temperature_c() == 55.5


@pytest.mark.parametrize("kind", ["PMIC-Die", "thermal-fan-est"])
def test_what_is_no_thermometer_on_a_jetson_does_not_count(tmp_path: Path, kind: str) -> None:
    files = zone(0, "CPU-therm", "41000") | zone(4, kind, "100000")
    assert Board(board(tmp_path, files)).temperature_c() == 41.0


def test_a_thermometer_that_is_switched_off_does_not_count(tmp_path: Path) -> None:
    root = board(tmp_path, zone(0, "cpu-thermal", "48000") | zone(1, "CV0-therm", ""))
    (root / "sys/class/thermal/thermal_zone2").mkdir()
    assert Board(root).temperature_c() == 48.0


def test_a_machine_without_sensors_knows_nothing(tmp_path: Path) -> None:
    assert Board(tmp_path).temperature_c() is None
    assert Board(tmp_path).throttled() is None


@pytest.mark.parametrize("path", [PI4, PI5])
@pytest.mark.parametrize(
    ("bits", "words"),
    [
        ("0", []),
        ("50000", []),
        ("1", ["under-voltage"]),
        ("50005", ["under-voltage", "throttled"]),
        ("8", ["temperature limit"]),
        ("a", ["capped", "temperature limit"]),
    ],
)
def test_a_raspberry_pi_says_why_it_slows_down_just_now(
    tmp_path: Path, path: str, bits: str, words: list[str]
) -> None:
    reasons = Board(board(tmp_path, {path: bits})).throttled()
    assert reasons is not None
    assert len(reasons) == len(words)
    assert all(word in reason for word, reason in zip(words, reasons, strict=True))


@pytest.mark.parametrize(
    "kind", ["thermal-cpufreq-0", "cpufreq-cpu0", "devfreq-17000000.gpu", "cpu-balanced"]
)
def test_a_kernel_that_slows_the_board_down_is_noticed(tmp_path: Path, kind: str) -> None:
    assert Board(board(tmp_path, cooler(0, kind, "0"))).throttled() == ()
    assert Board(board(tmp_path, cooler(0, kind, "2"))).throttled() != ()


def test_a_fan_slows_nothing_down(tmp_path: Path) -> None:
    files = cooler(0, "pwm-fan", "3") | cooler(1, "cpufreq-cpu0", "0")
    assert Board(board(tmp_path, files)).throttled() == ()


def test_memory_is_that_of_this_process() -> None:
    before = Board().rss_mb()
    ballast = np.ones(64_000_000, np.uint8)
    assert Board().rss_mb() - before > 50
    assert ballast.size


def test_the_room_on_a_disk_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    assert disk_free_mb(tmp_path / "nowhere") is None
    assert (disk_free_mb(tmp_path) or 0) > 0


# The clock


class Clocks:
    """Two clocks that go when they are told to."""

    def __init__(self) -> None:
        self.wall_s = 1_700_000_000.0
        self.steady_s = 100.0

    def watch(self) -> ClockWatch:
        return ClockWatch(lambda: self.wall_s, lambda: self.steady_s)

    def go(self, seconds: float, slewed_s: float = 0.0) -> None:
        self.wall_s += seconds + slewed_s
        self.steady_s += seconds


def test_a_clock_that_just_goes_has_no_step() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.go(86_400)
    assert watch.step() is None


@pytest.mark.parametrize("by_s", [3600.0, -3600.0, 1.5])
def test_a_clock_that_is_set_is_noticed_once(by_s: float) -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.go(1)
    clocks.wall_s += by_s
    assert watch.step() == pytest.approx(by_s)
    assert watch.step() is None


def test_gentle_corrections_never_add_up_to_a_step() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    for _ in range(20_000):
        clocks.go(1, slewed_s=0.0005)
        assert watch.step() is None


def test_the_clocks_of_this_machine_agree() -> None:
    assert ClockWatch().step() is None


# The status


def test_a_station_starts_and_is_well_when_it_is_ready(tmp_path: Path) -> None:
    station = health(tmp_path)
    assert station.status()["state"] == "starting"
    station.ready()
    assert station.status()["state"] == "ok"
    station.stopping()
    assert station.status()["state"] == "stopping"


def test_trouble_degrades_a_station_until_it_is_well(tmp_path: Path) -> None:
    station = health(tmp_path)
    station.ready()
    station.trouble("sink mqtt", "connection refused")
    status = station.status()
    assert (status["state"], status["reasons"]) == ("degraded", ["sink mqtt: connection refused"])
    station.well("sink mqtt")
    status = station.status()
    assert (status["state"], status["reasons"]) == ("ok", [])


def test_a_fault_outweighs_trouble(tmp_path: Path) -> None:
    station = health(tmp_path)
    station.ready()
    station.trouble("sink mqtt", "connection refused")
    station.trouble("source", "the camera is gone", fault=True)
    assert station.status()["state"] == "fault"
    station.well("source")
    assert station.status()["state"] == "degraded"


def test_a_fault_may_become_lesser_trouble(tmp_path: Path) -> None:
    station = health(tmp_path)
    station.ready()
    station.trouble("source", "the camera is gone", fault=True)
    station.trouble("source", "the camera is slow")
    assert station.status()["state"] == "degraded"


def test_trouble_before_the_first_part_is_not_hidden(tmp_path: Path) -> None:
    station = health(tmp_path)
    station.trouble("source", "the camera is gone", fault=True)
    assert station.status()["state"] == "fault"


def test_a_hot_board_is_degraded_until_it_has_cooled_down(tmp_path: Path) -> None:
    station = health(tmp_path, zone(0, "cpu-thermal", "79900"), max_temperature_c=80)
    station.ready()
    seen = []
    for reading in ("79900", "80100", "79000", "77100", "76900", "79900"):
        board(tmp_path / "root", zone(0, "cpu-thermal", reading))
        seen.append(station.status()["state"])
    assert seen == ["ok", "degraded", "degraded", "degraded", "ok", "ok"]


def test_a_throttled_board_is_degraded_and_says_why(tmp_path: Path) -> None:
    station = health(tmp_path, {PI4: "1"})
    station.ready()
    status = station.status()
    assert (status["state"], status["throttled"]) == ("degraded", True)
    assert "under-voltage" in status["reasons"][0]


def test_a_full_disk_is_degraded_and_says_where(tmp_path: Path) -> None:
    station = Health(HealthConfig(), tmp_path, min_free_mb=1e12, root=tmp_path)
    station.ready()
    status = station.status()
    assert status["state"] == "degraded"
    assert str(tmp_path) in status["reasons"][0]


def test_the_queue_is_read_when_somebody_asks(tmp_path: Path) -> None:
    station = health(tmp_path)
    rows = ["a"]
    station.gauge("waiting", lambda: len(rows))
    rows.append("b")
    assert station.status()["queue"] == {"waiting": 2, "backlog": 0, "lost": 0, "dead": 0}


def test_a_status_is_news_once(tmp_path: Path) -> None:
    station = health(tmp_path)
    assert [station.changed(), station.changed()] == [True, False]
    station.ready()
    assert [station.changed(), station.changed()] == [True, False]


@pytest.mark.parametrize("gauge", ["lost", "dead", "backlog"])
def test_rows_in_trouble_are_news(tmp_path: Path, gauge: str) -> None:
    station = health(tmp_path)
    station.changed()
    station.gauge(gauge, lambda: 1)
    assert station.changed()


def test_a_warmer_board_and_a_longer_queue_are_no_news(tmp_path: Path) -> None:
    station = health(tmp_path, zone(0, "cpu-thermal", "40000"))
    station.changed()
    board(tmp_path / "root", zone(0, "cpu-thermal", "60000"))
    station.gauge("waiting", lambda: 7)
    assert not station.changed()


def test_another_reason_is_news(tmp_path: Path) -> None:
    station = health(tmp_path)
    station.trouble("sink mqtt", "connection refused")
    station.changed()
    station.trouble("sink mqtt", "wrong password")
    assert station.changed()


def test_the_status_has_exactly_the_fields_of_the_contract(tmp_path: Path) -> None:
    fields = "schema ts state reasons queue clock temperature_c throttled insecure disk_free_mb teaching"
    assert list(health(tmp_path).status()) == fields.split()


def test_telemetry_has_exactly_the_fields_of_the_contract(tmp_path: Path) -> None:
    station = health(tmp_path)
    station.count("parts", "fail")
    station.count("drops", "frames")
    station.observe("inference", 3.3)
    telemetry = station.telemetry()
    assert list(telemetry) == ["schema", "ts", "uptime_s", "parts", "stages", "rss_mb", "queue", "drops"]
    assert telemetry["parts"] == {"pass": 0, "inconclusive": 0, "fail": 1, "error": 0}
    assert telemetry["drops"] == {"frames": 1}
    assert telemetry["stages"]["inference"]["p50_ms"] == pytest.approx(3.3, rel=0.03)


@pytest.mark.parametrize("name", ["status", "telemetry"])
@pytest.mark.parametrize("files", [{}, zone(0, "cpu-thermal", "48312") | {PI4: "50005"}])
def test_what_the_station_says_fits_its_schema(tmp_path: Path, name: str, files: dict[str, str]) -> None:
    schemas = Path(edge.__file__).parent / "schemas"
    station = health(tmp_path, files)
    station.count("drops", "frames")
    station.observe("inference", 3.3)
    # What the sinks have sent, only the daemon knows.
    delivery = {"accepted": 1, "published": 1, "acknowledged": 1}
    message = station.status() if name == "status" else {**station.telemetry(), "delivery": delivery}
    jsonschema.validate(json.loads(json.dumps(message)), json.loads((schemas / f"{name}.json").read_text()))


# Prometheus

SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? -?[0-9.e+-]+')


def test_every_line_for_prometheus_is_well_formed(tmp_path: Path) -> None:
    station = health(tmp_path, zone(0, "cpu-thermal", "48000"))
    station.count("parts", "pass")
    station.count("odd", 'a "quoted"\\\nlabel')
    station.observe("inference", 3.3)
    station.gauge("waiting", lambda: 3)
    for line in exposition(station).splitlines():
        assert line.startswith(("# HELP edge_", "# TYPE edge_")) or SAMPLE.fullmatch(line), line


def test_prometheus_gets_counts_and_times_in_seconds(tmp_path: Path) -> None:
    station = health(tmp_path)
    for _ in range(3):
        station.count("parts", "fail")
        station.observe("inference", 4.0)
    lines = exposition(station).splitlines()
    assert 'edge_parts_total{verdict="fail"} 3' in lines
    assert 'edge_stage_seconds_count{stage="inference"} 3' in lines
    assert 'edge_stage_seconds_sum{stage="inference"} 0.012' in lines
    assert 'edge_state{state="starting"} 1' in lines


def test_no_metric_is_described_twice(tmp_path: Path) -> None:
    station = health(tmp_path)
    for verdict in ("pass", "fail"):
        station.count("parts", verdict)
    described = re.findall(r"# TYPE (\S+)", exposition(station))
    assert len(described) == len(set(described))


def test_metrics_are_served_on_loopback(tmp_path: Path) -> None:
    station = health(tmp_path)
    with (
        serve(station, 0) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer,
    ):
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert b"edge_uptime_seconds" in answer.read()


def test_metrics_are_not_served_to_others(tmp_path: Path) -> None:
    with serve(health(tmp_path), 0) as port, socket.socket() as caller:
        caller.settimeout(2)
        with pytest.raises(ConnectionRefusedError):
            caller.connect(("127.0.0.2", port))


def test_other_pages_are_not_found(tmp_path: Path) -> None:
    with (
        serve(health(tmp_path), 0) as port,
        pytest.raises(urllib.error.HTTPError, match="404"),
    ):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/../etc/passwd", timeout=5)


def test_the_port_is_free_again_afterwards(tmp_path: Path) -> None:
    with serve(health(tmp_path), 0) as port:
        pass
    with serve(health(tmp_path), port) as again:
        assert again == port


def test_a_port_that_is_taken_is_a_wrong_setting(tmp_path: Path) -> None:
    with (
        serve(health(tmp_path), 0) as port,
        pytest.raises(ConfigError, match=f"health.prometheus_port: {port}: .*choose another"),
        serve(health(tmp_path), port),
    ):
        pass
