"""The small parts of the MQTT sink, one by one."""

import json
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqtt_station import a_row
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.sinks.backoff import Backoff
from edge.sinks.explain import explain
from edge.sinks.properties import PublishProperties
from edge.sinks.reason import Outcome, meaning, outcome
from edge.sinks.window import Window
from edge.sinks.wire import Message, messages, single
from edge.types import Row

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300)


@given(
    expiry_s=st.none() | st.integers(0, 2**32 - 1),
    correlation=st.none() | st.binary(max_size=300),
    attributes=st.lists(st.tuples(texts, texts), max_size=4),
    payload=st.sampled_from([b"{}", b"[]", b"\xff\xd8", b"online", b""]),
)
def test_properties_are_packed_as_paho_packs_them(
    expiry_s: int | None, correlation: bytes | None, attributes: list[tuple[str, str]], payload: bytes
) -> None:
    message = Message(
        "result", payload, expiry_s=expiry_s, correlation=correlation, attributes=tuple(attributes)
    )
    theirs = Properties(PacketTypes.PUBLISH)
    if message.content_type is not None:
        theirs.ContentType = message.content_type
    if expiry_s is not None:
        theirs.MessageExpiryInterval = expiry_s
    if correlation is not None:
        theirs.CorrelationData = correlation
    if attributes:
        theirs.UserProperty = attributes
    mine, _ = Properties(PacketTypes.PUBLISH).unpack(PublishProperties(message).pack())
    assert mine.json() == theirs.json()


@given(
    st.lists(st.tuples(st.sampled_from(["result", "event/gap"]), st.booleans()), max_size=30),
    st.integers(1, 7),
)
def test_batches_keep_every_row_once_and_in_order(kinds: list[tuple[str, bool]], batch: int) -> None:
    offered = [a_row(seq, topic, historical=old) for seq, (topic, old) in enumerate(kinds, start=1)]
    packed = list(messages(offered, batch, "base"))
    assert [row for message in packed for row in message.rows] == offered
    for message in packed:
        content = json.loads(message.payload)
        assert len(message.rows) <= batch
        assert len({row.topic for row in message.rows} | {message.topic}) == 1
        records = content if isinstance(content, list) else [content]
        assert [record["sequence"] for record in records] == [row.seq for row in message.rows]
        assert [record.get("historical", False) for record in records] == [
            row.historical for row in message.rows
        ]


def test_a_row_that_is_no_record_of_ours_goes_out_without_attributes() -> None:
    assert single(Row(1, "result", b'{"hello":1}'), "base").attributes == ()


def test_results_are_arrays_wherever_batches_are_configured() -> None:
    (message,) = messages([a_row(1)], batch=10, source="base")
    assert message.payload.startswith(b"[")


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((0x00, 0x10, 0x18, 0x7F), Outcome.DELIVERED),
        ((0x80, 0x83, 0x91, 0x97, 0xFF), Outcome.RETRY),
        ((0x87,), Outcome.PAUSE),
        ((0x90, 0x95, 0x99), Outcome.REFUSED),
    ],
)
def test_only_codes_under_0x80_deliver(codes: tuple[int, ...], expected: Outcome) -> None:
    assert {outcome(code) for code in codes} == {expected}


@given(st.integers(0, 255))
def test_every_code_has_a_meaning_with_its_number(code: int) -> None:
    assert f"(0x{code:02x})" in meaning(code)


def test_pauses_grow_up_to_the_limit_and_shrink_after_a_reset() -> None:
    backoff = Backoff(1.0, 60.0)
    limits = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    pauses = [backoff.pause_s() for _ in limits]
    assert all(0 <= pause <= limit for pause, limit in zip(pauses, limits, strict=True))
    backoff.reset()
    assert backoff.pause_s() <= 1


def test_pauses_are_spread_over_the_whole_range() -> None:
    pauses = [Backoff(10.0, 10.0).pause_s() for _ in range(300)]
    assert min(pauses) < 2
    assert max(pauses) > 8


def test_a_window_never_widens() -> None:
    window = Window(8)
    window.narrow(65535)
    assert window.size == 8
    window.narrow(3)
    assert window.size == 3


def test_a_closed_window_lets_everybody_go() -> None:
    window = Window(1)
    with window.changed:
        ticket = window.sent(1)
        window.close()
        assert not window.wait_for_room()
    window.wait_for([ticket])
    assert ticket.code is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "refused"), "broker:1883: nobody listens there"),
        (TimeoutError("timed out"), "broker:1883: does not answer"),
        (socket.gaierror(-2, "Name or service not known"), "has no address: Name or service not known"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "is this the port for TLS?"),
        (OSError(113, "No route to host"), "broker:1883: No route to host"),
        (ValueError("bad packet"), "does not speak MQTT as it should: bad packet"),
    ],
)
def test_what_went_wrong_while_dialling_is_said_for_people(error: Exception, words: str) -> None:
    assert words in explain(error, "broker", 1883)
