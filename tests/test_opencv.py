"""Video files, network streams that come and go, and what cameras do with their settings."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic_ns, sleep

import cv2
import numpy as np
import pytest

from edge.config import OpenCVSource
from edge.errors import CaptureError, ConfigError
from edge.sources import open_source
from edge.sources.damage import damage_is_handed_on
from edge.sources.exposure import adjusts_itself, controls, lock_exposure, lock_white_balance
from edge.sources.opencv import OpenCV, to_rgb
from edge.sources.pixel_format import lock_format
from edge.types import EndOfFrames, Frame

WIDTH, HEIGHT = 64, 48


def source(device: str | Path, **settings: object) -> OpenCV:
    values = {"type": "opencv", "device": str(device), "timeout_s": 2, "reconnect_s": 0.2, **settings}
    return OpenCV(OpenCVSource.model_validate(values))


def all_frames(opened: OpenCV) -> list[Frame]:
    frames = []
    with opened:
        while True:
            try:
                frames.append(opened.read())
            except EndOfFrames:
                return frames


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Five frames, ever brighter."""
    path = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (WIDTH, HEIGHT))
    for number in range(5):
        writer.write(np.full((HEIGHT, WIDTH, 3), 40 * number, np.uint8))
    writer.release()
    return path


class _Stream(BaseHTTPRequestHandler):
    """Motion JPEG, as network cameras send it: a red picture, until the camera is unplugged or falls silent."""

    def do_GET(self) -> None:
        camera = self.server
        assert isinstance(camera, Camera)
        red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        red[..., 2] = 200
        jpeg = cv2.imencode(".jpg", red)[1].tobytes()
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        camera.connections.append(self.connection)
        head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        try:
            while not camera.stopping.wait(0.01):
                if not camera.silent.is_set():
                    self.wfile.write(head + jpeg + b"\r\n")
        except OSError:
            return  # the other side has gone

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


