"""Counters and histograms, cheap enough for every frame."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt
from threading import Lock
from typing import Any

FINEST_MS = 0.001
LARGEST_MS = 1e6
STEP = 1.05
"""From bucket to bucket; the middle of a bucket is at most 2.5 % off."""
RECENT = 1000
"""Percentiles are of the latest 1,000 to 2,000 observations: those of a whole week would hide a bad hour."""

_PER_STEP = 1 / log(STEP)
_BUCKETS = int(log(LARGEST_MS / FINEST_MS) * _PER_STEP) + 2


@dataclass(frozen=True)
class Spread:
    """What a histogram says. `count` and `sum_ms` are since the start, the percentiles recent."""

    count: int
    sum_ms: float
    p50_ms: float
    p99_ms: float


class Histogram:
    """Milliseconds in buckets 5 % apart, from 1 µs to 1,000 s. Not locked: see `Meters`."""

    def __init__(self) -> None:
        self.count = 0
        self.sum_ms = 0.0
        self._older = [0] * _BUCKETS
        self._newer = [0] * _BUCKETS

    def add(self, ms: float) -> None:
        """Count one observation; what is beyond the ends is counted at the end."""
        bucket = int(log(ms / FINEST_MS) * _PER_STEP) + 1 if ms > FINEST_MS else 0
        self._newer[min(bucket, _BUCKETS - 1)] += 1
        self.count += 1
        self.sum_ms += ms
        if self.count % RECENT == 0:
            self._older, self._newer = self._newer, [0] * _BUCKETS

    def percentile(self, share: float) -> float:
        """The value in ms that `share` (0…1) of the recent observations do not exceed; 0 without any."""
        counts = [old + new for old, new in zip(self._older, self._newer, strict=True)]
        rank = share * sum(counts)
        seen = 0
        for bucket, count in enumerate(counts):
            seen += count
            if count and seen >= rank:
                return FINEST_MS * STEP**bucket / sqrt(STEP)
        return 0.0

    def spread(self) -> Spread:
        """Everything that is reported of it."""
        return Spread(self.count, self.sum_ms, self.percentile(0.5), self.percentile(0.99))


class Meters:
    """Named counters and histograms. Any thread; about 1 µs a call."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[tuple[str, str], int] = {}
        self._histograms: dict[str, Histogram] = {}

    def count(self, name: str, label: str = "", by: int = 1) -> None:
        """Add to the counter `name`, one for each `label`."""
        key = name, label
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + by

    def observe(self, stage: str, ms: float) -> None:
        """A stage took so many milliseconds."""
        with self._lock:
            histogram = self._histograms.get(stage)
            if histogram is None:
                histogram = self._histograms[stage] = Histogram()
            histogram.add(ms)

    def observe_all(self, stage_ms: Mapping[str, float]) -> None:
        """The stages of one part."""
        for stage, ms in stage_ms.items():
            self.observe(stage, ms)

    def counts(self) -> dict[tuple[str, str], int]:
        """Every counter by name and label."""
        with self._lock:
            return dict(self._counts)

    def labels(self, name: str) -> dict[str, int]:
        """One counter's labels."""
        return {label: value for (known, label), value in self.counts().items() if known == name}

    def spreads(self) -> dict[str, Spread]:
        """Every stage's times."""
        with self._lock:
            return {stage: histogram.spread() for stage, histogram in self._histograms.items()}

    def stages(self) -> dict[str, Any]:
        """Every stage's times as telemetry has them."""
        return {
            stage: {
                "count": spread.count,
                "p50_ms": round(spread.p50_ms, 3),
                "p99_ms": round(spread.p99_ms, 3),
            }
            for stage, spread in self.spreads().items()
        }
