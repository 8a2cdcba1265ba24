"""One run of `edge bench`, in a process of its own; prints its figures as JSON. Not for people."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import json
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic_ns, perf_counter, perf_counter_ns, sleep
from types import TracebackType
from typing import Any, Self

from edge import config as settings
from edge.daemon import Daemon
from edge.errors import DeviceError
from edge.message import JSON, Report, describe
from edge.model.bundle import load
from edge.model.interpreter import Interpreter
from edge.pipeline import Check, deliver
from edge.preprocess.tensor import prepare
from edge.service import Crew, Trouble
from edge.sinks import open_sink
from edge.sources.synthetic import Synthetic
from edge.store.outbox import Outbox
from edge.types import Decision, EndOfFrames, Finding, Frame, Inspection, ModelIdentity, Verdict

log = logging.getLogger(__name__)

IN_MEMORY = 4
"""Frames that lie in memory: at 1280×960, 15 MB."""
DEFECT_RATE = 0.05
MODEL_RUNS = 200
ROOM = 500
"""Reports that may wait to be committed."""


class Memory(AbstractContextManager["Memory"]):
    """A source of frames that lie in memory, good ones mostly, at a rate or as fast as they are taken."""

    name = "memory"
    triggered = True

    def __init__(self, rate_hz: float, count: int, warm: int) -> None:
        config = settings.SyntheticSource(type="synthetic", defect_rate=0.0, seed=5)
        bad = settings.SyntheticSource(type="synthetic", defect_rate=1.0, seed=5)
        with Synthetic(config) as conveyor, Synthetic(bad) as other:
            self._good = [conveyor.read() for _ in range(IN_MEMORY - 1)]
            self._bad = other.read()
        self._period_ns = int(1e9 / rate_hz) if rate_hz else 0
        self._count, self._warm, self._sequence = count, warm, 0
        self.warm_at = 0.0
        self.rss_mb: list[float] = []
        self._next_ns = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to give back."""

    def __enter__(self) -> Self:
        return self

    @property
    def sample(self) -> Frame:
        """One of the frames."""
        return self._good[0]

    def read(self) -> Frame:
        """The next frame."""
        if self._sequence in (self._warm, self._count):
            self.rss_mb.append(rss_mb())
            self.warm_at = self.warm_at or perf_counter()
        if self._sequence == self._count:
            raise EndOfFrames
        self._sequence += 1
        if self._period_ns:
            self._next_ns = (self._next_ns or monotonic_ns()) + self._period_ns
            sleep(max(0, self._next_ns - monotonic_ns()) / 1e9)
        is_bad = self._sequence % int(1 / DEFECT_RATE) == 0
        frame = self._bad if is_bad else self._good[self._sequence % len(self._good)]
        return replace(
            frame,
            sequence=self._sequence,
            captured_ns=monotonic_ns(),
            captured_at=datetime.now(UTC),
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


def model_times(check: Check, frame: Frame) -> dict[str, list[float]]:
    """Milliseconds of the bare backbone and of the model with its head, in turn, on one prepared frame."""
    bundle = load(check.config.bundle)
    backbone = Interpreter(bundle.files[bundle.manifest.model], check.config.threads)
    prepared = prepare(frame.image, check.model.spec, None, ())
    times: dict[str, list[float]] = {"backbone_ms": [], "model_run_ms": []}
    for _ in range(MODEL_RUNS):
        start = perf_counter_ns()
        backbone.invoke(prepared.tensors[0])
        middle = perf_counter_ns()
        check.model.run(prepared)
        end = perf_counter_ns()
        times["backbone_ms"].append((middle - start) / 1e6)
        times["model_run_ms"].append((end - middle) / 1e6)
    return times


def pipeline(config_path: str, warm: str, parts: str) -> dict[str, Any]:
    """Throughput and memory, and the bare model before and after it."""
    config = settings.load(Path(config_path))
    source = Memory(0.0, int(warm) + int(parts), int(warm))
    daemon = Daemon(config, source)
    times = model_times(daemon.checks[0], source.sample)
    code = daemon.run()
    seconds = perf_counter() - source.warm_at
    if code != 0:
        raise DeviceError(f"the daemon ended with {code}")
    for key, values in model_times(daemon.checks[0], source.sample).items():
        times[key] += values
    backbone, model_run = percentiles(times["backbone_ms"]), percentiles(times["model_run_ms"])
    return {
        "backbone_ms": backbone,
        "model_run_ms": model_run,
        "model_run_ratio": round(model_run["p50"] / backbone["p50"], 2),
        "parts_per_s": round(int(parts) / seconds, 1),
        "pipeline_ratio": round(int(parts) / seconds * model_run["p50"] / 1000, 3),
        "stages_ms": daemon.health.stages(),
        "rss_mb": round(source.rss_mb[-1], 1),
        "rss_growth_mb": round(source.rss_mb[-1] - source.rss_mb[0], 1),
    }


def paced(config_path: str, parts: str) -> dict[str, Any]:
    """Latency at the rate of a line: from a frame in memory to its verdict."""
    config = settings.load(Path(config_path))
    assert isinstance(config.source, settings.SyntheticSource)  # noqa: S101 - bench_runs wrote it
    latencies: list[float] = []
    source = Memory(config.source.rate_hz, int(parts), 0)
    Daemon(config, source, lambda part: latencies.append(part.stage_ms["verdict"])).run()
    return {"verdict_ms": percentiles(latencies), "paced_hz": config.source.rate_hz}


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


def accept(outbox: Outbox, body: JSON, reports: int) -> None:
    """Put reports into the outbox as fast as they become durable: its ring holds 1,000."""
    for _ in range(reports):
        while outbox.pending > ROOM:
            sleep(0.001)
        outbox.accept("result", lambda stamp: Report(stamp, body).to_json(), Verdict.PASS)


def a_part() -> Inspection:
    """A part that passed, as the pipeline would describe it."""
    frame = Memory(0.0, 1, 0).read()
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
