"""The source for a Raspberry Pi's cameras: what it asks of them, and what it makes of what they do."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from a_camera import OFFERED, Camera, Platform

from edge.config import Picamera2Source
from edge.errors import CaptureError, ConfigError, DeviceError
from edge.sources.bounded import bounded
from edge.sources.buffers import Layout, choose, to_rgb
from edge.sources.camera_controls import complaints, hold, recorded
from edge.sources.picamera2 import Picamera2
from edge.sources.sensor_clock import exposed_at_ns
from edge.sources.sensor_trigger import require_trigger
from edge.types import EndOfFrames

S = 10**9
FIXED = {"exposure_time_us": 2000, "analogue_gain": 1.5, "colour_gains": (1.4, 2.1), "lens_position": 3.0}
TRIGGERED = {**FIXED, "trigger": "hardware"}


def settings(**given: object) -> Picamera2Source:
    values = {"type": "picamera2", "width": 640, "height": 480, "lock_s": 0.1}
    return Picamera2Source.model_validate({**values, "timeout_s": 0.3, "reconnect_s": 0.1, **given})


def source(sensor: Camera, /, **given: object) -> Picamera2:
    return Picamera2(settings(**given), sensor.library())


# Settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lores_width": 0}, "give lores_width and lores_height, or neither"),
        ({"lores_width": 700}, "may not exceed width and height"),
        ({"lores_width": 223}, "must be even"),
        ({"width": 641}, "must be even"),
        ({"trigger": "hardware"}, "no frames to settle on"),
        (
            {"trigger": "hardware", "exposure_time_us": 100, "analogue_gain": 1},
            "give exposure_time_us, analogue_gain",
        ),
        ({"part_every_s": 3}, "part_every_s goes with trigger = 'hardware'"),
        ({"trigger": "hard"}, "Input should be 'none', 'software' or 'hardware'"),
        ({"colour_gains": [1.0]}, "colour_gains"),
        ({"colour_gains": [-1.0, 1.0]}, "colour_gains"),
        ({"exposure_time_us": 0}, "exposure_time_us"),
        ({"exposure_time_us": 1_500_000, "timeout_s": 2}, r"timeout_s must be at least twice .*, 1\.5 s"),
        ({"rate_hz": 0.5, "timeout_s": 3}, r"timeout_s must be at least twice .*, 2 s"),
    ],
)
def test_settings_that_cannot_be_had_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        settings(**given)


def test_only_triggered_frames_are_parts() -> None:
    assert not settings().triggered
    assert settings(trigger="software").triggered
    assert settings(**TRIGGERED).triggered


@pytest.fixture
def trigger_mode(tmp_path: Path) -> Path:
    """The driver's parameter, as the kernel shows it."""
    parameter = tmp_path / "trigger_mode"
    parameter.write_text("1\n")
    return parameter


def test_a_driver_that_runs_free_is_no_trigger(trigger_mode: Path) -> None:
    trigger_mode.write_text("0\n")
    with pytest.raises(ConfigError, match="options imx296 trigger_mode=1"):
        require_trigger(trigger_mode)


def test_of_other_sensors_nothing_is_asked(tmp_path: Path) -> None:
    require_trigger(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ('"camera_timeout_value_ms": 9999999,', True),
        ('        "camera_timeout_value_ms" : 3600000', True),
        ('"camera_timeout_value_ms": 1000', False),
        ('# "camera_timeout_value_ms": 9999999', False),
        ("", False),
    ],
)
def test_libcamera_must_not_give_up_between_two_parts(
    trigger_mode: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, *, good: bool
) -> None:
    monkeypatch.setenv("LIBCAMERA_RPI_CONFIG_FILE", str(tmp_path / "apps.yaml"))
    (tmp_path / "apps.yaml").write_text(f'{{ "pipeline_handler": {{\n{text}\n}} }}')
    if good:
        require_trigger(trigger_mode)
    else:
        with pytest.raises(ConfigError, match="libcamera gives up on a sensor"):
            require_trigger(trigger_mode)


