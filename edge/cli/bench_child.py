"""One run of `edge bench`, in a process of its own; prints its figures as JSON. Not for people."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import json
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import monotonic_ns, perf_counter, perf_counter_ns, sleep
from types import TracebackType
from typing import Any, Self

import numpy as np

from edge import config as settings
from edge.cli.bench_runs import PICTURES
from edge.daemon import Daemon
from edge.errors import DeviceError
from edge.geometry import Image
from edge.message import JSON, Report, describe
from edge.pipeline import deliver
from edge.preprocess.tensor import prepare
from edge.service import Crew, Trouble
from edge.sinks import open_sink
from edge.store.outbox import Outbox
from edge.types import Decision, EndOfFrames, Finding, Frame, Inspection, ModelIdentity, Verdict

log = logging.getLogger(__name__)

DEFECT_RATE = 0.05
MODEL_RUNS = 50
PACED_CHUNKS = 6
ROOM = 500
"""Reports that may wait to be committed."""


class Memory(AbstractContextManager["Memory"]):
    """A source of frames that lie in memory, at a rate or as fast as they are taken.

    `pictures` is a file of them (.npy), of which the last comes once in a while: it has a defect.
    `before` is called with the number of frames so far, before every `chunk`th frame and after the last.
    """

    name = "memory"
    triggered = True

    def __init__(
        self,
        pictures: Path,
        rate_hz: float,
        count: int,
        chunk: int = 0,
        before: Callable[[int], None] = lambda _number: None,
    ) -> None:
        *self._good, self._bad = np.load(pictures)
        self._period_ns = int(1e9 / rate_hz) if rate_hz else 0
        self._count, self._chunk, self._before = count, chunk, before
        self._sequence = self._next_ns = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to give back."""

    def __enter__(self) -> Self:
        return self

    @property
    def sample(self) -> Image:
        """One of the pictures."""
        return np.asarray(self._good[0], np.uint8)

    def read(self) -> Frame:
        """The next frame."""
        if self._chunk and self._sequence % self._chunk == 0:
            self._before(self._sequence)
            self._next_ns = 0
        if self._sequence == self._count:
            raise EndOfFrames
        self._sequence += 1
        if self._period_ns:
            self._next_ns = (self._next_ns or monotonic_ns()) + self._period_ns
            sleep(max(0, self._next_ns - monotonic_ns()) / 1e9)
        is_bad = self._sequence % int(1 / DEFECT_RATE) == 0
        return Frame(
            self._bad if is_bad else self._good[self._sequence % len(self._good)],
            self._sequence,
            monotonic_ns(),
            datetime.now(UTC),
            self.name,
            part_id=f"P{self._sequence:06}",
        )

    def interrupt(self) -> None:
        """End with the next frame."""
        self._count = self._sequence


