"""A station that publishes: what the MQTT tests have in common."""

from dataclasses import replace
from datetime import UTC, datetime

from edge.config import MqttSink, Station
from edge.message import Stamp, encode
from edge.sinks.mqtt import Mqtt
from edge.sinks.uplink import Timing
from edge.types import Row

STATION = Station(site="plant", line="one", device="cam1")
BASE = STATION.base_topic
QUICK = Timing(
    first_pause_s=0.02,
    longest_pause_s=0.1,
    connect_s=2.0,
    answer_s=0.3,
    echo_s=0.3,
    patience_s=0.5,
    silence_s=1.5,
)


def a_row(seq: int, topic: str = "result", *, historical: bool = False, filler: int = 0) -> Row:
    stamp = Stamp("cam1", "epoch1", seq, datetime(2026, 5, 4, tzinfo=UTC), seq, synced=True)
    flat = {
        "part_id": f"p{seq}",
        "sequence": seq,
        "recipe": "r",
        "verdict": "pass",
        "score": 0.5,
        "label": None,
    }
    record = {"schema": "edge.result/1", **stamp.fields(), **flat, "reasons": ["x" * filler]}
    # As the outbox's lane marks old records.
    payload = encode({**record, "historical": True} if historical else record)
    return Row(seq, topic, payload, historical)


def rows(count: int, first: int = 1) -> list[Row]:
    return [a_row(seq) for seq in range(first, first + count)]


def a_sink(port: int, timing: Timing = QUICK, **settings: object) -> Mqtt:
    """A sink to loopback; `settings` are keys of its table."""
    table = {"type": "mqtt", "host": "127.0.0.1", "port": port, **settings}
    return Mqtt(MqttSink.model_validate(table), STATION, timing)


def patient(**times: float) -> Timing:
    """The usual timing with some of it changed."""
    return replace(QUICK, **times)


def cut(sink: Mqtt) -> None:
    """Drop the connection as a power cut would: without a good-bye."""
    link = sink._uplink.link
    assert link is not None
    link.end("cut by the test")
