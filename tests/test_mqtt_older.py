"""Brokers that do not speak MQTT 5: the fall-back to 3.1.1, and what an acknowledgement is worth there."""

import json
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
from brokers import EmbeddedBroker, Listener, eventually
from conftest import StartMosquitto
from mqtt_peer import Peer, Script
from mqtt_station import BASE, a_row, a_sink, cut, patient, rows

from edge.errors import DeliveryError
from edge.sinks.reason import Version

RESULT = f"{BASE}/result"
COMMANDS = [f"{BASE}/cmd/+", f"{BASE}/cmd/teach/+"]
OLD = frozenset({4})


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as started:
        yield started


@pytest.mark.parametrize("how", ["close", "refuse", "refuse_old", "silence"])
def test_a_broker_that_does_not_speak_mqtt_5_is_asked_in_3_1_1(peer: Peer, how: str) -> None:
    peer.script = Script(speaks=OLD, on_other_version=how)
    with a_sink(peer.port) as sink:
        eventually(lambda: sink.connected)
        assert sink.write(rows(20)).delivered == frozenset(range(1, 21))
    assert [session.version for session in peer.sessions] == [5, 4]


def test_the_older_version_is_remembered(peer: Peer) -> None:
    peer.script = Script(speaks=OLD)
    with a_sink(peer.port) as sink:
        eventually(lambda: sink.connected)
        peer.sessions[-1].cut()
        eventually(lambda: sink.reconnects == 1)
    assert [session.version for session in peer.sessions] == [5, 4, 4]


def test_the_newer_version_is_tried_again_later(peer: Peer) -> None:
    peer.script = Script(speaks=OLD)
    with a_sink(peer.port, patient(newer_again_s=0.0)) as sink:
        eventually(lambda: sink.connected)
        peer.script = Script()
        peer.sessions[-1].cut()
        eventually(lambda: sink.reconnects == 1)
    assert [session.version for session in peer.sessions] == [5, 4, 5]


def test_a_broker_that_got_newer_is_found(peer: Peer) -> None:
    peer.script = Script(speaks=OLD)
    with a_sink(peer.port) as sink:
        eventually(lambda: sink.connected)
        peer.script = Script(speaks=frozenset({5}))
        peer.sessions[-1].cut()
        eventually(lambda: sink.connected and peer.sessions[-1].version == Version.V5)


def test_a_broker_that_closes_on_both_versions_is_trouble(peer: Peer) -> None:
    peer.script = Script(speaks=frozenset())
    with a_sink(peer.port) as sink:
        eventually(lambda: "closed the connection instead of accepting it" in (sink.trouble or ""))


def test_on_3_1_1_a_record_that_does_not_come_back_is_not_acknowledged(peer: Peer) -> None:
    peer.script = Script(speaks=OLD, echoes=False)
    with a_sink(peer.port, patient(longest_pause_s=60)) as sink:
        eventually(lambda: sink.connected)
        receipt = sink.write(rows(3))
        assert receipt.delivered == frozenset()
        assert "ACL" in (receipt.trouble or "")
        with pytest.raises(DeliveryError, match="ACL"):
            sink.write(rows(3))


def test_on_3_1_1_each_topic_is_proven_once_on_each_connection(peer: Peer) -> None:
    peer.script = Script(speaks=OLD)
    with a_sink(peer.port) as sink:
        eventually(lambda: sink.connected)
        sink.write([*rows(3), a_row(4, "event/gap"), *rows(3, first=5)])
        assert peer.sessions[-1].subscribed == [*COMMANDS, RESULT, f"{BASE}/event/gap"]
        assert peer.sessions[-1].filters == COMMANDS, "what is proven is not listened to any more"


def test_the_echo_of_somebody_else_proves_nothing(peer: Peer) -> None:
    peer.script = Script(
        speaks=OLD, echoes=False, ack=lambda _: peer.sessions[-1].publish(RESULT, b"{}") or 0
    )
    with a_sink(peer.port) as sink:
        eventually(lambda: sink.connected)
        assert sink.write(rows(1)).delivered == frozenset()


def test_the_embedded_broker_takes_everything(embedded_broker: EmbeddedBroker) -> None:
    with (
        Listener(embedded_broker.port, f"{BASE}/#", version=4) as ears,
        a_sink(embedded_broker.port, window=8) as sink,
    ):
        sink.retain("status", b'{"state":"ok"}')
        eventually(lambda: sink.connected)
        assert sink.write(rows(100)).delivered == frozenset(range(1, 101))
        eventually(lambda: len(ears.on(RESULT)) == 100)
        assert [json.loads(payload)["sequence"] for payload in ears.on(RESULT)] == list(range(1, 101))
        eventually(lambda: ears.on(f"{BASE}/status"))


def test_the_embedded_broker_takes_everything_over_websockets(embedded_broker: EmbeddedBroker) -> None:
    with a_sink(embedded_broker.websocket_port, transport="websockets") as sink:
        eventually(lambda: sink.connected)
        assert sink.write(rows(100)).delivered == frozenset(range(1, 101))


def test_the_embedded_broker_publishes_the_will_and_keeps_what_is_retained(
    embedded_broker: EmbeddedBroker,
) -> None:
    topic = f"{BASE}/availability"
    with Listener(embedded_broker.port, topic, version=4) as ears:
        # On a busy machine, amqtt has been seen to lose a will: so it gets three connections to lose.
        for _ in range(3):
            # Not to come back at once: the will has to be seen.
            with a_sink(embedded_broker.port, patient(first_pause_s=1e6, longest_pause_s=1e6)) as sink:
                eventually(lambda sink=sink: sink.connected, 30)
                cut(sink)
                until = monotonic() + 10
                # It publishes the will first, and keeps it a moment later.
                while b"offline" not in kept(embedded_broker.port, topic) and monotonic() < until:
                    sleep(0.01)
            if b"offline" in kept(embedded_broker.port, topic):
                break
        assert b"offline" in kept(embedded_broker.port, topic)
        assert b"offline" in ears.on(topic)


def kept(port: int, topic: str) -> list[bytes]:
    """What a broker has retained on a topic."""
    with Listener(port, topic, version=4) as later:
        eventually(lambda: later.heard)
        return later.on(topic)


def test_an_acl_on_3_1_1_is_not_mistaken_for_delivery(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    acl = tmp_path / "acl"
    acl.write_text(f"topic readwrite {BASE}/availability\ntopic readwrite {BASE}/event/#\n")
    mosquitto = start_mosquitto(f"allow_anonymous true\nacl_file {acl}\n")
    sink = a_sink(mosquitto.port)
    sink._uplink._version = Version.V3_1_1
    with sink:
        eventually(lambda: sink.connected)
        assert sink.write([a_row(1, "event/gap")]).delivered == {1}
        receipt = sink.write([a_row(2)])
        assert receipt.delivered == frozenset()
        assert f"readwrite {BASE}/#" in (receipt.trouble or "")
