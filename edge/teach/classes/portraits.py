"""What the backbone makes of pictures of classes: what is usual at each place, and one vector for each picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import CaptureError, ConfigError, InferenceError
from edge.model import shipped
from edge.model.arrays import Arrays, Floats, unpack
from edge.model.bundle import Bundle
from edge.model.embedding import Embedder
from edge.model.sight import sight
from edge.preprocess.picture import read
from edge.preprocess.tensor import InputSpec
from edge.teach.classes.specimens import Specimen
from edge.teach.eye import Eye
from edge.teach.gather import Progress, check_inside
from edge.teach.parallel import processors

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
    eye = _eye(content, path.name, spec)
    taps = eye.taps(STRIDES_PX)
    places = np.zeros((taps.rows * taps.columns, taps.channels))
    squares = np.zeros(taps.channels)
    for number, specimen in enumerate(specimens):
        cells = _cells(eye, specimen).astype(np.float64)
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
    return Look(manifest.network, bundle.files[manifest.network], sight(bundle), kept)


def portray(look: Look, specimens: Sequence[Specimen], progress: Progress) -> Floats:
    """A vector for each picture: pictures×n. Raises `ConfigError` where a picture does not hold the `roi`."""
    eye = _eye(look.content, look.model, look.spec)
    taps = eye.taps(STRIDES_PX)
    embedder = Embedder(look.arrays, look.model, taps.rows * taps.columns, taps.channels)
    vectors = []
    for number, specimen in enumerate(specimens):
        vectors.append(embedder.embed(_cells(eye, specimen)))
        progress("comparing", number + 1, len(specimens))
    return np.stack(vectors)


def _as_float32(arrays: Arrays) -> Arrays:
    return {key: array.astype(np.float32) for key, array in arrays.items()}


def _eye(content: bytes, name: str, spec: InputSpec) -> Eye:
    return Eye(content, name, spec, processors())


def _cells(eye: Eye, specimen: Specimen) -> Floats:
    """Real features of the picture, cells×channels. Raises `ConfigError` where it does not hold the `roi`."""
    roi, quality = eye.spec.roi, specimen.quality
    if roi is not None:
        check_inside(specimen.path, quality.width, quality.height, roi)
    try:
        (tile,) = eye.look(read(specimen.path)).outputs
    except (CaptureError, InferenceError) as err:
        raise ConfigError(f"{specimen.path}: cannot be taught: {err}") from err
    return eye.taps(STRIDES_PX).cells(tile)
