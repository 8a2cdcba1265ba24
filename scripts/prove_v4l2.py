"""Proof of the opencv source on V4L2: formats, sizes, rates, locks, and a camera that goes away and comes back.

Runs in the virtual machine of scripts/vm-run. The camera is the kernel's vivid, which shows colour bars. Times are
those of an emulated processor.
"""

import logging
import os
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from time import monotonic, monotonic_ns, sleep
from typing import Any

import cv2
from proof import CONTROL, Station, end, proven, shell, until

from edge.config import OpenCVSource
from edge.errors import CaptureError
from edge.sources.opencv import OpenCV
from edge.types import Frame

DRIVER = Path("/sys/bus/platform/drivers/vivid")
BARS = ((1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0))
"""Of which colours the bars are, from left to right: red, green, blue."""
BACK_S = 5.0
"""A camera that is back gives a frame within so long."""


class Complaints(logging.Handler):
    """What the source has warned of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        logging.getLogger("edge").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.said.append(record.getMessage())

    def take(self) -> str:
        """All since the last call."""
        said, self.said = self.said, []
        return "; ".join(said)


complaints = Complaints()


def main() -> None:
    """All of it."""
    plug()
    print(f"kernel {os.uname().release}, vivid, OpenCV {cv2.__version__}")
    formats_sizes_and_rates()
    what_it_cannot_do()
    the_time_of_a_frame()
    locks()
    away_and_back()
    other_faults()
    a_station()
    end()


def plug() -> None:
    """The camera is there, as from the factory."""
    shell("modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x00; udevadm settle")


def replug() -> None:
    """Out and in again: its settings are as from the factory."""
    (DRIVER / "unbind").write_text("vivid.0")
    (DRIVER / "bind").write_text("vivid.0")
    shell("udevadm settle")


@contextmanager
def camera(**settings: Any) -> Iterator[OpenCV]:
    """The source, open."""
    table = {"type": "opencv", "device": "/dev/video0", "lock_s": 0.3, **settings}
    with OpenCV(OpenCVSource.model_validate(table)) as source:
        yield source


def controls() -> dict[str, int]:
    """What the driver says of exposure and white balance."""
    names = (
        "auto_exposure",
        "exposure_time_absolute",
        "white_balance_automatic",
        "white_balance_temperature",
    )
    said = shell(f"v4l2-ctl -d /dev/video0 --get-ctrl {','.join(names)}")
    return {name: int(value.split()[0]) for name, value in (line.split(": ") for line in said.splitlines())}


def coloured(frame: Frame) -> bool:
    """Whether each bar has its colour."""
    height, width = frame.image.shape[:2]
    pixels = [frame.image[height * 3 // 4, (2 * at + 1) * width // 16] for at in range(len(BARS))]
    return all(
        (value > 140) if wanted else (value < 60)
        for pixel, bar in zip(pixels, BARS, strict=True)
        for value, wanted in zip(pixel, bar, strict=True)
    )


def formats_sizes_and_rates() -> None:
    """What is asked for is what comes."""
    for pixel_format in (None, "YUYV", "UYVY", "NV12", "YU12", "BGR3", "RGB3"):
        with camera(pixel_format=pixel_format, width=640, height=360, rate_hz=15) as source:
            frame = source.read()
        said = complaints.take()
        proven(
            f"colours are right from {pixel_format or 'the format that OpenCV chooses'}",
            ok=coloured(frame) and "not" not in said,
            found=said,
        )
    for width, height in ((320, 180), (640, 480), (1280, 720)):
        with camera(width=width, height=height, rate_hz=5) as source:
            frame = source.read()
        proven(
            f"{width}×{height} is {width}×{height}",
            ok=frame.image.shape == (height, width, 3) and "not" not in complaints.take(),
        )
    for rate_hz in (5, 15, 30):
        with camera(width=320, height=180, rate_hz=rate_hz) as source:
            times = [source.read().captured_ns for _ in range(20)]
        got_hz = 1e9 / statistics.median(after - before for before, after in pairwise(times))
        proven(
            f"{rate_hz} frames a second come", ok=abs(got_hz - rate_hz) < 0.1 * rate_hz, found=f"{got_hz:.1f}"
        )


def what_it_cannot_do() -> None:
    """What a camera cannot do is said, once."""
    for wish, words in (
        ({"pixel_format": "MJPG"}, "not MJPG"),
        ({"width": 650, "height": 500}, "not 650×500"),
        ({"width": 3840, "height": 2160, "rate_hz": 60}, "not 60"),
    ):
        with camera(**wish) as source:
            source.read()
        said = complaints.take()
        proven(f"{wish} is told of", ok=words in said, found=said)


def the_time_of_a_frame() -> None:
    """A frame carries the driver's time, and is young though nobody has asked for a while."""
    with camera(width=320, height=180, rate_hz=15) as source:
        ages_ms = [-(source.read().captured_ns - monotonic_ns()) / 1e6 for _ in range(20)]
        proven(
            "a frame's time is the driver's, on our clock",
            ok=0 < statistics.median(ages_ms) < 200,
            found=f"{statistics.median(ages_ms):.1f} ms old when read",
        )
        sleep(3)
        asked_ns = monotonic_ns()
        frame = source.read()
        late_ms = (frame.captured_ns - asked_ns) / 1e6
        proven(
            "after a rest of 3 s the next frame is a new one",
            ok=late_ms > -150,
            found=f"taken {late_ms:+.0f} ms from when it was asked for",
        )


