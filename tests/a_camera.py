"""A camera with what the virtual one of libcamera lacks: a sensor that settles, a trigger wire, and padded rows.

It answers as much of picamera2 as the source asks, at once and without threads. The real picamera2 is in
`scripts/prove-picamera2`.
"""

import time
from collections.abc import Callable
from enum import Enum
from types import SimpleNamespace
from typing import Any, Self

import numpy as np

from edge.sources.picamera2_session import Library

OFFERED = (
    "ExposureTime", "AnalogueGain", "AeEnable", "ColourGains", "AwbEnable", "LensPosition", "AfMode", "AfTrigger",
    "FrameDurationLimits",
)  # fmt: skip
STRIDE = 256
Y, U, V = 120, 90, 160
"""The one colour that it sees."""


class Platform(Enum):
    VC4 = 0
    PISP = 1


class Camera:
    """A sensor and its settings. `library()` gives what the source takes for picamera2 and libcamera.

    Its automatic control goes from 9 ms to 4 in steps of one, and what is set shows `delay` frames later. The next
    `stale` frames are ten seconds old.
    """

    def __init__(
        self, *, platform: Platform = Platform.VC4, offered: tuple[str, ...] = OFFERED, delay: int = 3
    ) -> None:
        self.platform, self.offered, self.delay = platform, offered, delay
        self.models = ["imx708"]
        self.silent = self.waits_for_pulse = self.closes_badly = False
        self.stale = self.unreadable = 0
        self.number = -1
        self.ended_ns = 0
        self.streams: dict[str, Any] = {}
        self.exposure_us, self.lens = 9000, 0.0
        self.set: dict[str, Any] = {}
        self.coming: list[tuple[int, dict[str, Any]]] = []
        self.started_with: list[dict[str, Any]] = []
        self.formats: list[str] = []
        self.jobs: list[Callable[[Any], None]] = []
        self.resets = self.opened = self.closed = self.released = 0

    def library(self) -> Library:
        camera = self

        class Picamera2(Opened):
            sensor = camera
            platform = camera.platform
            _cm = SimpleNamespace(reset=camera.reset)

            @staticmethod
            def global_camera_info() -> list[dict[str, Any]]:
                return [
                    {"Model": model, "Id": f"/base/i2c@1/{model}@1a", "Num": 0} for model in camera.models
                ]

        roles = SimpleNamespace(Viewfinder="viewfinder")
        spaces = SimpleNamespace(Smpte170m=lambda: "smpte170m")
        library = SimpleNamespace(Picamera2=Picamera2, Platform=Platform, MappedArray=MappedArray)
        return Library(library, SimpleNamespace(StreamRole=roles, ColorSpace=spaces))

    def reset(self) -> None:
        self.resets += 1

    def pulse(self) -> None:
        """The trigger wire: a frame, which is lost where nobody has asked for it."""
        self.expose()
        if self.jobs:
            self.jobs.pop(0)(Job(Request(self)))

    def expose(self) -> None:
        self.number += 1
        for due, controls in list(self.coming):
            if due <= self.number:
                self.set |= controls
                self.coming.remove((due, controls))
        if "Stubborn" in self.offered:
            self.set.pop("ExposureTime", None)
        self.exposure_us = self.set.get("ExposureTime", max(4000, self.exposure_us - 1000))
        self.lens = self.set.get("LensPosition", 4.0 if self.set.get("AfMode") == 1 else 0.0)
        time.sleep(self.exposure_us / 1e6)
        self.ended_ns = time.monotonic_ns() - (10 * 10**9 if self.stale > 0 else 0)
        self.stale -= 1

    def says(self) -> dict[str, Any]:
        all_of_it = {
            "ExposureTime": self.exposure_us,
            "AnalogueGain": self.set.get("AnalogueGain", 2.5),
            "ColourGains": self.set.get("ColourGains", (1.9, 1.6)),
            "LensPosition": self.lens,
        }
        said = {name: value for name, value in all_of_it.items() if name in self.offered}
        return {**said, "SensorTimestamp": self.ended_ns, "ColourTemperature": 4100, "FrameDuration": 33333}


