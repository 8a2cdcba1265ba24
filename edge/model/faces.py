"""People's faces in a picture, found with any detection bundle."""

from pathlib import Path
from threading import Lock

from edge.config import Privacy
from edge.errors import ConfigError
from edge.geometry import Box, Image
from edge.judge.words import unknown_label
from edge.model.bundle import load
from edge.model.runner import Model, open_model
from edge.model.verify import verify
from edge.prediction import Detections
from edge.preprocess.tensor import prepare


class Faces:
    """Finds what is to be covered. Any thread; one at a time."""

    def __init__(self, model: Model, config: Privacy) -> None:
        """`model` is that of a detection bundle."""
        self._model, self._config = model, config
        self._lock = Lock()

    def find(self, picture: Image) -> tuple[Box, ...]:
        """Boxes in the picture's pixels. Raises `InferenceError`."""
        with self._lock:
            prepared = prepare(picture, self._model.spec)
            prediction = self._model.decode(self._model.run(prepared), prepared)
        assert isinstance(prediction, Detections)  # noqa: S101 - `open_faces` takes no other task
        return tuple(
            thing.box
            for thing in prediction.found
            if thing.score >= self._config.min_score
            and (not self._config.labels or thing.label in self._config.labels)
        )


def open_faces(config: Privacy, verified: Path | None) -> Faces | None:
    """The face model of a station, proven in a child process unless `verified` remembers it; None: none is set.

    Raises `ConfigError` where the bundle is wrong, or the settings do not fit it.
    """
    if config.faces is None:
        return None
    bundle = load(config.faces)
    table = bundle.manifest.detection
    if table is None:
        raise ConfigError(
            f"privacy.faces: {bundle.folder} is of task '{bundle.manifest.task}'; name a bundle that detects faces"
        )
    complaints = [
        unknown_label(f"privacy.labels[{place}]", label, table.labels)
        for place, label in enumerate(config.labels)
        if label not in table.labels
    ]
    if config.min_score < table.min_score:
        complaints.append(
            f"privacy.min_score: {config.min_score:g} is under detection.min_score of {bundle.folder}, which is"
            f" {table.min_score:g}: nothing so faint is ever found; raise the one, or lower the other"
        )
    if complaints:
        raise ConfigError("\n".join(complaints))
    verify(bundle, verified)
    return Faces(open_model(bundle), config)
