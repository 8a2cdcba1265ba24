"""The MQTT sink: `docs/mqtt.md` is the contract. paho is only a socket here, and imported in no other file."""

import json
import logging
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Any, Self, cast

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.config import MqttSink, Station
from edge.errors import DeliveryError
from edge.mailbox import Mailbox
from edge.message import JSON, encode, flat, refusal
from edge.secret import read_secret
from edge.sinks import tls
from edge.sinks.backoff import Backoff
from edge.sinks.command import LARGEST_BYTES, Command, Inbox, answer
from edge.sinks.explain import explain
from edge.sinks.flight import Flight
from edge.sinks.properties import PublishProperties
from edge.sinks.reason import FIRST_FAILURE, UNSUPPORTED_VERSION, Version, meaning
from edge.sinks.uplink import AVAILABILITY, Timing, Uplink
from edge.sinks.window import Ticket, Window
from edge.sinks.wire import Message, messages, single
from edge.types import Receipt, Row

log = logging.getLogger(__name__)

_WILL_DELAY_S = 5
_TURN_S = 0.5
_MOST_BYTES = 268_435_455


@dataclass(frozen=True)
class Peer:
    """What all connections of a sink have in common."""

    config: MqttSink
    base: str
    client_id: str
    password: str | None
    tls: ssl.SSLContext | None
    silence_s: float
    hear: Callable[[MQTTMessage], None]
    """Takes a message from the broker, on the connection's thread; must not raise."""


