"""What a bad broker or a bad network can do: a scripted peer does it."""

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
from brokers import Mosquitto, eventually
from mqtt_peer import (
    MAXIMUM_PACKET_SIZE,
    RECEIVE_MAXIMUM,
    SERVER_KEEP_ALIVE,
    Peer,
    Publish,
    Script,
    packet,
)
from mqtt_station import BASE, a_row, a_sink, patient, rows

from edge.errors import DeliveryError
from edge.sinks.mqtt import Mqtt
from edge.types import Row

RESULT = f"{BASE}/result"


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as started:
        yield started


def answers(code: int, seq: int) -> Callable[[Publish], int]:
    """Acknowledges everything but one record."""
    return lambda message: code if f'"cam1/epoch1/{seq}"'.encode() in message.payload else 0


@pytest.mark.parametrize("maximum", range(1, 11))
def test_never_more_in_flight_than_the_broker_wants(peer: Peer, maximum: int) -> None:
    peer.script = Script(properties={RECEIVE_MAXIMUM: maximum}, linger_s=0.02)
    with a_sink(peer.port) as sink:
        for topic in ("info", "status", "model", "config"):
            sink.retain(topic, b"{}")
        assert sink.write(rows(40)).delivered == frozenset(range(1, 41))
    assert peer.most_in_flight == min(maximum, 8)


def test_never_more_in_flight_than_configured(peer: Peer) -> None:
    peer.script = Script(linger_s=0.02)
    with a_sink(peer.port, window=3) as sink:
        assert sink.write(rows(20)).trouble is None
    assert peer.most_in_flight == 3


def test_through_link_cuts_the_window_holds_and_everything_arrives(peer: Peer) -> None:
    peer.script = Script(properties={RECEIVE_MAXIMUM: 5}, linger_s=0.01, cut_after=17)
    with a_sink(peer.port) as sink:
        left = {row.seq: row for row in rows(60)}
        until = monotonic() + 20
        while left and monotonic() < until:
            forget_delivered(sink, left)
    assert not left
    assert peer.most_in_flight <= 5
    assert len({message.payload for message in peer.on(RESULT)}) == 60
    assert len(peer.sessions) > 3


def test_nobody_subscribed_is_delivered_all_the_same(peer: Peer) -> None:
    peer.script = Script(ack=lambda _: 0x10)
    with a_sink(peer.port) as sink:
        assert sink.write(rows(3)).delivered == {1, 2, 3}


@pytest.mark.parametrize("code", [0x90, 0x99])
def test_a_record_that_is_refused_for_good_does_not_block_the_rest(peer: Peer, code: int) -> None:
    peer.script = Script(ack=answers(code, 2))
    with a_sink(peer.port) as sink:
        receipt = sink.write(rows(4))
    assert receipt.delivered == {1, 3, 4}
    assert f"0x{code:02x}" in receipt.refused[2]
    assert receipt.trouble is None


def test_of_a_refused_batch_only_the_guilty_record_is_refused(peer: Peer) -> None:
    peer.script = Script(ack=answers(0x99, 2))
    with a_sink(peer.port, batch=4) as sink:
        receipt = sink.write(rows(4))
    assert receipt.delivered == {1, 3, 4}
    assert list(receipt.refused) == [2]


@pytest.mark.parametrize("code", [0x80, 0x83, 0x91, 0x97])
def test_a_record_that_is_not_taken_now_is_offered_again(peer: Peer, code: int) -> None:
    peer.script = Script(ack=answers(code, 2))
    with a_sink(peer.port) as sink:
        receipt = sink.write(rows(4))
        assert 2 not in receipt.delivered
        assert not receipt.refused
        assert f"0x{code:02x}" in (receipt.trouble or "")
        peer.script = Script()
        eventually(lambda: offered(sink, 2) == {2})
        assert sink.trouble is None


def offered(sink: Mqtt, seq: int) -> frozenset[int]:
    try:
        return sink.write([a_row(seq)]).delivered
    except DeliveryError:
        return frozenset()


def forget_delivered(sink: Mqtt, left: dict[int, Row]) -> dict[int, Row]:
    """Offer what is left once more."""
    try:
        receipt = sink.write(list(left.values()))
    except DeliveryError:
        return left
    for seq in receipt.delivered:
        left.pop(seq, None)
    return left


def test_a_denied_topic_is_an_alarm_that_names_the_acl(peer: Peer) -> None:
    peer.script = Script(ack=answers(0x87, 1))
    with a_sink(peer.port, patient(longest_pause_s=60)) as sink:
        receipt = sink.write(rows(1))
        assert receipt.delivered == frozenset()
        assert "ACL" in (receipt.trouble or "")
        assert "ACL" in (sink.trouble or "")
        with pytest.raises(DeliveryError, match="ACL"):
            sink.write(rows(1))
        assert len(peer.on(RESULT)) == 1, "a broker that says no is not hammered"


