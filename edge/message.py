"""What leaves the device: reports and events as JSON. `docs/mqtt.md` is the contract."""

import ctypes
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from pathlib import Path
from time import monotonic, monotonic_ns
from typing import Any, assert_never

from edge.geometry import Box
from edge.prediction import (
    Anomaly,
    Classification,
    Detection,
    Detections,
    Measurement,
    Measurements,
    Print,
    Reading,
    Readings,
    Segmentation,
)
from edge.types import Area, Example, Finding, Frame, Inspection, ModelIdentity, Verdict

RESULT = "edge.result/1"
EVENT = "edge.event/1"
GAP = "edge.gap/1"
INFO = "edge.info/1"
STATUS = "edge.status/1"
TELEMETRY = "edge.telemetry/1"
LAST = "edge.last/1"
MODEL = "edge.model/1"
CONFIG = "edge.config/1"
REPLY = "edge.reply/1"
IMAGE_CHUNK = "edge.image/1"
SCHEMAS = (RESULT, EVENT, GAP, INFO, STATUS, TELEMETRY, LAST, MODEL, CONFIG, REPLY, IMAGE_CHUNK)

JSON = Mapping[str, Any]

TIME_ERROR = 5
"""What adjtimex(2) answers while nobody has set the clock right."""


def encode(message: JSON) -> bytes:
    """Compact UTF-8 JSON. NaN and infinities are refused: they are not JSON."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def boot_id() -> str:
    """The kernel's identity of this boot: `mono_ns` of two records compares only where it is the same."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def clock_is_synced() -> bool:
    """Whether a time daemon keeps the clock right; looked up once a second, since every record says it."""
    return _clock_is_synced(int(monotonic()))


@lru_cache(maxsize=1)
def _clock_is_synced(_second: int) -> bool:
    """The kernel knows of most time daemons, systemd-timesyncd leaves a mark."""
    return 0 <= _kernel_clock()() < TIME_ERROR or Path("/run/systemd/timesync/synchronized").exists()


@cache
def _kernel_clock() -> Callable[[], int]:
    # A struct timex of zeros only asks. It is 208 bytes on 64-bit machines, 128 on others; the rest is unused.
    return partial(ctypes.CDLL(None).adjtimex, ctypes.create_string_buffer(512))


@dataclass(frozen=True)
class Stamp:
    """Who says something and when; the same five fields open every durable record.

    `seq` counts up by one from 1 within an `epoch`, which begins anew with a new outbox file.
    """

    device: str
    epoch: str
    seq: int
    at: datetime
    mono_ns: int
    synced: bool

    @property
    def id(self) -> str:
        """The record's name: `device/epoch/seq`."""
        return f"{self.device}/{self.epoch}/{self.seq}"

    def fields(self) -> dict[str, Any]:
        """The fields as they stand in the record."""
        return {
            "id": self.id,
            "ts": timestamp(self.at),
            "mono_ns": self.mono_ns,
            "boot_id": boot_id(),
            "clock": {"synced": self.synced},
        }


def stamp_now(device: str, epoch: str, seq: int) -> Stamp:
    """A stamp with this moment's clocks."""
    return Stamp(device, epoch, seq, datetime.now(UTC), monotonic_ns(), clock_is_synced())


@dataclass(frozen=True)
class Report:
    """A judged part without its pixels: topic `result`."""

    stamp: Stamp
    body: JSON

    def to_json(self) -> dict[str, Any]:
        """The whole message."""
        return {"schema": RESULT, **self.stamp.fields(), **self.body}

    @property
    def verdict(self) -> Verdict:
        """The verdict of the part."""
        return Verdict(self.body["verdict"])


def describe(inspection: Inspection, recipe: str) -> dict[str, Any]:
    """The body of a report: everything about the part that a plant can use, and no pixels."""
    frame, decision = inspection.frame, inspection.decision
    return {
        "part_id": frame.part_id,
        "sequence": frame.sequence,
        "recipe": recipe,
        "verdict": decision.verdict.value,
        "score": _rounded(decision.score),
        "label": decision.label,
        "reasons": list(decision.reasons),
        "checks": [_check(finding) for finding in inspection.findings],
        "camera": {
            "name": frame.camera,
            "captured_at": timestamp(frame.captured_at),
            "captured_ns": frame.captured_ns,
            **(_exposure(frame) if isinstance(frame, Frame) else {}),
        },
        "truth": None
        if frame.truth is None
        else [{"label": defect.label, "box": _box(defect.box)} for defect in frame.truth],
        "stage_ms": {stage: round(ms, 3) for stage, ms in inspection.stage_ms.items()},
        **({} if inspection.passage is None else {"track": asdict(inspection.passage)}),
    }


