"""The nouns of an inspection. All of them are values: frozen, without behaviour that needs a device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from time import perf_counter_ns
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from edge.geometry import Box, Image
from edge.prediction import Prediction


@dataclass(frozen=True)
class Defect:
    """A known defect of a part: ground truth, where there is any."""

    label: str
    box: Box


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture, and what is known of how it was taken.

    `captured_ns` is `time.monotonic_ns` at the start of exposure, or at reading where the source cannot tell.
    `controls` are libcamera's names and units (`exposure_time_us`, `analogue_gain`, …).
    `truth` is None where nobody knows, and empty for a part that is known to be good.
    `image` is what is judged, and what is taught: boxes, regions and masks are in its pixels. `evidence` is the
    same scene in more pixels, for people alone, where a camera gives both; None: `image` is that, too.
    """

    image: Image
    sequence: int
    captured_ns: int
    captured_at: datetime
    camera: str
    controls: Mapping[str, float] = field(default_factory=dict)
    trigger: str | None = None
    part_id: str | None = None
    truth: tuple[Defect, ...] | None = None
    evidence: Image | None = None

    @property
    def shown(self) -> Image:
        """The picture for people."""
        return self.image if self.evidence is None else self.evidence


@dataclass(frozen=True)
class Miss:
    """A part that went by unseen: no picture, but a report with verdict `error`."""

    sequence: int
    captured_ns: int
    captured_at: datetime
    camera: str
    reason: str
    part_id: str | None = None
    truth: tuple[Defect, ...] | None = None


class Verdict(StrEnum):
    """What is said of a part. No path leads from a fault to `PASS`."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"
    ERROR = "error"

    @property
    def severity(self) -> int:
        """0 for `pass` up to 3 for `error`: the worst verdict of its checks is the verdict of a part."""
        return list(Verdict).index(self)


@dataclass(frozen=True)
class Example:
    """The place of a taught good part that looks most like a region: how it should look there.

    `box` is the place in pixels of the taught picture, and `picture` that one's name. `jpeg` is a thumbnail of the
    area `shown` of it.
    """

    picture: str
    box: Box
    shown: Box
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True)
class Region:
    """A place that a decision rests on, in frame pixels: of a defect, or of a thing that should not be there.

    In an anomaly map it is a connected area at or above the limit. `peak` is its highest score, and `peak_at`
    (x, y) where that is. `label` is what it is called, where the model tells things apart. `nearest` is None where
    the bundle keeps no examples.
    """

    box: Box
    area_px: float
    peak: float
    peak_at: tuple[float, float]
    nearest: Example | None = None
    label: str | None = None


class Area(NamedTuple):
    """How much of what counts in a picture has a label: square frame pixels, and mm² where their size is known."""

    label: str
    area_px: float
    area_mm2: float | None = None


@dataclass(frozen=True)
class Decision:
    """A verdict, its reasons as sentences for a person, and what they rest on.

    `score` is the number that was compared with the limits: an anomaly score (1.0 is the limit), the probability
    of the winning label, or the largest share of the picture that has one label (0…1; `label` is that one then,
    and `areas` has them all). None where nothing was compared.
    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    score: float | None = None
    label: str | None = None
    regions: tuple[Region, ...] = ()
    areas: tuple[Area, ...] = ()
    part_id: str | None = None
    """The part's own name, where it was read from the part; None where none was to be read."""


@dataclass(frozen=True)
class ModelIdentity:
    """Which model judged, and on what: it is in every report. What needs no network says `delegate` "none"."""

    name: str
    version: int
    digest: str
    delegate: str
    threads: int
    fallback: str | None = None
    """Why it does not run on the configured delegate; None where it does."""


@dataclass(frozen=True, eq=False)
class Finding:
    """What one check of the recipe found in a frame. `stage_ms` is its own time, stage by stage."""

    check: str
    decision: Decision
    model: ModelIdentity | None = None
    prediction: Prediction | None = None
    stage_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Passage:
    """How a part was followed: the frames it was seen in, and the sequence numbers of the first and the last."""

    frames: int
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Inspection:
    """A judged part. It holds pixels, so it lives only until its evidence is kept.

    `frame` is the frame that decided; the verdict of the part is the worst of its findings. `joined` are the
    sequence numbers of all its frames, where it had several. `passage` is None where it was not followed.
    """

    frame: Frame | Miss
    findings: tuple[Finding, ...]
    decision: Decision
    stage_ms: Mapping[str, float]
    joined: tuple[int, ...] = ()
    passage: Passage | None = None

    @property
    def sequences(self) -> tuple[int, ...]:
        """The sequence numbers of its frames."""
        return self.joined or (self.frame.sequence,)


class Stopwatch:
    """Milliseconds from lap to lap. For one thread."""

    def __init__(self) -> None:
        self._last_ns = perf_counter_ns()
        self.laps_ms: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """The time since the last lap was spent in `stage`."""
        now_ns = perf_counter_ns()
        self.laps_ms[stage] = self.laps_ms.get(stage, 0.0) + (now_ns - self._last_ns) / 1e6
        self._last_ns = now_ns

    def split(self, stage: str, inner: str, ms: float) -> None:
        """So much of what was spent in `stage` counts as `inner`."""
        self.laps_ms[stage] -= ms
        self.laps_ms[inner] = self.laps_ms.get(inner, 0.0) + ms


class Source(Protocol):
    """Where frames come from. Used by the capture thread alone.

    `triggered` says that each frame is a part of its own, none of which may be dropped in silence; otherwise
    the newest frame is the only one that matters.
    """

    name: str
    triggered: bool

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def read(self) -> Frame:
        """Block until the next frame.

        Raises `CaptureError` (try again), `DeviceError` (give up) and `EndOfFrames` (there are no more).
        """
        ...

    def interrupt(self) -> None:
        """Make a blocked `read` end soon, by raising `EndOfFrames`. Called from another thread."""
        ...


class EndOfFrames(Exception):
    """The source has no more frames: the daemon drains and ends."""


class Row(NamedTuple):
    """A record in the outbox. `topic` is below the device's base topic; `payload` is UTF-8 JSON."""

    seq: int
    topic: str
    payload: bytes
    historical: bool = False


@dataclass(frozen=True)
class Receipt:
    """What became of rows that were offered to a sink. Those in neither are to be offered again."""

    delivered: frozenset[int]
    refused: Mapping[int, str] = field(default_factory=dict)
    trouble: str | None = None
    """Why the rest was not taken; None where all went well."""


class Sink(Protocol):
    """Where reports go. Each is used by its own deliver thread alone; `write` is idempotent by record id."""

    name: str

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, rows: Sequence[Row]) -> Receipt:
        """Hand the rows over in order; returns when each is taken, refused, or the link is in trouble.

        Raises `DeliveryError` where nothing could be offered at all (not connected, disk full).
        """
        ...