class Connection:
    """One connection, from dialling to its end; never used a second time. Its thread alone reads.

    paho's client is not safe for several threads that write: `window.changed` guards it.
    """

    def __init__(self, peer: Peer, version: Version, wake: Callable[[], None], *, first: bool) -> None:
        self.version = version
        self.window = Window(peer.config.window)
        self.up = False
        self.outdated = False
        self.ended: str | None = None
        self._peer = peer
        self._wake_uplink = wake
        self._most_bytes = _MOST_BYTES
        self._awaited: dict[str, bytes] = {}
        self._proven: set[str] = set()
        self._heard_s = self._checked_s = monotonic()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._bell, select.POLLIN)
        self._clean = first
        self._options: socket.socket | None = None
        """The same socket as paho's, for its options."""
        self._client = self._new_client()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    # For every thread

    def start(self) -> None:
        """Dial, in a thread of its own."""
        self._thread.start()

    def listen(self) -> None:
        """Subscribe to commands."""
        if not self._peer.config.commands:
            return
        topic = f"{self._peer.base}/cmd/+"
        with self.window.changed:
            if self.version is Version.V5:
                self._client.subscribe(topic, options=SubscribeOptions(qos=1, retainAsPublished=True))
            else:
                self._client.subscribe(topic, qos=1)
            self._ring()

    def too_large(self, message: Message) -> str | None:
        """Why the broker would not take a message of this size; None where it would."""
        if len(message.payload) + 2048 < self._most_bytes:
            return None
        properties = self._properties(message)
        packed = 0 if properties is None else len(properties.pack())  # type: ignore[no-untyped-call]
        size = 9 + len(self._topic(message).encode()) + packed + len(message.payload)
        return (
            None if size <= self._most_bytes else f"{size} bytes; the broker takes {self._most_bytes} at most"
        )

    def publish(self, message: Message) -> Ticket | None:
        """Send; waits for room in the window. None where the connection ended first, and for QoS 0."""
        properties = self._properties(message)
        topic = self._topic(message)
        with self.window.changed:
            if message.qos == 0:
                # What may be lost does not queue up behind a peer that has stopped reading.
                if self.ended is None and not self._client.want_write():
                    self._client.publish(topic, message.payload, 0, message.retain, properties)
                    self._ring()
                return None
            if not self.window.wait_for_room():
                return None
            sent = self._client.publish(topic, message.payload, message.qos, message.retain, properties)
            ticket = self.window.sent(sent.mid)
            self._ring()
            return ticket

    def trusted(self, message: Message) -> bool:
        """Whether an acknowledgement on this topic means anything.

        On MQTT 3.1.1 a broker acknowledges what its ACL makes it throw away, so there it is believed only
        after a record on the very same topic has come back.
        """
        return self.version is Version.V5 or message.topic in self._proven

    def prove(self, message: Message, timeout_s: float) -> Ticket | None:
        """Send, and wait until the message itself comes back; None where it does not."""
        topic = self._topic(message)
        with self.window.changed:
            self._awaited[topic] = message.payload
            self._client.subscribe(topic, qos=1)
        ticket = self.publish(message)
        with self.window.changed:
            self.window.changed.wait_for(
                lambda: self.window.closed or self.window.hurry or topic not in self._awaited, timeout_s
            )
            self._client.unsubscribe(topic)
            self._ring()
            if self._awaited.pop(topic, None) is not None:
                return None
            self._proven.add(message.topic)
        return ticket

    def end(self, reason: str) -> None:
        """Drop the connection: the broker publishes the will. The first reason counts."""
        with self.window.changed:
            self.ended = self.ended or reason
            self.window.close()
            self._ring(always=True)
        self._wake_uplink()

    def leave(self) -> None:
        """Say good-bye: the broker forgets the will."""
        with self.window.changed:
            self._client.disconnect()
            self._ring()
        self._thread.join(0.5)
        self.end("left")

    # Its own thread

    def _run(self) -> None:
        config = self._peer.config
        try:
            if self.version is Version.V5:
                self._client.connect(
                    config.host,
                    config.port,
                    config.keepalive_s,
                    clean_start=self._clean,
                    properties=_connect_properties(),
                )
            else:
                self._client.connect(config.host, config.port, config.keepalive_s)
            while self.ended is None:
                self._turn()
        except (OSError, ValueError) as err:
            self.end(explain(err, config.host, config.port))
        finally:
            self.end("the connection's thread died")
            with self.window.changed:
                connected = self._client.socket()
                if connected is not None:
                    connected.close()
                if self._options is not None:
                    self._options.close()
                os.close(self._bell)
                self._bell = -1

    def _turn(self) -> None:
        """Wait for the network, read and write what there is, and look at the clock."""
        connected: Any = self._client.socket()
        if connected is None:
            self._hung_up()
            return
        wanted = select.POLLIN | select.POLLOUT if self._client.want_write() else select.POLLIN
        self._poll.register(connected, wanted)
        ready = dict(self._poll.poll(_TURN_S * 1000))
        if self._bell in ready:
            os.eventfd_read(self._bell)
        with self.window.changed:
            failed = self._read(connected) if connected.fileno() in ready else 0
            if not failed and self._client.want_write():
                failed = self._client.loop_write()
            if not failed:
                self._look_at_the_clock()
        if failed or self._client.socket() is None:
            self._hung_up()

    def _read(self, connected: Any) -> int:
        self._heard_s = monotonic()
        failed = self._client.loop_read()
        # What TLS has already decrypted is not seen by poll.
        while (
            not failed and hasattr(connected, "pending") and connected.fileno() >= 0 and connected.pending()
        ):
            failed = self._client.loop_read()
        if len(self.window) and self._options is not None:
            # A broker with Nagle's algorithm (mosquitto's default) holds the next PUBACK back until we
            # acknowledge this one's packet, which the kernel puts off for 40 ms. It must be told each time.
            self._options.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return failed

    def _look_at_the_clock(self) -> None:
        now = monotonic()
        if now - self._checked_s < _TURN_S:
            return
        self._checked_s = now
        self._client.loop_misc()
        limit_s = self._peer.config.ack_timeout_s
        if now - self._heard_s > self._peer.silence_s:
            self.end(f"nothing heard from the broker for {self._peer.silence_s:g} s")
        elif self.window.oldest_s() > limit_s:
            self.end(f"no acknowledgement from the broker for {limit_s:g} s (ack_timeout_s)")

    def _hung_up(self) -> None:
        if self.up:
            self.end("the broker closed the connection")
        else:
            self.outdated = self.ended is None
            self.end("the broker closed the connection instead of accepting it; see its log")

    # paho's callbacks, all on the connection's thread with the window held. None of them may raise.

    def _on_socket_open(self, _client: Client, _userdata: Any, connected: Any) -> None:
        self._options = socket.socket(fileno=os.dup(connected.fileno()))
        # Nagle's algorithm holds every second small packet back until the first is acknowledged.
        self._options.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_connect(
        self,
        _client: Client,
        _userdata: Any,
        _flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.value != 0:
            self.outdated = code.value == UNSUPPORTED_VERSION
            self.end(f"the broker refuses us: {meaning(code.value)}")
            return
        self.window.narrow(getattr(properties, "ReceiveMaximum", 65535))
        self._most_bytes = getattr(properties, "MaximumPacketSize", _MOST_BYTES)
        self.up = True
        self.window.changed.notify_all()

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: Any,
        flags: DisconnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self.end(f"the broker sent us away: {meaning(code.value)}")

    def _on_publish(
        self, _client: Client, _userdata: Any, packet: int, code: ReasonCode, _properties: Properties
    ) -> None:
        self.window.settle(packet, code.value)

    def _on_subscribe(
        self, _client: Client, _userdata: Any, _packet: int, codes: list[ReasonCode], _properties: Properties
    ) -> None:
        for code in codes:
            if code.value >= FIRST_FAILURE:
                log.error("%s: the broker refuses a subscription: %s", self._peer.base, meaning(code.value))

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        if topic in self._awaited:
            if self._awaited[topic] == message.payload:
                del self._awaited[topic]
                self.window.changed.notify_all()
        else:
            self._peer.hear(message)

    # What paho is told

    def _new_client(self) -> Client:
        peer, config = self._peer, self._peer.config
        newer = self.version is Version.V5
        client = Client(
            CallbackAPIVersion.VERSION2,
            peer.client_id,
            clean_session=None if newer else True,
            protocol=MQTTProtocolVersion.MQTTv5 if newer else MQTTProtocolVersion.MQTTv311,
            transport=config.transport,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(0)  # the window is ours
        if config.username is not None:
            client.username_pw_set(config.username, peer.password)
        if peer.tls is not None:
            client.tls_set_context(peer.tls)
            client.tls_insecure_set(config.insecure_skip_hostname_check)
        delay = _new_properties(PacketTypes.WILLMESSAGE) if newer else None
        if delay is not None:
            delay.WillDelayInterval = _WILL_DELAY_S
        client.will_set(f"{peer.base}/{AVAILABILITY}", b"offline", qos=1, retain=True, properties=delay)
        client.on_socket_open = self._on_socket_open
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _topic(self, message: Message) -> str:
        return message.topic if message.elsewhere else f"{self._peer.base}/{message.topic}"

    def _properties(self, message: Message) -> Properties | None:
        return cast("Properties", PublishProperties(message)) if self.version is Version.V5 else None

    def _ring(self, *, always: bool = False) -> None:
        """Wake the connection's thread where paho could not write everything at once."""
        if self._bell >= 0 and (always or self._client.want_write()):
            os.eventfd_write(self._bell, 1)


def _new_properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]


def _connect_properties() -> Properties:
    properties = _new_properties(PacketTypes.CONNECT)
    # A session that outlives a short cut is what lets the broker hold the will back; our queue is our own.
    properties.SessionExpiryInterval = 2 * _WILL_DELAY_S
    properties.MaximumPacketSize = LARGEST_BYTES + 65536
    return properties


class Mqtt:
    """A broker, as a sink. `write` is for one thread; everything else may be called from any.

    Args:
        config: Its table of the settings.
        station: Whose base topic it is.
        timing: How patient it is.

    Raises `ConfigError` where a secret or certificate cannot be read, or is readable by everyone.
    """

    def __init__(self, config: MqttSink, station: Station, timing: Timing | None = None) -> None:
        self.name = f"mqtt:{config.host}:{config.port}"
        self.published = 0
        self.acknowledged = 0
        self._config = config
        self._base = station.base_topic
        self._timing = timing or Timing()
        self._inbox = Inbox(self._base, self._refuse)
        self.commands: Mailbox[Command] = self._inbox.commands
        self._peer = Peer(
            config,
            self._base,
            self._base.replace("/", "."),
            None if config.password_file is None else read_secret(config.password_file),
            tls.context(config),
            2.0 * config.keepalive_s if self._timing.silence_s is None else self._timing.silence_s,
            self._hear,
        )
        self._uplink = Uplink(self.name, self._dial, self._timing)
        self._latest: bytes | None = None
        self._hold_s = 0.0
        self._hold_reason: str | None = None
        self._backoff = Backoff(self._timing.first_pause_s, self._timing.longest_pause_s)

    @property
    def connected(self) -> bool:
        """Whether records can be offered now."""
        return self._uplink.link is not None

    @property
    def trouble(self) -> str | None:
        """Why records do not get through; None while they do."""
        return self._uplink.trouble or self._hold_reason

    @property
    def insecure(self) -> bool:
        """Whether others could read along, or pose as the broker."""
        config = self._config
        here = config.host in ("localhost", "::1") or config.host.startswith("127.")
        return config.insecure_skip_hostname_check if config.tls else not here

    @property
    def reconnects(self) -> int:
        """How many times the connection had to be made again."""
        return max(0, self._uplink.connects - 1)

    @property
    def refused_commands(self) -> int:
        """Commands that were retained, too many, or not readable."""
        return self._inbox.refused

    def __enter__(self) -> Self:
        self._uplink.start(self._show_latest)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uplink.stop()

    def interrupt(self) -> None:
        """Let a `write` that waits return soon with what it has; there will be no other."""
        self._uplink.interrupt()

    def write(self, rows: Sequence[Row]) -> Receipt:
        """Publish, and wait until each row is acknowledged, refused, or the connection is in trouble."""
        link = self._uplink.ready(self._timing.patience_s)
        self._wait_out_the_hold()
        flight = Flight()
        self._offer(link, messages(rows, self._config.batch, self._base), flight)
        if flight.again and not flight.trouble:
            alone = [single(row, self._base) for message in flight.again for row in message.rows]
            self._offer(link, alone, flight)
        receipt = flight.receipt()
        self.acknowledged += len(receipt.delivered)
        self._hold(flight)
        for row in reversed(rows):
            if row.topic == "result" and not row.historical and row.seq in receipt.delivered:
                self._latest = row.payload
                break
        return receipt

    def retain(self, topic: str, payload: bytes, qos: int = 1) -> None:
        """Publish as retained, now and after every connect. `topic` is below the base topic."""
        self._uplink.retain(Message(topic, payload, qos=qos, retain=True))

    def publish(self, topic: str, payload: bytes, qos: int = 0) -> bool:
        """Publish at once, without keeping it.

        QoS 1 waits for the acknowledgement. Says whether it went out, or with QoS 1, whether it arrived.
        """
        link = self._uplink.link
        message = Message(topic, payload, qos=qos, expiry_s=60)
        if link is None or link.too_large(message):
            return False
        ticket = link.publish(message)
        if ticket is None:
            return qos == 0
        link.window.wait_for([ticket])
        return ticket.code is not None and ticket.code < FIRST_FAILURE

    def reply(self, command: Command, payload: JSON) -> None:
        """Answer a command; lost where there is no connection. Never blocks."""
        self._uplink.post(answer(command, payload))

    # How rows go out

    def _offer(self, link: Connection, offered: Iterable[Message], flight: Flight) -> None:
        # Held throughout, and let go while waiting: otherwise the connection's thread and this one take turns
        # at every packet, which costs three times as much.
        with link.window.changed:
            for message in offered:
                flight.review()
                if flight.trouble:
                    break
                reason = link.too_large(message)
                if reason is not None:
                    flight.refuse(message, reason)
                    continue
                ticket = self._send(link, message, flight)
                if ticket is None:
                    break
                self.published += len(message.rows)
                flight.sent(message, ticket)
        link.window.wait_for(flight.tickets)
        flight.review()
        if flight.tickets:
            flight.fail(link.ended or "stopping")

    def _send(self, link: Connection, message: Message, flight: Flight) -> Ticket | None:
        if link.trusted(message):
            ticket = link.publish(message)
        else:
            ticket = link.prove(message, self._timing.echo_s)
            if ticket is None and link.ended is None and not link.window.hurry:
                flight.deny(
                    f"our own record on {self._base}/{message.topic} did not come back within "
                    f"{self._timing.echo_s:g} s: the broker's ACL forbids writing or reading it; allow "
                    f"'readwrite {self._base}/#' (on MQTT 3.1.1 a refused record looks like one that was taken)"
                )
        if ticket is None:
            flight.fail(link.ended or "stopping")
        return ticket

    def _hold(self, flight: Flight) -> None:
        """Do not hammer a broker that is there but takes nothing."""
        link = self._uplink.link
        if flight.trouble is None:
            self._backoff.reset()
            self._hold_reason = None
        elif link is not None:
            longest_s = self._timing.longest_pause_s
            self._hold_s = monotonic() + (longest_s / 2 if flight.denied else self._backoff.pause_s())
            self._hold_reason = flight.trouble

    def _wait_out_the_hold(self) -> None:
        left_s = self._hold_s - monotonic()
        if left_s > 0 and self._hold_reason is not None:
            self._uplink.rest(min(left_s, self._timing.patience_s))
            if monotonic() < self._hold_s:
                raise DeliveryError(f"{self.name}: {self._hold_reason}")

    # For the uplink and its connections

    def _dial(self, version: Version, first: bool) -> Connection:  # noqa: FBT001 - the uplink's callback
        return Connection(self._peer, version, self._uplink.wake, first=first)

    def _show_latest(self) -> None:
        latest, self._latest = self._latest, None
        if latest is not None:
            self.retain("result/last", encode(flat(json.loads(latest))), qos=0)

    def _hear(self, message: MQTTMessage) -> None:
        properties = message.properties
        self._inbox.take(
            message.topic,
            bytes(message.payload),
            getattr(properties, "ResponseTopic", None),
            getattr(properties, "CorrelationData", None),
            retained=message.retain,
        )

    def _refuse(self, command: Command, reason: str) -> None:
        self.reply(command, refusal(command.name, reason))
