"""What the pipeline needs of a model, a store and a queue: protocols, so that it imports none of them."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from edge.geometry import Image
from edge.judge.deviation import Limits
from edge.message import Report
from edge.prediction import Prediction
from edge.preprocess.quality import QualityLimits
from edge.preprocess.view import Spec
from edge.types import Decision, Inspection, ModelIdentity, Row


class Model(Protocol):
    """A loaded bundle: it is run on the view that its `spec` asks for. Used by the inspect thread alone."""

    @property
    def spec(self) -> Spec:
        """What the model gets to see of a frame."""
        ...

    @property
    def limits(self) -> Limits:
        """The taught limits of its score."""
        ...

    @property
    def quality(self) -> QualityLimits:
        """What the taught pictures were like."""
        ...

    @property
    def identity(self) -> ModelIdentity | None:
        """Which model it is, and on what it runs now; None while nothing is taught."""
        ...

    def run(self, view: Any) -> Any:
        """The model's outputs. Raises `InferenceError`, and `NotTaughtError` where there is no model yet."""
        ...

    def decode(self, outputs: Any, view: Any) -> Prediction:
        """What the outputs mean. Raises `InferenceError`."""
        ...

    def explain(self, decision: Decision, outputs: Any, view: Any) -> Decision:
        """The decision on these outputs, whose regions now name the taught place that is most like them."""
        ...

    def fall_back(self, reason: str) -> bool:
        """Go on with the CPU, and say why in every report; False where the CPU is what has failed."""
        ...


class Restorer(Protocol):
    """A network that gives a better picture, and judges nothing. For one thread."""

    @property
    def identity(self) -> ModelIdentity:
        """Which restoration it is."""
        ...

    def restore(self, image: Image) -> Image:
        """The picture restored: of the same size, or larger. Raises `InferenceError`."""
        ...


class Kept(Protocol):
    """What became of a part's picture."""

    @property
    def lost(self) -> int:
        """Parts that did not pass, whose pictures had to go for it."""
        ...


class EvidenceStore(Protocol):
    """Where pictures are kept. Used by the keep thread alone."""

    def keep(self, report: Report, inspection: Inspection) -> Kept:
        """Keep a part's pictures. Raises `DeliveryError`."""
        ...


class Lane(Protocol):
    """A sink's place in the outbox. Used by its deliver thread alone."""

    @property
    def waiting(self) -> int:
        """Rows that this sink has still to take."""
        ...

    def take(self, most: int, timeout_s: float) -> list[Row]:
        """The next rows, live ones first; empty after the time-out."""
        ...

    def acknowledge(self, seqs: Collection[int]) -> None:
        """These are taken."""
        ...

    def refuse(self, reasons: Mapping[int, str]) -> None:
        """These will never be taken: put aside, with the reason."""
        ...

    def disconnected(self) -> None:
        """What was taken and not acknowledged is to be offered again."""
        ...
