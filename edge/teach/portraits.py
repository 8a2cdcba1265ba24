"""What the backbone makes of pictures of classes: what is usual at each place, and one vector for each picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import CaptureError, ConfigError, InferenceError
from edge.model import shipped
from edge.model.arrays import Arrays, Floats, unpack
from edge.model.bundle import Bundle
from edge.model.embedding import Embedder
from edge.model.interpreter import Interpreter
from edge.model.taps import Taps
from edge.preprocess.picture import read
from edge.preprocess.tensor import InputSpec, prepare
from edge.teach.gather import Progress, check_inside
from edge.teach.specimens import Specimen

STRIDES_PX = (8, 16)
OF_EMBEDDER = ("mean", "spread", "usual")
LEAST_SPREAD = 1e-3


@dataclass(frozen=True, eq=False)
class Look:
    """How pictures become vectors: the backbone, what it gets to see, and the arrays that `Embedder` needs."""

    model: str
    content: bytes
    spec: InputSpec
    arrays: Arrays


def learn_look(specimens: Sequence[Specimen], spec: InputSpec, progress: Progress) -> Look:
    """Mean and spread of each channel, and what is usual at each place, over all of the pictures."""
    path = shipped.backbone()
    content = path.read_bytes()
    viewer = _Viewer(content, str(path), spec)
    places = np.zeros((viewer.taps.rows * viewer.taps.columns, viewer.taps.channels))
    squares = np.zeros(viewer.taps.channels)
    for number, specimen in enumerate(specimens):
        cells = viewer.cells(specimen).astype(np.float64)
        places += cells
        squares += np.einsum("ij,ij->j", cells, cells)
        progress("looking", number + 1, len(specimens))
    places /= len(specimens)
    mean = places.mean(axis=0)
    spread = np.sqrt(np.maximum(squares / (len(places) * len(specimens)) - mean**2, 0)) + LEAST_SPREAD
    found = {"mean": mean, "spread": spread, "usual": (places - mean) / spread}
    return Look(path.name, content, spec, _as_float32(found))


def recall(bundle: Bundle) -> Look:
    """The look of a bundle that was taught classes. Raises `BundleError`."""
    manifest = bundle.manifest
    table = manifest.classification
    assert table is not None and table.head is not None  # noqa: S101, PT018 - its lesson says so
    arrays = unpack(bundle.files[table.head], str(bundle.folder / table.head))
    kept = {key: array for key, array in arrays.items() if key in OF_EMBEDDER}
    return Look(manifest.model, bundle.files[manifest.model], InputSpec(**dict(manifest.input)), kept)


def portray(look: Look, specimens: Sequence[Specimen], progress: Progress) -> Floats:
    """A vector for each picture: pictures×n. Raises `ConfigError` where a picture does not hold the `roi`."""
    viewer = _Viewer(look.content, look.model, look.spec)
    taps = viewer.taps
    embedder = Embedder(look.arrays, look.model, taps.rows * taps.columns, taps.channels)
    vectors = []
    for number, specimen in enumerate(specimens):
        vectors.append(embedder.embed(viewer.cells(specimen)))
        progress("comparing", number + 1, len(specimens))
    return np.stack(vectors)


def _as_float32(arrays: Arrays) -> Arrays:
    return {key: array.astype(np.float32) for key, array in arrays.items()}


class _Viewer:
    """The backbone at one setting. For one thread."""

    def __init__(self, content: bytes, name: str, spec: InputSpec) -> None:
        self._spec = spec
        self._interpreter = Interpreter(content, name=name, size=(spec.height, spec.width))
        self.taps = Taps(STRIDES_PX, spec.height, spec.width, self._interpreter.outputs, name)

    def cells(self, specimen: Specimen) -> Floats:
        """Real features of the picture, cells×channels. Raises `ConfigError` where it does not hold the `roi`."""
        roi, quality = self._spec.roi, specimen.quality
        if roi is not None:
            check_inside(specimen.path, quality.width, quality.height, roi)
        try:
            (tensor,) = prepare(read(specimen.path), self._spec).tensors
            return self.taps.cells(self._interpreter.invoke(tensor))
        except (CaptureError, InferenceError) as err:
            raise ConfigError(f"{specimen.path}: cannot be taught: {err}") from err