class Camera(ThreadingHTTPServer):
    """A network camera on the loopback."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Stream)
        self.stopping, self.silent = threading.Event(), threading.Event()
        self.connections: list[socket.socket] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/stream.mjpg"

    def unplug(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already


@contextmanager
def camera(port: int = 0) -> Iterator[Camera]:
    plugged = Camera(port)
    try:
        yield plugged
    finally:
        plugged.unplug()


def test_a_video_is_read_frame_by_frame_to_its_end(video: Path) -> None:
    frames = all_frames(source(video))
    assert [frame.sequence for frame in frames] == [1, 2, 3, 4, 5]
    assert [abs(int(frame.image.mean()) - 40 * at) <= 4 for at, frame in enumerate(frames)] == [True] * 5
    assert frames[0].image.shape == (HEIGHT, WIDTH, 3)


def test_no_frame_of_a_video_may_be_dropped_though_a_camera_s_may(video: Path) -> None:
    assert source(video).triggered
    assert not source("/dev/video0").triggered
    assert source("/dev/video0", triggered=True).triggered


def test_a_video_that_has_ended_stays_ended(video: Path) -> None:
    with source(video) as opened:
        for _ in range(5):
            opened.read()
        for _ in range(2):
            with pytest.raises(EndOfFrames):
                opened.read()


def test_a_video_comes_no_faster_than_its_rate(video: Path) -> None:
    start_ns = monotonic_ns()
    all_frames(source(video, rate_hz=50))
    assert monotonic_ns() - start_ns >= 4 * 20_000_000


def test_colours_of_a_stream_are_red_green_and_blue_in_this_order() -> None:
    with camera() as plugged, source(plugged.address) as opened:
        red, green, blue = opened.read().image[20, 20]
    assert red > 150
    assert green < 60
    assert blue < 60


def test_a_stream_that_is_unplugged_is_a_fault_and_then_comes_back() -> None:
    with camera() as plugged, source(plugged.address) as opened:
        port = plugged.server_port
        before = opened.read()
        plugged.unplug()
        assert "is the address right, and the camera reachable?" in next_fault(opened)
        assert "cannot be opened" in next_fault(opened)
        with camera(port):
            after = read_when_back(opened)
    assert after.sequence > before.sequence


def next_fault(opened: OpenCV) -> str:
    """Frames that are still on their way are let pass."""
    for _ in range(1000):
        try:
            opened.read()
        except CaptureError as err:
            return str(err)
    raise AssertionError("the stream goes on and on")


def read_when_back(opened: OpenCV) -> Frame:
    for _ in range(20):
        try:
            return opened.read()
        except CaptureError:
            continue
    return opened.read()


def test_a_stream_that_is_not_there_at_the_start_is_a_fault_and_then_comes() -> None:
    with camera() as plugged:
        port = plugged.server_port
    with source(f"http://127.0.0.1:{port}/stream.mjpg") as opened:
        with pytest.raises(CaptureError, match="cannot be opened"):
            opened.read()
        with camera(port):
            assert read_when_back(opened).sequence == 1


def test_a_stream_that_falls_silent_is_a_fault() -> None:
    with camera() as plugged, source(plugged.address, timeout_s=0.5) as opened:
        opened.read()
        plugged.silent.set()
        next_fault(opened)
        plugged.silent.clear()
        assert read_when_back(opened).image.shape == (HEIGHT, WIDTH, 3)


def test_a_frame_of_a_stream_is_young_though_nobody_has_read_for_a_while() -> None:
    with camera() as plugged, source(plugged.address) as opened:
        opened.read()
        sleep(0.5)
        asked_ns = monotonic_ns()
        frame = opened.read()
    assert frame.captured_ns > asked_ns - 250_000_000


def test_a_frame_that_is_waited_for_can_be_interrupted() -> None:
    with camera() as plugged, source(plugged.address, timeout_s=10) as opened:
        opened.read()
        plugged.silent.set()
        threading.Timer(0.1, opened.interrupt).start()
        with pytest.raises(EndOfFrames):
            next_fault(opened)


def test_the_pause_before_another_attempt_can_be_interrupted() -> None:
    with source("/dev/video-of-nobody", reconnect_s=3600) as opened:
        threading.Timer(0.6, opened.interrupt).start()
        with pytest.raises(EndOfFrames):
            read_when_back(opened)


def test_a_camera_that_is_not_there_says_what_to_look_at() -> None:
    with source("/dev/video-of-nobody") as opened:
        with pytest.raises(CaptureError, match="/dev/video-of-nobody: cannot be opened; is it plugged in"):
            opened.read()
        assert opened.sequence == 0


def test_a_camera_that_stays_away_fills_no_log(capfd: pytest.CaptureFixture[str]) -> None:
    with source("/dev/video-of-nobody") as opened:
        for _ in range(2):
            with pytest.raises(CaptureError):
                opened.read()
    assert capfd.readouterr().err == ""


def test_a_video_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"source\.device: .*gone\.avi: no such file"),
        source(tmp_path / "gone.avi"),
    ):
        pass


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.avi").write_text("not a video")
    with (
        pytest.raises(ConfigError, match=r"notes\.avi: cannot be read; is it a video"),
        source(tmp_path / "notes.avi"),
    ):
        pass


def test_the_password_in_an_address_shows_nowhere() -> None:
    with source("rtsp://user:secret@127.0.0.1:1/stream") as opened:
        assert opened.name == "rtsp://127.0.0.1:1/stream"
        with pytest.raises(CaptureError) as caught:
            opened.read()
    assert "secret" not in str(caught.value)


def test_grey_blue_green_red_and_sixteen_bits_become_rgb() -> None:
    assert to_rgb(np.full((2, 2), 7, np.uint8), "x")[0, 0].tolist() == [7, 7, 7]
    assert to_rgb(np.full((2, 2, 1), 7, np.uint8), "x")[0, 0].tolist() == [7, 7, 7]
    assert to_rgb(np.full((2, 2), 0x8001, np.uint16), "x")[0, 0].tolist() == [128, 128, 128]
    assert to_rgb(np.full((2, 2, 3), (1, 2, 3), np.uint8), "x")[0, 0].tolist() == [3, 2, 1]
    assert to_rgb(np.full((2, 2, 4), (1, 2, 3, 9), np.uint8), "x")[0, 0].tolist() == [3, 2, 1]


def test_pixels_of_an_unknown_kind_are_a_fault() -> None:
    with pytest.raises(CaptureError, match="choose another pixel format"):
        to_rgb(np.zeros((2, 2, 2), np.uint8), "x")


class Webcam:
    """The settings of a camera that has adjusted itself, and rounds what it is set to; `fixed` it ignores."""

    def __init__(self, *fixed: int) -> None:
        self.fixed = fixed
        self.values = {
            cv2.CAP_PROP_AUTO_EXPOSURE: 3.0,
            cv2.CAP_PROP_EXPOSURE: 83.0,
            cv2.CAP_PROP_AUTO_WB: 1.0,
            cv2.CAP_PROP_WB_TEMPERATURE: 4600.0,
        }

    def get(self, prop: int, /) -> float:
        return self.values.get(prop, -1.0)

    def set(self, prop: int, value: float, /) -> bool:
        if prop in self.values and prop not in self.fixed:
            self.values[prop] = round(value)
        return True


def test_exposure_is_locked_at_what_the_camera_has_settled_on() -> None:
    webcam = Webcam()
    assert lock_exposure(webcam, None) is None
    assert webcam.values[cv2.CAP_PROP_AUTO_EXPOSURE] == 1
    assert controls(webcam) == {"exposure_time_us": 8300, "colour_temperature_k": 4600}


def test_a_wanted_exposure_is_set_in_units_of_the_camera() -> None:
    webcam = Webcam()
    assert lock_exposure(webcam, 4000) is None
    assert webcam.values[cv2.CAP_PROP_EXPOSURE] == 40


def test_a_camera_that_keeps_adjusting_its_exposure_is_told_of() -> None:
    assert (
        lock_exposure(Webcam(cv2.CAP_PROP_AUTO_EXPOSURE), 4000) == "automatic exposure cannot be switched off"
    )


def test_a_camera_that_ignores_the_wanted_exposure_is_told_of() -> None:
    assert lock_exposure(Webcam(cv2.CAP_PROP_EXPOSURE), 4000) == "exposure is 8300 us, not 4000"


def test_a_wanted_white_balance_is_set() -> None:
    webcam = Webcam()
    assert lock_white_balance(webcam, 5000) is None
    assert webcam.values[cv2.CAP_PROP_AUTO_WB] == 0
    assert controls(webcam)["colour_temperature_k"] == 5000


def test_a_camera_that_ignores_the_white_balance_is_told_of() -> None:
    assert (
        lock_white_balance(Webcam(cv2.CAP_PROP_WB_TEMPERATURE), 3000) == "white balance is 4600 K, not 3000"
    )
    switch = Webcam(cv2.CAP_PROP_AUTO_WB)
    assert lock_white_balance(switch, None) == "automatic white balance cannot be switched off"


def test_a_camera_without_these_switches_is_not_waited_for_and_is_told_of() -> None:
    webcam = Webcam()
    webcam.values = {}
    assert not adjusts_itself(webcam)
    assert lock_exposure(webcam, None) == "exposure cannot be locked: the driver has no switch for it"
    assert (
        lock_white_balance(webcam, 5000) == "white balance cannot be locked: the driver has no switch for it"
    )


def test_a_camera_that_is_locked_has_nothing_to_settle() -> None:
    webcam = Webcam()
    assert adjusts_itself(webcam)
    assert lock_exposure(webcam, None) is None
    assert lock_white_balance(webcam, None) is None
    assert not adjusts_itself(webcam)


def usb_camera(root: Path, nodrop: str, driver: str = "uvcvideo") -> Path:
    """The kernel's files of a camera."""
    (root / "sys/bus/usb/drivers" / driver).mkdir(parents=True)
    (root / "sys/class/video4linux/video7/device").mkdir(parents=True)
    (root / "sys/class/video4linux/video7/device/driver").symlink_to(root / "sys/bus/usb/drivers" / driver)
    (root / "sys/module/uvcvideo/parameters").mkdir(parents=True)
    (root / "sys/module/uvcvideo/parameters/nodrop").write_text(f"{nodrop}\n")
    return root


