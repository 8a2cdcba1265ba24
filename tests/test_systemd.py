"""The unit, by systemd's own tools, and what it promises by our own words."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import fence
import pytest
import stations
from delegate_double import library

from edge import config, errors
from edge.cli import main

FOLDER = Path(__file__).parent.parent / "systemd"
UNIT = FOLDER / "edge@.service"
DROP_INS = sorted((FOLDER / "drop-ins").glob("*.conf"))


def directives(path: Path) -> dict[str, list[str]]:
    """Every directive of a unit, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            name, _, value = line.partition("=")
            found[name].append(value)
    return found


def seconds(name: str) -> float:
    return float(directives(UNIT)[name][0])


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """The unit of one station. Its program is /bin/true: ours is not installed where the tests run."""
    text, count = re.subn(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE)
    assert count == 1
    path = tmp_path / "edge@press-4.service"
    path.write_text(text)
    return path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("this machine has no systemd-analyze")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def add(instance: Path, drop_in: Path) -> None:
    folder = instance.with_name(instance.name + ".d")
    folder.mkdir(exist_ok=True)
    shutil.copy(drop_in, folder)


def test_systemd_understands_every_line(instance: Path) -> None:
    # Unknown names and values are only warned of: the exit code stays 0.
    answer = analyze("verify", "--man=no", str(instance))
    assert (answer.stderr, answer.returncode) == ("", 0)


def test_systemd_would_complain_of_a_wrong_line(instance: Path) -> None:
    instance.write_text(instance.read_text() + "\n[Service]\nProtectHomes=yes\n")
    assert "ProtectHomes" in analyze("verify", "--man=no", str(instance)).stderr


def test_a_station_is_fenced_in(instance: Path) -> None:
    answer = analyze("security", "--offline=true", "--threshold=20", "--no-pager", str(instance))
    assert answer.returncode == 0, answer.stdout


def test_the_fence_is_measured(instance: Path) -> None:
    instance.write_text(
        re.sub(r"^(Protect|Restrict|SystemCallFilter).*$", "", instance.read_text(), flags=re.MULTILINE)
    )
    answer = analyze("security", "--offline=true", "--threshold=20", "--no-pager", str(instance))
    assert answer.returncode != 0


@pytest.mark.parametrize("drop_in", DROP_INS, ids=lambda path: path.stem)
def test_systemd_understands_the_drop_ins(instance: Path, drop_in: Path) -> None:
    add(instance, drop_in)
    answer = analyze("verify", "--man=no", str(instance))
    assert (answer.stderr, answer.returncode) == ("", 0)
    (instance.with_name(instance.name + ".d") / drop_in.name).write_text("[Service]\nNoSuchThing=1\n")
    assert "NoSuchThing" in analyze("verify", "--man=no", str(instance)).stderr


@pytest.mark.parametrize("drop_in", DROP_INS, ids=lambda path: path.stem)
def test_every_drop_in_is_explained(drop_in: Path) -> None:
    assert drop_in.read_text().startswith("# ")
    assert f"`{drop_in.name}`" in (FOLDER / "README.md").read_text()


def test_the_user_and_the_groups_of_the_devices_are_made(tmp_path: Path) -> None:
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("this machine has no systemd-sysusers")
    if os.geteuid() != 0:
        pytest.skip("systemd-sysusers needs root, even for another root folder")
    (tmp_path / "etc").mkdir()
    sysusers = ["systemd-sysusers", f"--root={tmp_path}", str(FOLDER / "edge-inspect.sysusers")]
    subprocess.run(sysusers, check=True, capture_output=True)
    groups = (tmp_path / "etc" / "group").read_text()
    assert (tmp_path / "etc" / "passwd").read_text().startswith(directives(UNIT)["User"][0] + ":")
    for group in ("video", "render", "gpio", "apex"):
        assert re.search(rf"^{group}:.*:edge-inspect$", groups, re.MULTILINE)


