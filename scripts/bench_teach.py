"""Seconds and peak memory of `edge teach`, as a user runs it: a process of its own for each lesson."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import cv2

from edge.config import SyntheticSource
from edge.sources.synthetic import Synthetic

LESSONS = ((20, 10.0), (200, 60.0))
"""Good parts, and the seconds that they may take."""
MOST_MB = 600.0


def main() -> None:
    """Render the parts, give the lessons, print a table; exit code 1 where a bar is missed."""
    missed = False
    print("| good parts of 1280×960 | whole command | bar | of that, the lesson | peak memory | bar |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for count, most_s in LESSONS:
            pictures = Path(folder) / f"good-{count}"
            render(pictures, count)
            started = perf_counter()
            told = lesson(pictures, Path(folder) / f"shelf-{count}")
            whole_s = perf_counter() - started
            missed |= whole_s > most_s or told["peak_mb"] > MOST_MB
            print(
                f"| {count} | {whole_s:.1f} s | ≤ {most_s:g} s | {told['taught_s']:.1f} s"
                f" | {told['peak_mb']:.0f} MB | ≤ {MOST_MB:g} MB |",
                flush=True,
            )
    sys.exit(int(missed))


def render(folder: Path, count: int) -> None:
    """Good parts on a conveyor, as PNG files."""
    folder.mkdir()
    with Synthetic(SyntheticSource(type="synthetic", defect_rate=0.0, seed=7, count=count)) as conveyor:
        for number in range(count):
            cv2.imwrite(str(folder / f"{number:03}.png"), conveyor.read().image[:, :, ::-1])


def lesson(pictures: Path, shelf: Path) -> dict[str, float]:
    """What `edge teach --json` says of itself."""
    command = ["teach", "part", "--good", str(pictures), "--out", str(shelf), "--force", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "edge", *command],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


if __name__ == "__main__":
    main()
