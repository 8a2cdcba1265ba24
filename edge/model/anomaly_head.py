"""From what the backbone sees of a tensor to a map of scores: 1.0 is the limit that was taught."""

from collections.abc import Sequence

import numpy as np

from edge.errors import BundleError
from edge.geometry import Map
from edge.model import examples
from edge.model.arrays import Arrays, Floats, take, unpack
from edge.model.bundle import Bundle
from edge.model.detectors import open_detector
from edge.model.head import Explain, Head, Result, unexplained
from edge.model.interpreter import TensorSpec
from edge.model.manifest import Input
from edge.model.tables.anomaly import AnomalyHead
from edge.model.taps import Outputs, Taps
from edge.preprocess.tensor import Prepared
from edge.types import Decision

GAIN = "gain"
"""The array, rows×columns, that distances are multiplied by: where good parts differ most, they mean less."""


class AnomalyScorer:
    """A method's distances, put on the scale on which 1.0 is the limit. For one thread."""

    def __init__(
        self, head: AnomalyHead, seen: Input, arrays: Arrays, outputs: Sequence[TensorSpec], name: str
    ) -> None:
        """`outputs` are the model's, `arrays` those of the head's file `name`. Raises `BundleError`."""
        self.taps = Taps(head.strides_px, seen.height, seen.width, outputs, name)
        rows, columns = self.taps.rows, self.taps.columns
        self._detector = open_detector(head.method, arrays, name, rows * columns, self.taps.channels)
        gain = take(arrays, GAIN, (rows, columns), name) if GAIN in arrays else np.ones((rows, columns))
        if gain.min() <= 0:
            raise BundleError(f"{name}: array '{GAIN}' must be over 0; teach the bundle again")
        self._gain = (gain / head.limit_distance).astype(np.float32)

    def score(self, outputs: Outputs) -> Map:
        """A score for each cell of a tensor, rows×columns. NaN where a feature is NaN."""
        return self.distances(self.taps.cells(outputs)) * self._gain

    def distances(self, cells: Floats) -> Map:
        """The method's own distances, rows×columns, for cells×channels."""
        return self._detector.distances(cells).reshape(self._gain.shape)


def open_head(bundle: Bundle, outputs: Sequence[TensorSpec]) -> Head:
    """The head of an anomaly bundle on a model with these outputs. Raises `BundleError`."""
    table = bundle.manifest.anomaly
    assert table is not None  # noqa: S101 - the manifest has the table of its task
    path = str(bundle.folder / table.head)
    arrays = unpack(bundle.files[table.head], path)
    scorer = AnomalyScorer(table, bundle.manifest.seen, arrays, outputs, path)
    explain = _explaining(bundle, scorer) if examples.FILE in bundle.files else unexplained
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
