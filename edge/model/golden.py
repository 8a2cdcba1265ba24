"""Golden pictures: what a bundle answers for them, and whether that is what it answered when it was taught."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from edge.errors import BundleError, CaptureError, InferenceError
from edge.judge import anomaly
from edge.model.bundle import Bundle
from edge.model.manifest import Golden, Tolerance
from edge.model.runner import Model
from edge.preprocess.picture import decode
from edge.preprocess.tensor import prepare
from edge.types import Anomaly, Classification, Image, Prediction


def replay(bundle: Bundle, model: Model) -> tuple[float, ...]:
    """The scores of the bundle's golden pictures, in the manifest's order. Raises `BundleError`."""
    # Also where there is none: a model that has never run is not sound.
    blank = np.zeros((model.spec.height, model.spec.width, 3), np.uint8)
    prepared = prepare(blank, replace(model.spec, roi=None))
    model.decode(model.run(prepared), prepared)
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
    """The anomaly score of a picture, or the probability of `label`. Raises `InferenceError`."""
    prepared = prepare(picture, model.spec)
    return _score(model.decode(model.run(prepared), prepared), label)


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


def _complaints(expected: Sequence[Golden], scores: Sequence[float], tolerance: Tolerance) -> Iterator[str]:
    for golden, found in zip(expected, scores, strict=True):
        margin = tolerance.relative * abs(golden.score) + tolerance.absolute
        # Written so that a score that is not a number complains.
        if not np.isfinite(found) or abs(found - golden.score) > margin:
            yield (
                f"golden picture {golden.file} has the score {found:.3f} on this machine,"
                f" but {golden.score:.3f} ± {margin:.3f} when it was taught"
            )
