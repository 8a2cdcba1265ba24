"""Any camera that GStreamer can read: a `gst-launch-1.0` of its own sends raw frames through a pipe.

What leaks or crashes in a driver's plug-in (Jetson's among them) does so in that process, which is ended and
started again. It never outlives the daemon: the kernel kills it with the thread that started it.
"""

import os
import select
import shlex
import shutil
import signal
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from time import monotonic, monotonic_ns
from types import TracebackType
from typing import Self

import numpy as np

from edge.config import GStreamerSource
from edge.errors import CaptureError, ConfigError
from edge.geometry import Image
from edge.service import bare_environment
from edge.sources.pacing import Pace
from edge.types import EndOfFrames, Frame

FIRST_PAUSE_S = 0.5
"""Longest, before the first attempt to start it again; it doubles with each."""
START_S = 15.0
"""Longer for the first frame: where it may not remember its plug-ins, GStreamer looks through all of them."""
OOM_SCORE = "500"
"""Where a plug-in leaks until memory is short, the kernel takes the pipeline: the daemon has -500."""
LAST_WORDS_BYTES = 4096
LAST_LINES = 3
"""Of what it said before it ended: the reason comes at the end."""
END_S = 2.0
"""A killed process is gone after so long, unless it hangs in a driver."""
PACKAGES = {"gst-launch-1.0": "gstreamer1.0-tools gstreamer1.0-plugins-base", "setpriv": "util-linux"}


class GStreamer:
    """A pipeline that is started again whenever it ends or falls silent, ever more slowly, inside `read`."""

    def __init__(self, config: GStreamerSource) -> None:
        """Raises `ConfigError` where a program is missing, or the pipeline's quotes do not match."""
        self._config = config
        self._command = command(config)
        self.name = f"gstreamer {self._command[self._command.index('-q') + 1]}"
        self.triggered = config.triggered
        self.sequence = 0
        """Number of the frame that was taken last; the first is 1."""
        self._pace = Pace(0.0)
        self._pause_s = 0.0
        self._child: _Child | None = None
        self._wake = os.fdopen(os.eventfd(0, os.EFD_CLOEXEC), "wb", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._wake.close()

    def read(self) -> Frame:
        """The next frame; `captured_ns` is when its first byte came, less the settings' latency.

        Raises `CaptureError` for each attempt that fails: another call pauses, then starts the pipeline anew.
        """
        self._pace.sleep(0)
        try:
            child = self._child or self._start()
            pixels, came_ns, came_at = child.frame()
        except CaptureError as err:
            self._end()
            raise CaptureError(f"{self.name}: {err}") from err
        self._pause_s = 0.0
        self.sequence += 1
        latency_ms = self._config.latency_ms
        captured_ns = came_ns - round(latency_ms * 1e6)
        captured_at = came_at - timedelta(milliseconds=latency_ms)
        return Frame(pixels, self.sequence, captured_ns, captured_at, self.name)

    def interrupt(self) -> None:
        """See `Source`."""
        self._pace.interrupt()
        if not self._wake.closed:
            os.eventfd_write(self._wake.fileno(), 1)

    def _start(self) -> "_Child":
        self._pace.sleep(self._pause_s * float(np.random.default_rng().uniform(0.5, 1.0)))
        self._pause_s = min(self._config.reconnect_s, max(FIRST_PAUSE_S, 2 * self._pause_s))
        self._child = _Child(self._command, self._config, self._wake.fileno())
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()


class _Child:
    """A running pipeline. For one thread: the kernel kills it when that ends."""

    def __init__(self, arguments: list[str], config: GStreamerSource, wake: int) -> None:
        self._width, self._height, self._timeout_s = config.width, config.height, config.timeout_s
        # GStreamer begins each row at a multiple of four bytes.
        self._stride_bytes = -(-3 * config.width // 4) * 4
        self._said = b""
        self._wake = wake
        self._started = False
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=_environment(),
                start_new_session=True,
            )
        except OSError as err:
            raise CaptureError(f"{arguments[0]} cannot be started: {err.strerror or err}") from err
        with suppress(OSError):
            Path(f"/proc/{self._process.pid}/oom_score_adj").write_text(OOM_SCORE)
        assert self._process.stdout is not None  # noqa: S101 - both are pipes
        assert self._process.stderr is not None  # noqa: S101
        self._frames, self._words = self._process.stdout.fileno(), self._process.stderr.fileno()
        self._poll = select.poll()
        for file in (self._frames, self._words, wake):
            self._poll.register(file, select.POLLIN)

    def frame(self) -> tuple[Image, int, datetime]:
        """A whole frame, and when its first byte came. Raises `CaptureError` and `EndOfFrames`."""
        memory = np.empty((self._height, self._stride_bytes), np.uint8)
        rest = memory.reshape(-1).data
        self._wait(self._timeout_s if self._started else self._timeout_s + START_S)
        self._started = True
        came_ns, came_at = monotonic_ns(), datetime.now(UTC)
        until_s = monotonic() + self._timeout_s
        while rest:
            count = os.readv(self._frames, [rest])
            if count == 0:
                raise CaptureError(self._how_it_ended())
            rest = rest[count:]
            if rest:
                self._wait(max(0.0, until_s - monotonic()))
        pixels = memory[:, : 3 * self._width].reshape(self._height, self._width, 3)
        return np.ascontiguousarray(pixels), came_ns, came_at

    def kill(self) -> None:
        """End it and whatever it has started, at once."""
        # It has not been reaped yet, so nobody else can have its number.
        os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):  # it hangs in its driver, and goes when that lets it
            self._process.wait(END_S)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _wait(self, limit_s: float) -> None:
        """Until there is a piece of a frame, or the end of all frames; what is said meanwhile is kept."""
        until_s = monotonic() + limit_s
        while True:
            ready = dict(self._poll.poll(max(0.0, until_s - monotonic()) * 1000))
            if self._wake in ready:
                raise EndOfFrames
            if self._words in ready and not self._listen():
                self._poll.unregister(self._words)
            if self._frames in ready:
                return
            if monotonic() >= until_s:
                raise CaptureError(f"no whole frame within {self._timeout_s:g} s{self._last_words()}")

    def _listen(self) -> bool:
        """Keep the last of what it says; False where it has said all."""
        said = os.read(self._words, LAST_WORDS_BYTES)
        self._said = (self._said + said)[-LAST_WORDS_BYTES:]
        return said != b""

    def _how_it_ended(self) -> str:
        until_s = monotonic() + END_S
        ended = None
        while ended is None and monotonic() < until_s:
            ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            Event().wait(0.01)
        while select.select([self._words], [], [], 0)[0] and self._listen():
            pass
        if ended is None:
            return f"gst-launch-1.0 has closed its end of the pipe{self._last_words()}"
        killed = ended.si_code != os.CLD_EXITED
        how = (
            f"was killed by {signal.Signals(ended.si_status).name}"
            if killed
            else f"ended with {ended.si_status}"
        )
        return f"gst-launch-1.0 {how}{self._last_words()}"

    def _last_words(self) -> str:
        lines = self._said.decode(errors="replace").split("\n")
        last = [line.strip() for line in lines if line.strip()][-LAST_LINES:]
        return f": {' / '.join(last)}" if last else ""