def test_a_packet_over_the_brokers_maximum_is_never_sent(peer: Peer) -> None:
    peer.script = Script(properties={MAXIMUM_PACKET_SIZE: 3000})
    with a_sink(peer.port) as sink:
        receipt = sink.write([a_row(1, filler=4000), a_row(2)])
    assert receipt.delivered == {2}
    assert list(receipt.refused) == [1]
    assert len(peer.on(RESULT)) == 1


def test_a_record_that_the_broker_hangs_up_on_as_too_large_is_put_aside(peer: Peer) -> None:
    def hang_up(message: Publish) -> int | None:
        if len(message.payload) > 4000:
            peer.sessions[-1].disconnect(0x95)
            return None
        return 0

    peer.script = Script(ack=hang_up)
    with a_sink(peer.port) as sink:
        receipt = sink.write([a_row(1), a_row(2, filler=4000)])
        assert receipt.delivered == {1}
        assert "too large" in receipt.refused[2]


def test_a_batch_that_the_broker_hangs_up_on_is_made_smaller(peer: Peer) -> None:
    def hang_up(message: Publish) -> int | None:
        if len(message.payload) > 2000:
            peer.sessions[-1].disconnect(0x95)
            return None
        return 0

    peer.script = Script(ack=hang_up)
    with a_sink(peer.port, batch=50) as sink:
        left = {row.seq: row for row in rows(50)}
        eventually(lambda: not forget_delivered(sink, left))


def test_acknowledgements_that_stop_coming_end_the_connection(peer: Peer) -> None:
    peer.script = Script(ack=lambda message: None if message.topic == RESULT else 0)
    with a_sink(peer.port, ack_timeout_s=0.3) as sink:
        receipt = sink.write(rows(20))
        assert receipt.delivered == frozenset()
        assert "no acknowledgement" in (receipt.trouble or "")
        assert len(peer.on(RESULT)) <= 8
        peer.script = Script()
        eventually(lambda: sink.connected)
        assert sink.write(rows(20)).delivered == frozenset(range(1, 21))
        assert len(peer.sessions) == 2


def test_an_unknown_acknowledgement_acknowledges_nothing(peer: Peer) -> None:
    peer.script = Script(ack=lambda message: None if message.topic == RESULT else 0)
    with a_sink(peer.port, ack_timeout_s=0.3) as sink:
        eventually(lambda: sink.connected)
        peer.sessions[0].send(packet(0x40, b"\x77\x77"))
        assert sink.write(rows(1)).delivered == frozenset()


def test_a_peer_that_falls_silent_is_left(peer: Peer) -> None:
    with a_sink(peer.port, patient(silence_s=0.6)) as sink:
        eventually(lambda: sink.connected)
        peer.deaf.set()
        eventually(lambda: not sink.connected)
        assert "nothing heard" in (sink.trouble or "")
        peer.deaf.clear()
        eventually(lambda: sink.connected)


def test_a_frozen_broker_is_noticed_and_found_again(mosquitto: Mosquitto) -> None:
    with a_sink(mosquitto.port, ack_timeout_s=0.5) as sink:
        assert sink.write(rows(2)).trouble is None
        mosquitto.freeze()
        assert sink.write(rows(2, first=3)).delivered == frozenset()
        eventually(lambda: not sink.connected)
        mosquitto.thaw()
        eventually(lambda: sink.connected)
        assert sink.write(rows(2, first=3)).delivered == {3, 4}


def test_a_peer_that_accepts_and_never_speaks_is_trouble(peer: Peer) -> None:
    peer.script = Script(connack=None)
    with a_sink(peer.port, patient(connect_s=0.4, answer_s=0.2)) as sink:
        eventually(lambda: "does not answer" in (sink.trouble or ""))
        with pytest.raises(DeliveryError, match="does not answer"):
            sink.write(rows(1))


def test_a_session_that_was_taken_over_says_so_and_backs_off(peer: Peer) -> None:
    with a_sink(peer.port, patient(first_pause_s=1e6, longest_pause_s=1e6)) as sink:
        eventually(lambda: sink.connected)
        peer.sessions[0].disconnect(0x8E)
        eventually(lambda: not sink.connected)
        assert "another client took over the session" in (sink.trouble or "")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0x86, "wrong user name or password"),
        (0x87, "not authorised"),
        (0x88, "unavailable"),
        (0x8A, "banned"),
    ],
)
def test_a_broker_that_refuses_the_connection_is_quoted(peer: Peer, code: int, words: str) -> None:
    peer.script = Script(connack=code)
    with a_sink(peer.port) as sink:
        eventually(lambda: words in (sink.trouble or ""))
        assert 4 not in {session.version for session in peer.sessions}, "no falling back from that"


