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
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.cli.bench_runs import taught_bundle
from edge.cli.progress import bar
from edge.config import Check, Quality, SyntheticSource
from edge.errors import DeviceError
from edge.geometry import Tensor
from edge.model import golden
from edge.model.bundle import load
from edge.model.checks import open_check
from edge.model.classifier import real
from edge.model.delegate_process import DelegateProcess
from edge.model.delegates import DelegateConfig
from edge.model.interpreter import Interpreter, TensorSpec
from edge.model.runner import open_model
from edge.model.runtime import runtime
from edge.model.shipped import BACKBONE, QUICK, backbone, reference
from edge.pipeline import Check as OpenCheck
from edge.pipeline import judge_frame, prepare_frame
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.quality import QualityGate
from edge.preprocess.tensor import InputSpec, prepare
from edge.sources.synthetic import Synthetic
from edge.types import Frame, Verdict

# A software GPU compiles shaders for half a minute, and then takes a second for a picture.
GPU = DelegateConfig("gpu", deadline_ms=30_000, load_s=600)
PICTURES = 3
PARTS = 8
SIZE = 256
LEAST_CORRELATION, MOST_OFF = 0.9995, 0.03
"""Of a float16 model's outputs with the CPU's, and their largest difference as a share of the range: GPUs
calculate in float16, with 11 bits, over some 55 layers."""
MOST_ROUNDING = 1.1
"""An int8 model is rounded at each layer, by every processor in its own way: on a GPU it may be so many times as
far from the float model as on the CPU."""
SCORES_OFF = 0.07
"""Of a taught bundle: as far as the golden picture of a part at the limit, 1.0, may be off (see `Tolerance`)."""


Numbers = npt.NDArray[np.float64]


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
        path = reference(name)
        if path is None:
            yield Line(holds=False, what=name, figure="its float model is missing")
            continue
        there, pace = on_gpu(path, seen, floats=True)
        exact = on_cpu(path, seen, floats=True)
        correlation = min(float(np.corrcoef(*pair)[0, 1]) for pair in zip(there, exact, strict=True))
        off = max(float(np.abs(a - b).max() / np.ptp(b)) for a, b in zip(there, exact, strict=True))
        yield Line(
            correlation >= LEAST_CORRELATION and off <= MOST_OFF,
            path.name,
            f"correlation with the CPU {correlation:.5f} (≥ {LEAST_CORRELATION}), largest difference {off:.4f} of"
            f" the range (≤ {MOST_OFF}); {pace}",
        )
        there, pace = on_gpu(backbone(name), seen, floats=False)
        here = on_cpu(backbone(name), seen, floats=False)
        correlation = min(float(np.corrcoef(*pair)[0, 1]) for pair in zip(there, here, strict=True))
        rounding = max(rms(a, c) / rms(b, c) for a, b, c in zip(there, here, exact, strict=True))
        yield Line(
            rounding <= MOST_ROUNDING,
            name,
            f"{rounding:.2f} × as far from the float model as the CPU's int8 (≤ {MOST_ROUNDING}), correlation with"
            f" that {correlation:.4f}; {pace}",
        )


def on_gpu(path: Path, seen: Sequence[Tensor], *, floats: bool) -> tuple[list[Numbers], str]:
    """Real outputs for each picture and output, and how long that took."""
    start = perf_counter()
    process = DelegateProcess(path.read_bytes(), 1, GPU, path.name, (SIZE, SIZE), floats=floats)
    loaded_s = perf_counter() - start
    found, run_ms = [], []
    for tensor in seen:
        start = perf_counter()
        outputs = process.invoke(tensor)
        run_ms.append((perf_counter() - start) * 1000)
        found += [numbers(output, spec) for output, spec in zip(outputs, process.outputs, strict=True)]
    process.close()
    return found, f"loaded in {loaded_s:.1f} s, {median(run_ms):.0f} ms a picture"


def on_cpu(path: Path, seen: Sequence[Tensor], *, floats: bool) -> list[Numbers]:
    """The same on the CPU."""
    model = Interpreter(path.read_bytes(), size=(SIZE, SIZE), floats=floats)
    return [
        numbers(output, spec)
        for tensor in seen
        for output, spec in zip(model.invoke(tensor), model.outputs, strict=True)
    ]


def numbers(output: npt.NDArray[Any], spec: TensorSpec) -> Numbers:
    """What an output's numbers stand for."""
    return real(output, spec).astype(np.float64).ravel()


def rms(a: Numbers, b: Numbers) -> float:
    """How far apart they are."""
    return float(np.sqrt(np.mean((a - b) ** 2)))


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
