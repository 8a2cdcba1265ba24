"""Milliseconds of every task, one thread, beside its bare model: what reading, judging and drawing cost.

Shipped bundles are run on their golden pictures, an anomaly bundle is taught on rendered parts; more may be named:
pairs of a bundle and a picture. Each row is the median of rounds in which all its stages take turns.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter_ns

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cv2
import numpy as np
from bench_teach import lesson, render

from edge.cli.bundles import inspections, open_bundle
from edge.judge.rules import judge
from edge.model import detection
from edge.model.bundle import load
from edge.model.instrument import Instrument
from edge.model.runner import open_model
from edge.model.shipped import bundles
from edge.pipeline import Check
from edge.preprocess.picture import read
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.tensor import InputSpec, prepare
from edge.preprocess.view import view
from edge.store.overlay import overlay
from edge.types import Image, Inspection

cv2.setNumThreads(1)
ROUNDS = 60
CANDIDATES, MOST_MS = 100, 1.0
"""So many candidates are read, moved to the frame and suppressed in so many milliseconds."""


def main() -> None:
    """Print the table; exit code 1 where reading 100 candidates takes too long."""
    print("| task | bundle | picture | view | bare model | with its head | over bare | judge | drawn |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for bundle, picture in (*shipped(), taught(Path(folder)), *named(sys.argv[1:])):
            row(bundle, picture)
    took_ms = candidates()
    print(f"\ndecode and suppression of {CANDIDATES} candidates: {took_ms:.2f} ms (bar {MOST_MS:g} ms)")
    sys.exit(int(took_ms > MOST_MS))


def shipped() -> Iterator[tuple[Path, Path]]:
    """The bundles that come with the program and judge something, each with its first golden picture."""
    for folder in bundles():
        manifest = load(folder).manifest
        if manifest.task != "restoration":
            yield folder, folder / manifest.golden[0].file


def taught(folder: Path) -> tuple[Path, Path]:
    """A bundle that was just taught on twenty rendered parts."""
    render(folder / "good", 20)
    lesson(folder / "good", folder / "part")
    return folder / "part", min((folder / "good").glob("*.png"))


def named(arguments: list[str]) -> Iterator[tuple[Path, Path]]:
    """Pairs from the command line."""
    yield from zip(map(Path, arguments[::2]), map(Path, arguments[1::2]), strict=True)


def row(folder: Path, path: Path) -> None:
    """Measure one bundle on one picture."""
    check = open_bundle(folder)
    _, part = next(iter(inspections(check, [path])))
    picture = read(path)
    laps: dict[str, list[float]] = {stage: [] for stage in ("view", "bare", "run", "judge", "draw")}
    for _ in range(ROUNDS):
        for stage, ms in stages(check, picture, part):
            laps[stage].append(ms)
    ms = {stage: median(lap[ROUNDS // 6 :]) if lap else float("nan") for stage, lap in laps.items()}
    size = f"{picture.shape[1]}×{picture.shape[0]}"
    told = (
        size,
        *(f"{ms[stage]:.2f} ms" for stage in ("view", "bare", "run")),
        f"{ms['run'] / ms['bare']:.2f} ×",
    )
    rest = (f"{ms[stage]:.2f} ms" for stage in ("judge", "draw"))
    manifest = load(folder).manifest
    print(f"| {' | '.join((manifest.task, manifest.name, *told, *rest))} |", flush=True)


def stages(check: Check, picture: Image, part: Inspection) -> Iterator[tuple[str, float]]:
    """One look at the picture, stage by stage. What is drawn is drawn later, by the keep thread."""
    model = check.model
    yield "view", timed(lambda: view(Pyramid(picture), model.spec))
    seen = view(Pyramid(picture), model.spec)
    if not isinstance(model, Instrument):
        engine = model.engine  # type: ignore[attr-defined]  # the same one, lest there be two in the cache
        yield "bare", timed(lambda: [engine.invoke(tensor) for tensor in seen.tensors])  # type: ignore[union-attr]
    yield "run", timed(lambda: model.decode(model.run(seen), seen))
    prediction = model.decode(model.run(seen), seen)
    yield "judge", timed(lambda: judge(prediction, model.limits, check.config.rules))
    yield "draw", timed(lambda: overlay(part, {}))


def candidates() -> float:
    """Milliseconds for reading a detector's outputs in which a hundred cells are candidates."""
    folder = next(folder for folder in bundles() if load(folder).manifest.task == "detection")
    bundle = load(folder)
    model = open_model(bundle)
    head = detection.open_head(bundle, model.engine.outputs)
    spec = InputSpec(**dict(bundle.manifest.seen))
    seen = prepare(np.zeros((spec.height, spec.width, 3), np.uint8), spec)
    outputs = list(model.engine.invoke(seen.tensors[0]))
    place = next(place for place, output in enumerate(model.engine.outputs) if "scores" in output.name)
    scores = outputs[place] = np.full_like(outputs[place], -128)
    # Every third cell, so that none is the neighbour of another: all of them are candidates.
    cells = [(row, column) for row in range(0, scores.shape[1], 3) for column in range(0, scores.shape[2], 3)]
    for number, (down, right) in enumerate(cells[:CANDIDATES]):
        scores[0, down, right, number % scores.shape[3]] = 127
    assert len(head.score(outputs)) == CANDIDATES  # noqa: S101 - else this measures something else
    laps = [timed(lambda: head.decode((head.score(outputs),), seen)) for _ in range(ROUNDS * 5)]
    return median(laps)


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    start_ns = perf_counter_ns()
    work()
    return (perf_counter_ns() - start_ns) / 1e6


if __name__ == "__main__":
    main()
