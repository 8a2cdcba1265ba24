"""`edge doctor` on machines that are not as they should be: each look, on real files and in real threads."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from brokers import Authority

from edge.cli.doctor import disk, machine, unproven
from edge.cli.doctor.access import access_lines, is_running
from edge.cli.doctor.broker import expiry_line
from edge.cli.doctor.disk import Mount, mount_lines, mount_of, wear_lines
from edge.cli.doctor.line import Line
from edge.cli.doctor.privacy import cleaned, private_words, public_settings
from edge.cli.doctor.round import rounds
from edge.cli.doctor.software import clashes
from edge.cli.doctor.unit import judge_unit
from edge.config import Config, parse
from edge.sinks.greeting import certificate_expiry
from edge.store.claim import Claim

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SECRETS = (
    "hunter22",
    "opener",
    "cam-hall-7.plant.example",
    "mes.plant.example",
    "halle7",
    "10.20.30.40",
    "presse",
)


def test_a_look_that_never_ends_is_given_up_and_the_others_are_shown() -> None:
    over = threading.Event()

    def stuck() -> Iterator[Line]:
        yield Line("ok", "stuck", "the first line")
        over.wait()

    found = list(rounds([("stuck", stuck), ("quick", lambda: iter([Line("ok", "quick", "well")]))], 0.3))
    over.set()
    assert [(line.state, line.what) for line in found] == [
        ("ok", "stuck"),
        ("fail", "stuck"),
        ("ok", "quick"),
    ]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_look_with_a_bug_says_so_and_the_others_are_shown() -> None:
    def broken() -> Iterator[Line]:
        yield Line("ok", "broken", "so far")
        raise ZeroDivisionError

    found = list(rounds([("broken", broken), ("quick", lambda: iter([Line("ok", "quick", "well")]))], 5))
    assert [line.state for line in found] == ["ok", "fail", "ok"]
    assert "a bug of edge-inspect" in found[1].found


@pytest.mark.parametrize(
    ("days", "state"), [(-1, "fail"), (0, "warn"), (1, "warn"), (29, "warn"), (30, "ok"), (400, "ok")]
)
def test_a_certificate_is_complained_of_a_month_before_it_expires(days: int, state: str) -> None:
    assert expiry_line("certificate", NOW + timedelta(days=days, seconds=1), NOW).state == state


def test_a_certificate_says_until_when_it_holds(tmp_path: Path) -> None:
    certificate, _ = Authority(tmp_path).issue("station", days=3)
    said = subprocess.run(
        ["openssl", "x509", "-enddate", "-noout", "-in", certificate],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    wanted = datetime.strptime(said.strip().removeprefix("notAfter="), "%b %d %H:%M:%S %Y GMT").replace(
        tzinfo=UTC
    )
    assert certificate_expiry(certificate) == wanted


def test_a_certificate_beyond_2049_says_until_when_it_holds(tmp_path: Path) -> None:
    certificate, _ = Authority(tmp_path).issue("station", days=20_000)
    until = certificate_expiry(certificate)
    assert until is not None
    assert abs(until - datetime.now(UTC) - timedelta(days=20_000)) < timedelta(hours=1)


@pytest.mark.parametrize(
    ("kind", "options", "state", "word"),
    [
        ("ext4", "rw,noatime", "ok", "ext4"),
        ("ext4", "rw,strictatime", "warn", "noatime"),
        ("ext4", "ro,relatime", "fail", "read-only"),
        ("overlay", "rw", "warn", "lost when the power goes"),
        ("tmpfs", "rw", "warn", "lost when the power goes"),
        ("vfat", "rw", "warn", "no journal"),
        ("nfs4", "rw", "fail", "a network"),
        ("f2fs", "rw", "ok", "f2fs"),
    ],
)
def test_a_file_system_that_does_not_keep_results_is_named(
    kind: str, options: str, state: str, word: str
) -> None:
    mount = Mount("/dev/mmcblk0p3", Path("/data"), kind, frozenset(options.split(",")))
    (line,) = mount_lines(mount, Path("/data/edge"))
    assert line.state == state
    assert word in line.found + line.remedy


def test_a_folder_lies_on_the_mount_nearest_to_it_and_the_last_one_counts(tmp_path: Path) -> None:
    table = tmp_path / "proc/self/mounts"
    table.parent.mkdir(parents=True)
    table.write_text(
        "/dev/root / ext4 ro,relatime 0 0\noverlay / overlay rw 0 0\n"
        "/dev/mmcblk0p3 /my\\040data ext4 rw,noatime 0 0\nbroken\n"
    )
    mounted = disk.mounts(tmp_path)
    on_data, on_root = mount_of(Path("/my data/edge"), mounted), mount_of(Path("/srv"), mounted)
    assert on_data is not None
    assert on_data.device == "/dev/mmcblk0p3"
    assert on_root is not None
    assert on_root.kind == "overlay"


@pytest.mark.parametrize(
    ("life", "state", "said"),
    [
        ("0x01 0x02", "ok", "20 %"),
        ("0x09 0x03", "warn", "90 %"),
        ("", "ok", "does not say"),
        ("nonsense", "ok", "does not say"),
    ],
)
def test_a_worn_card_is_named(tmp_path: Path, life: str, state: str, said: str) -> None:
    card = tmp_path / "sys/block/mmcblk0/device"
    card.mkdir(parents=True)
    for name, text in {"life_time": life, "type": "MMC", "date": "03/2021"}.items():
        (card / name).write_text(text)
    (line,) = wear_lines("/dev/mmcblk0p2", tmp_path)
    assert line.state == state
    assert said in line.found


def test_a_machine_without_any_of_the_kernels_files_is_looked_at_all_the_same(tmp_path: Path) -> None:
    found = {line.what: line.state for line in machine.machine_lines(None, tmp_path)}
    assert found["clock with battery"] == "warn"
    assert found["memory"] == "warn"
    assert found["temperature"] == "ok"


def test_a_hot_board_that_slows_itself_down_is_named(tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("86100\n")
    (zone / "type").write_text("cpu-thermal\n")
    firmware = tmp_path / "sys/devices/platform/soc/soc:firmware"
    firmware.mkdir(parents=True)
    (firmware / "get_throttled").write_text("5\n")
    hot, slow = machine.heat_lines(80.0, tmp_path)
    assert (hot.state, slow.state) == ("warn", "warn")
    assert "under-voltage" in slow.found


def test_little_memory_and_swap_on_a_card_are_named(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 900000 kB\nMemAvailable: 90000 kB\nBroken\n")
    (tmp_path / "proc/swaps").write_text("Filename Type\n/dev/mmcblk0p4 partition\n/dev/zram0 partition\n")
    assert [line.what for line in machine.memory_lines(tmp_path)] == ["memory", "swap"]


@pytest.mark.parametrize(
    ("tflite", "litert", "numpy", "states"),
    [
        ("2.14.0", None, "2.4.6", ["fail"]),
        ("2.14.0", "2.3.0", "2.4.6", ["warn"]),
        ("2.14.0", None, "1.26.4", []),
        (None, "2.3.0", "2.4.6", []),
        (None, None, None, []),
    ],
)
def test_the_older_runtime_beside_a_newer_numpy_is_named(
    tflite: str | None, litert: str | None, numpy: str | None, states: list[str]
) -> None:
    assert [line.state for line in clashes(tflite, litert, numpy)] == states


def test_numpy_of_somewhere_else_that_hides_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "dist-packages/paho/mqtt").mkdir(parents=True)
    (tmp_path / "dist-packages/paho/__init__.py").write_text("")
    (tmp_path / "dist-packages/paho/mqtt/__init__.py").write_text("")
    program = "from edge.cli.doctor.software import software\nfor line in software(): print(*line, sep='|')"
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(tmp_path / "dist-packages")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (line,) = (line for line in said.splitlines() if "|paho-mqtt|" in line)
    assert line.startswith("warn|")
    assert "unset PYTHONPATH" in line


def test_numpy_that_was_built_for_something_else_is_a_line_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('numpy.core.multiarray failed to import')")
    done = subprocess.run(
        [sys.executable, "-m", "edge", "doctor"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 69
    assert "Traceback" not in done.stderr
    assert re.search(
        r"fail opencv-python-headless +cannot be used: numpy.core.multiarray failed", done.stdout
    )


UNIT = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled"}
UNIT |= {"WatchdogUSec": "30s", "NRestarts": "0", "Result": "success", "Type": "notify"}


@pytest.mark.parametrize(
    ("change", "states"),
    [
        ({}, ["ok", "ok"]),
        ({"LoadState": "not-found"}, ["warn"]),
        ({"ActiveState": "failed", "Result": "exit-code"}, ["fail", "ok"]),
        ({"NRestarts": "7"}, ["warn", "ok"]),
        ({"UnitFileState": "disabled"}, ["warn", "ok"]),
        ({"WatchdogUSec": "0"}, ["ok", "warn"]),
        ({"Type": "simple"}, ["ok", "warn"]),
    ],
)
def test_a_unit_that_is_not_as_shipped_is_named(change: dict[str, str], states: list[str]) -> None:
    assert [line.state for line in judge_unit("edge@line-1.service", UNIT | change)] == states


def a_station(tmp_path: Path) -> tuple[Config, Path]:
    (tmp_path / "password").write_text("hunter22\n")
    (tmp_path / "password").chmod(0o600)
    path = tmp_path / "presse.toml"
    path.write_text(
        '[station]\nsite = "halle7"\ndevice = "presse"\nstate_dir = "state"\n[source]\ntype = "opencv"\n'
        'device = "rtsp://opener:hunter22@cam-hall-7.plant.example:554/ch1"\n'
        '[recipe]\nchecks = [{ name = "surface", bundle = "halle7-bundle", threads = 3 }]\n'
        '[[sinks]]\ntype = "mqtt"\nhost = "mes.plant.example"\nusername = "opener"\npassword_file = "password"\n'
    )
    return parse(path.read_text(), path), path


def test_the_settings_in_a_report_hold_choices_and_numbers_only(tmp_path: Path) -> None:
    config, _ = a_station(tmp_path)
    public = public_settings(config)
    assert not [secret for secret in SECRETS if secret in json.dumps(public)]
    assert public["source"]["type"] == "opencv"
    assert public["recipe"]["checks"][0]["threads"] == 3
    assert public["sinks"][0]["port"] == 1883


def test_lines_of_the_journal_lose_names_addresses_and_secrets(tmp_path: Path) -> None:
    config, path = a_station(tmp_path)
    told = (
        "2026-01-02T03:04:05+00:00 edge@presse: source: rtsp://cam-hall-7.plant.example:554/ch1: lost\n"
        "sink mqtt mes.plant.example:1883: 10.20.30.40 refused opener hunter22 at 12:34:56\n"
        f"{config.recipe.checks[0].bundle}: copied from fe80::1:2, dc:a6:32:01:02:03 and 127.0.0.1"
    )
    clean = cleaned(told, private_words(config, path))
    assert not [secret for secret in SECRETS if secret in clean]
    assert "fe80" not in clean
    assert "dc:a6:32" not in clean
    for kept in ("2026-01-02T03:04:05", "lost", ":1883", "12:34:56", "127.0.0.1", "(sinks.host)"):
        assert kept in clean


def test_a_running_station_is_known_by_its_outbox(tmp_path: Path) -> None:
    config, _ = a_station(tmp_path)
    (tmp_path / "state").mkdir()
    assert not is_running(config)
    claim = Claim(tmp_path / "state/outbox.db")
    assert is_running(config)
    claim.close()
    assert not is_running(config)


def test_a_secret_or_a_setting_that_others_can_reach_is_named(tmp_path: Path) -> None:
    config, path = a_station(tmp_path)
    assert [line.state for line in access_lines(config, path)] == ["ok", "ok"]
    (tmp_path / "password").chmod(0o644)
    path.chmod(0o666)
    assert [line.state for line in access_lines(config, path)] == ["fail", "fail"]
    (tmp_path / "password").unlink()
    assert [line.state for line in access_lines(config, path)] == ["fail", "warn"]


def facts(board: str, device: str, *lines: Line) -> unproven.Facts:
    text = f'[source]\ntype = "opencv"\ndevice = "{device}"\n[recipe]\nchecks = [{{ name = "a", bundle = "b" }}]\n'
    return unproven.Facts(board, "aarch64", parse(text, Path("station.toml")), lines)


FRAME = Line("ok", "source opencv", "a frame of 640×480, 3 ms old")
RUNNING = Line("ok", "source opencv", "not opened: the station runs and has it")
BACKBONE = Line("ok", "backbone", "p50 9 ms")
PI = "Raspberry Pi 5 Model B"


@pytest.mark.parametrize(
    ("seen", "keys"),
    [
        (facts(PI, "/dev/video0", BACKBONE, FRAME), ["pi-64", "usb-camera"]),
        (facts("NVIDIA Jetson Orin Nano", "/dev/video0", BACKBONE, FRAME), ["jetson", "usb-camera"]),
        (facts("Laptop", "/dev/video0", BACKBONE, FRAME), ["usb-camera"]),
        (facts(PI, "parts.avi", BACKBONE, FRAME), ["pi-64"]),
        (facts(PI, "/dev/video0", RUNNING), []),
        (facts(PI, "/dev/video0", Line("fail", "backbone", "no runtime")), []),
        (facts("?", "x", Line("ok", "temperature", "no sensor"), Line("ok", "throttling", "none")), []),
        (
            facts("?", "x", Line("warn", "temperature", "91 °C"), Line("ok", "throttling", "none")),
            ["thermometer"],
        ),
    ],
)
def test_a_report_shows_what_its_lines_show_and_nothing_more(seen: unproven.Facts, keys: list[str]) -> None:
    assert [key for key, shown in unproven.shown(seen).items() if shown] == keys


def test_what_is_not_proven_is_the_same_in_the_documentation() -> None:
    page = (Path(__file__).parents[1] / "docs/hardware.md").read_text()
    section = page.split("## What only a board can show")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `([a-z0-9-]+)` \|", section, re.MULTILINE)
    assert listed == [each.key for each in unproven.UNPROVEN]
