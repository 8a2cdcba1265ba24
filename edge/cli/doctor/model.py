"""The TFLite runtime, how fast the backbone runs on it, and the bundles of a station with their delegates."""

import os
from collections.abc import Iterator
from time import monotonic, perf_counter

from edge.cli.doctor.line import Line
from edge.config import Config
from edge.errors import EdgeError

FIGURES_S = 3.0
FEWEST_RUNS = 5


def runtime_lines(figures: dict[str, float]) -> Iterator[Line]:
    """Whether the shipped backbone runs; its times in ms go to `figures`."""
    try:
        import numpy as np

        from edge.model.interpreter import Interpreter
        from edge.model.runtime import runtime
        from edge.model.shipped import backbone

        yield Line("ok", "runtime", runtime())
        model = Interpreter(backbone().read_bytes(), threads=1)
        pixels = np.zeros(model.inputs[0].shape, np.int8)
        model.invoke(pixels)
        times_ms: list[float] = []
        until_s = monotonic() + FIGURES_S
        while len(times_ms) < FEWEST_RUNS or monotonic() < until_s:
            start_s = perf_counter()
            model.invoke(pixels)
            times_ms.append((perf_counter() - start_s) * 1000)
    except (EdgeError, ImportError) as err:
        remedy = "install edge-inspect again, in an environment of its own"
        yield Line("fail", "runtime", str(err), remedy)
        return
    p50_ms, p99_ms = (round(float(share), 2) for share in np.percentile(times_ms, (50, 99)))
    figures |= {"p50_ms": p50_ms, "p99_ms": p99_ms, "runs": len(times_ms), "threads": 1}
    figures["cores"] = len(os.sched_getaffinity(0))
    yield Line("ok", "backbone", f"p50 {p50_ms} ms, p99 {p99_ms} ms on the CPU, one thread")


def bundle_lines(config: Config) -> Iterator[Line]:
    """Each check's bundle, tried out in a child process, and the delegate that it really runs on."""
    from edge.model.checks import open_check
    from edge.model.tuning import FILE as TUNED

    for check in config.recipe.checks:
        try:
            identity = open_check(check, None, config.station.state_dir / TUNED).model.identity
        except EdgeError as err:
            yield Line("fail", "bundle", f"{check.name}: {err}", "copy or teach the bundle again")
            continue
        if identity is None:
            found = f"{check.name}: nothing is taught yet in {check.bundle}, so every part is inconclusive"
            yield Line("warn", "bundle", found, "teach it: cmd/teach/start, or 'edge teach'")
            continue
        found = f"{check.name}: {identity.name} version {identity.version}, runs on '{identity.delegate}'"
        yield Line("ok", "bundle", found)
        if identity.fallback is not None:
            remedy = (
                "correct the check's delegate and library, or plug the accelerator in; the CPU does its work"
            )
            yield Line("warn", "delegate", f"{check.name}: {identity.fallback}", remedy)
