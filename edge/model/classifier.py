"""Classification head: the model's output as a probability for each label."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError
from edge.model.bundle import Bundle
from edge.model.few_shot import FewShot
from edge.model.head import Head
from edge.model.interpreter import TensorSpec
from edge.model.layouts.activations import activated
from edge.model.tables import MANIFEST
from edge.model.tables.outputs import Activation
from edge.prediction import Classification

Floats = npt.NDArray[np.float32]


class Classifier:
    """Labels for the numbers of one output, float or quantized."""

    def __init__(
        self, labels: tuple[str, ...], output: TensorSpec, name: str, activation: Activation = "none"
    ) -> None:
        """`name` is what complaints call the model. Raises `BundleError` where labels and output do not fit."""
        if output.shape not in {(1, len(labels)), (1, 1, 1, len(labels))}:
            shape = "×".join(map(str, output.shape))
            raise BundleError(
                f"{name}: its output is {shape}, but classification.labels has {len(labels)};"
                f" an output of 1×{len(labels)} is needed, or as many labels as the model was trained with"
            )
        self._labels = labels
        self._output = output
        self._activation = activation

    def score(self, numbers: npt.NDArray[np.generic]) -> Floats:
        """A probability for each label."""
        return activated(real(numbers, self._output).reshape(-1), self._activation)

    def decode(self, scores: Floats) -> Classification:
        """Labels and probabilities in the model's order."""
        return Classification(self._labels, tuple(scores.tolist()))


def real(numbers: npt.NDArray[np.generic], spec: TensorSpec) -> Floats:
    """What a tensor's numbers stand for."""
    if spec.scale == 0:
        return numbers.astype(np.float32)
    # int8 and uint8 would wrap around when the zero point is taken away.
    return ((numbers.astype(np.int64) - spec.zero_point) * spec.scale).astype(np.float32)


def open_head(bundle: Bundle, outputs: Sequence[TensorSpec]) -> Head:
    """The head of a classification bundle on a model with these outputs. Raises `BundleError`."""
    table = bundle.manifest.classification
    assert table is not None  # noqa: S101 - the manifest has the table of its task
    if bundle.manifest.seen.tiles_x * bundle.manifest.seen.tiles_y != 1:
        raise BundleError(
            f"{bundle.folder / MANIFEST}: input.tiles_x: a classification sees one tile; set both to 1"
        )
    if table.head is not None:
        path = str(bundle.folder / table.head)
        few = FewShot(table, bundle.manifest.seen, bundle.files[table.head], outputs, path)
        return Head(few.score, lambda scores, _: few.decode(scores[0]))
    if len(outputs) != 1:
        raise BundleError(f"{bundle.model_path}: has {len(outputs)} outputs; a classification has one")
    head = Classifier(tuple(table.labels), outputs[0], str(bundle.model_path), table.activation)
    return Head(lambda seen: head.score(seen[0]), lambda scores, _: head.decode(scores[0]))
