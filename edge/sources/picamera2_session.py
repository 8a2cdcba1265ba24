"""One open libcamera camera: configured, started, asked for frames, closed. Nothing else knows picamera2."""

import gc
import importlib
import logging
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from edge.config import Picamera2Source
from edge.errors import CaptureError, ConfigError, DeviceError
from edge.geometry import Image
from edge.mailbox import Closed, Mailbox
from edge.sources import camera_controls
from edge.sources.bounded import bounded
from edge.sources.buffers import Layout, choose, to_rgb
from edge.sources.camera_controls import Controls
from edge.sources.sensor_clock import exposed_now_ns

CALL_LIMIT_S = 10.0
"""Opening takes 0.6 s with libcamera's virtual camera, and closing 0.1: a call that takes so much longer hangs."""
CANNOT_OPEN = (RuntimeError, OSError, IndexError)
CANNOT_CLOSE = (RuntimeError, OSError, KeyError, AttributeError)
"""What picamera2 raises then."""
BUFFERS = 6
AHEAD = 3
"""Frames of triggered parts that may wait in the camera's memory; the rest of the buffers is being filled."""
INSTALL = (
    "on Raspberry Pi OS: sudo apt-get install python3-picamera2, and make the environment of edge-inspect with "
    "python3 -m venv --system-site-packages"
)


class Library(NamedTuple):
    """The two modules, loaded."""

    picamera2: Any
    libcamera: Any


def load() -> Library:
    """picamera2 and libcamera. Raises `ConfigError` where one, or what they need, cannot be loaded."""
    # Both tell the journal of each opening, at length.
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:WARN")
    logging.getLogger("picamera2").setLevel(logging.WARNING)
    try:
        return Library(importlib.import_module("picamera2"), importlib.import_module("libcamera"))
    except ModuleNotFoundError as err:
        raise ConfigError(
            f"source.type: 'picamera2' needs the Python module '{err.name}', which is missing; {INSTALL}"
        ) from err
    except ValueError as err:
        # Debian's simplejpeg was built with Debian's NumPy, and an environment of its own has a newer one.
        raise ConfigError(
            f"source.type: picamera2 cannot be loaded: {err}; get one that fits the NumPy of this environment: "
            f"{sys.executable} -m pip install --force-reinstall --no-deps simplejpeg"
        ) from err
    except (ImportError, AttributeError) as err:
        raise ConfigError(f"source.type: picamera2 cannot be loaded: {err}; {INSTALL}") from err


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame as it was taken. `number` counts the sensor's frames, also those that nobody asked for."""

    image: Image
    evidence: Image | None
    exposed_ns: int
    number: int
    said: Mapping[str, Any]


