"""A scripted MQTT broker that does what brokers do on bad days. It decodes packets by hand, without paho."""

import select
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Self

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 0x10, 0x20, 0x30, 0x40, 0x82, 0x90
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 0xA2, 0xB0, 0xC0, 0xD0, 0xE0
RECEIVE_MAXIMUM, MAXIMUM_PACKET_SIZE, SERVER_KEEP_ALIVE = 0x21, 0x27, 0x13


@dataclass(frozen=True)
class Publish:
    connection: int
    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet: int
    properties: bytes


@dataclass
class Script:
    """What the peer does. May be changed while it runs."""

    speaks: frozenset[int] = frozenset({4, 5})
    """MQTT versions; what happens to others is `on_other_version`."""
    on_other_version: str = "close"
    """`close`, `silence`, `refuse` (MQTT 5's 0x84) or `refuse_old` (3.1.1's 0x01)."""
    connack: int | None = 0
    """Reason code; None is silence."""
    properties: dict[int, int] = field(default_factory=dict)
    """Of CONNACK: identifier → value."""
    ack: Callable[[Publish], int | None] = lambda _: 0
    """The reason code of a PUBACK; None is none at all."""
    linger_s: float = 0.0
    """Acknowledge only after nothing came for so long: shows how much a client dares to send."""
    cut_after: int | None = None
    """Cut the connection after so many messages on it."""
    echoes: bool = True
    """Give messages to those who subscribed to their topic."""