def locks() -> None:
    """Exposure and white balance: as wanted, or as they were."""
    replug()
    with camera(exposure_time_us=8000, white_balance_k=5000) as source:
        frame = source.read()
    wanted = {
        "auto_exposure": 1,
        "exposure_time_absolute": 80,
        "white_balance_automatic": 0,
        "white_balance_temperature": 5000,
    }
    proven(
        "wanted exposure and white balance are set, and automatic is off",
        ok=controls() == wanted,
        found=controls(),
    )
    proven(
        "and are in every frame",
        ok=frame.controls == {"exposure_time_us": 8000, "colour_temperature_k": 5000},
        found=dict(frame.controls),
    )
    replug()
    proven(
        "a camera that was plugged in again adjusts itself",
        ok=controls()["auto_exposure"] == 3,
        found=controls(),
    )
    with camera() as source:
        frame = source.read()
    wanted = {
        "auto_exposure": 1,
        "exposure_time_absolute": 157,
        "white_balance_automatic": 0,
        "white_balance_temperature": 4600,
    }
    proven(
        "without wishes, both are locked where they are", ok=controls() == wanted, found=dict(frame.controls)
    )
    with camera(exposure_time_us=900000) as source:
        source.read()
    said = complaints.take()
    proven("an exposure that the camera cannot do is told of", ok="not 900000" in said, found=said)


def away_and_back() -> None:
    """Unplugged, and plugged in again: how soon is it noticed, and how soon does a frame come?"""
    replug()
    noticed, back = [], []
    with camera(width=640, height=360, rate_hz=15, exposure_time_us=8000) as source:
        source.read()
        for away_s in (0.5, 4, 15):
            (DRIVER / "unbind").write_text("vivid.0")
            gone = monotonic()
            said = until_fault(source)
            noticed.append(monotonic() - gone)
            while monotonic() < gone + away_s:
                until_fault(source)
            (DRIVER / "bind").write_text("vivid.0")
            there = monotonic()
            frame = until_frame(source)
            back.append(monotonic() - there)
            proven(
                f"away for {away_s} s: it is noticed, and then a frame comes",
                ok=frame is not None and back[-1] <= BACK_S,
                found=f"noticed in {noticed[-1]:.2f} s, frame {back[-1]:.2f} s after it was back; {said}",
            )
            held = controls()
            proven(
                "and it is locked as before",
                ok=held["auto_exposure"] == 1 and held["exposure_time_absolute"] == 80,
            )
    print(f"      camera back to first frame: at most {max(back):.2f} s; the aim is {BACK_S:g} s")


