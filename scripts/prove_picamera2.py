"""Proof of the source `picamera2`, inside the Debian that scripts/prove-picamera2 makes.

The camera is libcamera's virtual one; picamera2 and libcamera are the real ones. What stands for a Raspberry Pi is
in `virtual_camera/`; the file `fate` pulls the plug.
"""

import json
import logging
import platform
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import PIL.Image

from edge.config import Picamera2Source, SyntheticSource
from edge.errors import CaptureError, DeviceError
from edge.preprocess.layout import InputSpec
from edge.preprocess.tensor import prepare
from edge.sources.picamera2 import Picamera2
from edge.sources.picamera2_session import AHEAD, Session, load
from edge.sources.synthetic import Synthetic
from edge.types import Frame

WORK = Path("/tmp/proof")  # noqa: S108 - a file system of our own
FATE = Path("/tmp/fate")  # noqa: S108
CAMERAS = Path("/usr/share/libcamera/pipeline/virtual/virtual.yaml")
WIDTH, HEIGHT, SIDE = 1280, 960, 224
LIMIT_MS = 1.0
BACK_WITHIN_S = 5.0
CARD = {(0, 0): (180, 60, 60), (0, 1): (60, 160, 60), (1, 0): (60, 70, 180), (1, 1): (120, 120, 120)}
"""Colours of the four quarters of a test card, by row and column."""
FIXED = {"exposure_time_us": 4000, "analogue_gain": 1.0, "colour_gains": (1.5, 1.5)}

failures = 0


def proved(what: str, holds: object, figure: str = "") -> None:
    """Print a line of the proof."""
    global failures  # noqa: PLW0603 - the proof's one count
    failures += not holds
    print(f"{'ok  ' if holds else 'FAIL'} {what}{f': {figure}' if figure else ''}", flush=True)


def plug(*names: str) -> None:
    """These cameras are there, from the next time that libcamera looks; each shows the pictures of its folder."""
    sizes = "".join(
        f"  - width: {width}\n    height: {height}\n    frame_rates: [30, 60]\n"
        for width, height in ((WIDTH, HEIGHT), (SIDE, SIDE))
    )
    cameras = (
        f'"{name}":\n  supported_formats:\n{sizes}  frames:\n    path: "{WORK}/{name}/"\n'
        f'  location: "CameraLocationBack"\n  model: "imx-{name}"\n'
        for name in names
    )
    CAMERAS.write_text("%YAML 1.1\n---\n" + "".join(cameras))


def befall(what: str | None) -> None:
    """Let something happen to the camera, or end it."""
    if what is None:
        FATE.unlink(missing_ok=True)
    else:
        FATE.write_text(what)


def source(camera: str, **settings: Any) -> Picamera2:
    """A source as a station would open it."""
    return Picamera2(Picamera2Source(type="picamera2", camera=camera, **settings))


