"""The composition root: the only place that builds a station's parts and starts their threads."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import cv2

from edge import message, pipeline, rooms
from edge.config import Config, Rectangle
from edge.gpio.lines import Lines
from edge.gpio.panel import Panel
from edge.gpio.triggered import Triggered
from edge.health import Health
from edge.health.board import ClockWatch
from edge.health.prometheus import serve as serve_metrics
from edge.mailbox import Mailbox
from edge.message import JSON, Report
from edge.model import shelves
from edge.model.checks import open_inspector, probe_delegates
from edge.model.faces import open_faces
from edge.model.joining import open_joining
from edge.model.restorations import load_restorer
from edge.model.runtime import runtime
from edge.model.tuning import FILE as TUNED
from edge.model.untaught import REASON
from edge.ports import Lane
from edge.preprocess.correction import open_correction
from edge.preprocess.picture import read
from edge.remote import birth, commands, requests
from edge.remote.announcer import Announcer
from edge.remote.session import Place
from edge.remote.teaching import Teaching
from edge.service import Crew, Systemd, Trouble
from edge.sinks import open_sink
from edge.sinks.mqtt import Mqtt
from edge.sources import open_source
from edge.sources.watch import Watch
from edge.store import examples
from edge.store.evidence import EvidenceStore
from edge.store.outbox import Outbox
from edge.store.privacy import Privacy
from edge.store.restored import Darkroom
from edge.store.state_folder import writable
from edge.teach.album import FEWEST
from edge.types import Frame, Inspection, ModelIdentity, Sink, Source, Verdict

log = logging.getLogger(__name__)

SWITCH_S = 0.0005
LOW_PRIORITY = 10
TICK_S = 0.2
"""How often the main thread looks around."""
STATUS_S = 1.0
"""At least so long between two status messages."""
START_S = 120.0
"""What a station's start may take beside loading delegates: the unit's TimeoutStartSec."""
PROBE_S = 1.0
"""How often it is looked whether a lost delegate is to be tried again."""
PAUSE_S = 0.5
"""Between two attempts to hand rows to a sink that takes none."""


class Daemon:
    """A station at work.

    Building it opens everything that can be wrong with the settings; `run` works until the source ends or
    `stop` is called. One `Daemon` runs once.

    Args:
        config: The station's settings.
        source: Takes the place of the configured source; for benchmarks.
        on_part: Is told of every judged part, on the inspect thread.
    """

    def __init__(
        self,
        config: Config,
        source: Source | None = None,
        on_part: Callable[[Inspection], None] = lambda _part: None,
    ) -> None:
        self.config = config
        self.crew = Crew()
        self.systemd = Systemd()
        state = writable(config.station.state_dir)
        self._ask_for_patience()
        self.inspector = open_inspector(config, state / "verified.json")
        correction = open_correction(config.correction)
        self._correct = None if correction is None else correction.correct
        self.joining = open_joining(config.recipe, lambda: self.inspector)
        self.panel = Panel(config.gpio, Lines(config.gpio))
        self.source: Source = source or open_source(config.source)
        self._source_trouble = self._trouble("source", fault=True)
        if config.gpio.trigger_line is not None:
            frames, well = config.recipe.of_frames, self._source_trouble.worked
            self.source = Triggered(self.source, self.panel, config.gpio, frames, well)
        self.sinks: list[Sink] = [open_sink(sink, config.station) for sink in config.sinks]
        self.brokers = [sink for sink in self.sinks if isinstance(sink, Mqtt)]
        self.outbox = Outbox(
            state / "outbox.db", config.outbox, config.station.device, [sink.name for sink in self.sinks]
        )
        self.lanes = [self.outbox.reader(sink.name) for sink in self.sinks]
        fail_at = {check.name: check.rules.fail_at for check in config.recipe.checks}
        self.evidence = EvidenceStore(
            state / "evidence", config.evidence, fail_at, darkroom=self._darkroom(state / "verified.json")
        )
        self.evidence.forget_after(self.outbox.epoch, self.outbox.head)
        self.privacy = Privacy(
            open_faces(config.privacy, state / "verified.json"),
            config.privacy.margin,
            self._trouble("privacy"),
            config.evidence.jpeg_quality,
        )
        self.announcer = Announcer(self.brokers)
        self.teaching = Teaching(self._teaching_place(), list(examples.waiting(state / "teach")))
        self.frames = rooms.for_frames(config)
        self.ready: Mailbox[pipeline.Ready] = Mailbox(1)
        self.parts = rooms.for_evidence()
        self.health = self._health()
        self._on_part = on_part
        self._on_cpu: set[str] = set()
        """The checks whose delegate is lost, as everybody was told."""
        self._all_judged = threading.Event()
        self._all_accepted = False
        self._announced_epoch = self.outbox.epoch
        self._deadline = float("inf")

    def stop(self) -> None:
        """Take no more frames, finish those inside, deliver what can be delivered, and end. Any thread."""
        self.crew.stop()
        self.source.interrupt()

    def run(self) -> int:
        """Work until the source ends or `stop` is called; gives the exit code. For the main thread."""
        # Stages hand over in less than a millisecond; Python's own 5 ms would let a thread that formats reports
        # hold up the one that has just come back from an inference.
        sys.setswitchinterval(SWITCH_S)
        # Each stage has a thread of its own: OpenCV's would take the core that the inference runs on.
        cv2.setNumThreads(1)
        with ExitStack() as open_things:
            open_things.enter_context(self.panel)
            open_things.enter_context(self.source)
            for sink in self.sinks:
                open_things.enter_context(sink)
            if self.config.health.prometheus_port:
                open_things.enter_context(serve_metrics(self.health, self.config.health.prometheus_port))
            self._announce_birth()
            self._start_threads()
            self._look_around()
            self._drain()
            self.announcer.telemetry(self._telemetry())
        return self.crew.exit_code

    # The threads

    def _start_threads(self) -> None:
        crew, health = self.crew, self.config.health
        crew.start("write", self._write)
        crew.start("signal", lambda: self.panel.work(crew, self._trouble("gpio")))
        for sink, lane in zip(self.sinks, self.lanes, strict=True):
            crew.start(f"deliver-{sink.name}", lambda sink=sink, lane=lane: self._deliver(sink, lane))  # type: ignore[misc]
        for broker in self.brokers:
            crew.start(f"answer-{broker.name}", lambda broker=broker: self._answer(broker))  # type: ignore[misc]
        crew.start(
            "keep",
            self._keep,
        )
        crew.start("teach", self.teaching.work)
        if any(check.delegate != "cpu" for check in self.config.recipe.checks):
            crew.start("probe", self._probe)
        crew.start("inspect", self._inspect)
        crew.start(
            "prepare",
            lambda: pipeline.make_ready(self.frames, self.ready, lambda: self.inspector, crew, self._correct),
        )
        crew.start(
            "capture",
            lambda: pipeline.capture(
                self.source, self.frames, crew, self._source_trouble, health.max_capture_errors
            ),
        )

    def _write(self) -> None:
        _step_back()
        self.outbox.write()

    def _keep(self) -> None:
        _step_back()
        private, trouble = self.privacy.part, self._trouble("evidence")
        pipeline.keep(self.parts, self.evidence, self.crew, private, self._kept, trouble)

    def _probe(self) -> None:
        """Lost delegates, tried again: loading one takes as long as it takes, while the CPU judges.

        Their processes have this thread's priority, so it does not step back, and they end with it, so it stays
        until all parts are judged.
        """
        while not self._all_judged.wait(PROBE_S):
            if not self.crew.stopping.is_set():
                probe_delegates(self.inspector.checks)

    def _inspect(self) -> None:
        limit = self.config.health.max_inference_errors
        pipeline.inspect(self.ready, self.joining, self._accept, self.crew, limit)
        self.crew.stop()

    def _accept(self, part: Inspection) -> None:
        """A judged part: its report to the outbox, its picture to the evidence. On the inspect thread."""
        body = message.describe(part, self.config.recipe.name)
        verdict = part.decision.verdict
        try:
            self.panel.judged(verdict)
        finally:  # a machine that cannot be told is no reason to lose the report
            stamp = self.outbox.accept(
                "result", lambda stamp: Report(stamp, body).to_json(), verdict, self._confirmation(part)
            )
        self.health.count("parts", verdict.value)
        self.health.observe_all(part.stage_ms)
        if self.config.evidence.enabled and self.evidence.wants(verdict):
            self.parts.put((Report(stamp, body), part))
        self.teaching.offer(part)
        self._on_part(part)

    def _confirmation(self, part: Inspection) -> Callable[[], None] | None:
        """What a source that keeps its pictures until their results are safe wants to be told."""
        if not isinstance(self.source, Watch):
            return None
        watch, sequences = self.source, part.sequences

        def accepted() -> None:
            for sequence in sequences:
                watch.accepted(sequence)

        return accepted

    def _kept(self, part: Inspection, lost: int) -> None:
        """On the keep thread: a picture of the last failure for the broker, and a word about those given up."""
        if lost:
            self.health.trouble(
                "evidence budget",
                "pictures of parts that did not pass are given up for newer ones; make room",
            )
        wanted = part.decision.verdict is Verdict.FAIL and isinstance(part.frame, Frame)
        if wanted and self.announcer.wants_last_fail():
            self.announcer.last_fail(self.evidence.thumbnail(part))

    def _deliver(self, sink: Sink, lane: Lane) -> None:
        def drained() -> bool:
            empty = self._all_accepted and self.outbox.pending == 0 and lane.waiting == 0
            return empty or monotonic() > self._deadline

        _step_back()
        # A broker's connection watches itself: it may be in trouble while there is nothing to deliver.
        what = f"sink {sink.name}"
        trouble = Trouble(what, None) if isinstance(sink, Mqtt) else self._trouble(what)
        pipeline.deliver(lane, sink, trouble, PAUSE_S, drained)

    def _answer(self, broker: Mqtt) -> None:
        handlers = self._handlers(broker)
        commands.serve(broker, handlers, lambda name, detail: self._event("audit", f"command {name}", detail))

    def _handlers(self, broker: Mqtt) -> Mapping[str, commands.Handler]:
        """What this station can be asked."""
        lane = self.lanes[self.sinks.index(broker)]
        find = self.evidence.find
        known = requests.handlers(self.health.status, lane, find, self.privacy.file, broker.publish)
        return {**known, **self.teaching.handlers()}

    def _darkroom(self, verified: Path) -> Darkroom | None:
        """Restores pictures of evidence, while no part waits for the disk."""
        wanted = self.config.evidence
        if wanted.restore is None or not wanted.enabled:
            return None
        restorer = load_restorer(wanted.restore, verified)
        return Darkroom(restorer, lambda: len(self.parts) > 0, self._trouble("evidence.restore"))

    def _teaching_place(self) -> Place:
        state = self.config.station.state_dir

        def shelf(name: str) -> tuple[Path, Rectangle | None]:
            product = shelves.find(self.config, name)
            return product.shelf, product.roi

        return Place(
            self.config.teaching,
            self.config.quality,
            triggered=self.source.triggered,
            products=[product.name for product in shelves.teachable(self.config.recipe.checks)],
            shelf=shelf,
            examples=lambda name: examples.Examples(state / "teach" / name),
            read=read,
            take=self._take,
            tell=lambda text, detail: self._event("teach", text, detail),
            fewest=FEWEST,
        )

    def _take(self, shelf: Path) -> bool:
        """Let the new version of a product judge, from the next frame on. On the teach thread."""
        state = self.config.station.state_dir
        verified, tuned = state / "verified.json", state / TUNED
        fresh = shelves.renewed(self.inspector, shelf, self.config.quality, verified, tuned)
        if fresh is None:
            return False
        self.inspector = fresh
        self._announce_birth()
        return True

    # The main thread

    def _look_around(self) -> None:
        """Tell systemd and the broker how things are, until it is time to stop."""
        clock = ClockWatch()
        next_status = next_telemetry = next_ping = monotonic()
        ready = False
        while not self.crew.stopping.wait(TICK_S):
            now = monotonic()
            self._look_at_the_parts()
            stuck = self.crew.stuck(self.config.health.stage_limit_s)
            if stuck:
                self.health.trouble("watchdog", f"{', '.join(stuck)}: busy for too long", fault=True)
            elif now >= next_ping:
                self.systemd.notify("WATCHDOG=1")
                next_ping = now + self.systemd.watchdog_s / 3
            if not ready and (self.joining.begun or self.source.triggered):
                ready = True
                self.health.ready()
                self.systemd.notify("READY=1", f"STATUS=inspecting {self.config.recipe.name}")
            self.panel.ready(on=ready and not stuck and not self.health.fault)
            step_s = clock.step()
            if step_s is not None:
                self._event("clock", f"the clock was set by {step_s:+.1f} s", {"step_s": round(step_s, 3)})
            if now >= next_status and self.health.changed():
                self.announcer.status(self.health.status())
                next_status = now + STATUS_S
            if now >= next_telemetry:
                self.announcer.telemetry(self._telemetry())
                next_telemetry = now + self.config.health.telemetry_s

    def _look_at_the_parts(self) -> None:
        """What does not announce itself: an outbox that cannot write, a broker that is away, a fall-back."""
        self._know("outbox", self.outbox.trouble)
        if self.outbox.epoch != self._announced_epoch:
            self._announce_birth()
        for broker in self.brokers:
            self._know(f"sink {broker.name}", broker.trouble)
        for check in self.inspector.checks:
            identity = check.model.identity
            trouble = f"{REASON} in {check.config.bundle}" if identity is None else identity.fallback
            self._know(f"check {check.config.name}", trouble)
            if identity is not None:
                self._tell_of_fallback(check.config.name, identity)

    def _tell_of_fallback(self, check: str, identity: ModelIdentity) -> None:
        """Once when a delegate is lost, and once when it is back; the reports say it part by part."""
        lost = identity.fallback is not None
        if lost == (check in self._on_cpu):
            return
        (self._on_cpu.add if lost else self._on_cpu.discard)(check)
        text = (
            f"check {check}: the CPU goes on: {identity.fallback}"
            if lost
            else f"check {check}: delegate '{identity.delegate}' is back"
        )
        self._event("fault", text, {"check": check, **message.model_fields(identity)})
        self._announce_birth()

    def _know(self, what: str, reason: str | None, *, fault: bool = False) -> None:
        """Put trouble, or its end, into the station's status."""
        if reason is None:
            self.health.well(what)
        else:
            self.health.trouble(what, reason, fault=fault)

    def _drain(self) -> None:
        """Let what is inside come out, stage by stage; give up on a stage that does not end."""
        self.panel.ready(on=False)
        self.systemd.notify("STOPPING=1")
        self.health.stopping()
        self.announcer.status(self.health.status())
        self.source.interrupt()
        limits = self.config.health
        # After a fault, a stage may wait for one that is gone.
        patience_s = limits.stage_limit_s if self.crew.exit_code == 0 else 1.0
        for stage in ("capture", "prepare", "inspect"):
            self.crew.join(stage, patience_s)
        self._all_judged.set()
        self.teaching.close()
        self.parts.close()
        self.panel.close()
        for stage in ("signal", "teach", "keep"):
            self.crew.join(stage, patience_s)
        for broker in self.brokers:
            broker.commands.close()
        self._all_accepted = True
        self._deadline = monotonic() + limits.drain_s
        for sink in self.sinks:
            self.crew.join(f"deliver-{sink.name}", limits.drain_s + 2.0)
        self.outbox.close()
        self.crew.join("write", limits.stage_limit_s)

    # What the station says of itself

    def _ask_for_patience(self) -> None:
        """A delegate that hangs while it is loaded must not make systemd give up on the station."""
        waits_s = sum(check.delegate_load_s for check in self.config.recipe.checks if check.delegate != "cpu")
        if waits_s:
            self.systemd.notify(f"EXTEND_TIMEOUT_USEC={int((waits_s + START_S) * 1e6)}")

    def _announce_birth(self) -> None:
        self._announced_epoch = self.outbox.epoch
        identities = [check.model.identity for check in self.inspector.checks]
        known = birth.Station(
            [identity for identity in identities if identity is not None],
            runtime(),
            self.source.name,
            self.outbox.epoch,
            [*requests.NAMES, *self.teaching.handlers()],
        )
        self.announcer.birth(*birth.birth(self.config, known))
        self.health.insecure = any(broker.insecure for broker in self.brokers)

    def _telemetry(self) -> dict[str, Any]:
        sent = {
            "accepted": self.outbox.accepted,
            "published": sum(broker.published for broker in self.brokers),
            "acknowledged": sum(broker.acknowledged for broker in self.brokers),
        }
        drops = {
            "frames": self.frames.dropped,
            "evidence": self.parts.dropped,
            "pictures": self.privacy.withheld,
        }
        return {**self.health.telemetry(), "drops": drops, "delivery": sent}

    def _event(self, kind: str, text: str, detail: JSON) -> None:
        self.outbox.accept(f"event/{kind}", lambda stamp: message.event(stamp, kind, text, **detail))

    def _health(self) -> Health:
        floor_mb = max(self.config.outbox.min_free_mb, self.config.evidence.min_free_mb)
        health = Health(self.config.health, self.config.station.state_dir, floor_mb)
        health.teaching = self.teaching.summary
        health.gauge("waiting", lambda: max((lane.waiting for lane in self.lanes), default=0))
        health.gauge("backlog", lambda: max((lane.backlog for lane in self.lanes), default=0))
        health.gauge("lost", lambda: self.outbox.lost)
        health.gauge("dead", lambda: self.outbox.dead)
        return health

    def _trouble(self, what: str, *, fault: bool = False) -> Trouble:
        """Trouble that is logged, and shows in the station's status as long as it lasts."""
        return Trouble(what, log, lambda reason: self._know(what, reason, fault=fault))


def _step_back() -> None:
    """Let the calling thread wait for those that decide: Linux knows priorities of threads.

    A system that forbids it loses some speed and nothing else.
    """
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW_PRIORITY)
