"""Golden pictures for a strange model: what it says of them here and now, it has to say everywhere."""

from typing import assert_never

from edge.errors import BundleError
from edge.geometry import Image
from edge.model.manifest import Golden
from edge.model.runner import Model
from edge.prediction import (
    Anomaly,
    Classification,
    Detections,
    Measurements,
    Prediction,
    Readings,
    Segmentation,
)
from edge.preprocess.tensor import prepare


def golden(model: Model, file: str, picture: Image) -> Golden:
    """The entry of a picture, whose score is still to be filled in: of what the model is surest of.

    Raises `BundleError` where it sees nothing in it: any model can do that, and it would prove nothing.
    """
    prepared = prepare(picture, model.spec)
    label = surest(model.decode(model.run(prepared), prepared))
    if label is None:
        raise BundleError(
            f"{file}: the model finds nothing in it, so it proves nothing; give another picture"
        )
    return Golden(file=file, score=0.0, label=label)


def surest(prediction: Prediction) -> str | None:
    """The winning label, that of the best detection, or that of the largest area; None where there is none."""
    match prediction:
        case Classification():
            return max(zip(prediction.scores, prediction.labels, strict=True))[1]
        case Detections():
            return prediction.found[0].label if prediction.found else None
        case Segmentation():
            counted = prediction.classes[prediction.valid]
            there = [
                (int((counted == number).sum()), label) for number, label in enumerate(prediction.labels)
            ]
            pixels, label = max(there[1:])
            return label if pixels else None
        case Anomaly() | Measurements() | Readings():
            return None
        case _:
            assert_never(prediction)