@pytest.mark.parametrize("nodrop", ["1", "Y"])
def test_a_driver_that_hands_on_damaged_pictures_is_told_of(tmp_path: Path, nodrop: str) -> None:
    said = damage_is_handed_on("/dev/video7", usb_camera(tmp_path, nodrop))
    assert said is not None
    assert "options uvcvideo nodrop=0" in said


@pytest.mark.parametrize("nodrop", ["0", "N"])
def test_a_driver_that_drops_damaged_pictures_is_fine(tmp_path: Path, nodrop: str) -> None:
    assert damage_is_handed_on("/dev/video7", usb_camera(tmp_path, nodrop)) is None


def test_another_driver_is_not_asked_for_what_it_does_not_have(tmp_path: Path) -> None:
    assert damage_is_handed_on("/dev/video7", usb_camera(tmp_path, "1", driver="vivid")) is None
    assert damage_is_handed_on("/dev/video8", tmp_path) is None


YUYV = cv2.VideoWriter.fourcc(*"YUYV")


class Formats(Webcam):
    """A camera of one format, size and rate, whatever it is asked for; it remembers what that was."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def get(self, prop: int, /) -> float:
        actual = {cv2.CAP_PROP_FOURCC: YUYV, cv2.CAP_PROP_FRAME_WIDTH: 640, cv2.CAP_PROP_FRAME_HEIGHT: 480}
        return {**actual, cv2.CAP_PROP_FPS: 29.97}.get(prop, -1.0)

    def set(self, prop: int, value: float, /) -> bool:  # noqa: ARG002 - it does as it likes
        self.asked.append(prop)
        return True


def wishes(**settings: object) -> OpenCVSource:
    return OpenCVSource.model_validate({"type": "opencv", "device": "/dev/video0", **settings})


def test_a_camera_that_does_as_it_is_asked_is_not_told_of() -> None:
    assert lock_format(Formats(), wishes(width=640, height=480, rate_hz=30, pixel_format="YUYV")) is None
    assert lock_format(Formats(), wishes()) is None


def test_the_pixel_format_is_asked_for_first_because_sizes_depend_on_it() -> None:
    camera = Formats()
    lock_format(camera, wishes(width=640, height=480, rate_hz=30, pixel_format="YUYV"))
    assert camera.asked[0] == cv2.CAP_PROP_FOURCC


def test_a_camera_that_gives_something_else_is_told_of() -> None:
    said = lock_format(Formats(), wishes(width=1280, height=960, rate_hz=60, pixel_format="MJPG"))
    assert said is not None
    assert "gives YUYV, not MJPG, 640×480, not 1280×960, 29.97 frames a second, not 60" in said


@pytest.mark.parametrize("size", [{"width": 640}, {"height": 480}])
def test_half_a_size_is_refused(size: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="width and height belong together"):
        wishes(**size)


@pytest.mark.parametrize("pixel_format", ["mjpg", "MJPEG", ""])
def test_a_pixel_format_has_four_letters_as_v4l2_writes_it(pixel_format: str) -> None:
    with pytest.raises(ValueError, match="pixel_format"):
        wishes(pixel_format=pixel_format)


def test_what_a_camera_does_not_know_of_itself_is_left_out() -> None:
    webcam = Webcam()
    webcam.values[cv2.CAP_PROP_WB_TEMPERATURE] = -1.0
    assert controls(webcam) == {"exposure_time_us": 8300}


@pytest.mark.device
@pytest.mark.skipif(not Path("/dev/video0").exists(), reason="no camera at /dev/video0")
def test_a_real_camera_gives_frames_and_complains_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), source("/dev/video0", timeout_s=5, lock_s=0.5) as opened:
        frames = [opened.read() for _ in range(10)]
    assert frames[-1].image.ndim == 3
    assert len(caplog.messages) == len(set(caplog.messages))


def test_the_settings_open_the_video(video: Path) -> None:
    assert isinstance(open_source(OpenCVSource(type="opencv", device=str(video))), OpenCV)
