"""What a lesson found out: plain data, for the report, for `--json`, and for whoever asks later."""

from dataclasses import asdict, dataclass
from datetime import datetime
from math import isfinite
from typing import Any

import numpy as np

from edge.geometry import Image, Map, Mask
from edge.teach.limits import Limit

SCHEMA = "edge.lesson/1"

LONGEST_PX = 480
"""Longer side of a picture that is shown: enough to see a scratch, small enough for sixteen in one file."""
AUROC_TOLERANCE = 0.005
"""An int8 model may rank parts so much worse, or better, than the same model in float."""
LEAST_CORRELATION = 0.99
"""Of the cells of its maps with those of the float model."""


@dataclass(frozen=True)
class Candidate:
    """A setting and a method that were tried.

    `auroc` and `separation` (in standard deviations of the good scores) are of held-out good parts against
    known-bad parts, or against made-up defects where there are none. `head_bytes` is what it learned.
    """

    width: int
    height: int
    contrast: str
    strides_px: tuple[int, ...]
    method: str
    auroc: float
    separation: float
    model_ms: float
    head_bytes: int
    chosen: bool
    registered: bool = False


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture with its map.

    The map is relative (1.0 is the limit), rows×columns over the whole picture; NaN where it does not look.
    `defect` marks the pixels that were damaged, h×w of the picture; None for a part as it came.
    """

    title: str
    picture: Image
    anomaly_map: Map
    score: float
    defect: Mask | None = None


@dataclass(frozen=True)
class Agreement:
    """Whether the int8 model says what the float model says. `correlation` is of all cells of their maps.

    `chance` and `doubt` are the standard errors of the difference of the two AUROCs and of the correlation: so few
    pictures tell no more than to within two of them.
    """

    auroc_float: float
    auroc_int8: float
    correlation: float
    chance: float = 0.0
    doubt: float = 0.0

    @property
    def tolerance(self) -> float:
        """How far the AUROCs may differ: by so much as a model may, or as chance does."""
        return max(AUROC_TOLERANCE, 2 * self.chance)

    @property
    def least_correlation(self) -> float:
        """The lowest correlation that is not shown to be too low."""
        return LEAST_CORRELATION - 2 * self.doubt

    @property
    def same_rank(self) -> bool:
        """Whether the AUROCs agree; False where one is NaN."""
        return abs(self.auroc_int8 - self.auroc_float) <= self.tolerance

    @property
    def same_maps(self) -> bool:
        """Whether the maps agree; False where the correlation is NaN."""
        return self.correlation >= self.least_correlation

    @property
    def accepted(self) -> bool:
        """False also where a figure is NaN: what could not be compared is not accepted."""
        return self.same_rank and self.same_maps


@dataclass(frozen=True, eq=False)
class Record:
    """A lesson, complete. Scores are relative (1.0 is the limit), and of parts that were held out.

    `good` are file names with scores; `damaged` the scores of made-up defects, `bad` those of known-bad parts,
    if there were any. `skipped` are sentences, `outliers` file names. `taught_s` is the whole lesson;
    `model_ms` (of which `backbone_ms`) is one picture on one thread; `_mb` are 1e6 bytes, `peak_mb` the
    most memory of the process.
    """

    name: str
    version: int
    created: datetime
    pictures: int
    skipped: tuple[str, ...]
    outliers: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    good: tuple[tuple[str, float], ...]
    damaged: tuple[float, ...]
    bad: tuple[float, ...]
    limit: Limit
    worst_good: tuple[Shown, ...]
    damaged_shown: tuple[Shown, ...]
    bad_shown: tuple[Shown, ...]
    agreement: Agreement | None
    taught_s: float
    model_ms: float
    backbone_ms: float
    head_mb: float
    bundle_mb: float
    peak_mb: float

    @property
    def chosen(self) -> Candidate | None:
        """The candidate that the bundle holds; None where nothing was compared."""
        return next((candidate for candidate in self.candidates if candidate.chosen), None)


def to_json(record: Record) -> dict[str, Any]:
    """The record without its pictures, for `json.dumps`; NaN and infinity are null."""
    agreement, limit = record.agreement, record.limit
    found = {
        "schema": SCHEMA,
        "name": record.name,
        "version": record.version,
        "created": record.created.isoformat(),
        "pictures": record.pictures,
        "skipped": record.skipped,
        "outliers": record.outliers,
        "candidates": [asdict(candidate) for candidate in record.candidates],
        "good": [{"file": file, "score": score} for file, score in record.good],
        "damaged": record.damaged,
        "bad": record.bad,
        "limit": asdict(limit) | {"promised": limit.promised, "is_proven": limit.is_proven},
        "agreement": None if agreement is None else asdict(agreement) | {"accepted": agreement.accepted},
        "taught_s": record.taught_s,
        "model_ms": record.model_ms,
        "backbone_ms": record.backbone_ms,
        "head_mb": record.head_mb,
        "bundle_mb": record.bundle_mb,
        "peak_mb": record.peak_mb,
    }
    return {key: _plain(value) for key, value in found.items()}


def _plain(value: Any) -> Any:
    """The value in JSON's own types: tuples as lists, NumPy's numbers as Python's, NaN and infinity as None."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return None if isinstance(value, float) and not isfinite(value) else value