def rss_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def percentiles(values_ms: Sequence[float]) -> dict[str, float]:
    """p50 and p99, rounded to 10 µs."""
    ordered = sorted(values_ms)
    return {"p50": round(ordered[len(ordered) // 2], 2), "p99": round(ordered[int(len(ordered) * 0.99)], 2)}


class Chunks:
    """Chunks of parts through the pipeline, and between them, while it is idle, the bare model.

    Machines change their speed from minute to minute: so each chunk is compared with the runs of the model just
    before and just after it. A chunk ends when all its reports are acknowledged and its pictures are kept.
    """

    def __init__(
        self,
        config: settings.Config,
        count: int,
        chunk: int,
        on_part: Callable[[Inspection], None] = lambda _part: None,
    ) -> None:
        assert isinstance(config.source, settings.SyntheticSource)  # noqa: S101 - bench_runs wrote it
        self.chunk = chunk
        self._on_part = on_part
        self.judged = 0
        self.seconds: list[float] = []
        self.backbone_ms: list[list[float]] = []
        self.model_run_ms: list[list[float]] = []
        self.rss_mb: list[float] = []
        self._began = 0.0
        self.source = Memory(pictures_of(config), config.source.rate_hz, count, chunk, self._between)
        self.daemon = Daemon(config, self.source, self._count)

    def _count(self, part: Inspection) -> None:
        self.judged += 1
        self._on_part(part)

    def _idle(self, parts: int) -> bool:
        daemon = self.daemon
        return self.judged == parts and not (
            daemon.outbox.pending or daemon.lanes[0].waiting or len(daemon.parts)
        )

    def _between(self, parts: int) -> None:
        while not self._idle(parts) and not self.daemon.crew.stopping.is_set():
            sleep(0.001)
        if parts:
            self.seconds.append(perf_counter() - self._began)
            self.rss_mb.append(rss_mb())
        self._measure()
        self._began = perf_counter()

    def _measure(self) -> None:
        """Milliseconds of the bare backbone and of the model with its head, in turn, on one prepared frame."""
        model = self.daemon.inspector.checks[0].model
        prepared = prepare(self.source.sample, model.spec)  # type: ignore[arg-type]  # it has a network
        backbone = model.engine  # type: ignore[attr-defined]  # the same one, to spare memory
        self.backbone_ms.append([])
        self.model_run_ms.append([])
        for _ in range(MODEL_RUNS):
            start = perf_counter_ns()
            backbone.invoke(prepared.tensors[0])
            middle = perf_counter_ns()
            model.run(prepared)
            end = perf_counter_ns()
            self.backbone_ms[-1].append((middle - start) / 1e6)
            self.model_run_ms[-1].append((end - middle) / 1e6)

    def ratios(self) -> list[float]:
        """For each chunk after the first: parts a second × seconds of a model run."""
        around = zip(self.model_run_ms[1:], self.model_run_ms[2:], strict=False)
        return [
            self.chunk / seconds * median(before + after) / 1000
            for seconds, (before, after) in zip(self.seconds[1:], around, strict=True)
        ]


def pipeline(config_path: str, warm: str, parts: str) -> dict[str, Any]:
    """Throughput and memory, and the bare model in between."""
    config = settings.load(Path(config_path))
    chunks = Chunks(config, int(warm) + int(parts), int(warm))
    code = chunks.daemon.run()
    if code != 0:
        raise DeviceError(f"the daemon ended with {code}")
    backbone = percentiles([ms for runs in chunks.backbone_ms for ms in runs])
    model_run = percentiles([ms for runs in chunks.model_run_ms for ms in runs])
    ratios = sorted(chunks.ratios())
    return {
        "backbone_ms": backbone,
        "model_run_ms": model_run,
        "model_run_ratio": round(model_run["p50"] / backbone["p50"], 2),
        "parts_per_s": round(int(parts) / sum(chunks.seconds[1:]), 1),
        "pipeline_ratio": round(median(ratios), 3),
        "pipeline_ratio_range": [round(ratios[0], 3), round(ratios[-1], 3)],
        "stages_ms": {
            stage: {"p50": spread["p50_ms"], "p99": spread["p99_ms"]}
            for stage, spread in chunks.daemon.health.stages().items()
        },
        "rss_mb": round(chunks.rss_mb[-1], 1),
        "rss_growth_mb": round(chunks.rss_mb[-1] - chunks.rss_mb[0], 1),
    }


def paced(config_path: str, parts: str) -> dict[str, Any]:
    """Latency at the rate of a line, from a frame in memory to its verdict, and the bare model in between."""
    config = settings.load(Path(config_path))
    assert isinstance(config.source, settings.SyntheticSource)  # noqa: S101 - bench_runs wrote it
    latencies: list[float] = []
    chunks = Chunks(
        config, int(parts), int(parts) // PACED_CHUNKS, lambda part: latencies.append(verdict_ms(part))
    )
    if chunks.daemon.run() != 0:
        raise DeviceError("the daemon failed")
    stages = chunks.daemon.health.stages()
    return {
        "verdict_ms": percentiles(latencies),
        "verdict_stages_ms_p50": {stage: spread["p50_ms"] for stage, spread in stages.items()},
        "verdict_model_run_ms": percentiles([ms for runs in chunks.model_run_ms for ms in runs]),
        "verdict_at_hz": config.source.rate_hz,
    }


def verdict_ms(part: Inspection) -> float:
    """From the frame in memory to its verdict."""
    return part.stage_ms["verdict"]


def delivery(folder: str, port: str, reports: str) -> dict[str, Any]:
    """Reports a second from the outbox to the broker, each durable here and acknowledged there."""
    station = settings.Station(device="delivery", state_dir=Path(folder))
    station.state_dir.mkdir()
    sink = open_sink(settings.MqttSink(type="mqtt", host="127.0.0.1", port=int(port)), station)
    outbox = Outbox(station.state_dir / "outbox.db", settings.Outbox(), station.device, [sink.name])
    body = describe(a_part(), "bench")
    lane = outbox.reader(sink.name)
    crew = Crew()
    with sink:
        crew.start("write", outbox.write)
        sink.write([])
        start = perf_counter()
        crew.start("accept", lambda: accept(outbox, body, int(reports)))
        crew.start("deliver", lambda: deliver(lane, sink, Trouble("sink", log), 1.0, crew.stopping.is_set))
        while lane.acknowledged < int(reports) and not crew.stopping.is_set():
            sleep(0.001)
        outbox.close()
        crew.join("write", 60)
        seconds = perf_counter() - start
        crew.stop()
        crew.join("deliver", 10)
    return {"reports_per_s": round(int(reports) / seconds)}


def pictures_of(config: settings.Config) -> Path:
    """Where `bench_runs` has put the pictures: beside the state folders."""
    return config.station.state_dir.parent / PICTURES


def accept(outbox: Outbox, body: JSON, reports: int) -> None:
    """Put reports into the outbox as fast as they become durable: its ring holds 1,000."""
    for _ in range(reports):
        while outbox.pending > ROOM:
            sleep(0.001)
        outbox.accept("result", lambda stamp: Report(stamp, body).to_json(), Verdict.PASS)


def a_part() -> Inspection:
    """A part that passed, as the pipeline would describe it."""
    frame = Frame(np.zeros((1, 1, 3), np.uint8), 1, 0, datetime.now(UTC), "bench", part_id="P000001")
    identity = ModelIdentity("bench", 1, "0" * 64, "cpu", 1)
    decision = Decision(Verdict.PASS, (), 0.512)
    stages = dict.fromkeys(("quality", "preprocess", "inference", "judge", "verdict"), 1.0)
    return Inspection(frame, (Finding("surface", decision, identity),), decision, stages)


if __name__ == "__main__":
    runs: dict[str, Callable[..., dict[str, Any]]] = {
        "pipeline": pipeline,
        "paced": paced,
        "delivery": delivery,
    }
    run, *arguments = sys.argv[1:]
    print(json.dumps(runs[run](*arguments)))  # noqa: T201 - read by the parent
