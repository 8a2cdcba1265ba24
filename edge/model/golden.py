"""Golden pictures: what a bundle answers for them, and whether that is what it answered when it was taught."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import assert_never

import numpy as np

from edge.errors import BundleError, CaptureError, InferenceError
from edge.geometry import Image
from edge.judge import anomaly
from edge.model.bundle import Bundle
from edge.model.manifest import Golden, Tolerance
from edge.ports import Model
from edge.prediction import (
    Anomaly,
    Classification,
    Detections,
    Measurements,
    Prediction,
    Readings,
    Segmentation,
)
from edge.preprocess.picture import decode
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.tensor import InputSpec
from edge.preprocess.view import view


def replay(bundle: Bundle, model: Model) -> tuple[float, ...]:
    """The scores of the bundle's golden pictures, in the manifest's order. Raises `BundleError`."""
    # Also where there is none: a model that has never run is not sound.
    if isinstance(model.spec, InputSpec):
        blank = np.zeros((model.spec.height, model.spec.width, 3), np.uint8)
        seen = view(Pyramid(blank), replace(model.spec, roi=None))
        model.decode(model.run(seen), seen)
    return tuple(_replay(bundle, model, golden) for golden in bundle.manifest.golden)


def check(bundle: Bundle, scores: Sequence[float]) -> None:
    """Are these the scores that the manifest expects? Raises `BundleError` that names each picture that is off."""
    complaints = differences(bundle, scores)
    if complaints:
        raise BundleError(
            "\n".join(f"{bundle.folder}: {complaint}; teach the bundle again" for complaint in complaints)
        )


def differences(bundle: Bundle, scores: Sequence[float]) -> list[str]:
    """How these scores differ from those that the manifest expects: a clause for each picture that is off."""
    expected = bundle.manifest.golden
    if len(scores) != len(expected):
        return [f"{len(scores)} scores for {len(expected)} golden pictures"]
    return list(_complaints(expected, scores, bundle.manifest.tolerance))


def difference(bundle: Bundle, model: Model, number: int) -> str | None:
    """How the score of one golden picture, counted round and round, differs from the taught one; None: not at all.

    For a bundle whose golden pictures have been replayed, and so can be decoded. Raises `InferenceError`.
    """
    expected = bundle.manifest.golden[number % len(bundle.manifest.golden)]
    picture = decode(bundle.files[expected.file], expected.file)
    found = score(model, picture, expected.label)
    return next(_complaints([expected], [found], bundle.manifest.tolerance), None)


def score(model: Model, picture: Image, label: str | None = None) -> float:
    """What the manifest's `Golden.score` is for this task, of this picture. Raises `InferenceError`."""
    seen = view(Pyramid(picture), model.spec)
    return _score(model.decode(model.run(seen), seen), label)


def _replay(bundle: Bundle, model: Model, golden: Golden) -> float:
    path = bundle.folder / golden.file
    try:
        return score(model, decode(bundle.files[golden.file], str(path)), golden.label)
    except CaptureError as err:
        raise BundleError(f"{err}; copy the bundle again") from err
    except InferenceError as err:
        raise BundleError(f"{path}: {err}") from err


def _score(prediction: Prediction, label: str | None) -> float:
    match prediction:
        case Anomaly():
            return anomaly.score(prediction.anomaly_map[prediction.valid])
        case Classification():
            return dict(zip(prediction.labels, prediction.scores, strict=True)).get(label or "", float("nan"))
        case Detections():
            return max(
                (thing.score for thing in prediction.found if label in {None, thing.label}), default=0.0
            )
        case Segmentation():
            return _share(prediction, label)
        case Measurements():
            values = [
                one.value for one in prediction.found if label in {None, one.name} and one.value is not None
            ]
            return values[0] if values else float("nan")
        case Readings():
            return float(any(label in {None, reading.text} for reading in prediction.found))
        case _:
            assert_never(prediction)


def _share(segmentation: Segmentation, label: str | None) -> float:
    """How much of what counts is `label`, or anything but the background; 0…1."""
    counted = segmentation.classes[segmentation.valid]
    if label is None:
        return float(np.mean(counted > 0))
    return (
        float(np.mean(counted == segmentation.labels.index(label)))
        if label in segmentation.labels
        else np.nan
    )


def _complaints(expected: Sequence[Golden], scores: Sequence[float], tolerance: Tolerance) -> Iterator[str]:
    for golden, found in zip(expected, scores, strict=True):
        margin = tolerance.relative * abs(golden.score) + tolerance.absolute
        # Written so that a score that is not a number complains.
        if not np.isfinite(found) or abs(found - golden.score) > margin:
            yield (
                f"golden picture {golden.file} has the score {found:.3f} on this machine,"
                f" but {golden.score:.3f} ± {margin:.3f} when it was taught"
            )
