"""What a lesson about classes found out: plain data, for its report, for `--json`, and for whoever asks later."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.geometry import Image
from edge.model.arrays import Floats
from edge.teach.classes.trust import Trust

SCHEMA = "edge.class-lesson/1"
EDGES = (0.0, 0.5, 0.7, 0.9, 1.0)
"""Answers are counted by what they say of their own probability, between two of these."""

Numbers = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Confusion:
    """A held-out picture that was called something else. `own` is the probability of its right class.

    `file` is None for a picture of an earlier lesson: it is known by what it looked like alone.
    """

    file: str | None
    label: str
    answer: str
    probability: float
    own: float


@dataclass(frozen=True, eq=False)
class ShownConfusion:
    """The same with its picture, longer side 480 pixels at most."""

    confusion: Confusion
    picture: Image


@dataclass(frozen=True)
class Sureness:
    """Answers, but for 'unknown', whose probability is between `low` and `high`.

    `stated` is the mean of these probabilities, `right` the share of the answers that are right.
    """

    low: float
    high: float
    answers: int
    stated: float
    right: float


@dataclass(frozen=True, eq=False)
class ClassRecord:
    """A lesson about classes, complete. What is said of answers is of pictures that were held out.

    `pictures` are counts by label; `skipped` sentences; `shown` the worst of the confusions. `taught_s` is the
    whole lesson; `model_ms` (of which `backbone_ms`) is one picture on one thread; `_mb` are 1e6 bytes, `peak_mb`
    the most memory of the process.
    """

    name: str
    version: int
    created: datetime
    pictures: Mapping[str, int]
    skipped: tuple[str, ...]
    trust: Trust
    sureness: tuple[Sureness, ...]
    confusions: tuple[Confusion, ...]
    shown: tuple[ShownConfusion, ...]
    taught_s: float
    model_ms: float
    backbone_ms: float
    head_mb: float
    bundle_mb: float
    peak_mb: float


def confusions(
    labels: Sequence[str], classes: Numbers, probabilities: Floats, files: Sequence[str | None]
) -> Iterator[tuple[int, Confusion]]:
    """The pictures that were called something else and their places, the surest answer first.

    `labels` are of the columns of the `probabilities`, pictures×labels; `classes` and `files` of the pictures.
    """
    answers = probabilities.argmax(axis=1)
    stated = probabilities.max(axis=1)
    wrong = np.flatnonzero(answers != classes)
    for place in wrong[np.argsort(-stated[wrong], kind="stable")].tolist():
        label, answer = labels[classes[place]], labels[answers[place]]
        own = float(probabilities[place, classes[place]])
        yield place, Confusion(files[place], label, answer, float(stated[place]), own)


def measure_sureness(classes: Numbers, probabilities: Floats) -> tuple[Sureness, ...]:
    """From held-out probabilities, pictures×(classes + 1); bins without an answer are left out."""
    answers, stated = probabilities.argmax(axis=1), probabilities.max(axis=1)
    named = answers < probabilities.shape[1] - 1
    found = []
    for low, high in pairwise(EDGES):
        here = named & (stated > low) & (stated <= high)
        if here.any():
            right = float((answers == classes)[here].mean())
            found.append(Sureness(low, high, int(here.sum()), float(stated[here].mean()), right))
    return tuple(found)


def to_json(record: ClassRecord) -> dict[str, Any]:
    """The record without its pictures, for `json.dumps`; NaN is null."""
    trust = record.trust
    return {
        "schema": SCHEMA,
        "name": record.name,
        "version": record.version,
        "created": record.created.isoformat(),
        "pictures": dict(record.pictures),
        "skipped": list(record.skipped),
        **trust.to_json(),
        "stated": _or_null(trust.stated),
        "right": _or_null(trust.right),
        "sureness": [asdict(one) for one in record.sureness],
        "confusions": [asdict(one) for one in record.confusions],
        "taught_s": record.taught_s,
        "model_ms": record.model_ms,
        "backbone_ms": record.backbone_ms,
        "head_mb": record.head_mb,
        "bundle_mb": record.bundle_mb,
        "peak_mb": record.peak_mb,
    }


def _or_null(value: float) -> float | None:
    return value if isfinite(value) else None