class Opened:
    """A `Picamera2`."""

    sensor: Camera

    def __init__(self, index: int) -> None:
        if index >= len(self.sensor.models):
            raise RuntimeError("no such camera")
        self.sensor.opened += 1
        self.camera = self
        self.stream_formats = ["XBGR8888", "BGR888", "RGB888", "YUV420", "NV12"]

    @property
    def camera_controls(self) -> dict[str, Any]:
        return dict.fromkeys(self.sensor.offered, (0, 1, 0))

    def generate_configuration(self, roles: list[str]) -> Any:
        formats = SimpleNamespace(pixel_formats=self.stream_formats)
        return SimpleNamespace(at=lambda _index: SimpleNamespace(formats=formats), roles=roles)

    def create_video_configuration(self, **settings: Any) -> dict[str, Any]:
        return settings

    def configure(self, settings: dict[str, Any]) -> None:
        self.sensor.streams = settings
        self.sensor.started_with.append(settings["controls"])
        self.sensor.set = dict(settings["controls"])
        self.sensor.formats = [settings[name]["format"] for name in ("main", "lores") if settings[name]]

    def start(self) -> None:
        pass

    def set_controls(self, controls: dict[str, Any]) -> None:
        self.sensor.coming.append((self.sensor.number + self.sensor.delay, controls))

    def capture_request(self, signal_function: Callable[[Any], None]) -> None:
        self.sensor.jobs.append(signal_function)
        if not self.sensor.silent and not self.sensor.waits_for_pulse:
            self.sensor.pulse()

    def cancel_all_and_flush(self) -> None:
        self.sensor.jobs.clear()

    def close(self) -> None:
        self.sensor.closed += 1
        if self.sensor.closes_badly:
            raise RuntimeError("Device or resource busy")


class Job:
    def __init__(self, request: "Request") -> None:
        self._request = request

    def get_result(self, _timeout: float) -> "Request":
        return self._request  # it is done


class Request:
    """A frame in the camera's memory."""

    def __init__(self, sensor: Camera) -> None:
        self.sensor, self._said = sensor, sensor.says()
        self.config = {
            name: _buffer(sensor.streams[name]) for name in ("main", "lores") if sensor.streams[name]
        }
        self.stream_map = {"main": "main", "raw": "raw"}
        number = sensor.number
        # The image processor counts what it was given: only the raw stream knows what was lost.
        self.request = SimpleNamespace(
            buffers={
                "main": SimpleNamespace(metadata=SimpleNamespace(sequence=0)),
                "raw": SimpleNamespace(metadata=SimpleNamespace(sequence=number)),
            }
        )

    def get_metadata(self) -> dict[str, Any]:
        return self._said

    def release(self) -> None:
        self.sensor.released += 1


def _buffer(wanted: dict[str, Any]) -> dict[str, Any]:
    width, _height = wanted["size"]
    bytes_a_pixel = 1 if wanted["format"] in {"YUV420", "NV12"} else 3
    return {**wanted, "stride": -(-width * bytes_a_pixel // STRIDE) * STRIDE}


class MappedArray:
    def __init__(self, request: Request, stream: str, *, reshape: bool, write: bool) -> None:
        if request.sensor.unreadable:
            request.sensor.unreadable -= 1
            raise RuntimeError("failed to find buffer")
        assert not reshape
        assert not write
        have = request.config[stream]
        (_, height), stride = have["size"], have["stride"]
        if have["format"] == "YUV420":
            planes = ((Y, height * stride), (U, height * stride // 4), (V, height * stride // 4))
            self.array = np.concatenate([np.full(size, value, np.uint8) for value, size in planes])
        else:
            self.array = np.full(height * stride + 4096, 7, np.uint8)  # memory is rounded up to pages

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.array = np.empty(0, np.uint8)
