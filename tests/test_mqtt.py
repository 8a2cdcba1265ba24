"""Reports over a real mosquitto, MQTT 5."""

import json
from datetime import UTC, datetime

import pytest
from brokers import Listener, Mosquitto, eventually, free_port

from edge.config import MqttSink, Station
from edge.errors import DeliveryError
from edge.message import Stamp, encode
from edge.sinks.mqtt import Mqtt
from edge.sinks.uplink import Timing
from edge.types import Row

STATION = Station(site="plant", line="one", device="cam1")
BASE = "edge/plant/one/cam1"
QUICK = Timing(first_pause_s=0.02, longest_pause_s=0.2, connect_s=2.0, echo_s=0.5, patience_s=0.5)


def a_row(seq: int, topic: str = "result", *, historical: bool = False) -> Row:
    stamp = Stamp("cam1", "epoch1", seq, datetime(2026, 5, 4, tzinfo=UTC), seq, True)
    body = {
        "part_id": f"p{seq}",
        "sequence": seq,
        "recipe": "r",
        "verdict": "pass",
        "score": 0.5,
        "label": None,
    }
    return Row(seq, topic, encode({"schema": "edge.result/1", **stamp.fields(), **body}), historical)


def rows(count: int, first: int = 1) -> list[Row]:
    return [a_row(seq) for seq in range(first, first + count)]


def a_sink(port: int, timing: Timing = QUICK, **settings: object) -> Mqtt:
    return Mqtt(
        MqttSink.model_validate({"type": "mqtt", "host": "127.0.0.1", "port": port, **settings}),
        STATION,
        timing,
    )


def test_what_was_acknowledged_has_arrived(mosquitto: Mosquitto) -> None:
    with Listener(mosquitto.port, f"{BASE}/result") as ears, a_sink(mosquitto.port) as sink:
        receipt = sink.write(rows(100))
        assert receipt.delivered == frozenset(range(1, 101))
        assert receipt.trouble is None
        eventually(lambda: len(ears.heard) == 100)
        assert [json.loads(payload)["id"] for payload in ears.on(f"{BASE}/result")] == [
            f"cam1/epoch1/{seq}" for seq in range(1, 101)
        ]


def test_without_a_broker_a_write_fails_and_says_why() -> None:
    with a_sink(free_port()) as sink, pytest.raises(DeliveryError, match="nobody listens"):
        sink.write(rows(1))


def test_online_after_connecting_and_stopped_after_leaving(mosquitto: Mosquitto) -> None:
    with Listener(mosquitto.port, f"{BASE}/availability") as ears:
        with a_sink(mosquitto.port):
            eventually(lambda: ears.on(f"{BASE}/availability") == [b"online"])
        eventually(lambda: ears.on(f"{BASE}/availability") == [b"online", b"stopped"])
        assert all(heard.retain for heard in ears.heard)


def test_after_a_broker_was_killed_writing_goes_on(mosquitto: Mosquitto) -> None:
    with a_sink(mosquitto.port) as sink:
        assert sink.write(rows(3)).trouble is None
        mosquitto.kill()
        eventually(lambda: not sink.connected)
        with pytest.raises(DeliveryError):
            sink.write(rows(3))
        mosquitto.start()
        eventually(lambda: sink.connected)
        assert sink.write(rows(3, first=4)).delivered == {4, 5, 6}
        assert sink.reconnects == 1
