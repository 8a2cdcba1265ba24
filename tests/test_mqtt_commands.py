"""Commands from the broker, their answers, and what is refused."""

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from brokers import EmbeddedBroker, Listener, Mosquitto, eventually
from hypothesis import given
from hypothesis import strategies as st
from mqtt_peer import Peer
from mqtt_station import BASE, a_sink
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.message import encode
from edge.sinks.command import (
    LARGEST_BYTES,
    MOST_PER_S,
    BadRequest,
    Command,
    Inbox,
    Incoming,
    answer,
    decode_request,
    fits_a_reply,
)
from edge.sinks.mqtt import Mqtt


@pytest.fixture
def refusals() -> list[str]:
    return []


@pytest.fixture
def inbox(refusals: list[str]) -> Inbox:
    return Inbox(BASE, lambda _, reason: refusals.append(reason))


@pytest.fixture
def sink(mosquitto: Mosquitto) -> Iterator[Mqtt]:
    with a_sink(mosquitto.port) as started:
        eventually(lambda: started.connected)
        yield started


@pytest.fixture
def plant(mosquitto: Mosquitto) -> Iterator[Listener]:
    with Listener(mosquitto.port, "#") as ears:
        yield ears


def asking(response_topic: str, correlation: bytes) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = response_topic
    properties.CorrelationData = correlation
    return properties


def test_a_command_arrives_with_its_request(sink: Mqtt, plant: Listener) -> None:
    plant.client.publish(f"{BASE}/cmd/replay", b'{"from":1,"to":5}', qos=1)
    assert sink.commands.get(timeout_s=5) == Command("replay", {"from": 1, "to": 5})


def test_an_answer_goes_to_the_response_topic_with_the_correlation(sink: Mqtt, plant: Listener) -> None:
    properties = asking("mes/replies/7", b"\x00\x01")
    plant.client.publish(f"{BASE}/cmd/status", b'{"transaction":"t1"}', qos=1, properties=properties)
    sink.reply(sink.commands.get(timeout_s=5), {"schema": "edge.reply/1", "command": "status", "ok": True})
    heard = eventually(lambda: [h for h in plant.heard if h.topic == "mes/replies/7"])[0]
    assert heard.properties.CorrelationData == b"\x00\x01"
    assert heard.properties.MessageExpiryInterval <= 30
    assert json.loads(heard.payload) == {
        "schema": "edge.reply/1",
        "command": "status",
        "ok": True,
        "transaction": "t1",
    }


def test_without_a_response_topic_the_answer_goes_beside_the_command(sink: Mqtt, plant: Listener) -> None:
    plant.client.publish(f"{BASE}/cmd/status", b'{"transaction":12}', qos=1)
    sink.reply(sink.commands.get(timeout_s=5), {"schema": "edge.reply/1", "command": "status", "ok": True})
    payload = eventually(lambda: plant.on(f"{BASE}/cmd/status/response"))[0]
    assert json.loads(payload)["transaction"] == 12


def test_a_request_that_cannot_be_read_is_answered_with_the_reason(sink: Mqtt, plant: Listener) -> None:
    plant.client.publish(f"{BASE}/cmd/replay", b'{"from":', qos=1)
    reply = json.loads(eventually(lambda: plant.on(f"{BASE}/cmd/replay/response"))[0])
    assert reply["ok"] is False
    assert reply["error"].startswith("the request is not JSON")
    assert len(sink.commands) == 0
    assert sink.refused_commands == 1


def test_a_retained_command_is_refused_now_and_after_each_reconnect(mosquitto: Mosquitto) -> None:
    with Listener(mosquitto.port, "nothing") as plant:
        plant.client.publish(f"{BASE}/cmd/reboot", b"{}", qos=1, retain=True).wait_for_publish(5)
        with a_sink(mosquitto.port) as sink:
            eventually(lambda: sink.refused_commands == 1)
            plant.client.publish(f"{BASE}/cmd/reboot", b"{}", qos=1, retain=True)
            eventually(lambda: sink.refused_commands == 2)
            assert len(sink.commands) == 0


