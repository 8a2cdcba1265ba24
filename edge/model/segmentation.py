"""Segmentation head: a score for each class and cell becomes the class of each cell."""

from collections.abc import Sequence

import numpy as np

from edge.errors import BundleError
from edge.model.bundle import Bundle
from edge.model.classifier import real
from edge.model.head import Head, Scores
from edge.model.interpreter import TensorSpec
from edge.model.tables import MANIFEST
from edge.model.taps import Outputs
from edge.preprocess.tensor import Prepared
from edge.types import Map, Segmentation


class Segmenter:
    """Probabilities from one output, 1×rows×columns×labels. For one thread."""

    def __init__(self, labels: tuple[str, ...], output: TensorSpec, name: str) -> None:
        """`name` is what complaints call the model. Raises `BundleError` where labels and output do not fit."""
        if len(output.shape) != 4 or output.shape[3] != len(labels):  # noqa: PLR2004 - 1×rows×columns×labels
            shape = "×".join(map(str, output.shape))
            raise BundleError(
                f"{name}: its output is {shape}, but segmentation.labels has {len(labels)};"
                f" an output of 1×rows×columns×{len(labels)} is needed"
            )
        self.labels, self._output = labels, output

    def score(self, outputs: Outputs) -> Map:
        """A probability for each cell and label, rows×columns×labels: the softmax of the output."""
        logits = real(outputs[0][0], self._output)
        powers = np.exp(logits - logits.max(axis=2, keepdims=True))
        shares: Map = powers / powers.sum(axis=2, keepdims=True)
        return shares

    def decode(self, scores: Scores, prepared: Prepared) -> Segmentation:
        """The class of each cell."""
        (shares,) = scores
        shown = prepared.layout.shown(*shares.shape[:2])
        valid = prepared.valid(*shares.shape[:2])[shown]
        shares = shares[shown]
        classes = shares.argmax(axis=2).astype(np.uint8)
        return Segmentation(self.labels, classes, shares.max(axis=2), valid, prepared.box)


def open_head(bundle: Bundle, outputs: Sequence[TensorSpec]) -> Head:
    """The head of a segmentation bundle on a model with these outputs. Raises `BundleError`."""
    table = bundle.manifest.segmentation
    assert table is not None  # noqa: S101 - the manifest has the table of its task
    if bundle.manifest.seen.tiles_x * bundle.manifest.seen.tiles_y != 1:
        raise BundleError(
            f"{bundle.folder / MANIFEST}: input.tiles_x: a segmentation sees one tile; set both to 1"
        )
    if len(outputs) != 1:
        raise BundleError(f"{bundle.model_path}: has {len(outputs)} outputs; a segmentation has one")
    head = Segmenter(tuple(table.labels), outputs[0], str(bundle.model_path))
    return Head(head.score, head.decode)