class Session:
    """A started camera. `close` from any thread, the rest for one.

    Args:
        library: From `load`.
        config: The source's settings.
        held: Controls that an earlier session has settled on; those of the settings count first.
    """

    def __init__(self, library: Library, config: Picamera2Source, held: Controls) -> None:
        """Raises `CaptureError` where the camera is away or busy, and `DeviceError` where its driver hangs."""
        self.config = config
        self.held = {**held, **camera_controls.fixed(config)}
        self._library = library
        self._done: Mailbox[Any] = Mailbox(BUFFERS)
        self._asked = 0
        try:
            self._camera = bounded(self._open, CALL_LIMIT_S, "open camera", CANNOT_OPEN)
        except CANNOT_OPEN as err:
            raise CaptureError(f"cannot be opened: {_innermost(err)}; {_CONNECTED}") from err
        self.offered = frozenset(self._camera.camera_controls)

    def next_shot(self, timeout_s: float | None, *, since_ns: int = 0, ahead: int = 1) -> Shot:
        """The next frame whose exposure began after `since_ns`.

        `ahead` are asked for at once, so that as many may wait while nobody looks. Raises `TimeoutError`, `Closed`
        once the session is closed, and `CaptureError` for a frame that failed.
        """
        until_s = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while True:
            # picamera2's own `flush` needs an exposure time in the metadata, and not every camera says one.
            with self._next_request(until_s, ahead) as request:
                said = request.get_metadata()
                exposed_ns = exposed_now_ns(said["SensorTimestamp"], said.get("ExposureTime", 0))
                if exposed_ns >= since_ns:
                    return self._shot(request, said, exposed_ns)
            if time.monotonic() > until_s:
                raise TimeoutError

    def settle(self, timeout_s: float) -> list[str]:
        """Let the camera adjust itself for `lock_s`, then hold what it has found. Returns what does not hold.

        Frames are taken and thrown away until they are as they shall be. Raises as `next_shot` does.
        """
        if self.config.trigger == "hardware":
            return camera_controls.complaints(self.held, {}, self.offered)  # each frame is a part
        said, to_come = self._next_said(timeout_s), 0
        if camera_controls.to_settle(self.held, self.offered):
            until_s = time.monotonic() + self.config.lock_s
            while time.monotonic() < until_s:
                said = self._next_said(timeout_s)
            self.held = camera_controls.settled(self.held, said, self.offered)
            self._camera.set_controls(camera_controls.hold(self.held, self.offered))
            # What is set shows some frames later: those in the pipeline were begun before.
            to_come = BUFFERS if self.held.keys() & self.offered else 0
        for number in range(2 * BUFFERS):
            wrong = camera_controls.complaints(self.held, said, self.offered)
            if number >= to_come and not wrong:
                break
            said = self._next_said(timeout_s)
        return wrong

    def interrupt(self) -> None:
        """Make a blocked `next_shot` raise `Closed`. Any thread."""
        self._done.close()

    def close(self) -> int:
        """Let go of the camera, and say how many frames had come that nobody has read.

        Raises `DeviceError` where it cannot be let go: only a fresh process helps.
        """
        self._done.close()
        try:
            bounded(self._shut, CALL_LIMIT_S, "close camera", CANNOT_CLOSE)
        except CANNOT_CLOSE as err:
            raise DeviceError(f"the camera cannot be closed: {_innermost(err)}") from err
        return len(self._done)

    def _open(self) -> Any:
        library = self._library.picamera2
        # As long as anything is left of a camera that was lost, libcamera does not look again for what is there.
        gc.collect()
        camera = library.Picamera2(self._index())
        with ExitStack() as opening:
            opening.callback(camera.close)
            camera.configure(self._configuration(camera))
            camera.start()
            opening.pop_all()
        return camera

    def _index(self) -> int:
        wanted = self.config.camera
        for attempt in range(2):
            found = self._library.picamera2.Picamera2.global_camera_info()
            for index, camera in enumerate(found):
                if wanted in camera.get("Model", "") or wanted in camera["Id"]:
                    return index
            if attempt == 0:
                # libcamera lists what was there when it started; a fresh one looks again.
                self._library.picamera2.Picamera2._cm.reset()  # noqa: SLF001 - there is no other way
        names = ", ".join(camera.get("Model", camera["Id"]) for camera in found) or "none"
        raise RuntimeError(f"no camera {wanted!r}; there is: {names}" if wanted else "no camera is there")

    def _configuration(self, camera: Any) -> dict[str, Any]:
        config, libcamera = self.config, self._library.libcamera
        offered = camera.camera.generate_configuration([libcamera.StreamRole.Viewfinder] * 2)
        formats = [[str(name) for name in offered.at(index).formats.pixel_formats] for index in range(2)]
        main = {"size": (config.width, config.height), "format": _format(formats[0], yuv_only=False)}
        lores = None
        if config.lores_width:
            # The second output of a Pi 4's image processor has no RGB.
            yuv_only = camera.platform == self._library.picamera2.Platform.VC4
            size = (config.lores_width, config.lores_height)
            lores = {"size": size, "format": _format(formats[1], yuv_only=yuv_only)}
        return dict(
            camera.create_video_configuration(
                main=main,
                lores=lores,
                # What OpenCV takes YUV for; both outputs have one colour space.
                colour_space=libcamera.ColorSpace.Smpte170m(),
                buffer_count=BUFFERS,
                controls=camera_controls.at_start(config, self.held, camera.camera_controls),
                display=None,
                encode=None,
            )
        )

    def _signal(self, job: Any) -> None:
        """On picamera2's thread."""
        with suppress(Closed):  # nobody waits any more
            self._done.put(job)

    def _next_said(self, timeout_s: float) -> Mapping[str, Any]:
        with self._next_request(time.monotonic() + timeout_s, 1) as request:
            said: Mapping[str, Any] = request.get_metadata()
        return said

    @contextmanager
    def _next_request(self, until_s: float, ahead: int) -> Iterator[Any]:
        """A frame in the camera's memory, which goes back to the camera at the end."""
        while self._asked < ahead:
            self._asked += 1
            # With a time-out of picamera2's own, an abandoned request would swallow the next frame.
            self._camera.capture_request(signal_function=self._signal)
        job = self._done.get(None if until_s == math.inf else max(0.0, until_s - time.monotonic()))
        self._asked -= 1
        try:
            request = job.get_result(0)
            try:
                yield request
            finally:
                request.release()
        except (RuntimeError, OSError, ValueError, KeyError) as err:
            # Of a sensor that is triggered, each frame is a part.
            is_part = self.config.trigger == "hardware"
            raise CaptureError(f"a frame cannot be read: {_innermost(err)}", part_unseen=is_part) from err

    def _shot(self, request: Any, said: Mapping[str, Any], exposed_ns: int) -> Shot:
        large = self._pixels(request, "main")
        image = self._pixels(request, "lores") if self.config.lores_width else None
        judged, evidence = (large, None) if image is None else (image, large)
        return Shot(judged, evidence, exposed_ns, _number(request), said)

    def _pixels(self, request: Any, stream: str) -> Image:
        have = request.config[stream]
        (width, height) = have["size"]
        layout = Layout(have["format"], width, height, have["stride"])
        # Converted straight from the camera's memory: the one pass over it is the copy.
        with self._library.picamera2.MappedArray(request, stream, reshape=False, write=False) as mapped:
            return to_rgb(mapped.array, layout)

    def _shut(self) -> None:
        self._camera.cancel_all_and_flush()
        self._camera.close()


_CONNECTED = (
    "is its cable in at both ends, and no other program using it? rpicam-hello --list-cameras shows it"
)


def _format(offered: list[str], *, yuv_only: bool) -> str:
    chosen = choose(offered, yuv_only=yuv_only)
    if chosen is None:
        raise RuntimeError(f"its formats are {', '.join(offered)}: none that can be read")
    return chosen


def _number(request: Any) -> int:
    """Of the sensor's frames, from the raw stream where there is one: what comes after may count for itself."""
    streams = request.stream_map
    stream = streams["main"] if streams.get("raw") is None else streams["raw"]
    return int(request.request.buffers[stream].metadata.sequence)


def _innermost(error: BaseException) -> BaseException:
    """picamera2 wraps what went wrong: the reason is at the bottom."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