def test_the_unit_starts_a_command_that_exists() -> None:
    program, command, settings = directives(UNIT)["ExecStart"][0].split()
    assert Path(program).name == "edge"
    assert command in [
        registered.name or registered.callback.__name__ for registered in main.app.registered_commands
    ]
    assert settings == "/etc/edge-inspect/%i.toml"


def test_systemd_does_not_restart_a_station_whose_settings_are_wrong() -> None:
    assert directives(UNIT)["RestartPreventExitStatus"] == [str(errors.EXIT_CONFIG)]
    assert directives(UNIT)["Restart"] == ["on-failure"]
    assert directives(UNIT)["StartLimitIntervalSec"] == ["0"]


def test_systemd_waits_for_the_pipeline_and_watches_it() -> None:
    assert directives(UNIT)["Type"] == ["notify"]
    assert seconds("WatchdogSec") > config.Health().stage_limit_s


def test_systemd_lets_a_station_drain() -> None:
    assert seconds("TimeoutStopSec") > config.Health().drain_s + 3 * config.Health().stage_limit_s


def test_the_state_folder_is_the_one_that_systemd_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = directives(UNIT)["StateDirectory"][0].replace("%i", "press-4")
    monkeypatch.setenv("STATE_DIRECTORY", f"/var/lib/{folder}")
    assert config.Station().state_dir == Path("/var/lib/edge-inspect/press-4")


def test_cameras_and_accelerators_stay_visible() -> None:
    unit = directives(UNIT)
    assert "PrivateDevices" not in unit
    assert unit["DevicePolicy"] == ["closed"]
    for device in (
        "char-video4linux",
        "char-media",
        "char-drm",
        "char-gpiochip",
        "char-apex",
        "char-dma_heap",
    ):
        assert f"{device} rw" in unit["DeviceAllow"]


@pytest.fixture
def fenced() -> list[str]:
    """The beginning of a command line whose program may use the unit's system calls only."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("this machine has no systemd-analyze")
    try:
        ctypes.CDLL(fence.LIBRARY)
    except OSError:
        pytest.skip(f"this machine has no {fence.LIBRARY}")
    calls = " ".join(sorted(fence.allowed(directives(UNIT)["SystemCallFilter"])))
    return [sys.executable, fence.__file__, calls, sys.executable]


def test_the_fence_of_these_tests_holds(fenced: list[str]) -> None:
    denied = "import os\ntry: os.chroot('/')\nexcept PermissionError: print('denied')"
    answer = subprocess.run([*fenced, "-c", denied], capture_output=True, text=True, check=True)
    assert answer.stdout == "denied\n"


def test_the_clock_can_be_asked_behind_the_fence(fenced: list[str]) -> None:
    ask = "import ctypes\nprint(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) >= 0)"
    answer = subprocess.run([*fenced, "-c", ask], capture_output=True, text=True, check=True)
    assert answer.stdout == "True\n"


def test_a_delegate_works_behind_the_fence(tmp_path: Path, fenced: list[str]) -> None:
    path = stations.settings(tmp_path)
    plain = f'bundle = "{stations.bundle()}"'
    npu = f'delegate = "npu", delegate_library = "{library()}", delegate_options = {{ mode = "works" }}'
    path.write_text(path.read_text().replace(plain, f"{plain}, {npu}, delegate_deadline_ms = 5000"))
    run = subprocess.run(
        [*fenced, "-m", "edge", "run", str(path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    told = [check["model"]["delegate"] for report in stations.reports(tmp_path) for check in report["checks"]]
    assert told == ["npu"] * 8, run.stderr


def test_a_station_works_behind_the_fence(tmp_path: Path, fenced: list[str]) -> None:
    path = stations.settings(tmp_path, more="[evidence]\npass_rate = 1.0\nmin_free_mb = 0\n")
    run = subprocess.run(
        [*fenced, "-m", "edge", "run", str(path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    told = stations.reports(tmp_path)
    assert len(told) == 8
    assert not [report for report in told if report["verdict"] == "error"]
    assert len(list((tmp_path / "state" / "evidence").rglob("*.json"))) == 8
