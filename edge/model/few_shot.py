"""Few-shot head: the backbone's features of a picture become a probability for each taught class, and for none."""

from collections.abc import Sequence

from edge.errors import BundleError
from edge.judge.classification import UNKNOWN
from edge.model.arrays import Floats, unpack
from edge.model.embedding import LENGTH, Embedder
from edge.model.interpreter import TensorSpec
from edge.model.manifest import Input
from edge.model.prototypes import from_arrays
from edge.model.tables.classification import ClassificationHead
from edge.model.taps import Outputs, Taps
from edge.prediction import Classification


class FewShot:
    """Probabilities from a backbone's outputs. For one thread."""

    def __init__(
        self, head: ClassificationHead, seen: Input, content: bytes, outputs: Sequence[TensorSpec], name: str
    ) -> None:
        """`outputs` are the model's, `content` is the head's file `name`. Raises `BundleError`."""
        self._labels = tuple(head.labels)
        if self._labels[-1] != UNKNOWN:
            raise BundleError(
                f"{name}: classification.labels must end with '{UNKNOWN}'; teach the bundle again"
            )
        self._taps = Taps(head.strides_px, seen.height, seen.width, outputs, name)
        arrays = unpack(content, name)
        channels = self._taps.channels
        self._embedder = Embedder(arrays, name, self._taps.rows * self._taps.columns, channels)
        self._classes, self._calibration = from_arrays(arrays, name, len(self._labels) - 1, LENGTH * channels)

    def score(self, outputs: Outputs) -> Floats:
        """A probability for each label, for one tensor. NaN where a feature is NaN."""
        vector = self._embedder.embed(self._taps.cells(outputs))
        return self._classes.probabilities(vector, self._calibration)

    def decode(self, scores: Floats) -> Classification:
        """Labels and probabilities in the order in which they were taught."""
        return Classification(self._labels, tuple(scores.tolist()))
