"""V4L2 cameras, network streams and video files, read with OpenCV.

OpenCV's calls may block for as long as a driver or a network likes. So each connection is opened, read and
released by a thread of its own, which can be left behind: it ends when its call returns.
"""

import logging
import math
import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt

from edge.config import OpenCVSource
from edge.errors import CaptureError, ConfigError, DeviceError
from edge.geometry import Image
from edge.mailbox import Closed, Mailbox
from edge.sources.damage import damage_is_handed_on
from edge.sources.exposure import adjusts_itself, controls, lock_exposure, lock_white_balance
from edge.sources.pacing import Pace
from edge.sources.pixel_format import lock_format
from edge.types import EndOfFrames, Frame

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
"""Longest, before the first attempt to reconnect; it doubles with each."""

LONGEST_PAUSE_S = 1.0
"""Before another attempt to open a camera of this machine: to look whether it is there costs nothing."""

OLDEST_NS = 10_000_000_000
"""A driver whose frames are older than this, or of the future, counts time in a way of its own."""

LAST_WAIT_S = 2.0
"""So long, leaving waits for a thread that is inside OpenCV."""

# FFmpeg and V4L2 say for each attempt what our own errors say once.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


class _Kind(Enum):
    CAMERA = "is it plugged in, free, and are we in the group 'video'?"
    STREAM = "is the address right, and the camera reachable?"
    FILE = "is it a video?"


@dataclass(frozen=True, eq=False)
class _Shot:
    """A picture as OpenCV gives it, and when it was grabbed."""

    picture: npt.NDArray[Any]
    captured_ns: int
    captured_at: datetime
    settings: "_Settings"


@dataclass(frozen=True)
class _Settings:
    """How a camera is set, and what it could not be set to."""

    controls: Mapping[str, float] = field(default_factory=dict)
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True)
class _End:
    """No more pictures from this connection; `reason` is None where a video file has simply ended."""

    reason: str | None


