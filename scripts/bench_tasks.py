"""Milliseconds of every task, one thread, beside its bare model: what reading, judging and drawing cost.

Shipped bundles are run on their golden pictures, an anomaly bundle is taught on rendered parts, tools measure and
read rendered ones; more may be named: pairs of a bundle and a picture. A figure is the median of rounds in which
the stages of a row take turns.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cv2
import numpy as np
from bench_teach import lesson
from bench_teach import render as render_parts
from draw_measurement import LOOK, plate
from rendered_labels import Look, label
from rendered_parts import render

from edge.cli.bundles import inspections, open_bundle
from edge.cli.instruments import opened
from edge.geometry import Image
from edge.judge.rules import judge
from edge.model import detection
from edge.model.bundle import load
from edge.model.restorations import load_restorer
from edge.model.runner import Model, open_model
from edge.model.shipped import bundles
from edge.pipeline import Check
from edge.preprocess.picture import read
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.tensor import InputSpec, prepare
from edge.preprocess.view import view
from edge.store.overlay import overlay
from edge.types import Inspection

cv2.setNumThreads(1)
ROUNDS = 60
CANDIDATES, MOST_MS = 100, 1.0
"""So many candidates are read, moved to the frame and suppressed in so many milliseconds."""
PLATE = Path(__file__).parents[1] / "docs" / "samples" / "plate.toml"
HEAD = ("task", "what", "picture", "view", "bare model", "with its head", "over bare", "judge", "drawn")


class Case(NamedTuple):
    """A row: the task, what does it, and on which picture."""

    task: str
    name: str
    check: Check
    picture: Path


def main() -> None:
    """Print the table; exit code 1 where reading 100 candidates takes too long."""
    print(f"| {' | '.join(HEAD)} |\n| --- | --- | --- |{' ---: |' * (len(HEAD) - 3)}")
    with tempfile.TemporaryDirectory() as folder:
        for case in (*shipped(), taught(Path(folder)), *tools(Path(folder)), *named(sys.argv[1:])):
            row(case)
    restorations()
    took_ms = candidates()
    print(f"\ndecode and suppression of {CANDIDATES} candidates: {took_ms:.2f} ms (bar {MOST_MS:g} ms)")
    sys.exit(int(took_ms > MOST_MS))


def of_bundle(folder: Path, picture: Path) -> Case:
    """A bundle on a picture."""
    manifest = load(folder).manifest
    return Case(manifest.task, manifest.name, open_bundle(folder), picture)


def shipped() -> Iterator[Case]:
    """The bundles that come with the program and judge something, each with its first golden picture."""
    for folder in bundles():
        manifest = load(folder).manifest
        if manifest.task != "restoration":
            yield of_bundle(folder, folder / manifest.golden[0].file)


def taught(folder: Path) -> Case:
    """A bundle that was just taught on twenty rendered parts."""
    render_parts(folder / "good", 20)
    lesson(folder / "good", folder / "part")
    return of_bundle(folder / "part", min((folder / "good").glob("*.png")))


def tools(folder: Path) -> Iterator[Case]:
    """The tools of the sample plate, which give six values in pixels, and one kind of code on a label."""
    lines = PLATE.read_text().splitlines(keepends=True)
    (folder / "plate.toml").write_text("".join(line for line in lines if not line.startswith("calibration")))
    cv2.imwrite(str(folder / "plate.png"), render(plate(), 640, 480, LOOK))
    yield Case(
        "measurement", "6 values", opened("measurement", folder / "plate.toml")[0], folder / "plate.png"
    )
    (folder / "codes.toml").write_text('symbologies = ["DataMatrix"]\n')
    cv2.imwrite(str(folder / "label.png"), label("LOT2026-000042", "DataMatrix", Look()))
    yield Case("reading", "Data Matrix", opened("reading", folder / "codes.toml")[0], folder / "label.png")


def named(arguments: list[str]) -> Iterator[Case]:
    """Pairs from the command line."""
    for bundle, picture in zip(arguments[::2], arguments[1::2], strict=True):
        yield of_bundle(Path(bundle), Path(picture))


def row(case: Case) -> None:
    """Measure one check on one picture."""
    _, part = next(iter(inspections(case.check, [case.picture])))
    picture = read(case.picture)
    ms = medians(lap for _ in range(ROUNDS) for lap in stages(case.check, picture, part))
    cells = [f"{ms[stage]:.2f} ms" if stage in ms else "" for stage in ("view", "bare", "run")]
    cells.append(f"{ms['run'] / ms['bare']:.2f} ×" if "bare" in ms else "")
    cells += [f"{ms[stage]:.2f} ms" for stage in ("judge", "draw")]
    size = f"{picture.shape[1]}×{picture.shape[0]}"
    print(f"| {' | '.join((case.task, case.name, size, *cells))} |", flush=True)


def stages(check: Check, picture: Image, part: Inspection) -> Iterator[tuple[str, float]]:
    """One look at the picture, stage by stage. What is drawn is drawn later, by the keep thread."""
    model = check.model
    seen = view(Pyramid(picture), model.spec)
    prediction = model.decode(model.run(seen), seen)
    yield "view", timed(lambda: view(Pyramid(picture), model.spec))
    if isinstance(model, Model):
        engine, tensors = model.engine, seen.tensors  # the same engine, lest there be two in the cache
        yield "bare", timed(lambda: [engine.invoke(tensor) for tensor in tensors])
    yield "run", timed(lambda: model.decode(model.run(seen), seen))
    yield "judge", timed(lambda: judge(prediction, model.limits, check.config.rules))
    yield "draw", timed(lambda: overlay(part, {}))


def restorations() -> None:
    """The networks for people and evidence, on a picture of 640×480."""
    picture = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    for folder in bundles():
        if load(folder).manifest.task == "restoration":
            restore = partial(load_restorer(folder).restore, picture)
            took_ms = medians(("restore", timed(restore)) for _ in range(6))["restore"]
            print(f"| restoration | {folder.name} | 640×480 |  |  | {took_ms:.2f} ms |  |  |  |", flush=True)


def candidates() -> float:
    """Milliseconds for reading a detector's outputs in which a hundred cells are candidates."""
    bundle = next(found for found in map(load, bundles()) if found.manifest.task == "detection")
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
    laps = (("read", timed(lambda: head.decode((head.score(outputs),), seen))) for _ in range(ROUNDS * 5))
    return medians(laps)["read"]


def medians(laps: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The median of each stage's milliseconds, the first sixth left out."""
    found: dict[str, list[float]] = {}
    for stage, ms in laps:
        found.setdefault(stage, []).append(ms)
    return {stage: median(each[len(each) // 6 :]) for stage, each in found.items()}


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    start_ns = perf_counter_ns()
    work()
    return (perf_counter_ns() - start_ns) / 1e6


if __name__ == "__main__":
    main()
