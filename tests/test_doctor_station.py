"""`edge doctor CONFIG` as a command: every kind of source, broken machines, and what a report gives away."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from stations import daemon, render, reports, settings, until


def doctor(*arguments: object, prefix: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    command = [*prefix, sys.executable, "-m", "edge", "doctor", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    assert "Traceback" not in done.stderr
    return done


def lines(*arguments: object, prefix: tuple[str, ...] = ()) -> dict[str, dict[str, str]]:
    """The lines of `--json`, by what they are about."""
    told = json.loads(doctor(*arguments, "--json", prefix=prefix).stdout)
    return {line["what"]: line for line in told["lines"]}


def test_a_missing_camera_fails_and_says_what_to_do(tmp_path: Path) -> None:
    done = doctor(settings(tmp_path, 'type = "opencv"\ndevice = "/dev/video99"'))
    assert done.returncode == 69
    assert re.search(r"fail source opencv +/dev/video99: cannot be opened; is it plugged in", done.stdout)


def test_lines_that_are_not_there_fail_and_a_station_without_lines_hears_nothing_of_them(
    tmp_path: Path,
) -> None:
    path = settings(tmp_path, 'type = "synthetic"\nwidth = 320\nheight = 240')
    assert not [what for what in lines(path) if what.startswith("gpio")]
    path.write_text(f'{path.read_text()}\n[gpio]\nchip = "/dev/gpiochip-of-nobody"\nready_line = 5\n')
    line = lines(path)["gpio"]
    assert line["state"] == "fail"
    assert "gpio.chip: /dev/gpiochip-of-nobody: no such device" in line["found"]


def video(folder: Path) -> None:
    writer = cv2.VideoWriter(str(folder / "parts.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5, (320, 240))
    for _ in range(3):
        writer.write(np.full((240, 320, 3), 90, np.uint8))
    writer.release()


SOURCES = {
    "synthetic": ('type = "synthetic"\nwidth = 320\nheight = 240', "ok"),
    "folder": ('type = "folder"\npath = "parts"', "ok"),
    "no folder": ('type = "folder"\npath = "nowhere"', "fail"),
    "watch": ('type = "watch"\npath = "parts"', "ok"),
    "nothing to watch": ('type = "watch"\npath = "nowhere"', "fail"),
    "video": ('type = "opencv"\ndevice = "parts.avi"', "ok"),
    "no video": ('type = "opencv"\ndevice = "nowhere.avi"', "fail"),
    "gstreamer": ('type = "gstreamer"\npipeline = "videotestsrc"\nwidth = 320\nheight = 240', "ok"),
    "no pipeline": ('type = "gstreamer"\npipeline = "nosuchsrc"\nwidth = 320\nheight = 240', "fail"),
    "stream": ('type = "opencv"\ndevice = "rtsp://127.0.0.1:9/x"', "fail"),
}


@pytest.mark.parametrize(("source", "state"), SOURCES.values(), ids=SOURCES.keys())
def test_every_kind_of_source_is_looked_at(
    source: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render(tmp_path / "parts", count=2, defect_rate=0, seed=1)
    video(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = lines(settings(tmp_path, source))
    kind = re.findall(r'type = "(\w+)"', source)[0]
    assert found[f"source {kind}"]["state"] == state, found[f"source {kind}"]


def test_the_doctor_changes_nothing(tmp_path: Path) -> None:
    render(tmp_path / "parts", count=2, defect_rate=0, seed=1)
    config = settings(tmp_path, 'type = "watch"\npath = "parts"')
    before = {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))}
    doctor(config)
    assert {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))} == before


def test_settings_that_are_wrong_are_a_line_for_each_mistake(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text('[source]\ntype = "folder"\npahts = "x"\n')
    done = doctor(path)
    assert done.returncode == 69
    assert len(re.findall(r"^fail settings", done.stdout, re.MULTILINE)) > 1


def test_a_bundle_that_is_not_there_does_not_hide_the_rest(tmp_path: Path) -> None:
    config = settings(tmp_path)
    config.write_text(re.sub(r'bundle = "[^"]*"', 'bundle = "nowhere"', config.read_text()))
    found = lines(config)
    assert found["bundle"]["state"] == "fail"
    assert {found["room"]["state"], found["source synthetic"]["state"]} == {"ok"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_and_one_in_memory_are_named(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    config = settings(tmp_path, more="[evidence]\nmin_free_mb = 10\n")
    mount = f'mount -t tmpfs -o size=1m edge-test "{tmp_path}/state" && exec "$@"'
    found = lines(config, prefix=("unshare", "--mount", "sh", "-c", mount, "sh"))
    assert found["room"]["state"] == "warn"
    assert "1 MB free" in found["room"]["found"]
    assert "lost when the power goes" in found["file system"]["found"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_disk_that_is_read_only_fails(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    mount = f'mount -t tmpfs -o ro edge-test "{tmp_path}/state" && exec "$@"'
    found = lines(settings(tmp_path), prefix=("unshare", "--mount", "sh", "-c", mount, "sh"))
    assert found["file system"]["state"] == found["state"]["state"] == "fail"


def test_a_station_that_runs_is_not_disturbed(tmp_path: Path) -> None:
    config = settings(tmp_path, 'type = "synthetic"\nwidth = 320\nheight = 240\nrate_hz = 20')
    camera = tmp_path / "camera.toml"
    camera.write_text(
        re.sub(r'type = "synthetic"[^\[]*', 'type = "opencv"\ndevice = "/dev/video99"\n', config.read_text())
    )
    with daemon(config) as station:
        until(lambda: reports(tmp_path))
        assert "not opened: the station runs" in lines(camera)["source opencv"]["found"]
        assert station.poll() is None


def test_a_report_holds_no_secret_no_name_and_no_address(tmp_path: Path) -> None:
    secrets = ("hunter22", "opener", "cam-7.plant.example", "mes.plant.example", "halle7", "presse4")
    config = settings(
        tmp_path,
        'type = "opencv"\ndevice = "rtsp://opener:hunter22@cam-7.plant.example:554/halle7"',
        sinks='[[sinks]]\ntype = "mqtt"\nhost = "mes.plant.example"\n'
        'username = "opener"\npassword_file = "password"\n',
    )
    config = config.rename(tmp_path / "presse4.toml")
    (tmp_path / "password").write_text("hunter22")
    (tmp_path / "password").chmod(0o600)
    report = tmp_path / "report.md"
    done = doctor(config, "--report", report)
    assert "the report will hold" in done.stderr
    page = report.read_text()
    assert not [secret for secret in (*secrets, str(tmp_path), os.uname().nodename) if secret in page]
    told = json.loads(page.split("```json\n")[1].split("```")[0])
    assert told["schema"] == "edge.doctor/1"
    assert told["backbone"]["p99_ms"] >= told["backbone"]["p50_ms"] > 0
    assert told["settings"]["source"]["type"] == "opencv"
    assert {line["what"] for line in told["lines"]} >= {"source opencv", "broker", "state", "clock"}


def test_a_report_never_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("mine")
    done = doctor("--report", tmp_path / "report.md")
    assert done.returncode == 78
    assert "exists already" in done.stderr
    assert (tmp_path / "report.md").read_text() == "mine"


def test_a_report_without_settings_is_about_the_machine(tmp_path: Path) -> None:
    assert doctor("--report", tmp_path / "report.md").returncode == 0
    assert '"settings": null' in (tmp_path / "report.md").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may hide the kernel's files")
def test_a_machine_without_its_kernels_files_and_with_closed_folders_is_no_crash(tmp_path: Path) -> None:
    config = settings(tmp_path, 'type = "watch"\npath = "closed/parts"')
    config.write_text(config.read_text().replace('state_dir = "state"', 'state_dir = "closed/state"'))
    (tmp_path / "closed").mkdir(mode=0o700)
    os.chown(tmp_path / "closed", 65534, 65534)
    hide = 'mount -t tmpfs none /proc && mount -t tmpfs none /sys && exec "$@"'
    weak = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    found = lines(config, prefix=("unshare", "--mount", "sh", "-c", hide, "sh", *weak))
    assert found["state"]["state"] == found["source watch"]["state"] == "fail"
    assert found["memory"]["state"] == "warn"