def until_fault(source: OpenCV) -> str:
    """Read until a read fails; gives what is said."""
    for _ in range(1000):
        try:
            source.read()
        except CaptureError as err:
            return str(err)
    return ""


def until_frame(source: OpenCV) -> Frame | None:
    """Read until there is a frame."""
    end_s = monotonic() + 30
    while monotonic() < end_s:
        try:
            return source.read()
        except CaptureError:
            continue
    return None


def other_faults() -> None:
    """Faults that vivid can be told to have, and a camera that somebody else has."""
    with camera(width=640, height=360, rate_hz=15) as source:
        source.read()
        shell("v4l2-ctl -d /dev/video0 --set-ctrl inject_fatal_streaming_error=1")
        said = until_fault(source)
        proven(
            "a stream that breaks is a fault, and comes back",
            ok=bool(said) and until_frame(source) is not None,
            found=said,
        )
    with camera(width=640, height=360, rate_hz=15, timeout_s=2) as source:
        source.read()
        shell("v4l2-ctl -d /dev/video0 --set-ctrl percentage_of_dropped_buffers=100")
        began = monotonic()
        said = until_fault(source)
        proven(
            "a camera that gives no more frames is a fault",
            ok="no frame within 2 s" in said,
            found=f"{monotonic() - began:.1f} s: {said}",
        )
        shell("v4l2-ctl -d /dev/video0 --set-ctrl percentage_of_dropped_buffers=0")
        began = monotonic()
        came = until_frame(source) is not None
        proven("and comes back", ok=came, found=f"{monotonic() - began:.1f} s")
    taker = subprocess.Popen(
        ["/usr/bin/v4l2-ctl", "-d", "/dev/video0", "--stream-mmap", "--stream-count=0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    sleep(2)
    with camera(width=640, height=360, rate_hz=15) as source:
        said = until_fault(source)
        proven("a camera that somebody else has is a fault", ok="free" in said, found=said)
        taker.terminate()
        taker.wait()
        proven("and is ours when that one has ended", ok=until_frame(source) is not None)
    complaints.take()


def a_station() -> None:
    """The daemon on the camera, which goes away and comes back."""
    source = 'type = "opencv"\ndevice = "/dev/video0"\nwidth = 640\nheight = 360\nrate_hz = 5'
    check = f'{{ name = "surface", bundle = "{CONTROL}/bundle" }}'
    station = Station(
        Path("/run/proof/station"),
        f"[source]\n{source}\n[recipe]\nchecks = [{check}]\n[quality]\nenabled = false",
    )
    began = monotonic()
    with station.running() as daemon:
        if not until(lambda: station.reports, 240):
            raise SystemExit(f"no report: {station.tail()}")
        print(f"      edge run: first verdict {monotonic() - began:.0f} s after its start")
        until(lambda: len(station.reports) > 5, 60)
        (DRIVER / "unbind").write_text("vivid.0")
        sleep(4)
        gone = len(station.reports)
        sleep(3)
        proven(
            "edge run: without a camera there are no verdicts",
            ok=len(station.reports) == gone and daemon.poll() is None,
        )
        (DRIVER / "bind").write_text("vivid.0")
        there = monotonic()
        came = until(lambda: len(station.reports) > gone, 30)
        back_s = monotonic() - there
        proven(
            "edge run: with the camera they come back", ok=came and back_s <= BACK_S, found=f"{back_s:.1f} s"
        )
        sequences = [said["sequence"] for said in station.reports]
        proven(
            "edge run: its frames are judged, in order",
            ok=sequences == sorted(set(sequences)) and all(said["checks"] for said in station.reports),
            found=f"{len(sequences)} reports",
        )
        told = [
            line
            for line in station.log.read_text().splitlines()
            if "source" in line and ("video0" in line or "well again" in line)
        ]
        proven(
            "edge run: one line in the log when it goes, one when it is back",
            ok=len(told) == 2,
            found=" / ".join(told),
        )
    proven("edge run: it ends well", ok=daemon.returncode == 0)


if __name__ == "__main__":
    main()
