"""A bundle at work: what runs its model, and its head, from tensors to a prediction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError
from edge.judge.rules import Limits
from edge.model import examples
from edge.model.anomaly_head import AnomalyScorer
from edge.model.arrays import unpack
from edge.model.bundle import Bundle
from edge.model.classifier import Classifier
from edge.model.content import Precision, content_for
from edge.model.delegate_process import DelegateProcess
from edge.model.delegates import CPU, DelegateConfig
from edge.model.few_shot import FewShot
from edge.model.interpreter import Engine, Interpreter, TensorSpec
from edge.model.manifest import MANIFEST
from edge.model.taps import Outputs
from edge.preprocess.quality import QualityLimits
from edge.preprocess.tensor import InputSpec, Prepared
from edge.types import Decision, ModelIdentity, Prediction

Scores = tuple[npt.NDArray[np.float32], ...]
"""For each tensor: a map of relative distances, or a probability for each label."""


@dataclass(frozen=True, eq=False)
class Result:
    """What a model makes of a picture. `outputs` are the interpreter's own, tensor by tensor."""

    scores: Scores
    outputs: tuple[Outputs, ...]


Explain = Callable[[Decision, Result, Prepared], Decision]


def _unexplained(decision: Decision, _result: Result, _prepared: Prepared) -> Decision:
    return decision


class Head(NamedTuple):
    """From the interpreter's outputs for each tensor to a prediction for the picture."""

    score: Callable[[Outputs], npt.NDArray[np.float32]]
    decode: Callable[[Scores, Prepared], Prediction]
    explain: Explain = _unexplained


class Model:
    """A loaded bundle. Used by the inspect thread alone."""

    def __init__(self, bundle: Bundle, engine: Engine, threads: int = 1) -> None:
        """Raises `BundleError` where the model is not what the manifest says."""
        manifest = bundle.manifest
        self.engine = engine
        _check_input(manifest.input.width, manifest.input.height, engine.inputs[0], bundle)
        self._head = HEADS[manifest.task](bundle, engine.outputs)
        self.spec = InputSpec(**dict(manifest.input))
        self.limits = Limits(pass_below=manifest.limits.pass_below)
        self.quality = QualityLimits.from_table(manifest.quality.model_dump())
        self.labels = tuple(manifest.classification.labels) if manifest.classification else ()
        self.identity = ModelIdentity(
            manifest.name, manifest.version, bundle.digest, engine.delegate, threads
        )

    def run(self, prepared: Prepared) -> Result:
        """The model's outputs and scores, tensor by tensor. Raises `InferenceError`."""
        outputs = tuple(self.engine.invoke(tensor) for tensor in prepared.tensors)
        return Result(tuple(self._head.score(seen) for seen in outputs), outputs)

    def decode(self, result: Result, prepared: Prepared) -> Prediction:
        """What the scores mean. The prediction keeps none of the model's memory."""
        return self._head.decode(result.scores, prepared)

    def explain(self, decision: Decision, result: Result, prepared: Prepared) -> Decision:
        """The decision on this result, whose regions now name the taught place that is most like them."""
        return self._head.explain(decision, result, prepared)

    def fall_back(self, _reason: str) -> bool:
        """There is nothing else that could run it."""
        return False


def open_model(
    bundle: Bundle, delegate: DelegateConfig = CPU, threads: int = 1, precision: Precision = "int8"
) -> Model:
    """Make a bundle ready to run: on the CPU here, on any other delegate in a process of its own.

    Raises `BundleError`, and `DeviceError` where there is no TFLite runtime or the delegate cannot have the model.
    Any thread (but see `DelegateProcess`); then see `Model`.
    """
    manifest = bundle.manifest
    # What was compiled for the Edge TPU has the size that it was compiled for.
    resizable = manifest.resizable and delegate.name != "edgetpu"
    size = (manifest.input.height, manifest.input.width) if resizable else None
    content = content_for(bundle, delegate.name, precision)
    opened: type[Interpreter | DelegateProcess] = (
        Interpreter if delegate.name == CPU.name else DelegateProcess
    )
    floats = precision != "int8"
    engine = opened(content, threads, delegate, str(bundle.model_path), size, floats=floats)
    model = Model(bundle, engine, threads)
    if precision != "int8":  # what was not taught with int8 is to be seen in every report
        model.identity = replace(model.identity, delegate=f"{delegate.name} ({precision})")
    return model


def _anomaly(bundle: Bundle, outputs: Sequence[TensorSpec]) -> Head:
    table = bundle.manifest.anomaly
    assert table is not None  # noqa: S101 - the manifest has the table of its task
    path = str(bundle.folder / table.head)
    arrays = unpack(bundle.files[table.head], path)
    scorer = AnomalyScorer(table, bundle.manifest.input, arrays, outputs, path)
    explain = _explaining(bundle, scorer) if examples.FILE in bundle.files else _unexplained
    return Head(scorer.score, lambda scores, prepared: prepared.stitch(scores), explain)


def _explaining(bundle: Bundle, scorer: AnomalyScorer) -> Explain:
    taps = scorer.taps
    content, path = bundle.files[examples.FILE], str(bundle.folder / examples.FILE)
    taught = examples.Examples(content, path, taps.channels)

    def explain(decision: Decision, result: Result, prepared: Prepared) -> Decision:
        shape = (taps.rows, taps.columns, taps.channels)
        cells = [taps.cells(seen).reshape(shape) for seen in result.outputs]
        return examples.explain(decision, taught, prepared.layout, cells, result.scores)

    return explain


def _classification(bundle: Bundle, outputs: Sequence[TensorSpec]) -> Head:
    table = bundle.manifest.classification
    assert table is not None  # noqa: S101 - the manifest has the table of its task
    if bundle.manifest.input.tiles_x * bundle.manifest.input.tiles_y != 1:
        raise BundleError(
            f"{bundle.folder / MANIFEST}: input.tiles_x: a classification sees one tile; set both to 1"
        )
    if table.head is not None:
        path = str(bundle.folder / table.head)
        few = FewShot(table, bundle.manifest.input, bundle.files[table.head], outputs, path)
        return Head(few.score, lambda scores, _: few.decode(scores[0]))
    if len(outputs) != 1:
        raise BundleError(f"{bundle.model_path}: has {len(outputs)} outputs; a classification has one")
    head = Classifier(tuple(table.labels), outputs[0], str(bundle.model_path))
    return Head(lambda seen: head.score(seen[0]), lambda scores, _: head.decode(scores[0]))


HEADS: dict[str, Callable[[Bundle, Sequence[TensorSpec]], Head]] = {
    "anomaly": _anomaly,
    "classification": _classification,
}


def _check_input(width: int, height: int, taken: TensorSpec, bundle: Bundle) -> None:
    if taken.shape[1:3] != (height, width):
        raise BundleError(
            f"{bundle.model_path}: takes pictures of {taken.shape[2]}×{taken.shape[1]}, but [input] in"
            f" {bundle.folder / MANIFEST} says {width}×{height}; correct width and height"
        )