def test_commands_arrive_over_3_1_1(embedded_broker: EmbeddedBroker) -> None:
    with a_sink(embedded_broker.port) as sink:
        eventually(lambda: sink.connected)
        with Listener(embedded_broker.port, f"{BASE}/cmd/+/response", version=4) as plant:
            plant.client.publish(f"{BASE}/cmd/status", b'{"transaction":"x"}', qos=1)
            sink.reply(sink.commands.get(timeout_s=5), {"ok": True})
            assert json.loads(eventually(lambda: plant.heard)[0].payload) == {"ok": True, "transaction": "x"}


def test_without_commands_nothing_is_subscribed() -> None:
    with Peer() as peer, a_sink(peer.port, commands=False) as sink:
        eventually(lambda: sink.connected)
        assert peer.sessions[0].subscribed == []


def test_a_flood_of_commands_is_cut_to_ten_a_second(inbox: Inbox) -> None:
    for _ in range(200):
        inbox.take(Incoming(f"{BASE}/cmd/status", b"{}", retained=False))
    assert len(inbox.commands) == MOST_PER_S
    assert inbox.refused == 200 - MOST_PER_S


def test_a_command_of_two_segments_is_answered_beside_it(sink: Mqtt, plant: Listener) -> None:
    plant.client.publish(f"{BASE}/cmd/teach/start", b'{"product":"cap"}', qos=1)
    command = sink.commands.get(timeout_s=5)
    assert command == Command("teach/start", {"product": "cap"})
    sink.reply(command, {"ok": True})
    assert eventually(lambda: plant.on(f"{BASE}/cmd/teach/start/response"))


def test_our_own_answers_are_no_commands(sink: Mqtt, plant: Listener) -> None:
    plant.client.publish(f"{BASE}/cmd/teach", b"{}", qos=1)
    sink.reply(sink.commands.get(timeout_s=5), {"ok": False})
    eventually(lambda: plant.on(f"{BASE}/cmd/teach/response"))
    plant.client.publish(f"{BASE}/cmd/after", b"{}", qos=1)
    assert sink.commands.get(timeout_s=5).name == "after"


def test_a_command_after_the_end_is_counted_and_harmless(inbox: Inbox) -> None:
    inbox.commands.close()
    inbox.take(Incoming(f"{BASE}/cmd/status", b"{}", retained=False))
    assert inbox.refused == 1


@given(st.binary(max_size=200))
def test_whatever_the_payload_it_is_a_request_or_a_bad_one(payload: bytes) -> None:
    with suppress(BadRequest):
        assert isinstance(decode_request(payload), dict)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(_JSON)
def test_whatever_json_it_is_only_an_object_is_a_request(value: object) -> None:
    payload = json.dumps(value).encode()
    if isinstance(value, dict):
        assert json.loads(encode(decode_request(payload))) == value
    else:
        with pytest.raises(BadRequest, match="not a JSON object"):
            decode_request(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 10_000,
        b"null",
        b"\xff\xfe",
        b"NaN",
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":"\\ud800"}',
        b'{"a":1',
        b" " * (LARGEST_BYTES + 1),
    ],
)
def test_hostile_requests_are_bad_ones(payload: bytes) -> None:
    with pytest.raises(BadRequest):
        decode_request(payload)


def test_no_payload_is_an_empty_request() -> None:
    assert decode_request(b"") == {}


@pytest.mark.parametrize("topic", ["", "a/+/b", "#", "a\0b", BASE, f"{BASE}/result", f"{BASE}/event/gap"])
def test_an_answer_never_goes_where_records_go_nor_to_a_pattern(topic: str) -> None:
    assert not fits_a_reply(topic, BASE)


@pytest.mark.parametrize("topic", ["mes/reply", f"{BASE}/cmd/status/response", f"{BASE}2/result"])
def test_an_answer_may_go_anywhere_else(topic: str) -> None:
    assert fits_a_reply(topic, BASE)


def test_a_response_topic_that_does_not_fit_is_ignored(inbox: Inbox) -> None:
    inbox.take(Incoming(f"{BASE}/cmd/status", b"{}", False, f"{BASE}/result", b"c"))  # noqa: FBT003
    command = inbox.commands.get(timeout_s=0)
    assert answer(command, {"ok": True}).topic == "cmd/status/response"


@given(
    st.dictionaries(st.just("transaction"), st.none() | st.text() | st.integers() | st.lists(st.integers()))
)
def test_whatever_the_transaction_the_answer_is_json(request_body: dict[str, object]) -> None:
    message = answer(Command("status", request_body), {"ok": True})
    assert json.loads(message.payload)["ok"] is True
