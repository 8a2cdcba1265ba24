"""Reports, retained state and the will over a real mosquitto, MQTT 5."""

import json
from pathlib import Path

import pytest
from brokers import Listener, Mosquitto, eventually, free_port
from conftest import StartMosquitto
from mqtt_station import BASE, STATION, a_row, a_sink, cut, patient, rows

from edge.config import JsonlSink, MqttSink
from edge.errors import DeliveryError
from edge.sinks import open_sink
from edge.sinks.jsonl import Jsonl
from edge.sinks.mqtt import Mqtt


def identities(payloads: list[bytes]) -> list[str]:
    return [json.loads(payload)["id"] for payload in payloads]


def test_what_was_acknowledged_has_arrived(mosquitto: Mosquitto) -> None:
    with Listener(mosquitto.port, f"{BASE}/result") as ears, a_sink(mosquitto.port) as sink:
        receipt = sink.write(rows(100))
        assert receipt.delivered == frozenset(range(1, 101))
        assert receipt.trouble is None
        eventually(lambda: len(ears.heard) == 100)
        assert identities(ears.on(f"{BASE}/result")) == [f"cam1/epoch1/{seq}" for seq in range(1, 101)]
        assert (sink.published, sink.acknowledged, sink.reconnects) == (100, 100, 0)


def test_a_record_carries_its_content_type_and_cloudevents_attributes(mosquitto: Mosquitto) -> None:
    with Listener(mosquitto.port, f"{BASE}/event/+") as ears, a_sink(mosquitto.port) as sink:
        sink.write([a_row(7, "event/drift")])
        eventually(lambda: ears.heard)
        properties = ears.heard[0].properties
        assert properties.ContentType == "application/json"
        assert dict(properties.UserProperty) == {
            "specversion": "1.0",
            "type": "edge.result/1",
            "source": BASE,
            "id": "cam1/epoch1/7",
            "time": "2026-05-04T00:00:00.000Z",
        }


def test_results_that_follow_each_other_go_out_as_arrays(mosquitto: Mosquitto) -> None:
    mixed = [*rows(5), a_row(6, "event/drift"), *rows(2, first=7)]
    with Listener(mosquitto.port, f"{BASE}/#") as ears, a_sink(mosquitto.port, batch=3) as sink:
        assert sink.write(mixed).delivered == frozenset(range(1, 9))
        eventually(lambda: len(ears.on(f"{BASE}/result")) == 3)
        sizes = [len(json.loads(payload)) for payload in ears.on(f"{BASE}/result")]
        assert sizes == [3, 2, 2]
        assert identities(ears.on(f"{BASE}/event/drift")) == ["cam1/epoch1/6"]


def test_an_old_record_says_so(mosquitto: Mosquitto) -> None:
    with Listener(mosquitto.port, f"{BASE}/result") as ears, a_sink(mosquitto.port, batch=2) as sink:
        sink.write([a_row(1, historical=True), a_row(2), a_row(3, historical=True)])
        eventually(lambda: len(ears.heard) == 2)
        records = [*json.loads(ears.heard[0].payload), *json.loads(ears.heard[1].payload)]
        assert [record.get("historical") for record in records] == [True, None, True]


def test_the_latest_result_is_retained_as_flat_scalars(mosquitto: Mosquitto) -> None:
    with a_sink(mosquitto.port) as sink:
        sink.write(rows(50))
        with Listener(mosquitto.port, f"{BASE}/result/last") as ears:
            last = json.loads(eventually(lambda: [h for h in ears.heard if b"p50" in h.payload])[0].payload)
    assert last == {
        "schema": "edge.last/1",
        "id": "cam1/epoch1/50",
        "ts": "2026-05-04T00:00:00.000Z",
        "part_id": "p50",
        "sequence": 50,
        "recipe": "r",
        "verdict": "pass",
        "score": 0.5,
        "label": None,
    }


def test_the_latest_result_is_not_published_for_each_part(mosquitto: Mosquitto) -> None:
    with Listener(mosquitto.port, f"{BASE}/result/last") as ears:
        with a_sink(mosquitto.port) as sink:
            for first in range(1, 501, 5):
                sink.write(rows(5, first))
                sink.retain("status", b"{}")  # whatever else is published in between
        eventually(lambda: any(b"p500" in heard.payload for heard in ears.heard))
        assert len(ears.heard) < 10


def test_without_a_broker_a_write_fails_and_says_why() -> None:
    with a_sink(free_port()) as sink:
        eventually(lambda: "nobody listens" in (sink.trouble or ""))
        with pytest.raises(DeliveryError, match="nobody listens there; start the broker"):
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


