"""A bundle at work: what runs its model, and its head, from tensors to a prediction."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from edge.errors import BundleError
from edge.judge.deviation import Limits
from edge.model import anomaly_head, classifier, detection, segmentation
from edge.model.bundle import Bundle
from edge.model.content import Precision, content_for
from edge.model.delegate_process import DelegateProcess
from edge.model.delegates import CPU, DelegateConfig
from edge.model.head import Head, Result
from edge.model.instrument import Instrument, open_instrument
from edge.model.interpreter import Engine, Interpreter, TensorSpec
from edge.model.manifest import WITHOUT_NETWORK
from edge.model.sight import sight
from edge.model.tables import MANIFEST
from edge.prediction import Prediction
from edge.preprocess.quality import QualityLimits
from edge.preprocess.tensor import Prepared
from edge.types import Decision, ModelIdentity


class Model:
    """A loaded bundle. Used by the inspect thread alone."""

    def __init__(self, bundle: Bundle, engine: Engine, threads: int = 1) -> None:
        """Raises `BundleError` where the model is not what the manifest says."""
        manifest = bundle.manifest
        self.engine = engine
        _check_input(manifest.seen.width, manifest.seen.height, engine.inputs[0], bundle)
        if manifest.task not in HEADS:
            raise BundleError(f"{bundle.folder}: {NO_HEAD.format(manifest.task)}")
        self._head = HEADS[manifest.task](bundle, engine.outputs)
        self.spec = sight(bundle)
        self.limits = Limits(pass_below=manifest.limits.pass_below)
        self.quality = QualityLimits.from_table(manifest.quality.model_dump())
        self.task, self.labels = manifest.task, manifest.labels
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
    size = (manifest.seen.height, manifest.seen.width) if resizable else None
    content = content_for(bundle, delegate.name, precision)
    opened: type[Interpreter | DelegateProcess] = (
        Interpreter if delegate.name == CPU.name else DelegateProcess
    )
    floats = precision != "int8"
    name = str(bundle.model_path)
    engine = opened(content, threads, delegate, name, size, floats=floats, pixels=manifest.pixels)
    model = Model(bundle, engine, threads)
    if precision != "int8":  # what was not taught with int8 is to be seen in every report
        model.identity = replace(model.identity, delegate=f"{delegate.name} ({precision})")
    return model


def open_any(bundle: Bundle, threads: int = 1) -> "Model | Instrument":
    """Make a bundle ready to run on the CPU, whether it has a network or not. Raises as `open_model`."""
    if bundle.manifest.task in WITHOUT_NETWORK:
        return open_instrument(bundle)
    return open_model(bundle, threads=threads)


NO_HEAD = (
    "task '{}' judges nothing, and a check needs a bundle that does; what restores pictures belongs in"
    " evidence.restore, or with 'edge teach --restore' into a bundle that judges"
)
HEADS: dict[str, Callable[[Bundle, Sequence[TensorSpec]], Head]] = {
    "anomaly": anomaly_head.open_head,
    "classification": classifier.open_head,
    "detection": detection.open_head,
    "segmentation": segmentation.open_head,
}


def _check_input(width: int, height: int, taken: TensorSpec, bundle: Bundle) -> None:
    if taken.shape[1:3] != (height, width):
        raise BundleError(
            f"{bundle.model_path}: takes pictures of {taken.shape[2]}×{taken.shape[1]}, but [input] in"
            f" {bundle.folder / MANIFEST} says {width}×{height}; correct width and height"
        )
