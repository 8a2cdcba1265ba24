"""A bundle at work: its interpreter and its head, from tensors to a prediction."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError
from edge.judge.rules import Limits
from edge.model.bundle import Bundle
from edge.model.classifier import Classifier
from edge.model.interpreter import CPU, DelegateConfig, Interpreter, TensorSpec
from edge.model.manifest import MANIFEST
from edge.model.memory_bank import MemoryBank, read_bank
from edge.preprocess.quality import QualityLimits
from edge.preprocess.tensor import InputSpec, Prepared
from edge.types import ModelIdentity, Prediction

log = logging.getLogger(__name__)

Scores = tuple[npt.NDArray[np.float32], ...]
"""For each tensor: a map of relative distances, or a probability for each label."""


class Head(NamedTuple):
    """From one of the interpreter's outputs, for each tensor, to a prediction for the picture."""

    output: int
    score: Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]
    decode: Callable[[Scores, Prepared], Prediction]


class Model:
    """A loaded bundle. Used by the inspect thread alone."""

    def __init__(self, bundle: Bundle, delegate: DelegateConfig = CPU, threads: int = 1) -> None:
        """Raises `BundleError` where the model is not what the manifest says, `DeviceError` without a runtime."""
        manifest = bundle.manifest
        self._name = str(bundle.model_path)
        self._content = bundle.files[manifest.model]
        self._interpreter = Interpreter(self._content, threads, delegate, self._name)
        _check_input(manifest.input.width, manifest.input.height, self._interpreter.inputs[0], bundle)
        self._head = HEADS[manifest.task](bundle, self._interpreter.outputs)
        self.spec = InputSpec(**dict(manifest.input))
        self.limits = Limits(pass_below=manifest.limits.pass_below)
        self.quality = QualityLimits.from_table(manifest.quality.model_dump())
        self.labels = tuple(manifest.classification.labels) if manifest.classification else ()
        self._version, self._digest, self._threads = manifest.version, bundle.digest, threads
        self.identity = self._identify(manifest.name, self._interpreter)

    def run(self, prepared: Prepared) -> Scores:
        """The model's scores, tensor by tensor. Raises `InferenceError`."""
        return tuple(
            self._head.score(self._interpreter.invoke(tensor)[self._head.output])
            for tensor in prepared.tensors
        )

    def decode(self, outputs: Scores, prepared: Prepared) -> Prediction:
        """What the scores mean. The prediction keeps none of the model's memory."""
        return self._head.decode(outputs, prepared)

    def fall_back(self, reason: str) -> None:
        """Go on with the CPU, and say why in every report. Raises `BundleError`, `DeviceError`."""
        log.warning("model %s: goes on with the CPU: %s", self.identity.name, reason)
        self._interpreter = Interpreter(self._content, self._threads, CPU, self._name)
        self._interpreter.fallback = reason
        self.identity = self._identify(self.identity.name, self._interpreter)

    def _identify(self, name: str, interpreter: Interpreter) -> ModelIdentity:
        return ModelIdentity(
            name, self._version, self._digest, interpreter.delegate, self._threads, interpreter.fallback
        )


def open_model(bundle: Bundle, delegate: DelegateConfig = CPU, threads: int = 1) -> Model:
    """Make a bundle ready to run. One that cannot have the delegate gets the CPU, and says so in its identity.

    Raises `BundleError`, and `DeviceError` where there is no TFLite runtime. Any thread; then see `Model`.
    """
    return Model(bundle, delegate, threads)


def _anomaly(bundle: Bundle, outputs: Sequence[TensorSpec]) -> Head:
    table = bundle.manifest.anomaly
    assert table is not None  # noqa: S101 - the manifest has the table of its task
    index = _tap(bundle, table.stride_px, outputs)
    channels = outputs[index].shape[3]
    path = bundle.folder / table.bank
    bank = read_bank(bundle.files[table.bank], str(path))
    if len(bank.mean) != channels:
        raise BundleError(
            f"{path}: has {len(bank.mean)} channels, the model {channels}; teach the bundle again"
        )
    head = MemoryBank(bank, outputs[index], table.limit_distance)
    return Head(index, head.score, lambda scores, prepared: prepared.stitch(scores))


def _tap(bundle: Bundle, stride_px: int, outputs: Sequence[TensorSpec]) -> int:
    """The number of the output that has a cell every `stride_px` pixels of the input."""
    rows, columns = bundle.manifest.input.height // stride_px, bundle.manifest.input.width // stride_px
    for index, output in enumerate(outputs):
        if len(output.shape) == 4 and output.shape[:3] == (1, rows, columns):  # noqa: PLR2004
            return index
    found = ", ".join("×".join(map(str, output.shape)) for output in outputs)
    raise BundleError(
        f"{bundle.model_path}: its outputs are {found}; anomaly.stride_px {stride_px} needs 1×{rows}×{columns}×n"
    )


def _classification(bundle: Bundle, outputs: Sequence[TensorSpec]) -> Head:
    table = bundle.manifest.classification
    assert table is not None  # noqa: S101 - the manifest has the table of its task
    if bundle.manifest.input.tiles_x * bundle.manifest.input.tiles_y != 1:
        raise BundleError(
            f"{bundle.folder / MANIFEST}: input.tiles_x: a classification sees one tile; set both to 1"
        )
    if len(outputs) != 1:
        raise BundleError(f"{bundle.model_path}: has {len(outputs)} outputs; a classification has one")
    head = Classifier(tuple(table.labels), outputs[0], str(bundle.model_path))
    return Head(0, head.score, lambda scores, _: head.decode(scores[0]))


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
