"""One connection to a broker. paho is only a socket here, and the package imports it in no other file."""

import logging
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.config import MqttSink
from edge.sinks.client import new_client
from edge.sinks.command import LARGEST_BYTES, TOPICS, Incoming
from edge.sinks.explain import explain
from edge.sinks.properties import PublishProperties
from edge.sinks.reason import FIRST_FAILURE, PACKET_TOO_LARGE, UNSUPPORTED_VERSION, Version, meaning
from edge.sinks.uplink import AVAILABILITY
from edge.sinks.window import Ticket, Window
from edge.sinks.wire import Message

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
    silence_s: float | None
    """Nothing heard for so long is the end; None is two keepalives, the broker's own if it has one."""
    hear: Callable[[Incoming], None]
    """Takes a command from the broker, on the connection's thread; must not raise."""


class Connection:
    """One connection, from dialling to its end; never used a second time. Its thread alone reads.

    paho's client is not safe for several threads that write: `window.changed` guards it.
    """

    def __init__(self, peer: Peer, version: Version, wake: Callable[[], None], *, first: bool) -> None:
        self.version = version
        self.window = Window(peer.config.window)
        self.dialled_s: float | None = None
        self.up = False
        self.outdated = False
        self.too_much = False
        """The broker hung up because a message was too large for it."""
        self.ended: str | None = None
        self._peer = peer
        self._wake_uplink = wake
        self._most_bytes = _MOST_BYTES
        self._awaited: dict[str, bytes] = {}
        self._proven: set[str] = set()
        self._heard_s = self._checked_s = monotonic()
        self._silence_s = peer.silence_s or 2.0 * peer.config.keepalive_s
        self._command_packets: dict[int | None, str] = {}
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

    @property
    def why_over(self) -> str:
        """Why nothing more can be offered: we are stopping, which is why the broker hangs up, or it has ended."""
        return "stopping" if self.window.hurry else self.ended or "stopping"

    def listen(self) -> None:
        """Subscribe to commands."""
        if not self._peer.config.commands:
            return
        with self.window.changed:
            for topic in TOPICS:
                packet = self._subscribe(f"{self._peer.base}/{topic}")
                self._command_packets[packet] = topic
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
            self._ring(always=sent.rc != 0)
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
            self._ring(always=True)
        self._thread.join(0.5)
        self.end("left")

    # Its own thread

    def _run(self) -> None:
        config = self._peer.config
        began_s = monotonic()
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
            with self.window.changed:
                self._heard_s = monotonic()
                self.dialled_s = self._heard_s - began_s
                self.window.changed.notify_all()
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
        limit_s = self._peer.config.ack_timeout_s
        if now - self._heard_s >= self._silence_s:
            self.end(f"nothing heard from the broker for {self._silence_s:g} s")
        elif self.window.oldest_s() >= limit_s:
            self.end(f"no acknowledgement from the broker for {limit_s:g} s (ack_timeout_s)")
        else:
            self._client.loop_misc()

    def _hung_up(self) -> None:
        if self.up:
            self.end("the broker closed the connection")
        else:
            self.outdated |= self.ended is None
            config = self._peer.config
            unknown = config.tls and config.cert_file is None
            hint = " (does it want a certificate of this device: cert_file?)" if unknown else ""
            self.end(f"the broker closed the connection instead of accepting it{hint}; see its log")

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
        keepalive_s = getattr(properties, "ServerKeepAlive", None)
        if self._peer.silence_s is None and keepalive_s is not None:
            self._silence_s = 2.0 * keepalive_s or float("inf")
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
            self.too_much = code.value == PACKET_TOO_LARGE
            self.end(f"the broker sent us away: {meaning(code.value)}")

    def _on_publish(
        self, _client: Client, _userdata: Any, packet: int, code: ReasonCode, _properties: Properties
    ) -> None:
        self.window.settle(packet, code.value)

    def _on_subscribe(
        self, _client: Client, _userdata: Any, packet: int, codes: list[ReasonCode], _properties: Properties
    ) -> None:
        for code in codes:
            if packet in self._command_packets and code.value >= FIRST_FAILURE:
                topic = self._command_packets[packet]
                log.error("%s/%s: commands are not heard: %s", self._peer.base, topic, meaning(code.value))

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        if topic in self._awaited:
            if self._awaited[topic] == message.payload:
                del self._awaited[topic]
                self.window.changed.notify_all()
        elif topic.startswith(f"{self._peer.base}/cmd/"):
            properties = message.properties
            response_topic = getattr(properties, "ResponseTopic", None)
            correlation = getattr(properties, "CorrelationData", None)
            self._peer.hear(
                Incoming(topic, bytes(message.payload), message.retain, response_topic, correlation)
            )

    # What paho is told

    def _new_client(self) -> Client:
        peer, config = self._peer, self._peer.config
        client = new_client(config, peer.client_id, peer.password, peer.tls, self.version)
        client.max_inflight_messages_set(0)  # the window is ours
        delay = _new_properties(PacketTypes.WILLMESSAGE) if self.version is Version.V5 else None
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

    def _subscribe(self, topic: str) -> int | None:
        if self.version is Version.V5:
            # As published, so that a retained command is known as such even while we are listening.
            options = SubscribeOptions(qos=1, retainAsPublished=True)
            return self._client.subscribe(topic, options=options)[1]
        return self._client.subscribe(topic, qos=1)[1]

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
