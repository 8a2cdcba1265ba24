"""A bundle without a network at work: a measuring tool or a reader, which sees the picture itself."""

from collections.abc import Callable

from edge.judge.deviation import Limits
from edge.model import measurement, reading
from edge.model.bundle import Bundle
from edge.prediction import Prediction
from edge.preprocess.crop import Crop, CropSpec
from edge.preprocess.quality import QualityLimits
from edge.types import Decision, ModelIdentity

Look = Callable[[Crop], Prediction]
"""Raises `InferenceError`."""


class Instrument:
    """Takes the place of a model. Used by the inspect thread alone."""

    def __init__(self, bundle: Bundle, look: Look) -> None:
        manifest = bundle.manifest
        self._look = look
        self.spec = CropSpec()
        self.limits = Limits(pass_below=manifest.limits.pass_below)
        self.quality = QualityLimits.from_table(manifest.quality.model_dump())
        self.task, self.labels = manifest.task, manifest.labels
        self.identity = ModelIdentity(manifest.name, manifest.version, bundle.digest, "none", 1)

    def run(self, crop: Crop) -> Prediction:
        """What is measured or read. Raises `InferenceError`."""
        return self._look(crop)

    def decode(self, prediction: Prediction, _crop: Crop) -> Prediction:
        """The same: there is nothing to decode."""
        return prediction

    def explain(self, decision: Decision, _prediction: Prediction, _crop: Crop) -> Decision:
        """The decision as it is: its reasons say all."""
        return decision

    def fall_back(self, _reason: str) -> bool:
        """There is nothing else that could do it."""
        return False


def open_instrument(bundle: Bundle) -> Instrument:
    """Make a bundle without a network ready. Raises `BundleError`."""
    return Instrument(bundle, INSTRUMENTS[bundle.manifest.task](bundle))


INSTRUMENTS: dict[str, Callable[[Bundle], Look]] = {
    "measurement": measurement.open_tools,
    "reading": reading.open_reader,
}
