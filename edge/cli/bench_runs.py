"""The runs of `edge bench`: each in a process of its own, so that none colours another's memory or threads."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic_ns, sleep
from typing import TYPE_CHECKING, Any

from edge.cli.peers import edge_command, free_port, mosquitto_command, running, wait_for_port
from edge.errors import DeviceError
from edge.types import Verdict

if TYPE_CHECKING:
    from edge.config import Rectangle
    from edge.geometry import Image
    from edge.pipeline import Check

TAUGHT_PARTS = 60
IN_MEMORY = 4
DRAWN = 20
"""Parts from which they are chosen."""
PICTURES = "pictures.npy"
"""Frames that lie in memory: 15 MB."""
PASS_RATE = 0.05
"""With the one part in twenty that fails, evidence of a tenth of the parts is kept."""


def taught_bundle(
    folder: Path,
    progress: Callable[[str, int, int], None],
    roi: "Rectangle | None" = None,
    tiles: int = 1,
) -> Path:
    """A bundle taught on rendered good parts of 1280×960."""
    import cv2

    from edge.config import SyntheticSource
    from edge.sources.synthetic import Synthetic
    from edge.teach.lesson import Wishes, teach

    pictures = folder / "good"
    pictures.mkdir()
    config = SyntheticSource(type="synthetic", defect_rate=0.0, seed=1000, count=TAUGHT_PARTS)
    with Synthetic(config) as conveyor:
        for number in range(TAUGHT_PARTS):
            progress("rendering", number + 1, TAUGHT_PARTS)
            cv2.imwrite(str(pictures / f"{number:03}.png"), conveyor.read().image[:, :, ::-1])
    bundle = folder / "bundle"
    teach(
        "bench",
        sorted(pictures.iterdir()),
        bundle,
        wishes=Wishes(roi=roi, tiles=tiles, force=True),
        progress=progress,
    )
    return bundle


def draw_pictures(folder: Path, bundle: Path) -> None:
    """Pictures for the runs, 1280×960: good ones, and one that is not. Drawing them is not what is measured.

    If there are any, good ones that pass and a bad one that fails: what is in doubt has its evidence kept every
    time, and would make it more than a tenth.
    """
    import numpy as np

    from edge.cli.bundles import open_bundle

    check = open_bundle(bundle)
    good = _drawn(check, 0.0, Verdict.PASS, IN_MEMORY - 1)
    np.save(folder / PICTURES, np.stack([*good, *_drawn(check, 1.0, Verdict.FAIL, 1)]))


def _drawn(check: "Check", defect_rate: float, wanted: Verdict, count: int) -> list["Image"]:
    """The first of some rendered parts that get the verdict; then others, where these are too few."""
    from edge.cli.bundles import judged
    from edge.config import SyntheticSource
    from edge.sources.synthetic import Synthetic

    with Synthetic(SyntheticSource(type="synthetic", defect_rate=defect_rate, seed=5)) as conveyor:
        frames = [conveyor.read() for _ in range(DRAWN)]
    verdicts = [part.decision.verdict for part in judged(check, frames)]
    order = sorted(range(DRAWN), key=lambda number: verdicts[number] is not wanted)
    return [frames[number].image for number in order[:count]]


@contextmanager
def broker(folder: Path) -> Iterator[tuple[int, str]]:
    """Mosquitto where it is installed, else the embedded broker: its port and its name."""
    port = free_port()
    command, name = mosquitto_command(folder, port), "mosquitto"
    if command is None:
        command, name = edge_command("broker", "--port", str(port)), "embedded"
    log = folder / "broker.log"
    with running(command, log) as process:
        wait_for_port(port, process, log)
        yield port, name


def pipeline(folder: Path, bundle: Path, warm: int, parts: int) -> dict[str, Any]:
    """Frames as fast as they are taken: throughput, stages, memory."""
    with broker(folder) as (port, name):
        config = _settings(folder, bundle, "flat-out", port, rate_hz=0.0)
        figures = _child("pipeline", str(config), str(warm), str(parts))
    return {"broker": name, **figures}


def paced(folder: Path, bundle: Path, rate_hz: float, parts: int) -> dict[str, Any]:
    """Frames at a line's rate: from a frame in memory to its verdict."""
    with broker(folder) as (port, _name):
        config = _settings(folder, bundle, "paced", port, rate_hz=rate_hz)
        return _child("paced", str(config), str(parts))


def start(folder: Path, bundle: Path, times: int) -> dict[str, Any]:
    """From starting `edge run` to its first verdict: the median. The bundle was proven by an earlier start."""
    seconds = []
    for attempt in range(times + 1):
        reports = folder / f"start-{attempt}.jsonl"
        config = folder / "start.toml"
        config.write_text(
            f'[station]\nstate_dir = "start"\n[source]\ntype = "synthetic"\ncount = 1\n'
            f'[recipe]\nchecks = [{{ name = "surface", bundle = "{bundle}" }}]\n'
            f'[[sinks]]\ntype = "jsonl"\npath = "{reports.name}"\n'
        )
        began_ns = monotonic_ns()
        with running(edge_command("run", str(config)), folder / "start.log") as process:
            process.wait(timeout=60)
        if not reports.exists():
            raise DeviceError(f"the daemon reported nothing: {(folder / 'start.log').read_text()[-500:]}")
        report = json.loads(reports.read_text().splitlines()[0])
        seconds.append((report["mono_ns"] - began_ns) / 1e9)
    return {
        "start_to_verdict_s": round(sorted(seconds[1:])[times // 2], 2),
        "first_start_to_verdict_s": round(seconds[0], 2),
    }


def delivery(folder: Path, reports: int) -> dict[str, Any]:
    """Outbox to broker, each report durable here and acknowledged there."""
    with broker(folder) as (port, _name):
        sleep(0.2)
        return _child("delivery", str(folder / "delivery"), str(port), str(reports))


def _settings(folder: Path, bundle: Path, name: str, port: int, rate_hz: float) -> Path:
    config = folder / f"{name}.toml"
    config.write_text(
        f'[station]\ndevice = "{name}"\nstate_dir = "{name}"\n'
        f'[source]\ntype = "synthetic"\nrate_hz = {rate_hz}\n'
        f'[recipe]\nchecks = [{{ name = "surface", bundle = "{bundle}" }}]\n'
        f"[evidence]\npass_rate = {PASS_RATE}\nmin_free_mb = 0\n[outbox]\nmin_free_mb = 0\n"
        f"[health]\ndrain_s = 60\n"
        f'[[sinks]]\ntype = "mqtt"\nhost = "127.0.0.1"\nport = {port}\n'
    )
    return config


def _child(run: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "edge.cli.bench_child", run, *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise DeviceError(f"the benchmark's '{run}' run failed: {finished.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return figures
