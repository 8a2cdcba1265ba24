"""Proof of the GPU delegate: shipped backbones and a taught bundle on a GPU, compared with the CPU.

Runs wherever there is a Vulkan driver; `scripts/prove-gpu` brings a software one, whose times say little of a GPU.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Literal, NamedTuple

import numpy as np

from edge.cli.bench_runs import taught_bundle
from edge.cli.progress import bar
from edge.config import Check, Quality, SyntheticSource
from edge.errors import DeviceError
from edge.model import golden
from edge.model.bundle import load
from edge.model.checks import open_check
from edge.model.content import Precision
from edge.model.delegate_process import DelegateProcess
from edge.model.delegates import DelegateConfig
from edge.model.interpreter import Interpreter
from edge.model.runner import open_model
from edge.model.runtime import runtime
from edge.model.shipped import BACKBONE, QUICK, backbone, reference
from edge.pipeline import Check as OpenCheck
from edge.pipeline import judge_frame, prepare_frame
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.quality import QualityGate
from edge.preprocess.tensor import InputSpec, prepare
from edge.sources.synthetic import Synthetic
from edge.types import Frame, Tensor, Verdict

# A software GPU compiles shaders for half a minute, and then takes a second for a picture.
GPU = DelegateConfig("gpu", deadline_ms=30_000, load_s=600)
PICTURES = 3
PARTS = 8
SIZE = 256
# GPUs calculate in float16: 11 bits. What int8 rounds at each of 55 layers, they round once at the end.
LEAST_CORRELATION = {"float16": 0.9995, "int8": 0.99}
MOST_OFF = {"float16": 0.03, "int8": 0.10}
"""Of the range of an output: the largest difference."""
SCORES_OFF = 0.07
"""Of a taught bundle: as far as the golden picture of a part at the limit, 1.0, may be off (see `Tolerance`)."""


class Line(NamedTuple):
    """One thing that was looked at."""

    holds: bool
    what: str
    figure: str


def pictures(count: int, defect_rate: float = 0.5) -> list[Frame]:
    """Rendered parts, half of them with a defect."""
    config = SyntheticSource(type="synthetic", defect_rate=defect_rate, seed=11, count=count)
    with Synthetic(config) as conveyor:
        return [conveyor.read() for _ in range(count)]


def without_gpu() -> Iterator[Line]:
    """What a machine without a Vulkan driver says."""
    kept = os.environ.get("VK_DRIVER_FILES")
    os.environ["VK_DRIVER_FILES"] = "/no/such/driver.json"
    said = "a GPU was found without one"
    try:
        DelegateProcess(backbone().read_bytes(), 1, GPU)
    except DeviceError as err:
        said = str(err)
    del os.environ["VK_DRIVER_FILES"]
    if kept is not None:
        os.environ["VK_DRIVER_FILES"] = kept
    yield Line("No adapters found" in said, "no driver", said)


def backbones() -> Iterator[Line]:
    """The outputs of each shipped backbone, on rendered parts, beside those of the CPU."""
    seen = [prepare(Pyramid(frame.image), InputSpec(SIZE, SIZE)).tensors[0] for frame in pictures(PICTURES)]
    for name in (BACKBONE, QUICK):
        for path in (backbone(name), reference(name)):
            if path is None:
                yield Line(holds=False, what=name, figure="its float model is missing")
                continue
            yield compared(path, seen)


def compared(path: Path, seen: Sequence[Tensor]) -> Line:
    """A backbone on the GPU and on the CPU."""
    precision: Precision = "float16" if "float16" in path.name else "int8"
    content, floats = path.read_bytes(), precision == "float16"
    cpu = Interpreter(content, size=(SIZE, SIZE), floats=floats)
    start = perf_counter()
    gpu = DelegateProcess(content, 1, GPU, path.name, (SIZE, SIZE), floats=floats)
    loaded_s = perf_counter() - start
    correlations, differences, run_ms = [], [], []
    for tensor in seen:
        start = perf_counter()
        found = gpu.invoke(tensor)
        run_ms.append((perf_counter() - start) * 1000)
        for there, here in zip(found, cpu.invoke(tensor), strict=True):
            theirs, ours = there.astype(np.float64).ravel(), here.astype(np.float64).ravel()
            correlations.append(float(np.corrcoef(theirs, ours)[0, 1]))
            differences.append(float(np.abs(theirs - ours).max() / np.ptp(ours)))
    gpu.close()
    least, most = LEAST_CORRELATION[precision], MOST_OFF[precision]
    return Line(
        min(correlations) >= least and max(differences) <= most,
        path.name,
        f"correlation {min(correlations):.5f} (≥ {least}), largest difference {max(differences):.3f} of the range"
        f" (≤ {most}); loaded in {loaded_s:.1f} s, {median(run_ms):.0f} ms a picture",
    )


def bundles(folder: Path) -> Iterator[Line]:
    """A taught bundle as a check of a recipe has it, and what it says of parts on the GPU and on the CPU."""
    with bar() as progress:
        taught = taught_bundle(folder, progress)
    there, here = (opened(taught, delegate) for delegate in ("gpu", "cpu"))
    identity = there.model.identity
    on = "nothing" if identity is None else f"'{identity.delegate}' {identity.fallback or ''}".rstrip()
    yield Line(on == "'gpu'", "taught bundle", f"answers its golden pictures on {on}")
    gate = QualityGate(here.model.quality, Quality(enabled=False))
    same, off = 0, 0.0
    for frame in pictures(PARTS):
        theirs, ours = (judge_frame(prepare_frame(frame, gate, [check])).decision for check in (there, here))
        same += theirs.verdict is ours.verdict and theirs.verdict is not Verdict.ERROR
        off = max(off, abs((theirs.score or np.nan) - (ours.score or np.nan)))
    yield Line(
        off <= SCORES_OFF and same >= PARTS - 1,
        "parts",
        f"{same} of {PARTS} verdicts are the CPU's, the farthest score is off by {off:.3f} (≤ {SCORES_OFF})",
    )
    bundle = load(taught)
    wrong = golden.differences(bundle, golden.replay(bundle, open_model(bundle, GPU, precision="float16")))
    yield Line(not wrong, "float16 of it", wrong[0] if wrong else "answers the golden pictures on 'gpu', too")


def opened(bundle: Path, delegate: Literal["cpu", "gpu"]) -> OpenCheck:
    """The bundle as the one check of a recipe."""
    check = Check(
        name="surface", bundle=bundle, delegate=delegate, delegate_deadline_ms=5000, delegate_load_s=600
    )
    return open_check(check, verified=None)


def main() -> int:
    """All of it, line by line."""
    logging.basicConfig(level=logging.ERROR)
    print(f"{runtime()}, Python {sys.version.split()[0]}", flush=True)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="edge-gpu-") as scratch:
        for look in (without_gpu, backbones, lambda: bundles(Path(scratch))):
            for line in look():
                failed += not line.holds
                print(f"{'ok  ' if line.holds else 'FAIL'} {line.what}: {line.figure}", flush=True)
    print("all of it holds" if not failed else f"{failed} did not hold", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
