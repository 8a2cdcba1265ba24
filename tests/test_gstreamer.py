"""Frames from a GStreamer pipeline in a process of its own, which dies, hangs and leaves nobody behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from stations import HEIGHT, WIDTH, daemon, reports, settings, until

from edge.config import GStreamerSource
from edge.errors import CaptureError, ConfigError
from edge.sources import open_source
from edge.sources.gstreamer import GStreamer, command
from edge.types import EndOfFrames, Frame

RED = "videotestsrc is-live=true pattern=red"


def source(pipeline: str = RED, **settings: object) -> GStreamer:
    values = {
        "type": "gstreamer", "pipeline": pipeline, "width": 64, "height": 48, "timeout_s": 10, "reconnect_s": 0.2,
        **settings,
    }  # fmt: skip
    opened = open_source(GStreamerSource.model_validate(values))
    assert isinstance(opened, GStreamer)
    return opened


def child_of(opened: GStreamer) -> int:
    assert opened._child is not None
    return opened._child._process.pid


def complaint_of(opened: GStreamer) -> str:
    for _ in range(200):  # what is in the pipe already is still read
        try:
            opened.read()
        except CaptureError as err:
            return str(err)
    raise AssertionError("it did not complain")


def until_it_comes(opened: GStreamer) -> Frame:
    for _ in range(100):
        try:
            return opened.read()
        except CaptureError:
            continue
    raise AssertionError("it did not come back")


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> None:
    for _ in range(500):
        if not is_there(pid):
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} is still there")


@contextmanager
def a_program_named_gst_launch(tmp_path: Path, text: str) -> Iterator[None]:
    """Stands for a GStreamer whose driver misbehaves as no test source does."""
    program = tmp_path / "gst-launch-1.0"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{tmp_path}:{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def test_frames_come_in_their_size_and_with_red_first() -> None:
    with source() as opened:
        frames = [opened.read() for _ in range(3)]
    assert [frame.sequence for frame in frames] == [1, 2, 3]
    assert frames[0].image.shape == (48, 64, 3)
    assert frames[0].image[10, 10].tolist() == [255, 0, 0]
    assert frames[0].captured_ns < frames[1].captured_ns < time.monotonic_ns()


@pytest.mark.parametrize("width", [61, 62, 63, 64])
def test_rows_that_gstreamer_pads_are_read_without_their_padding(width: int) -> None:
    bars = "videotestsrc pattern=smpte ! video/x-raw,format=RGB"
    with source(f"{bars},width={width},height=48", width=width) as opened:
        image = opened.read().image
    assert image.shape == (48, width, 3)
    assert (image[:30] == image[0]).all()  # the bars stand upright: a row that is shifted differs


def test_a_picture_is_scaled_to_the_size_that_is_wanted() -> None:
    with source(
        "videotestsrc pattern=green ! video/x-raw,width=320,height=240", width=32, height=24
    ) as opened:
        assert opened.read().image.shape == (24, 32, 3)


def test_a_large_frame_is_put_together_from_many_pieces() -> None:
    with source("videotestsrc pattern=white", width=1920, height=1080) as opened:
        assert np.unique(opened.read().image).tolist() == [255]


def test_a_frame_is_older_than_its_coming() -> None:
    with source(latency_ms=500) as opened:
        frame = opened.read()
    assert time.monotonic_ns() - frame.captured_ns >= 500_000_000


def test_each_frame_is_a_part_only_where_it_is_said_so() -> None:
    assert not source().triggered
    assert source(triggered=True).triggered


def test_a_killed_pipeline_says_so_and_is_started_again() -> None:
    with source() as opened:
        opened.read()
        first = child_of(opened)
        os.kill(first, signal.SIGKILL)
        assert "gst-launch-1.0 was killed by SIGKILL" in complaint_of(opened)
        assert until_it_comes(opened).image[10, 10].tolist() == [255, 0, 0]
        assert child_of(opened) != first


def test_a_pipeline_that_falls_silent_is_killed_and_started_again() -> None:
    with source(timeout_s=1) as opened:
        until_it_comes(opened)
        first = child_of(opened)
        os.kill(first, signal.SIGSTOP)
        assert "no whole frame within 1 s" in complaint_of(opened)
        wait_until_gone(first)
        assert until_it_comes(opened).image.shape == (48, 64, 3)


def test_the_first_frame_may_take_longer_for_gstreamer_looks_through_its_plug_ins(tmp_path: Path) -> None:
    with (
        a_program_named_gst_launch(tmp_path, "sleep 1; head -c 9216 /dev/zero; sleep 60"),
        source(timeout_s=0.2) as opened,
    ):
        assert opened.read().sequence == 1


def test_half_a_frame_is_not_a_frame(tmp_path: Path) -> None:
    with (
        a_program_named_gst_launch(tmp_path, "head -c 5000 /dev/zero; sleep 60"),
        source(timeout_s=0.5) as opened,
    ):
        assert "no whole frame within 0.5 s" in complaint_of(opened)


def test_a_wrong_pipeline_says_what_gstreamer_says() -> None:
    with source("nosuchsource") as opened:
        said = complaint_of(opened)
    assert said.startswith("gstreamer nosuchsource: gst-launch-1.0 ended with 1")
    assert 'no element "nosuchsource"' in said


def test_a_pipeline_that_ends_is_a_fault_and_starts_again() -> None:
    with source("videotestsrc num-buffers=2") as opened:
        assert "gst-launch-1.0 ended with 0" in complaint_of(opened)
        assert until_it_comes(opened).sequence == 3


def test_the_reason_is_told_however_much_it_says_before(tmp_path: Path) -> None:
    chatter = "i=0; while [ $i -lt 5000 ]; do echo 'a warning of many words' >&2; i=$((i+1)); done"
    with (
        a_program_named_gst_launch(tmp_path, f"{chatter}; echo 'ERROR: Argus: no camera' >&2; exit 3"),
        source() as opened,
    ):
        said = complaint_of(opened)
    assert "ended with 3" in said
    assert said.endswith("ERROR: Argus: no camera")
    assert len(said) < 400


def test_a_program_that_is_missing_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ConfigError, match=r"gst-launch-1\.0 is missing: sudo apt-get install gstreamer1.0-tools"
    ):
        source()


@pytest.mark.parametrize("pipeline", ["videotestsrc name='open", " ", "''"])
def test_a_pipeline_that_is_no_text_for_gstreamer_is_a_wrong_setting(pipeline: str) -> None:
    with pytest.raises(ConfigError, match=r"source\.pipeline"):
        source(pipeline)


def test_no_shell_looks_at_the_pipeline(tmp_path: Path) -> None:
    stolen = tmp_path / "stolen"
    with source(f"videotestsrc; touch {stolen}; $(touch {stolen}) `touch {stolen}`") as opened:
        complaint_of(opened)
    assert not stolen.exists()


def test_the_size_and_the_rate_are_asked_of_the_pipeline() -> None:
    values = {"type": "gstreamer", "pipeline": "v4l2src device='/dev/my video'", "width": 320, "rate_hz": 25}
    arguments = command(GStreamerSource.model_validate(values))
    assert "device=/dev/my video" in arguments
    assert "video/x-raw,format=RGB,width=320,height=960,framerate=25/1" in arguments


def test_nobody_is_left_behind_when_the_source_is_closed() -> None:
    with source() as opened:
        opened.read()
        pid = child_of(opened)
    assert not is_there(pid)


def test_what_the_pipeline_has_started_goes_with_it(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    with (
        a_program_named_gst_launch(tmp_path, f"sleep 300 & echo $! > {noted}; head -c 9216 /dev/zero; wait"),
        source() as opened,
    ):
        opened.read()
    wait_until_gone(int(noted.read_text()))


def test_a_leak_is_the_pipeline_s_own_ruin() -> None:
    with source() as opened:
        opened.read()
        assert int(Path(f"/proc/{child_of(opened)}/oom_score_adj").read_text()) == 500


def test_a_daemon_that_is_killed_takes_the_pipeline_with_it() -> None:
    text = f"""