def test_a_broker_that_lost_everything_gets_what_is_retained_again(mosquitto: Mosquitto) -> None:
    with a_sink(mosquitto.port) as sink:
        sink.retain("status", b'{"state":"starting"}')
        sink.retain("status", b'{"state":"ok"}')
        sink.retain("image/last_fail", b"\xff\xd8jpeg", qos=0)
        eventually(lambda: sink.connected)
        mosquitto.kill()
        eventually(lambda: not sink.connected)
        mosquitto.start()
        eventually(lambda: sink.connected)
        with Listener(mosquitto.port, f"{BASE}/#") as ears:
            eventually(lambda: len(ears.heard) >= 3)
            kept = {heard.topic.removeprefix(BASE): heard.payload for heard in ears.heard if heard.retain}
    assert kept == {
        "/availability": b"online",
        "/status": b'{"state":"ok"}',
        "/image/last_fail": b"\xff\xd8jpeg",
    }


def test_everything_retained_is_in_place_before_the_station_says_that_it_is_online(
    mosquitto: Mosquitto,
) -> None:
    with Listener(mosquitto.port, f"{BASE}/#") as ears:
        sink = a_sink(mosquitto.port)
        for topic in ("info", "model", "config", "status"):
            sink.retain(topic, b"{}")
        with sink:
            eventually(lambda: ears.on(f"{BASE}/availability"))
        order = [heard.topic.removeprefix(f"{BASE}/") for heard in ears.heard]
        assert order[:5] == ["info", "model", "config", "status", "availability"]


def test_what_is_published_without_being_kept_says_whether_it_arrived(mosquitto: Mosquitto) -> None:
    with Listener(mosquitto.port, f"{BASE}/#") as ears, a_sink(mosquitto.port) as sink:
        eventually(lambda: sink.connected)
        assert sink.publish("telemetry", b"{}")
        assert sink.publish("image/reply/r1", b'{"index":0}', qos=1)
        eventually(lambda: ears.on(f"{BASE}/telemetry") and ears.on(f"{BASE}/image/reply/r1"))
        mosquitto.kill()
        eventually(lambda: not sink.connected)
        assert not sink.publish("telemetry", b"{}")


def test_a_message_that_is_too_large_does_not_block_the_rest(
    start_mosquitto: StartMosquitto,
) -> None:
    mosquitto = start_mosquitto("allow_anonymous true\nmax_packet_size 4000\n")
    with a_sink(mosquitto.port) as sink:
        receipt = sink.write([a_row(1), a_row(2, filler=5000), a_row(3)])
        assert receipt.delivered == {1, 3}
        assert "4000 at most" in receipt.refused[2]
        assert receipt.trouble is None


def test_a_batch_that_is_too_large_goes_out_row_by_row(start_mosquitto: StartMosquitto) -> None:
    mosquitto = start_mosquitto("allow_anonymous true\nmax_packet_size 4000\n")
    with a_sink(mosquitto.port, batch=10) as sink:
        receipt = sink.write([a_row(1, filler=2000), a_row(2, filler=5000), a_row(3, filler=2000)])
        assert receipt.delivered == {1, 3}
        assert list(receipt.refused) == [2]


def test_websockets_carry_the_same(start_mosquitto: StartMosquitto) -> None:
    port = free_port()
    start_mosquitto(f"listener {port} 127.0.0.1\nprotocol websockets\nallow_anonymous true\n")
    with a_sink(port, transport="websockets") as sink:
        eventually(lambda: sink.connected)
        assert sink.write(rows(200)).delivered == frozenset(range(1, 201))


def test_the_sink_is_chosen_by_its_table(tmp_path: Path) -> None:
    assert isinstance(open_sink(MqttSink(type="mqtt"), STATION), Mqtt)
    assert isinstance(open_sink(JsonlSink(type="jsonl", path=tmp_path / "reports.jsonl"), STATION), Jsonl)


def test_a_station_that_stays_away_is_offline_after_five_seconds(mosquitto: Mosquitto) -> None:
    with (
        Listener(mosquitto.port, f"{BASE}/availability") as ears,
        a_sink(mosquitto.port, patient(first_pause_s=1e6, longest_pause_s=1e6)) as sink,
    ):
        eventually(lambda: sink.connected)
        cut(sink)
        eventually(lambda: ears.on(f"{BASE}/availability") == [b"online", b"offline"], 15)
        assert ears.heard[-1].retain


def test_a_station_that_comes_back_at_once_was_never_offline(mosquitto: Mosquitto) -> None:
    with Listener(mosquitto.port, f"{BASE}/availability") as ears, a_sink(mosquitto.port) as sink:
        eventually(lambda: sink.connected)
        cut(sink)
        eventually(lambda: sink.reconnects == 1)
        eventually(lambda: len(ears.heard) == 2)
        assert ears.on(f"{BASE}/availability") == [b"online", b"online"]