def test_a_half_closed_connection_is_left(peer: Peer) -> None:
    with a_sink(peer.port) as sink:
        eventually(lambda: sink.connected)
        peer.sessions[0].socket.shutdown(socket.SHUT_WR)
        eventually(lambda: len(peer.sessions) > 1 and sink.connected)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff" * 64,
        packet(0x40, b"\x00"),
        packet(0x40, b"\x00\x01\xee"),
        packet(0xE0, b"\x77\xff\xff"),
        packet(0x30, b"\xff\xff"),
        packet(0x90, b""),
        packet(0x20, b"\x00\x00\xff"),
        packet(0x32, b"\x00\x02\xff\xfe\x00\x01\x00{}"),
        b"\x30\xff\xff\xff\xff\xff",
    ],
)
def test_garbage_from_the_peer_costs_a_connection_at_most(peer: Peer, garbage: bytes) -> None:
    with a_sink(peer.port) as sink:
        eventually(lambda: sink.connected)
        peer.sessions[0].send(garbage)
        eventually(lambda: sink.connected and offered(sink, 1) == {1})


def test_the_servers_keep_alive_counts(peer: Peer) -> None:
    peer.script = Script(properties={SERVER_KEEP_ALIVE: 1})
    with a_sink(peer.port, patient(silence_s=None)) as sink:  # type: ignore[arg-type]
        eventually(lambda: sink.connected)
        peer.deaf.set()
        eventually(lambda: not sink.connected, 5)


def test_leaving_does_not_hang_on_a_peer_that_stopped_reading(peer: Peer) -> None:
    began = monotonic()
    with a_sink(peer.port) as sink:
        eventually(lambda: sink.connected)
        peer.deaf.set()
    assert monotonic() - began < 10, "hung"
    assert not sink.connected


def test_leaving_while_dialling_does_not_hang(peer: Peer) -> None:
    peer.script = Script(connack=None)
    with a_sink(peer.port, patient(connect_s=60, answer_s=60)):
        peer.wait_for(lambda: peer.sessions)


def test_an_interrupted_write_returns_what_it_has(peer: Peer) -> None:
    peer.script = Script(ack=lambda message: None if b"/epoch1/5" in message.payload else 0)
    with a_sink(peer.port) as sink:
        eventually(lambda: sink.connected)
        threading.Timer(0.2, sink.interrupt).start()
        receipt = sink.write(rows(5))
        assert receipt.delivered == {1, 2, 3, 4}
        assert receipt.trouble == "stopping"


def test_a_clean_end_says_good_bye_so_that_no_will_is_published(peer: Peer) -> None:
    with a_sink(peer.port) as sink:
        eventually(lambda: sink.connected)
    assert peer.on(f"{BASE}/availability")[-1].payload == b"stopped"
    assert peer.wait_for(lambda: peer.sessions[0].said_good_bye)


def test_only_the_first_connection_of_a_process_asks_for_a_clean_session(peer: Peer) -> None:
    with a_sink(peer.port) as sink:
        eventually(lambda: sink.connected)
        peer.sessions[0].cut()
        eventually(lambda: sink.reconnects == 1)
    assert [session.clean for session in peer.sessions] == [True, False]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_connection_whose_thread_dies_is_replaced(peer: Peer) -> None:
    def dies(_: object) -> None:
        raise RuntimeError("a bug")

    sink = a_sink(peer.port)
    sink._peer = replace(sink._peer, hear=dies)
    with sink:
        eventually(lambda: sink.connected)
        peer.sessions[0].publish(f"{BASE}/cmd/ping", b"{}")
        eventually(lambda: sink.reconnects == 1)
        assert sink.write(rows(3)).delivered == {1, 2, 3}


def test_writing_before_the_sink_is_entered_is_a_bug_and_says_so(peer: Peer) -> None:
    with pytest.raises(RuntimeError, match="not started"):
        a_sink(peer.port).write(rows(1))


def test_a_hundred_reconnects_leave_nothing_open(peer: Peer) -> None:
    with a_sink(peer.port, patient(first_pause_s=0.0, longest_pause_s=0.0)) as sink:
        eventually(lambda: sink.connected)
        before = len(list(Path("/proc/self/fd").iterdir()))
        for number in range(1, 101):
            peer.sessions[-1].cut()
            eventually(lambda number=number: sink.reconnects == number)
        eventually(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before + 2)
