"""Proof of the delegates' process: hangs and crashes of a library of our own, timed, and the price of it."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import tiny_bundle
from delegate_double import Switch, double

from edge.errors import DelegateError, DeviceError
from edge.model.bundle import load
from edge.model.delegate_process import DelegateProcess
from edge.model.delegates import DelegateConfig
from edge.model.interpreter import Interpreter
from edge.model.runner import open_model
from edge.model.runtime import runtime
from edge.model.shipped import backbone
from edge.model.standby import Standby

SIZE = 224
PICTURE = np.random.default_rng(0).integers(-128, 128, (1, SIZE, SIZE, 3), np.int8)
DEADLINES_MS = (100.0, 500.0, 2000.0)
MOST_DEADLINES = 2.0
"""A hang is to be noticed within so many of its deadlines."""
BLOCKS, RUNS = 20, 50


class Line(NamedTuple):
    """One thing that was looked at."""

    holds: bool
    what: str
    figure: str


def seconds(work: Callable[[], object], *errors: type[Exception]) -> float:
    """How long it takes until one of the errors comes; infinite where none comes."""
    start = perf_counter()
    try:
        work()
    except errors:
        return perf_counter() - start
    return float("inf")


def opened(delegate: DelegateConfig) -> DelegateProcess:
    """The shipped backbone on it."""
    return DelegateProcess(backbone().read_bytes(), 1, delegate, "backbone", (SIZE, SIZE))


def hangs(folder: Path, repeats: int) -> Iterator[Line]:
    """A hang in the middle of a run."""
    for deadline_ms in DEADLINES_MS:
        taken_ms = []
        for _ in range(repeats):
            switch = Switch(folder)
            process = opened(switch.double(deadline_ms=deadline_ms))
            switch.turn("hangs")
            taken_ms.append(seconds(lambda process=process: process.invoke(PICTURE), DelegateError) * 1000)  # type: ignore[misc]
            process.close()
        ratio = max(taken_ms) / deadline_ms
        yield Line(
            ratio <= MOST_DEADLINES,
            f"a hang, deadline {deadline_ms:g} ms",
            f"noticed after {max(taken_ms):.0f} ms at most, {ratio:.3f} × the deadline (≤ {MOST_DEADLINES:g})",
        )
    load_s = 2.0
    taken_s = seconds(lambda: opened(double("load_hangs", load_s=load_s)), DeviceError)
    yield Line(
        taken_s <= MOST_DEADLINES * load_s,
        f"a hang while it is loaded, deadline {load_s:g} s",
        f"noticed after {taken_s:.2f} s, {taken_s / load_s:.3f} × the deadline (≤ {MOST_DEADLINES:g})",
    )


def crashes(folder: Path, repeats: int) -> Iterator[Line]:
    """A SIGSEGV in the middle of a run."""
    taken_ms = []
    for _ in range(repeats):
        switch = Switch(folder)
        process = opened(switch.double(deadline_ms=5000))
        switch.turn("crashes")
        taken_ms.append(seconds(lambda process=process: process.invoke(PICTURE), DelegateError) * 1000)  # type: ignore[misc]
    yield Line(
        max(taken_ms) < DEADLINES_MS[-1], "a crash (SIGSEGV)", f"noticed after {max(taken_ms):.0f} ms at most"
    )


def returns(folder: Path) -> Iterator[Line]:
    """From the part that was lost to the first one on a delegate that is well again."""
    bundle = load(tiny_bundle.proven(folder / "part"))
    switch = Switch(folder)
    model = Standby(bundle, open_model(bundle), switch.double(), 1)
    prepared = tiny_bundle.plain((255, 0, 0))
    switch.turn("crashes")
    lost = seconds(lambda: model.run(prepared), DelegateError) < float("inf")
    start = perf_counter()
    model.run(prepared)
    cpu_ms = (perf_counter() - start) * 1000
    switch.turn("works")
    start = perf_counter()
    model.probe()
    proven_s = perf_counter() - start
    model.run(prepared)
    yield Line(
        lost and model.identity.delegate == "npu",
        "lost and back",
        f"the CPU runs the next part in {cpu_ms:.1f} ms, without loading anything; the delegate is back"
        f" {proven_s:.2f} s after it is tried again, loaded and proven beside the line",
    )


def hand_over() -> Iterator[Line]:
    """The same model on the same CPU, here and in the process: in turn, so that both find the same machine.

    The quickest tenth counts: those runs were not disturbed by what else this machine does.
    """
    content = backbone().read_bytes()
    here = Interpreter(content, size=(SIZE, SIZE))
    there = DelegateProcess(content, 1, DelegateConfig(), "backbone", (SIZE, SIZE))
    spans: tuple[list[float], list[float]] = ([], [])
    for _ in range(BLOCKS):
        for engine, taken_ms in zip((here, there), spans, strict=True):
            for _ in range(RUNS):
                start = perf_counter()
                engine.invoke(PICTURE)
                taken_ms.append((perf_counter() - start) * 1000)
    ours_ms, theirs_ms = (sorted(taken)[len(taken) // 10] for taken in spans)
    same = all(
        np.array_equal(ours, theirs)
        for ours, theirs in zip(here.invoke(PICTURE), there.invoke(PICTURE), strict=True)
    )
    yield Line(
        same,
        "handing over",
        f"{theirs_ms:.2f} ms a run in its process, {ours_ms:.2f} here: {theirs_ms - ours_ms:+.2f} ms,"
        f" {theirs_ms / ours_ms:.3f} ×; the outputs are the same",
    )


def main() -> int:
    """All of it, line by line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    print(f"{runtime()}, Python {sys.version.split()[0]}", flush=True)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="edge-delegates-") as scratch:
        folder = Path(scratch)
        looks = (
            lambda: hangs(folder, repeats),
            lambda: crashes(folder, repeats),
            lambda: returns(folder),
            hand_over,
        )
        for look in looks:
            for line in look():
                failed += not line.holds
                print(f"{'ok  ' if line.holds else 'FAIL'} {line.what}: {line.figure}", flush=True)
    print("all of it holds" if not failed else f"{failed} did not hold", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
