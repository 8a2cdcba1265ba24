"""The meters as text for Prometheus, on 127.0.0.1 only: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar

from edge.errors import ConfigError
from edge.health.state import Health

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATES = ("starting", "ok", "degraded", "fault", "stopping")
COUNTERS = {
    "parts": ("verdict", "Judged parts."),
    "drops": ("what", "What there was no room for."),
}
"""Name of the label and help of the counters that are known; others get a general label."""
GAUGES = {
    "temperature_c": ("edge_temperature_celsius", "Hottest thermometer of the board."),
    "disk_free_mb": ("edge_disk_free_megabytes", "Room where the station writes."),
    "throttled": ("edge_throttled", "1 while the board slows itself down."),
    "insecure": ("edge_insecure", "1 where the settings give up some of the transport's security."),
}


def exposition(health: Health) -> str:
    """Every counter, time and reading, in text format 0.0.4."""
    status = health.status()
    lines = list(_counters(health))
    lines += _stages(health)
    for key, (name, words) in GAUGES.items():
        if status[key] is not None:
            lines += _metric(name, "gauge", words, {"": float(status[key])})
    lines += _metric(
        "edge_clock_synced", "gauge", "1 while the clock is right.", {"": float(status["clock"]["synced"])}
    )
    states = {f'{{state="{state}"}}': float(status["state"] == state) for state in STATES}
    lines += _metric("edge_state", "gauge", "1 for the state that the station is in.", states)
    for gauge, value in health.gauges().items():
        lines += _metric(f"edge_{gauge}", "gauge", "Read just now.", {"": float(value)})
    lines += _metric("edge_rss_bytes", "gauge", "Memory of the process.", {"": health.rss_mb() * 1e6})
    lines += _metric("edge_uptime_seconds", "gauge", "Since the start.", {"": health.uptime_s})
    return "\n".join(lines) + "\n"


@contextmanager
def serve(health: Health, port: int) -> Iterator[int]:
    """Answer `GET /metrics` on 127.0.0.1 in a thread of its own; gives the port (a free one for 0).

    Raises `ConfigError` where the port is taken.
    """

    class Page(_Page):
        station = health

    try:
        server = HTTPServer(("127.0.0.1", port), Page)
    except OSError as err:
        raise ConfigError(f"health.prometheus_port: {port}: {err.strerror or err}; choose another") from err
    thread = Thread(target=server.serve_forever, name="prometheus", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Page(BaseHTTPRequestHandler):
    station: ClassVar[Health]
    timeout = 5.0
    """One client at a time: none may hold the line for longer."""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(HTTPStatus.NOT_FOUND, "only /metrics is here")
            return
        content = exposition(self.station).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def version_string(self) -> str:
        return "edge-inspect"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """A scrape is no news."""


def _counters(health: Health) -> Iterator[str]:
    by_name: dict[str, dict[str, int]] = {}
    for (name, label), value in sorted(health.counts().items()):
        by_name.setdefault(name, {})[label] = value
    for name, values in by_name.items():
        key, words = COUNTERS.get(name, ("kind", "Counted since the start."))
        samples = {
            f'{{{key}="{_escaped(label)}"}}' if label else "": float(value) for label, value in values.items()
        }
        yield from _metric(f"edge_{name}_total", "counter", words, samples)


def _stages(health: Health) -> list[str]:
    samples: dict[str, float] = {}
    for stage, spread in sorted(health.spreads().items()):
        label = f'stage="{_escaped(stage)}"'
        samples[f'{{{label},quantile="0.5"}}'] = spread.p50_ms / 1000
        samples[f'{{{label},quantile="0.99"}}'] = spread.p99_ms / 1000
        samples[f"_sum{{{label}}}"] = spread.sum_ms / 1000
        samples[f"_count{{{label}}}"] = float(spread.count)
    return _metric("edge_stage_seconds", "summary", "Time a part spends in a stage.", samples)


def _metric(name: str, kind: str, words: str, samples: dict[str, float]) -> list[str]:
    if not samples:
        return []
    return [
        f"# HELP {name} {words}",
        f"# TYPE {name} {kind}",
        *(f"{name}{suffix} {value:.10g}" for suffix, value in samples.items()),
    ]


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
