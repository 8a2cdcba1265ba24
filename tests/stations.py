"""Whole stations for tests: a bundle taught on rendered parts, settings, and the daemon as a process."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic, sleep
from typing import Any

import cv2

from edge.config import SyntheticSource
from edge.sources.synthetic import Synthetic
from edge.teach.lesson import Wishes, teach

WIDTH, HEIGHT = 320, 240


@cache
def bundle() -> Path:
    """A bundle taught on twelve rendered good parts, once for all tests."""
    folder = Path(mkdtemp(prefix="edge-tests-"))
    good = folder / "good"
    render(good, count=12, defect_rate=0.0, seed=100)
    # Few parts teach wide limits unless little is promised; and too few to tell how int8 agrees with float.
    wishes = Wishes(false_reject=0.2, confidence=0.5, force=True)
    teach("part", sorted(good.iterdir()), folder / "bundle", wishes=wishes)
    return folder / "bundle"


def render(folder: Path, *, count: int, defect_rate: float, seed: int) -> None:
    """Rendered parts as files, named by their part ids."""
    folder.mkdir(parents=True, exist_ok=True)
    config = SyntheticSource(
        type="synthetic", width=WIDTH, height=HEIGHT, defect_rate=defect_rate, seed=seed, count=count
    )
    with Synthetic(config) as conveyor:
        for _ in range(count):
            frame = conveyor.read()
            cv2.imwrite(str(folder / f"{frame.part_id}.png"), frame.image[:, :, ::-1])


def settings(folder: Path, source: str | None = None, sinks: str = "", more: str = "") -> Path:
    """A station's settings: the rendered conveyor, a `jsonl` sink, and what a test adds."""
    source = source or f'type = "synthetic"\nwidth = {WIDTH}\nheight = {HEIGHT}\ncount = 8'
    path = folder / "station.toml"
    path.write_text(
        f'[station]\nsite = "test"\ndevice = "station"\nstate_dir = "state"\n[source]\n{source}\n'
        f'[recipe]\nname = "part"\nchecks = [{{ name = "surface", bundle = "{bundle()}" }}]\n'
        f"{more if '[outbox]' in more else more + '[outbox]' + chr(10) + 'min_free_mb = 0' + chr(10)}"
        f'[[sinks]]\ntype = "jsonl"\npath = "reports.jsonl"\n{sinks}'
    )
    return path


def reports(folder: Path) -> list[dict[str, Any]]:
    """What the `jsonl` sink has written: results only. A line that it is writing just now is not there yet."""
    path = folder / "reports.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [record for line in lines if (record := json.loads(line))["schema"] == "edge.result/1"]


@contextmanager
def daemon(config: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """`edge run` as a process; killed at the end if it still runs."""
    log = (config.parent / "daemon.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", "run", str(config)], stdout=log, stderr=log, **options
    )
    try:
        yield process
    finally:
        log.close()
        if process.poll() is None:
            process.kill()
        process.wait()


def until(condition: Callable[[], object], patience_s: float = 30.0) -> None:
    """Wait for something to become true; fail where it does not."""
    end = monotonic() + patience_s
    while not condition():
        assert monotonic() < end, "waited in vain"
        sleep(0.02)