def test_a_file_for_libcamera_that_is_missing_or_not_named_is_told(
    trigger_mode: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIBCAMERA_RPI_CONFIG_FILE", raising=False)
    with pytest.raises(ConfigError, match="it is not set"):
        require_trigger(trigger_mode)
    monkeypatch.setenv("LIBCAMERA_RPI_CONFIG_FILE", "/nowhere.yaml")
    with pytest.raises(ConfigError, match=r"/nowhere\.yaml: cannot be read: No such file"):
        require_trigger(trigger_mode)


# The libraries


def load_with(folder: Path, **modules: str) -> str:
    """What is said where these modules, and no others, are there."""
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    for name in ("picamera2", "libcamera", "pykms"):
        if name not in modules:
            (folder / f"{name}.py").write_text(f"raise ModuleNotFoundError(name={name!r})")
    text = "from edge.sources.picamera2_session import load\ntry:\n load()\nexcept Exception as e: print(repr(e))"
    told = subprocess.run(
        [sys.executable, "-c", text],
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout


@pytest.mark.parametrize(
    ("modules", "missing"),
    [
        ({}, "picamera2"),
        ({"picamera2": "import libcamera"}, "libcamera"),
        ({"picamera2": "import pykms", "libcamera": ""}, "pykms"),
    ],
)
def test_a_library_that_is_missing_is_named_with_what_to_install(
    tmp_path: Path, modules: dict[str, str], missing: str
) -> None:
    said = load_with(tmp_path, **modules)
    assert said.startswith("ConfigError")
    assert f"needs the Python module '{missing}', which is missing" in said
    assert "sudo apt-get install python3-picamera2" in said
    assert "--system-site-packages" in said


def test_a_library_that_was_built_for_another_numpy_is_a_clear_error(tmp_path: Path) -> None:
    clash = "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')"
    said = load_with(tmp_path, picamera2=clash, libcamera="")
    assert "ConfigError" in said
    assert "picamera2 cannot be loaded: numpy.dtype size changed" in said
    assert "-m pip install --force-reinstall --no-deps simplejpeg" in said


def test_what_is_there_loads(tmp_path: Path) -> None:
    assert load_with(tmp_path, picamera2="", libcamera="") == ""


# Clocks


def test_a_stamp_of_the_clock_that_counts_sleep_is_converted() -> None:
    # 100 s of sleep: booted 1000 s ago, awake for 900; the frame was read out 50 ms ago, and exposed for 10.
    exposed = exposed_at_ns(1000 * S - 50_000_000, 10_000, 900 * S, 1000 * S)
    assert exposed == 900 * S - 60_000_000


def test_a_stamp_of_the_clock_that_does_not_is_taken_as_it_is() -> None:
    exposed = exposed_at_ns(900 * S - 50_000_000, 10_000, 900 * S, 1000 * S)
    assert exposed == 900 * S - 60_000_000


def test_a_machine_that_never_slept_needs_no_choice() -> None:
    assert exposed_at_ns(7 * S, 0, 8 * S, 8 * S) == 7 * S


def test_a_stamp_of_the_future_is_now() -> None:
    assert exposed_at_ns(9 * S, 0, 8 * S, 8 * S) == 8 * S


# Pixels


@pytest.mark.parametrize(("stride", "height"), [(64, 48), (96, 48), (128, 46)])
@pytest.mark.parametrize("name", ["YUV420", "NV12"])
def test_padded_yuv_is_what_opencv_makes_of_it_without_padding(name: str, stride: int, height: int) -> None:
    width = 64
    rng = np.random.default_rng(stride)
    y = rng.integers(16, 236, (height, width), np.uint8)
    u, v = rng.integers(16, 241, (2, height // 2, width // 2), np.uint8)
    padded = np.full((height * 3 // 2, stride), 99, np.uint8)
    padded[:height, :width] = y
    if name == "NV12":
        padded[height:, 0:width:2], padded[height:, 1:width:2] = u, v
    else:
        chroma = padded[height:].reshape(2, height // 2, stride // 2)
        chroma[0, :, : width // 2], chroma[1, :, : width // 2] = u, v
    plain = np.concatenate([y.ravel(), u.ravel(), v.ravel()]).reshape(height * 3 // 2, width)
    expected = cv2.cvtColor(plain, cv2.COLOR_YUV2RGB_I420)
    got = to_rgb(np.append(padded.ravel(), np.zeros(4096, np.uint8)), Layout(name, width, height, stride))
    assert got.shape == (height, width, 3)
    assert got.flags.c_contiguous
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("stride", [192, 256])
def test_libcamera_s_bgr_is_red_first_in_memory(stride: int) -> None:
    memory = np.zeros((48, stride), np.uint8)
    memory[:, :192:3] = 200
    assert to_rgb(memory.ravel(), Layout("BGR888", 64, 48, stride))[5, 5].tolist() == [200, 0, 0]
    assert to_rgb(memory.ravel(), Layout("RGB888", 64, 48, stride))[5, 5].tolist() == [0, 0, 200]


@pytest.mark.parametrize("name", ["BGR888", "RGB888", "YUV420", "NV12"])
def test_nothing_of_the_camera_s_memory_is_kept(name: str) -> None:
    memory = np.full(64 * 48 * 3, 130, np.uint8)
    image = to_rgb(memory, Layout(name, 64, 48, 192 if "888" in name else 64))
    before = image.copy()
    memory[:] = 0
    assert np.array_equal(image, before)


def test_memory_that_is_too_small_or_a_format_that_is_unknown_is_an_error() -> None:
    with pytest.raises(ValueError, match="reshape"):
        to_rgb(np.zeros(100, np.uint8), Layout("NV12", 64, 48, 64))
    with pytest.raises(ValueError, match="MJPEG is none of"):
        to_rgb(np.zeros(100, np.uint8), Layout("MJPEG", 64, 48, 64))


def test_the_cheapest_format_that_a_board_has_is_taken() -> None:
    everything = ["NV12", "YUV420", "RGB888", "BGR888", "XBGR8888"]
    assert choose(everything, yuv_only=False) == "BGR888"
    assert choose(everything, yuv_only=True) == "YUV420"
    assert choose(["NV12"], yuv_only=False) == "NV12"
    assert choose(["MJPEG", "YUYV"], yuv_only=False) is None


@pytest.mark.parametrize(("platform", "small"), [(Platform.VC4, "YUV420"), (Platform.PISP, "BGR888")])
def test_a_pi_4_gives_yuv_for_what_is_judged_and_a_pi_5_rgb(platform: Platform, small: str) -> None:
    camera = Camera(platform=platform)
    with source(camera) as opened:
        frame = opened.read()
    assert camera.formats == ["BGR888", small]
    assert frame.image.shape == (224, 224, 3)
    assert frame.shown.shape == (480, 640, 3)
    expected = [7, 7, 7] if small == "BGR888" else [172, 108, 44]
    assert np.abs(frame.image[100, 100].astype(int) - expected).max() <= 2


def test_without_a_small_picture_the_large_one_is_judged() -> None:
    with source(Camera(), lores_width=0, lores_height=0) as opened:
        frame = opened.read()
    assert frame.image.shape == (480, 640, 3)
    assert frame.evidence is None


# Controls


def test_what_the_camera_has_settled_on_is_held_from_the_first_frame_on() -> None:
    camera = Camera()
    with source(camera) as opened:
        frames = [opened.read() for _ in range(5)]
    assert camera.started_with[0]["AfMode"] == 1
    assert "ExposureTime" not in camera.started_with[0]
    assert camera.set["AeEnable"] is camera.set["AwbEnable"] is False
    assert camera.set["AfMode"] == 0
    assert camera.set["ExposureTime"] == 4000
    assert {frame.controls["exposure_time_us"] for frame in frames} == {4000}
    assert frames[0].controls["lens_position"] == 4.0
    assert frames[0].controls["colour_gain_red"] == 1.9


def test_what_the_settings_fix_needs_no_time_to_settle() -> None:
    camera = Camera()
    with source(camera, lock_s=60, **FIXED) as opened:
        said = opened.read().controls
    assert camera.started_with[0]["ExposureTime"] == 2000
    assert camera.started_with[0]["AeEnable"] is False
    assert (said["exposure_time_us"], said["analogue_gain"], said["lens_position"]) == (2000, 1.5, 3.0)
    assert (said["colour_gain_red"], said["colour_gain_blue"]) == (1.4, 2.1)


def test_a_fixed_exposure_alone_leaves_the_gain_to_settle() -> None:
    camera = Camera()
    with source(camera, exposure_time_us=3000) as opened:
        opened.read()
    assert camera.started_with[0]["ExposureTime"] == 3000
    assert "AeEnable" not in camera.started_with[0]
    assert camera.set["AnalogueGain"] == 2.5
    assert camera.set["ExposureTime"] == 3000


def test_a_camera_that_comes_back_is_set_as_it_was() -> None:
    camera = Camera()
    with source(camera) as opened:
        opened.read()
        camera.silent, camera.exposure_us = True, 9000
        with pytest.raises(CaptureError):
            opened.read()
        camera.silent = False
        assert opened.read().controls["exposure_time_us"] == 4000
    assert camera.started_with[1]["ExposureTime"] == 4000
    assert camera.started_with[1]["LensPosition"] == 4.0


def test_a_long_exposure_gets_long_frames() -> None:
    camera = Camera()
    with source(camera, **{**FIXED, "exposure_time_us": 100_000}) as opened:
        opened.read()
    assert camera.started_with[0]["FrameDurationLimits"] == (101_000, 101_000)
    with source(camera, rate_hz=50, **FIXED) as opened:
        opened.read()
    assert camera.started_with[1]["FrameDurationLimits"] == (20_000, 20_000)


def test_a_setting_that_the_camera_does_not_have_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    camera = Camera(
        offered=tuple(name for name in OFFERED if name not in {"LensPosition", "AfMode", "AfTrigger"})
    )
    with caplog.at_level(logging.WARNING), source(camera, **FIXED) as opened:
        opened.read()
        camera.silent = True
        with pytest.raises(CaptureError):
            opened.read()
        camera.silent = False
        opened.read()
    said = [record.getMessage() for record in caplog.records]
    assert said == ["picamera2: has no control LensPosition; its setting counts for nothing"]


def test_a_camera_that_does_not_do_what_is_set_is_told(caplog: pytest.LogCaptureFixture) -> None:
    camera = Camera(offered=(*OFFERED, "Stubborn"))
    with caplog.at_level(logging.WARNING), source(camera, **FIXED) as opened:
        opened.read()
    assert [record.getMessage() for record in caplog.records] == ["picamera2: ExposureTime is 4000, not 2000"]


def test_values_that_the_sensor_rounds_are_as_wanted() -> None:
    held = {"ExposureTime": 4000, "ColourGains": (1.5, 2.0)}
    assert complaints(held, {"ExposureTime": 3987, "ColourGains": (1.5001, 1.99)}, OFFERED) == []


def test_only_both_of_exposure_and_gain_end_the_automatic() -> None:
    assert "AeEnable" not in hold({"ExposureTime": 1}, OFFERED)
    assert hold({"ExposureTime": 1, "AnalogueGain": 1.0}, OFFERED)["AeEnable"] is False


def test_a_camera_that_says_nothing_of_itself_is_recorded_as_that() -> None:
    assert recorded({"SensorTimestamp": 5}) == {}


# Which camera


def test_a_camera_is_found_by_its_model_among_several() -> None:
    camera = Camera()
    camera.models = ["imx296", "imx708"]
    with source(camera, camera="imx708") as opened:
        assert opened.read().camera == "imx708"


def test_a_camera_that_is_not_there_is_named_with_those_that_are_and_looked_for_again() -> None:
    camera = Camera()
    camera.models = ["imx296"]
    with source(camera, camera="imx708") as opened:
        with pytest.raises(CaptureError, match="no camera 'imx708'; there is: imx296"):
            opened.read()
        assert camera.resets == 1
        camera.models = ["imx296", "imx708"]
        assert opened.read().sequence == 1


def test_no_camera_at_all_says_what_to_look_at() -> None:
    camera = Camera()
    camera.models = []
    with source(camera) as opened, pytest.raises(CaptureError, match="no camera is there; is its cable in"):
        opened.read()


# On demand


def test_a_frame_from_before_it_was_asked_for_is_not_taken() -> None:
    camera = Camera()
    with source(camera, trigger="software", **FIXED) as opened:
        opened.read()
        camera.stale = 3
        asked_ns = time.monotonic_ns()
        frame = opened.read()
    assert frame.captured_ns >= asked_ns
    assert frame.trigger == "software"
    assert camera.released == camera.number + 1  # those that were thrown away have gone back


def test_a_live_view_takes_what_is_there() -> None:
    camera = Camera()
    with source(camera, timeout_s=20, **FIXED) as opened:
        opened.read()
        before, camera.stale = camera.number, 1
        frame = opened.read()
    assert camera.number == before + 1
    assert frame.trigger is None


def test_a_frame_that_is_older_than_the_time_out_is_no_sign_of_life() -> None:
    camera = Camera()
    with source(camera, timeout_s=0.5, **FIXED) as opened:
        opened.read()
        camera.stale = 10**9
        with pytest.raises(CaptureError, match=r"no frame within 0\.5 s"):
            opened.read()


# The sensor's own trigger


def pulses(camera: Camera, count: int) -> None:
    for _ in range(count):
        camera.pulse()


def when_asked(camera: Camera, count: int, what: Callable[[], None]) -> None:
    """Do it as soon as so many frames have been asked for."""

    def wait() -> None:
        while len(camera.jobs) < count:
            time.sleep(0.005)
        what()

    threading.Thread(target=wait, daemon=True).start()


def started(camera: Camera, **given: object) -> Picamera2:
    """A triggered source that has seen its first part."""
    camera.waits_for_pulse = True
    opened = source(camera, **{**TRIGGERED, **given})
    when_asked(camera, 3, camera.pulse)
    assert opened.read().sequence == 1
    return opened


def test_a_part_that_never_comes_is_no_fault() -> None:
    camera = Camera()
    with started(camera) as opened:
        threading.Timer(1.0, camera.pulse).start()  # over three times the time-out
        assert opened.read().sequence == 2
    assert camera.opened == 1


def test_parts_wait_in_the_camera_while_nobody_looks() -> None:
    camera = Camera()
    with started(camera) as opened:
        when_asked(camera, 3, lambda: pulses(camera, 3))
        assert [opened.read().sequence for _ in range(3)] == [2, 3, 4]


def test_a_part_for_which_there_was_no_room_is_told_in_its_place() -> None:
    camera = Camera()
    told: list[int | str] = []
    with started(camera) as opened:
        pulses(camera, 5)  # two wait, and three find nobody who asked
        camera.pulse()
        when_asked(camera, 3, camera.pulse)
        for _ in range(7):
            try:
                told.append(opened.read().sequence)
            except CaptureError as err:
                told.append(f"missed {opened.sequence}" if err.part_unseen else str(err))
    assert told == [2, 3, "missed 4", "missed 5", "missed 6", "missed 7", 8]


def test_parts_that_wait_while_the_camera_is_lost_are_told_of() -> None:
    camera = Camera()
    told: list[int | str] = []
    with started(camera) as opened:
        pulses(camera, 2)
        camera.unreadable = 1
        when_asked(camera, 3, camera.pulse)
        for _ in range(3):
            try:
                told.append(opened.read().sequence)
            except CaptureError as err:
                told.append(f"missed {opened.sequence}" if err.part_unseen else str(err))
    assert told == ["missed 2", "missed 3", 4]


def test_parts_that_nobody_reads_any_more_are_told_when_it_is_stopped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    camera = Camera()
    with caplog.at_level(logging.WARNING), started(camera) as opened:
        pulses(camera, 2)
        opened.interrupt()
    assert "parts that came while it was being stopped, and are not judged: 2" in caplog.text


def test_triggers_that_stay_away_are_a_fault_where_parts_come_at_least_so_often() -> None:
    camera = Camera()
    with started(camera, part_every_s=0.4) as opened:
        with pytest.raises(CaptureError, match=r"no part for 0\.4 s .* look at the trigger wire") as caught:
            opened.read()
        assert not caught.value.part_unseen
        when_asked(camera, 3, camera.pulse)
        assert opened.read().sequence == 2
    assert camera.opened == 2


# Lost, and back


def test_a_camera_that_falls_silent_is_closed_and_opened_again() -> None:
    camera = Camera()
    with source(camera, **FIXED) as opened:
        opened.read()
        camera.silent = True
        with pytest.raises(CaptureError, match=r"picamera2: no frame within 0\.3 s"):
            opened.read()
        with pytest.raises(CaptureError, match="is there, but gives no frame"):
            opened.read()
        camera.silent = False
        assert opened.read().sequence == 2
    assert camera.opened == camera.closed == 3


def test_a_camera_that_cannot_be_closed_ends_the_process_for_a_fresh_one() -> None:
    camera = Camera()
    opened = source(camera, **FIXED)
    opened.read()
    camera.silent = camera.closes_badly = True
    with pytest.raises(DeviceError, match="cannot be closed: Device or resource busy"):
        opened.read()


def test_a_call_that_does_not_come_back_is_left_behind() -> None:
    with pytest.raises(DeviceError, match=r"open camera: does not come back within 0\.1 s"):
        bounded(lambda: threading.Event().wait(5), 0.1, "open camera", ())
    assert bounded(lambda: 7, 5, "seven", ()) == 7
    with pytest.raises(RuntimeError, match="busy"):
        bounded(_busy, 5, "busy", (RuntimeError,))


def _busy() -> None:
    raise RuntimeError("busy")


@pytest.mark.parametrize("given", [{}, {"trigger": "software"}, TRIGGERED])
def test_a_blocked_read_ends_when_it_is_interrupted(given: dict[str, object]) -> None:
    camera = Camera()
    camera.silent = True
    with source(camera, **{**FIXED, "timeout_s": 60, **given}) as opened:
        threading.Timer(0.2, opened.interrupt).start()
        with pytest.raises(EndOfFrames):
            opened.read()
        with pytest.raises(EndOfFrames):
            opened.read()
    assert camera.closed == 1