def draw() -> None:
    """What the cameras see: a test card, good parts for the lesson, others for the line, and faulty ones."""
    folders = {name: WORK / name for name in ("card", "good", "fine", "faulty")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    card = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for (row, column), colour in CARD.items():
        card[row * 480 : row * 480 + 480, column * 640 : column * 640 + 640] = colour
    PIL.Image.fromarray(card).save(folders["card"] / "0.jpg", quality=95)
    parts = Synthetic(SyntheticSource(type="synthetic", width=WIDTH, height=HEIGHT, defect_rate=0, seed=3))
    for number in range(32):
        image = np.ascontiguousarray(parts.read().image)
        folder = folders["good"] if number < 24 else folders["fine"]
        PIL.Image.fromarray(image).save(folder / f"{number % 24}.jpg", quality=95)
        if number >= 24:
            cv2.line(image, (440, 400 + 8 * number), (840, 560 - 8 * number), (15, 15, 15), 24)
            PIL.Image.fromarray(image).save(folders["faulty"] / f"{number % 24}.jpg", quality=95)


def prove_frames() -> None:
    """Sizes, colours, clocks."""
    with source("card") as camera:
        before_ns = time.monotonic_ns()
        frames = [camera.read() for _ in range(30)]
        after_ns = time.monotonic_ns()
    frame = frames[-1]
    assert frame.evidence is not None  # noqa: S101 - for the type checker
    judged, kept = (f"{picture.shape[1]}×{picture.shape[0]}" for picture in (frame.image, frame.evidence))
    sizes = f"{judged} to judge, {kept} to keep"
    proved("both pictures come in their sizes", frame.image.shape[:2] == (SIDE, SIDE), sizes)
    for name, picture in (("judged", frame.image), ("kept", frame.evidence)):
        # The virtual camera puts a JPEG's full range where libcamera promised the limited one.
        off = max(
            abs(float(seen) - (colour - 16) * 255 / 219)
            for (row, column), colours in CARD.items()
            for seen, colour in zip(_quarter(picture, row, column), colours, strict=True)
        )
        proved(
            f"red, green, blue and grey lie where they were drawn, {name} picture",
            off < 8,
            f"off by {off:.1f} at most",
        )
    stamps = [frame.captured_ns for frame in frames]
    ages_ms = (after_ns - stamps[-1]) / 1e6
    proved(
        "time stamps are of the monotonic clock, and rise",
        sorted(set(stamps)) == stamps and stamps[0] > before_ns - 1e9,
    )
    proved("the last frame is as old as it took to read it", 0 <= ages_ms < 200, f"{ages_ms:.0f} ms")


def _quarter(picture: Any, row: int, column: int) -> Any:
    height, width = picture.shape[:2]
    return picture[height * (2 * row + 1) // 4, width * (2 * column + 1) // 4]


def prove_speed() -> None:
    """From the camera's memory to the model's tensor: a copy, and no resizing."""
    spec = InputSpec(SIDE, SIDE)
    session = Session(load(), Picamera2Source(type="picamera2", camera="fine"), {})
    times: dict[str, list[float]] = {"lores": [], "main": [], "kept": []}
    same = True
    for _ in range(100):
        with session._next_request(time.monotonic() + 5, 1) as request:
            start = time.perf_counter()
            small = session._pixels(request, "lores")
            tensor = prepare(small, spec).tensors[0]
            times["lores"].append(time.perf_counter() - start)
            same &= bool((tensor[0].view(np.uint8) ^ 128 == small).all())
            start = time.perf_counter()
            large = session._pixels(request, "main")
            times["kept"].append(time.perf_counter() - start)
            prepare(large, spec)
            times["main"].append(time.perf_counter() - start)
    session.close()
    lores, main, kept = (1000 * median(times[name]) for name in ("lores", "main", "kept"))
    proved("every pixel of the tensor is one of the camera's: nothing was resized", same)
    proved(
        f"camera memory to int8 tensor at {SIDE}×{SIDE} within {LIMIT_MS:g} ms",
        lores <= LIMIT_MS,
        f"median {lores:.3f} ms",
    )
    print(f"     from the {WIDTH}×{HEIGHT} picture it takes {main:.2f} ms, {main / lores:.0f} times as long")
    print(f"     the picture for people costs {kept:.2f} ms, on the capture thread")


def prove_triggers() -> None:
    """Software: never a frame from before. Hardware: no part is forgotten, and missing triggers are told."""
    with source("fine", trigger="software") as camera:
        camera.read()
        late = []
        for _ in range(30):
            asked_ns = time.monotonic_ns()
            late.append((camera.read().captured_ns - asked_ns) / 1e6)
            time.sleep(0.02)
    proved(
        "on demand: every exposure began after it was asked for",
        min(late) >= 0,
        f"{min(late):.1f} to {max(late):.1f} ms after",
    )
    with source("fine", trigger="hardware", part_every_s=2.0, **FIXED) as camera:
        first = camera.read()
        taken, missed = [first.sequence], []
        for number in range(60):
            try:
                taken.append(camera.read().sequence)
            except CaptureError as err:
                if not err.part_unseen:
                    raise
                missed.append(camera.sequence)
                continue
            if number % 10 == 0:
                time.sleep(0.4)  # a line that is faster than we are
        every = sorted(taken + missed) == list(range(1, 1 + len(taken) + len(missed)))
        proved(
            "triggered: each part has its place, the unseen ones too",
            every and missed,
            f"{len(taken)} seen, {len(missed)} reported as unseen",
        )
        befall("lost")
        said = _complaint(camera)
        proved("triggered: a trigger that is missing is told", "no part for 2 s" in said, said)
        befall(None)
        frame, back_s = _until_back(camera)
        proved(
            "triggered: it goes on, and counts on", frame.sequence == camera.sequence, f"{back_s:.1f} s later"
        )
    with source("fine", trigger="hardware", **FIXED) as camera:
        camera.read()
        befall("idle")
        _later(4.0, lambda: befall(None))
        waited_s = max(_seconds(camera.read) for _ in range(AHEAD + 2))  # some wait in the camera's memory
        proved(
            "triggered: without part_every_s, no trigger is no fault",
            waited_s > 3.5,
            f"waited {waited_s:.1f} s in peace",
        )


def _seconds(what: Callable[[], object]) -> float:
    start = time.monotonic()
    what()
    return time.monotonic() - start


def _later(delay_s: float, what: Callable[[], None]) -> None:
    threading.Timer(delay_s, what).start()


def _complaint(camera: Picamera2) -> str:
    for _ in range(1000):
        try:
            camera.read()
        except CaptureError as err:
            if not err.part_unseen:
                return str(err)
    return "no complaint"


def _until_back(camera: Picamera2) -> tuple[Frame, float]:
    start = time.monotonic()
    while time.monotonic() - start < 60:
        with suppress(CaptureError):
            return camera.read(), time.monotonic() - start
    raise CaptureError("the camera did not come back")


def prove_loss() -> None:
    """Cable out and in, another camera in its place, picamera2's thread dead, a driver that hangs."""
    with source("fine") as camera:
        for _ in range(5):
            camera.read()
        befall("idle")
        _later(0.5, lambda: befall(None))
        longest_s = max(_seconds(camera.read) for _ in range(10))
        proved("frames stop for 0.5 s: waited for, no fault", longest_s > 0.3, f"{longest_s:.1f} s")
        for away_s in (3.0, 9.0):
            befall("lost")
            _later(away_s, lambda: befall(None))
            start = time.monotonic()
            complaint = _complaint(camera)
            _until_back(camera)
            back_s = time.monotonic() - start - away_s
            proved(
                f"frames stop for {away_s:g} s: first new frame within {BACK_WITHIN_S:g} s after that",
                0 <= back_s <= BACK_WITHIN_S,
                f"{back_s:.2f} s; {complaint}",
            )
        befall("lost")
        plug("card")
        said = [_complaint(camera), _complaint(camera)]
        proved(
            "it is gone, and another is there: said so",
            "no camera 'fine'; there is: imx-card" in said[1],
            said[1],
        )
        plug("card", "good", "fine", "faulty")
        befall(None)
        _, back_s = _until_back(camera)
        proved(
            f"it is plugged in again: first frame within {BACK_WITHIN_S:g} s",
            back_s <= BACK_WITHIN_S,
            f"{back_s:.2f} s",
        )
        befall("broken")
        said = [_complaint(camera)]
        _, back_s = _until_back(camera)
        proved(
            "picamera2's thread dies of an exception: noticed, and opened again",
            "no frame within 2 s" in said[0],
            f"{said[0]}; first frame {back_s:.2f} s later",
        )
    hanging = source("fine")
    hanging.read()
    befall("hanging")
    start, said_last = time.monotonic(), ""
    try:
        while time.monotonic() - start < 60:
            try:
                hanging.read()
            except CaptureError as err:
                said_last = str(err)
    except DeviceError as err:
        said_last = str(err)
    took_s = time.monotonic() - start
    proved(
        "a driver that hangs ends the process, for a fresh one",
        "its driver hangs" in said_last,
        f"{said_last}, after {took_s:.0f} s",
    )
    befall(None)


def station(camera: str, name: str, **settings: str) -> Path:
    """The file of a station with this camera."""
    lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
    text = f"""
[station]
state_dir = "{WORK}/state-{name}"
[source]
type = "picamera2"
camera = "{camera}"
{lines}
[recipe]
checks = [{{ name = "surface", bundle = "{WORK}/shelf" }}]
[quality]
frozen_after = 0  # the virtual camera shows each picture four times
[evidence]
pass_rate = 1.0
[[sinks]]
type = "jsonl"
path = "{WORK}/{name}.jsonl"
"""
    path = WORK / f"{name}.toml"
    path.write_text(text)
    return path


@contextmanager
def running(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`edge run`, ended in peace."""
    with config.with_suffix(".log").open("wb") as log:
        daemon = subprocess.Popen([sys.executable, "-m", "edge", "run", str(config)], stderr=log)
        try:
            yield daemon
        finally:
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(60)
            except subprocess.TimeoutExpired:
                daemon.kill()


def reports(config: Path) -> list[dict[str, Any]]:
    """What the station has said so far."""
    path = config.with_suffix(".jsonl")
    # The last line may be half written.
    lines = path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []
    return [record for record in map(json.loads, lines) if "verdict" in record]


def until(there: Callable[[], bool], limit_s: float) -> bool:
    """Wait for something; says whether it came."""
    end = time.monotonic() + limit_s
    while not there() and time.monotonic() < end:
        time.sleep(0.05)
    return there()


def prove_station() -> None:
    """Teach with the camera, inspect with it, lose it and get it back: the commands that a person gives."""
    learn = station("good", "learn", trigger='"software"')
    command = [sys.executable, "-m", "edge", "teach", "part", "--camera", str(learn), "--count", "20"]
    start = time.monotonic()
    folder = ["--good", str(WORK / "taught"), "--out", str(WORK / "shelf"), "--method", "gaussian"]
    told = subprocess.run([*command, *folder], capture_output=True, text=True, cwd=WORK, check=False)
    proved(
        "edge teach --camera",
        told.returncode == 0,
        f"{time.monotonic() - start:.0f} s" if told.returncode == 0 else told.stderr[-800:],
    )
    sizes = {PIL.Image.open(path).size for path in (WORK / "taught").glob("*.png")}
    proved("what is taught has the size of what the line will show", sizes == {(SIDE, SIDE)}, str(sizes))
    for camera, wanted in (("fine", "pass"), ("faulty", "fail")):
        config = station(camera, camera, trigger='"software"')
        with running(config):
            enough = until(lambda: len(reports(config)) >= 200, 60)  # noqa: B023 - called at once
        told_of = reports(config)
        verdicts = Counter(record["verdict"] for record in told_of)
        good = enough and verdicts["error"] == 0 and verdicts[wanted] >= 0.9 * len(told_of)
        if wanted == "fail":
            good = good and verdicts["pass"] == 0
        proved(
            f"edge run, {camera} parts",
            good,
            ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()),
        )
        if not told_of:
            print(config.with_suffix(".log").read_text()[-2000:])
            continue
        ms = {
            stage: median(record["stage_ms"][stage] for record in told_of)
            for stage in ("quality", "preprocess", "inference")
        }
        print(
            "     "
            + ", ".join(f"{stage} {value:.2f} ms" for stage, value in ms.items())
            + " (medians in the daemon)"
        )
        kept = {
            PIL.Image.open(path).size
            for path in (WORK / f"state-{camera}" / "evidence").rglob("*[a-z].jpg")
            if "-map" not in path.name
        }
        proved(
            "boxes are in pixels of what was judged, and the large picture is kept",
            {tuple(record["camera"]["size"]) for record in told_of} == {(SIDE, SIDE)}
            and kept == {(WIDTH, HEIGHT)},
            f"kept: {kept}",
        )
    prove_station_loses_its_camera()


def prove_station_loses_its_camera() -> None:
    """The daemon, live: cable out for six seconds; then a driver that hangs."""
    config = station("fine", "loses")
    with running(config) as daemon:
        until(lambda: len(reports(config)) >= 20, 30)
        befall("lost")
        time.sleep(6)
        before = len(reports(config))
        befall(None)
        start = time.monotonic()
        came = until(lambda: len(reports(config)) > before, 20)
        back_s = time.monotonic() - start
        log = config.with_suffix(".log").read_text()
        proved(
            f"edge run: first result within {BACK_WITHIN_S:g} s after the camera is back",
            came and back_s <= BACK_WITHIN_S,
            f"{back_s:.2f} s",
        )
        proved(
            "edge run: the journal has one line when it breaks, and one when it mends",
            log.count("no frame within") == 1 and log.count("well again after") == 1,
        )
        befall("hanging")
        ended = until(lambda: daemon.poll() is not None, 60)
        proved(
            "edge run: a driver that hangs ends it with 69, and systemd starts it again",
            ended and daemon.returncode == DeviceError.exit_code,
            f"exit code {daemon.returncode}",
        )
    befall(None)
    passed_in_the_dark = [record for record in reports(config) if record["verdict"] == "error"]
    proved("edge run: no verdict was made up while there was no camera", not passed_in_the_dark)


def main() -> None:
    """Prove it all."""
    libcamera = subprocess.run(
        ["/usr/bin/dpkg-query", "-W", "-f", "${Version}", "python3-libcamera"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    modules = ", ".join(
        f"{name} {version(name)}"
        for name in ("picamera2", "ai-edge-litert", "numpy", "opencv-python-headless")
    )
    print(f"     libcamera {libcamera}, Python {platform.python_version()}, {modules}")
    # That picamera2's thread dies is told below, in a line.
    logging.getLogger("picamera2.previews.null_preview").setLevel(logging.CRITICAL + 1)
    threading.excepthook = lambda _what: None
    draw()
    befall(None)
    plug("card", "good", "fine", "faulty")
    for prove in (prove_frames, prove_speed, prove_triggers, prove_loss, prove_station):
        prove()
    print(f"prove-picamera2: {failures or 'no'} failures")
    sys.stdout.flush()
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
