"""The ways to run a bundle on this device, measured against each other in turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from time import perf_counter

import numpy as np

from edge.errors import BundleError, DeviceError, InferenceError
from edge.model import golden
from edge.model.bundle import Bundle
from edge.model.content import Precision, edgetpu_name, has_float_twin
from edge.model.delegates import DelegateConfig
from edge.model.runner import Model, open_model
from edge.model.tuning import Way
from edge.preprocess.picture import decode
from edge.preprocess.tensor import Prepared, prepare

RUNS = 5
"""In a row, of each contender in each round: the first ones find the caches cold."""
AS_GOOD = 1.05
"""A way that is so much slower than the fastest counts as just as fast: the plainer one is taken."""


@dataclass
class Contender:
    """A way, and what was measured of it; `refused` says why it does not count."""

    way: Way
    model: Model | None = None
    refused: str | None = None
    runs_ms: list[float] = field(default_factory=list)

    @property
    def p50_ms(self) -> float:
        """Of all its runs, with the head."""
        return median(self.runs_ms)

    @property
    def p95_ms(self) -> float:
        """Of all its runs, with the head."""
        return sorted(self.runs_ms)[int(len(self.runs_ms) * 0.95)]


def ways(bundle: Bundle, delegate: DelegateConfig, cores: int) -> list[Way]:
    """Every way that is worth a try, the plainer ones first. `delegate` has the library of an NPU."""
    precisions: list[Precision] = ["int8", "float16"] if has_float_twin(bundle) else ["int8"]
    counts = sorted({count for count in (1, 2, 4, 8) if count < cores} | {cores})
    found = [Way("cpu", precision, threads) for precision in precisions for threads in counts]
    if edgetpu_name(bundle) in bundle.files:
        found.append(Way("edgetpu", "int8", 1))
    found += [Way("gpu", precision, 1) for precision in precisions]
    if delegate.library is not None:
        found.append(Way("npu", "int8", 1))
    return found


def enter(bundle: Bundle, way: Way, delegate: DelegateConfig) -> Contender:
    """A way that is ready to be measured, or why it cannot be: it must answer as was taught."""
    if not bundle.manifest.golden:
        return Contender(way, None, "the bundle has no golden pictures to prove it with; teach it again")
    try:
        model = open_model(bundle, replace(delegate, name=way.delegate), way.threads, way.precision)
        wrong = golden.differences(bundle, golden.replay(bundle, model))
    except (BundleError, DeviceError, InferenceError) as err:
        return Contender(way, None, str(err))
    if wrong:
        model.engine.close()
        return Contender(way, None, f"does not answer as was taught: {wrong[0]}")
    return Contender(way, model)


def measure(
    bundle: Bundle, contenders: Sequence[Contender], rounds: int, after_round: Callable[[int], None]
) -> None:
    """Let all of them run in turn, round after round: a machine that slows down slows down all alike."""
    prepared = _picture(bundle)
    for number in range(rounds):
        for contender in contenders:
            if contender.refused is None:
                _run(contender, prepared)
        after_round(number)


def fastest(contenders: Sequence[Contender]) -> Contender:
    """The plainest of the fast ones. Raises `BundleError` where none could be measured."""
    measured = [each for each in contenders if each.refused is None and each.runs_ms]
    if not measured:
        raise BundleError(f"nothing runs it: {contenders[0].refused}")
    best_ms = min(each.p50_ms for each in measured)
    return next(each for each in measured if each.p50_ms <= AS_GOOD * best_ms)


def _run(contender: Contender, prepared: Prepared) -> None:
    assert contender.model is not None  # noqa: S101 - one that is not refused has a model
    try:
        for _ in range(RUNS):
            start = perf_counter()
            contender.model.run(prepared)
            contender.runs_ms.append((perf_counter() - start) * 1000)
    except InferenceError as err:
        contender.refused = str(err)


def _picture(bundle: Bundle) -> Prepared:
    """A golden picture, as the models get to see it."""
    spec = open_model(bundle).spec
    first = bundle.manifest.golden[:1]
    if not first:
        return prepare(np.zeros((spec.height, spec.width, 3), np.uint8), replace(spec, roi=None))
    return prepare(decode(bundle.files[first[0].file], first[0].file), spec)