class Session(threading.Thread):
    """One client's connection."""

    def __init__(self, peer: "Peer", number: int, connected: socket.socket) -> None:
        super().__init__(daemon=True)
        self.peer, self.number, self.socket = peer, number, connected
        self.version = 0
        self.client_id = ""
        self.clean = False
        self.keepalive_s = 0
        self.filters: list[str] = []
        self.subscribed: list[str] = []
        """Everything that was ever subscribed."""
        self.unacknowledged: list[Publish] = []
        self.count = 0
        self.said_good_bye = False
        self.ended = threading.Event()
        self._sending = threading.Lock()

    def run(self) -> None:
        try:
            self._converse()
        except (OSError, EOFError, struct.error):
            pass
        finally:
            self.socket.close()
            self.ended.set()

    def send(self, raw: bytes) -> None:
        with self._sending:
            self.socket.sendall(raw)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, properties: bytes = b"", qos: int = 0
    ) -> None:
        body = text(topic) + (struct.pack("!H", 7) if qos else b"")
        if self.version == 5:
            body += length(len(properties)) + properties
        self.send(packet(PUBLISH | qos << 1 | retain, body + payload))

    def disconnect(self, code: int) -> None:
        self.send(packet(DISCONNECT, bytes((code, 0))))

    def cut(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)

    def _converse(self) -> None:
        while True:
            if self.unacknowledged and not select.select([self.socket], [], [], self.peer.script.linger_s)[0]:
                self._acknowledge()
                continue
            kind, body = self._packet()
            if kind & 0xF0 == CONNECT:
                if not self._welcome(body):
                    return
            elif kind & 0xF0 == PUBLISH:
                self._take(kind, body)
            elif kind == SUBSCRIBE:
                self._subscribe(body)
            elif kind == UNSUBSCRIBE:
                skipped = 5 if self.version == 5 else 4
                self.filters.remove(body[skipped:].decode())
                self.send(packet(UNSUBACK, body[:2] + (b"\0\0" if self.version == 5 else b"")))
            elif kind == PINGREQ:
                self.send(packet(PINGRESP, b""))
            elif kind == DISCONNECT:
                self.said_good_bye = True
                return

    def _welcome(self, body: bytes) -> bool:
        script = self.peer.script
        self.version = body[6]
        self.clean = bool(body[7] & 2)
        self.keepalive_s = struct.unpack("!H", body[8:10])[0]
        rest = body[10:]
        if self.version == 5:
            size, used = variable(rest)
            rest = rest[used + size :]
        (characters,) = struct.unpack("!H", rest[:2])
        self.client_id = rest[2 : 2 + characters].decode()
        if self.version not in script.speaks:
            match script.on_other_version:
                case "refuse":
                    self.send(packet(CONNACK, b"\0\x84\0"))
                case "refuse_old":
                    self.send(packet(CONNACK, b"\0\x01"))
                case "silence":
                    self.peer.stopped.wait(30)
            return False
        if script.connack is None:
            self.peer.stopped.wait(30)
            return False
        answer = bytes((0, script.connack))
        if self.version == 5:
            sizes = {RECEIVE_MAXIMUM: "!BH", MAXIMUM_PACKET_SIZE: "!BI", SERVER_KEEP_ALIVE: "!BH"}
            properties = b"".join(
                struct.pack(sizes[key], key, value) for key, value in script.properties.items()
            )
            answer += length(len(properties)) + properties
        self.send(packet(CONNACK, answer))
        return script.connack == 0

    def _take(self, kind: int, body: bytes) -> None:
        (characters,) = struct.unpack("!H", body[:2])
        topic, rest = body[2 : 2 + characters].decode(), body[2 + characters :]
        qos, number, properties = (kind >> 1) & 3, 0, b""
        if qos:
            (number,) = struct.unpack("!H", rest[:2])
            rest = rest[2:]
        if self.version == 5:
            size, used = variable(rest)
            properties, rest = rest[used : used + size], rest[used + size :]
        message = Publish(self.number, topic, rest, qos, bool(kind & 1), bool(kind & 8), number, properties)
        self.peer.published.append(message)
        self.count += 1
        if self.peer.script.cut_after is not None and self.count >= self.peer.script.cut_after:
            raise EOFError
        if qos:
            self.unacknowledged.append(message)
            self.peer.most_in_flight = max(self.peer.most_in_flight, len(self.unacknowledged))
        if self.peer.script.echoes and topic in self.filters:
            self.publish(topic, rest)
        if not self.peer.script.linger_s:
            self._acknowledge()

    def _acknowledge(self) -> None:
        waiting, self.unacknowledged = self.unacknowledged, []
        for message in waiting:
            code = self.peer.script.ack(message)
            if code is None:
                continue
            tail = b"" if self.version != 5 or code == 0 else bytes((code,))
            self.send(packet(PUBACK, struct.pack("!H", message.packet) + tail))

    def _subscribe(self, body: bytes) -> None:
        rest = body[2:]
        if self.version == 5:
            size, used = variable(rest)
            rest = rest[used + size :]
        (characters,) = struct.unpack("!H", rest[:2])
        self.filters.append(rest[2 : 2 + characters].decode())
        self.subscribed.append(self.filters[-1])
        self.send(packet(SUBACK, body[:2] + (b"\0\1" if self.version == 5 else b"\1")))

    def _packet(self) -> tuple[int, bytes]:
        kind = self._exactly(1)[0]
        size, shift = 0, 0
        while True:
            byte = self._exactly(1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return kind, self._exactly(size)

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            while self.peer.deaf.is_set():
                self.peer.stopped.wait(0.01)
            more = self.socket.recv(count - len(got))
            if not more:
                raise EOFError
            got += more
        return got


class Peer:
    """Listens on loopback; `sessions` are its clients, the latest last, and `published` what they said."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.published: list[Publish] = []
        self.most_in_flight = 0
        self.sessions: list[Session] = []
        self.stopped = threading.Event()
        self.deaf = threading.Event()
        """While set, nothing more is read."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.deaf.clear()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for session in self.sessions:
            session.socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(self, len(self.sessions), connected)
            self.sessions.append(session)
            session.start()

    def on(self, topic: str) -> list[Publish]:
        return [message for message in list(self.published) if message.topic == topic]

    def wait_for(self, holds: Callable[[], object], timeout_s: float = 10.0) -> bool:
        until = monotonic() + timeout_s
        while monotonic() < until and not holds():
            self.stopped.wait(0.005)
        return bool(holds())


def packet(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + length(len(body)) + body


def text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("!H", len(encoded)) + encoded


def length(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def variable(raw: bytes) -> tuple[int, int]:
    """A variable-length number at the beginning, and how many bytes it takes."""
    number = 0
    for index, byte in enumerate(raw[:4]):
        number |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return number, index + 1
    raise EOFError