def command(config: GStreamerSource) -> list[str]:
    """The program and its arguments; no shell looks at them. Raises `ConfigError`."""
    try:
        source = shlex.split(config.pipeline)
    except ValueError as err:
        raise ConfigError(f"source.pipeline: {err}") from err
    if not any(source):
        raise ConfigError("source.pipeline: is empty; name a source, such as nvarguscamerasrc")
    paths = {program: shutil.which(program) for program in PACKAGES}
    for program, path in paths.items():
        if path is None:
            raise ConfigError(f"source.type: {program} is missing: sudo apt-get install {PACKAGES[program]}")
    rate = f",framerate={config.rate_hz}/1" if config.rate_hz else ""
    size = f"video/x-raw,format=RGB,width={config.width},height={config.height}{rate}"
    scaled = ["!", "videoconvert", "!", "videoscale", *(["!", "videorate"] if rate else [])]
    launched = [str(paths["gst-launch-1.0"]), "-q", *source, *scaled, "!", size, "!", "fdsink", "fd=1"]
    return [str(paths["setpriv"]), "--pdeathsig", "KILL", "--", *launched]


def _environment() -> dict[str, str]:
    """What GStreamer needs of ours: its own settings, and where it may remember its plug-ins."""
    wanted = ("HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "LIBCAMERA_LOG_LEVELS")
    ours = {name: text for name, text in os.environ.items() if name.startswith("GST_") or name in wanted}
    return {**bare_environment(), **ours, "LC_ALL": "C"}