import sys
from edge.config import GStreamerSource
from edge.sources import open_source
settings = dict(type="gstreamer", pipeline={RED!r}, width=64, height=48)
with open_source(GStreamerSource.model_validate(settings)) as opened:
    opened.read()
    print(opened._child._process.pid, flush=True)
    sys.stdin.read()
"""
    daemon = subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert daemon.stdout is not None
    pid = int(daemon.stdout.readline())
    assert is_there(pid)
    daemon.kill()
    daemon.wait()
    wait_until_gone(pid)


def test_a_blocked_read_ends_when_it_is_interrupted(tmp_path: Path) -> None:
    with a_program_named_gst_launch(tmp_path, "sleep 300"), source(timeout_s=100) as opened:
        threading.Timer(0.3, opened.interrupt).start()
        with pytest.raises(EndOfFrames):
            opened.read()
        with pytest.raises(EndOfFrames):
            opened.read()
    opened.interrupt()  # a signal may come late


def test_credentials_do_not_reach_the_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    monkeypatch.setenv("GST_PLUGIN_PATH", "/opt/plugins")
    with a_program_named_gst_launch(tmp_path, f"env > {tmp_path}/seen"), source() as opened:
        complaint_of(opened)
    seen = (tmp_path / "seen").read_text()
    assert "CREDENTIALS_DIRECTORY" not in seen
    assert "GST_PLUGIN_PATH=/opt/plugins" in seen


def test_a_station_goes_on_when_its_pipeline_is_killed(tmp_path: Path) -> None:
    snow = (
        f"videotestsrc is-live=true pattern=snow ! video/x-raw,width={WIDTH},height={HEIGHT},framerate=20/1"
    )
    camera = f'type = "gstreamer"\npipeline = "{snow}"\nwidth = {WIDTH}\nheight = {HEIGHT}\nreconnect_s = 0.5'
    with daemon(settings(tmp_path, camera)) as process:
        until(lambda: len(reports(tmp_path)) >= 5)
        threads = Path(f"/proc/{process.pid}/task").glob("*/children")
        (child,) = " ".join(thread.read_text() for thread in threads).split()
        os.kill(int(child), signal.SIGKILL)
        before = len(reports(tmp_path))
        until(lambda: len(reports(tmp_path)) >= before + 5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert {report["camera"]["name"] for report in reports(tmp_path)} == {"gstreamer videotestsrc"}
    assert all(report["verdict"] != "error" for report in reports(tmp_path))