def _exposure(frame: Frame) -> dict[str, Any]:
    height, width = frame.image.shape[:2]
    return {"trigger": frame.trigger, "size": [width, height], "controls": dict(frame.controls)}


def last(report: Report) -> dict[str, Any]:
    """The flat scalars of a report, for dashboards that read only flat JSON: topic `result/last`."""
    return flat(report.to_json())


def flat(record: JSON) -> dict[str, Any]:
    """The same, from the JSON of a report."""
    keys = ("id", "ts", "part_id", "sequence", "recipe", "verdict", "score", "label")
    return {"schema": LAST, **{key: record[key] for key in keys}}


def refusal(command: str, reason: str) -> dict[str, Any]:
    """The answer to a command that is not done: topic `cmd/{name}/response`."""
    return {"schema": REPLY, "command": command, "ok": False, "error": reason}


def gap(stamp: Stamp, epoch: str, ranges: list[tuple[int, int]], reason: str) -> dict[str, Any]:
    """Records that will never come: topic `event/gap`. Each range is (first, last), both lost."""
    return {
        "schema": GAP,
        **stamp.fields(),
        "lost_epoch": epoch,
        "ranges": [[first, final] for first, final in ranges],
        "count": sum(final - first + 1 for first, final in ranges),
        "reason": reason,
    }


def event(stamp: Stamp, kind: str, text: str, **detail: Any) -> dict[str, Any]:
    """Something that people must hear of: topic `event/{kind}`."""
    return {"schema": EVENT, **stamp.fields(), "kind": kind, "text": text, "detail": detail}


def _check(finding: Finding) -> dict[str, Any]:
    decision, model = finding.decision, finding.model
    return {
        "name": finding.check,
        "verdict": decision.verdict.value,
        "score": _rounded(decision.score),
        "label": decision.label,
        "reasons": list(decision.reasons),
        "regions": [
            {
                "box": _box(region.box),
                "area_px": round(region.area_px, 1),
                "peak": _rounded(region.peak),
                "peak_at": [round(place, 1) for place in region.peak_at],
                "label": region.label,
                "nearest": None if region.nearest is None else _example(region.nearest),
            }
            for region in decision.regions
        ],
        "model": None if model is None else model_fields(model),
        **_found(finding),
    }


def _found(finding: Finding) -> dict[str, Any]:
    """What only some tasks have to say; nothing of an anomaly map or a classification."""
    prediction = finding.prediction
    match prediction:
        case Detections():
            return {"detections": [_detection(detection) for detection in prediction.found]}
        case Segmentation():
            return {"areas": [_area(area) for area in finding.decision.areas]}
        case Measurements():
            return {"measurements": [_measurement(measurement) for measurement in prediction.found]}
        case Readings():
            return {
                "codes": [_reading(reading) for reading in prediction.found],
                "prints": [_print(seen) for seen in prediction.prints],
            }
        case Anomaly() | Classification() | None:
            return {}
        case _:
            assert_never(prediction)


def _detection(detection: Detection) -> dict[str, Any]:
    return {"label": detection.label, "score": _rounded(detection.score), "box": _box(detection.box)}


def _area(area: Area) -> dict[str, Any]:
    return {
        "label": area.label,
        "area_px": round(area.area_px, 1),
        "area_mm2": None if area.area_mm2 is None else round(area.area_mm2, 6),
    }


def _measurement(measured: Measurement) -> dict[str, Any]:
    return {
        "name": measured.name,
        # To a millionth: of a lens that shows a micrometre a pixel, an uncertainty is not to become 0.
        "value": None if measured.value is None else round(measured.value, 6),
        "uncertainty": round(measured.uncertainty, 6),
        "unit": measured.unit,
        "reason": measured.reason,
    }


def _reading(reading: Reading) -> dict[str, Any]:
    return {"text": reading.text, "symbology": reading.symbology, "box": _box(reading.box)}


def _print(seen: Print) -> dict[str, Any]:
    return {
        "name": seen.name,
        "present": seen.present,
        "density": _rounded(seen.density),
        "box": _box(seen.box),
        "reason": seen.reason,
    }


def _box(box: Box) -> list[float]:
    return [round(edge, 1) for edge in box]


def _example(example: Example) -> dict[str, Any]:
    return {"picture": example.picture, "box": _box(example.box)}


def model_fields(model: ModelIdentity) -> dict[str, Any]:
    """Which model it is and on what it runs, as every message says it."""
    return {
        "name": model.name,
        "version": model.version,
        "digest": model.digest,
        "delegate": model.delegate,
        "threads": model.threads,
        "fallback": model.fallback,
    }


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(float(score), 4)
