"""The demo's line: a broker, the daemon, and a consumer who compares verdicts with labels."""

import json
import statistics
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console
from rich.table import Table

from edge.cli.peers import edge_command, free_port, running, wait_for_port
from edge.errors import DeviceError
from edge.judge.metrics import auroc
from edge.remote.listener import Listener
from edge.store.sheet import sheet_from

BASE = "edge/demo/line-1/cells"
COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow", "error": "bold white on red"}
ASK_AGAIN_S = 1.0
SILENCE_S = 15.0
"""A daemon that says nothing for so long will say nothing more."""


class Line:
    """One run of the demo's line."""

    def __init__(
        self, folder: Path, bundle: Path, labels: dict[str, bool], *, rate_hz: float, keep_running: bool
    ) -> None:
        self.folder = folder
        self.labels = labels
        self.port, self.websocket_port = free_port(), free_port()
        self.parts = len(list((folder / "line").iterdir()))
        self.records: list[dict[str, Any]] = []
        self.telemetry: dict[str, Any] = {}
        self.console = Console(highlight=False)
        self.asked = 0
        self._asked_at = 0.0
        self.keep_running = keep_running
        (folder / "edge.toml").write_text(self._settings(bundle, rate_hz))

    def run(self) -> None:
        """Run until the last part is reported, or for as long as nobody presses Ctrl-C."""
        log = self.folder / "daemon.log"
        with ExitStack() as stack:
            ports = ["--port", str(self.port), "--websocket-port", str(self.websocket_port)]
            broker_log = self.folder / "broker.log"
            broker = stack.enter_context(running(edge_command("broker", *ports), broker_log))
            for port in (self.port, self.websocket_port):
                wait_for_port(port, broker, broker_log)
            listener = Listener(
                "127.0.0.1", self.websocket_port, BASE, transport="websockets", other=self._other
            )
            stack.callback(listener.close)
            listener.wait_until_connected()
            self.console.print(
                f"broker on 127.0.0.1:{self.port}, topics {BASE}/#; daemon: edge run {self.folder / 'edge.toml'}\n"
            )
            daemon = stack.enter_context(running(edge_command("run", str(self.folder / "edge.toml")), log))
            try:
                self._follow(listener, daemon)
            except KeyboardInterrupt:
                self.console.print("\nstopped")
        if not self.records:
            raise DeviceError(f"the daemon reported no part; see {log}")
        self._summarize()

    def _follow(self, listener: Listener, daemon: Any) -> None:
        self.console.print(f"{'part':<12} {'verdict':<13} {'score':>6} {'ms':>7}")
        while self.keep_running or len(self.records) < self.parts:
            try:
                record = listener.records.get(SILENCE_S if daemon.poll() is not None else 0.5)
            except TimeoutError:
                if daemon.poll() is not None:
                    return
                continue
            self._fill_holes(listener, record)
            if record["schema"].startswith("edge.result/"):
                self.records.append(record)
                self._show(record)
        daemon.wait(timeout=60)

    def _fill_holes(self, listener: Listener, record: dict[str, Any]) -> None:
        """Ask again for what did not come: the broker may forget what it has acknowledged."""
        _device, epoch, seq = record["id"].rsplit("/", 2)
        holes = listener.holes(epoch, int(seq) - 1)
        if holes and monotonic() - self._asked_at > ASK_AGAIN_S:
            self._asked_at = monotonic()
            self.asked += len(holes)
            listener.ask_again(epoch, holes)

    def _show(self, record: dict[str, Any]) -> None:
        verdict = record["verdict"]
        score = "–" if record["score"] is None else f"{record['score']:.3f}"
        wrong = {("pass", True): "  escape", ("fail", False): "  overkill"}
        note = wrong.get((verdict, self.labels[record["part_id"]]), "")
        latency = record["stage_ms"].get("verdict", 0.0)
        self.console.print(
            f"{record['part_id']:<12} [{COLOURS[verdict]}]{verdict:<13}[/] {score:>6} {latency:>7.1f}{note}"
        )

    def _other(self, topic: str, payload: bytes) -> None:
        if topic == "telemetry":
            self.telemetry = json.loads(payload)

    def _summarize(self) -> None:
        """The table at the end, and the sheet of pictures."""
        table = Table(title="The line", show_header=False, title_justify="left")
        table.add_column(style="bold")
        table.add_column()
        for name, figure in self._figures().items():
            table.add_row(name, figure)
        sheet = self.folder / "sheet.jpg"
        sheet_from(self.folder / "state" / "evidence", sheet)
        table.add_row("evidence", str(self.folder / "state" / "evidence"))
        table.add_row("contact sheet", str(sheet))
        self.console.print()
        self.console.print(table)

    def _figures(self) -> dict[str, str]:
        verdicts = [record["verdict"] for record in self.records]
        bad = [self.labels[record["part_id"]] for record in self.records]
        told = [(record["score"], label) for record, label in zip(self.records, bad, strict=True)]
        scores = {
            wanted: [score for score, label in told if label is wanted and score is not None]
            for wanted in (True, False)
        }
        latencies = sorted(
            record["stage_ms"]["verdict"] for record in self.records if "verdict" in record["stage_ms"]
        )
        pairs = list(zip(verdicts, bad, strict=True))
        counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in COLOURS)
        delivery = self.telemetry.get("delivery", {})
        return {
            "parts": f"{len(verdicts)}, of them {sum(bad)} defective",
            "verdicts": counts,
            "escapes": f"{pairs.count(('pass', True))} of {sum(bad)} defective parts passed",
            "overkill": f"{pairs.count(('fail', False))} of {len(bad) - sum(bad)} good parts failed",
            "AUROC": f"{auroc(scores[False], scores[True]):.4f}",
            "latency": f"p50 {statistics.median(latencies):.1f} ms, "
            f"p99 {latencies[int(len(latencies) * 0.99)]:.1f} ms",
            "reports": ", ".join(
                f"{delivery.get(key, '?')} {key}" for key in ("accepted", "published", "acknowledged")
            )
            + f", {len(self.records)} received"
            + (f", {self.asked} hole{'s' * (self.asked > 1)} filled by asking again" if self.asked else ""),
        }

    def _settings(self, bundle: Path, rate_hz: float) -> str:
        return f"""# Written by 'edge demo'. Run it again with: edge run {self.folder / "edge.toml"}
[station]
site = "demo"
line = "line-1"
device = "cells"
state_dir = "state"

[source]
type = "folder"
path = "line"
rate_hz = {rate_hz}
loop = {str(self.keep_running).lower()}

[recipe]
name = "cells"
checks = [{{ name = "surface", bundle = "{bundle.name}" }}]

[evidence]
pass_rate = 0.1

[[sinks]]
type = "mqtt"
host = "127.0.0.1"
port = {self.port}

[health]
telemetry_s = 2.0
"""