class OpenCV:
    """A camera, a stream or a video file. A lost camera is connected again, ever more slowly, inside `read`.

    A video file is read in full: its frames are triggered parts, at `rate_hz` or as fast as they are judged.
    """

    def __init__(self, config: OpenCVSource) -> None:
        self._config = config
        self._kind = _kind(config.device)
        self.name = re.sub(r"://[^/@]*@", "://", config.device)  # reports and logs show no password
        self.triggered = config.triggered or self._kind is _Kind.FILE
        self.sequence = 0
        """Number of the frame that was taken last; the first is 1."""
        # OpenCV's own time-out of 10 s would end the wait for a camera with a trigger, and hold up a reconnection.
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(math.ceil(config.timeout_s)))
        self._pace = Pace(config.rate_hz if self._kind is _Kind.FILE else 0.0)
        self._pause_s = 0.0
        self._connection: _Connection | None = None
        self._left: _Connection | None = None
        self._complaints: set[str] = set()
        self._held: Mapping[str, float] = {}
        """How the camera was locked: after it was away, it is to look as it did before."""

    def __enter__(self) -> Self:
        """Raises `ConfigError` where the device is a file that is no video."""
        if self._kind is _Kind.FILE:
            if not Path(self._config.device).is_file():
                raise ConfigError(
                    f"source.device: {self.name}: no such file; name a video, /dev/video0, or rtsp://host/…"
                )
            video = cv2.VideoCapture(self._config.device, cv2.CAP_FFMPEG)
            readable = video.isOpened()
            video.release()
            if not readable:
                raise ConfigError(f"source.device: {self.name}: cannot be read; {self._kind.value}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._disconnect()
        if self._left is not None:
            # A thread that comes back from C++ while Python shuts down aborts the process.
            self._left.thread.join(LAST_WAIT_S)

    def read(self) -> Frame:
        """The next frame; `captured_ns` is the driver's time of a camera, and else when it was grabbed.

        Frames that came while nobody read are gone, unless each is a part of its own.

        Raises `CaptureError` for each attempt that fails: another call pauses, then connects anew. Raises
        `EndOfFrames` at the end of a video file.
        """
        self._pace.wait()
        shot = self._shot()
        self._warn(shot.settings.complaints)
        self._held = shot.settings.controls
        self.sequence += 1
        return Frame(
            to_rgb(shot.picture, self.name),
            self.sequence,
            shot.captured_ns,
            shot.captured_at,
            self.name,
            controls=shot.settings.controls,
        )

    def interrupt(self) -> None:
        """See `Source`."""
        self._pace.interrupt()
        connection = self._connection
        if connection is not None:
            connection.mail.close()

    def _shot(self) -> _Shot:
        timeout_s = self._config.timeout_s
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect()
            timeout_s += self._config.timeout_s + self._config.lock_s
        self._pace.sleep(0)  # interrupted just before there was a connection to close
        connection.wanted.set()
        try:
            got = connection.mail.get(timeout_s)
        except TimeoutError:
            got = _End(f"no frame within {self._config.timeout_s:g} s; {self._kind.value}")
        except Closed:
            self._pace.sleep(0)
            raise DeviceError(
                f"{self.name}: the thread that reads it has died; its traceback is in the log"
            ) from None
        if isinstance(got, _Shot):
            self._pause_s = FIRST_PAUSE_S
            return got
        self._disconnect()
        if got.reason is None:
            self._pace.interrupt()  # it has ended for good
            raise EndOfFrames
        raise CaptureError(f"{self.name}: {got.reason}")

    def _connect(self) -> "_Connection":
        self._pace.sleep(self._pause_s * float(np.random.default_rng().uniform(0.5, 1.0)))
        longest_s = LONGEST_PAUSE_S if self._kind is _Kind.CAMERA else self._config.reconnect_s
        self._pause_s = min(self._config.reconnect_s, longest_s, max(FIRST_PAUSE_S, 2 * self._pause_s))
        if self._left is not None and self._left.thread.is_alive():
            raise CaptureError(f"{self.name}: its driver does not answer; unplug it and plug it in again")
        return _Connection(self._config, self._kind, self.name, self._held)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.mail.close()
            self._left, self._connection = self._connection, None

    def _warn(self, complaints: tuple[str, ...]) -> None:
        """Once for each complaint, however often the camera is connected again."""
        for complaint in complaints:
            if complaint not in self._complaints:
                self._complaints.add(complaint)
                log.warning("%s: %s", self.name, complaint)


@dataclass(eq=False)
class _Connection:
    """One open device, and the thread that alone touches it. It ends when `mail` is closed.

    The thread takes every frame out of the driver, so that none is old, and decodes those that are `wanted`.
    """

    config: OpenCVSource
    kind: _Kind
    name: str
    held: Mapping[str, float]
    wanted: threading.Event = field(default_factory=threading.Event)
    mail: Mailbox[_Shot | _End] = field(default_factory=lambda: Mailbox(1))

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, name=f"read {self.name}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        capture = _opened(self.config, self.kind)
        try:
            if not capture.isOpened():
                self.mail.put(_End(f"cannot be opened; {self.kind.value}"))
                return
            settings = self._set_up(capture) if self.kind is _Kind.CAMERA else _Settings()
            every = self.kind is _Kind.FILE or self.config.triggered
            while not self.mail.closed and capture.grab():
                captured_ns, captured_at = _taken(capture, self.kind)
                if not every and not self.wanted.is_set():
                    continue
                readable, picture = capture.retrieve()
                if not readable or picture is None:  # a JPEG that USB has cut short
                    if every:
                        break
                    continue
                self.wanted.clear()
                self.mail.put(_Shot(np.asarray(picture), captured_ns, captured_at, settings))
            ended = self.kind is _Kind.FILE
            self.mail.put(_End(None if ended else f"the picture is lost; {self.kind.value}"))
        except Closed:
            pass  # nobody wants its pictures any more
        except cv2.error as err:
            self.mail.put(_End(f"cannot be read: {err.err}"))
        finally:
            capture.release()
            self.mail.close()

    def _set_up(self, capture: cv2.VideoCapture) -> _Settings:
        """Format, then exposure and white balance: known ones at once, others when they have settled."""
        config, held = self.config, self.held
        complaints = [damage_is_handed_on(config.device), lock_format(capture, config)]
        exposure_us = config.exposure_time_us or held.get("exposure_time_us")
        white_balance_k = config.white_balance_k or held.get("colour_temperature_k")
        locks = ((lock_exposure, exposure_us), (lock_white_balance, white_balance_k))
        complaints += [lock(capture, wanted) for lock, wanted in locks if wanted]
        if not all(wanted for _, wanted in locks) and adjusts_itself(capture):
            settled_s = time.monotonic() + config.lock_s
            while time.monotonic() < settled_s and capture.grab():
                pass
        complaints += [lock(capture, None) for lock, wanted in locks if not wanted]
        return _Settings(controls(capture), tuple(complaint for complaint in complaints if complaint))


def to_rgb(picture: npt.NDArray[Any], name: str) -> Image:
    """RGB pixels of what OpenCV gives: BGR, BGRA or grey; 16 bits are divided by 256. Raises `CaptureError`."""
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    channels = picture.shape[2] if picture.ndim > 2 else 1  # noqa: PLR2004 - rows and columns
    conversions = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
    if picture.dtype != np.uint8 or channels not in conversions:
        raise CaptureError(
            f"{name}: gives {channels} channels of {picture.dtype}; choose another pixel format"
        )
    return np.asarray(cv2.cvtColor(picture, conversions[channels]), np.uint8)


def _kind(device: str) -> _Kind:
    if device.startswith("/dev/"):
        return _Kind.CAMERA
    return _Kind.STREAM if "://" in device else _Kind.FILE


def _opened(config: OpenCVSource, kind: _Kind) -> cv2.VideoCapture:
    if kind is _Kind.CAMERA:
        return cv2.VideoCapture(config.device, cv2.CAP_V4L2)
    timeout_ms = round(config.timeout_s * 1000)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms]
    return cv2.VideoCapture(config.device, cv2.CAP_FFMPEG, limits)


def _taken(capture: cv2.VideoCapture, kind: _Kind) -> tuple[int, datetime]:
    """When the grabbed frame was taken: `time.monotonic_ns`, and the time of day."""
    now_ns, now = time.monotonic_ns(), datetime.now(UTC)
    if kind is not _Kind.CAMERA:
        return now_ns, now
    # V4L2 stamps a frame with the monotonic clock; OpenCV hands it on as milliseconds.
    stamp_ns = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
    age_ns = now_ns - stamp_ns
    if not 0 <= age_ns < OLDEST_NS:
        return now_ns, now
    return stamp_ns, now - timedelta(microseconds=age_ns / 1000)
