"""What a model or a measuring tool says of a picture: one type for each task."""

from dataclasses import dataclass
from typing import NamedTuple

from edge.geometry import Box, Classes, Map, Mask


@dataclass(frozen=True, eq=False)
class Anomaly:
    """How unlike the taught good parts a picture is.

    Scores are relative: 1.0 is the limit that teaching found. `anomaly_map` covers `box` of the frame, cell
    by cell; cells that are False in `valid` lie outside the region of interest and count for nothing.
    """

    anomaly_map: Map
    valid: Mask
    box: Box


@dataclass(frozen=True)
class Classification:
    """A probability (0…1) for each label, in the model's order."""

    labels: tuple[str, ...]
    scores: tuple[float, ...]


class Detection(NamedTuple):
    """A thing that was found: what it is, how sure that is (0…1), and where, in frame pixels."""

    label: str
    score: float
    box: Box


@dataclass(frozen=True)
class Detections:
    """The things in a picture, best first.

    `box` is the area that was looked at; None where nobody knows. There were too many candidates to look at each
    where `unknown_below` is over 0: then what scores lower may be there, and is not in `found`.
    """

    found: tuple[Detection, ...]
    box: Box | None = None
    unknown_below: float = 0.0


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What each cell of a picture shows.

    `classes` has for each cell of `box` the place of its label in `labels`, of which the first is the
    background: what is good. `scores` is how sure that is (0…1). Cells that are False in `valid` lie outside the
    region of interest and count for nothing.
    """

    labels: tuple[str, ...]
    classes: Classes
    scores: Map
    valid: Mask
    box: Box


@dataclass(frozen=True)
class Measurement:
    """A measured value with its expanded uncertainty (k = 2), both in `unit`: mm, px, mm2, px2 or deg.

    `value` is None where there was nothing to measure, and `reason` then says why. `points` on the edges that were
    found, and the two `ends` of a length, are frame pixels (x, y) for a person to see what was measured.
    """

    name: str
    value: float | None
    unit: str
    uncertainty: float = 0.0
    points: tuple[tuple[float, float], ...] = ()
    ends: tuple[tuple[float, float], ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class Measurements:
    """What was measured in a picture, in the order of the bundle's tools."""

    found: tuple[Measurement, ...]


@dataclass(frozen=True)
class Reading:
    """A code. `symbology` is its kind, such as QRCode; `text` is empty where it is there but cannot be read."""

    text: str
    symbology: str
    box: Box


@dataclass(frozen=True)
class Print:
    """Whether there is print in a place; `present` is None where that is in doubt, and `reason` says why.

    `density` is the share of the place that marks cover, 0…1; None where the place could not be looked at.
    """

    name: str
    present: bool | None
    density: float | None
    box: Box
    reason: str | None = None


@dataclass(frozen=True)
class Readings:
    """What was read in a picture, and where there is print that is not read."""

    found: tuple[Reading, ...]
    prints: tuple[Print, ...] = ()


Prediction = Anomaly | Classification | Detections | Segmentation | Measurements | Readings
"""What a model or a measuring tool says of a picture; read it with `match` and `assert_never`."""
