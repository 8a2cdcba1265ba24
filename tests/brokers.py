"""Real brokers on loopback, and a listener that keeps all it hears."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

START_S = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(holds: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """Wait until `holds()` is true, and give what it gave; fails the test where that never is."""
    until = monotonic() + timeout_s
    while monotonic() < until:
        found = holds()
        if found:
            return found
        sleep(0.01)
    found = holds()
    assert found, "it did not come true in time"
    return found


def program(name: str) -> str:
    """The path of a program that the tests need; without it they are skipped, but fail in CI."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed: apt install {name}")
    return path


class Mosquitto:
    """A mosquitto of our own. `settings` are lines of its mosquitto.conf, after the listener's."""

    def __init__(
        self,
        folder: Path,
        settings: str = "allow_anonymous true\n",
        listener: str = "listener {port} 127.0.0.1",
    ) -> None:
        self.port = free_port()
        self.log = folder / f"mosquitto-{self.port}.log"
        self._file = folder / f"mosquitto-{self.port}.conf"
        first = listener.format(port=self.port)
        # Started as root it would become another user, who may not read the test's folder.
        self._file.write_text(
            f"{'user root' if os.geteuid() == 0 else ''}\nlog_type all\n{first}\n{settings}"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        with self.log.open("ab") as said:
            self._process = subprocess.Popen(
                [program("mosquitto"), "-c", self._file], stdout=said, stderr=said
            )
        until = monotonic() + START_S
        while monotonic() < until and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            sleep(0.01)
        pytest.fail(f"mosquitto does not start: {self.log.read_text()}")

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
            self._process.wait(10)
            self._process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class Authority:
    """A certificate authority of our own, made with openssl."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self.certificate = folder / f"{name}.crt"
        self._key = folder / f"{name}.key"
        self._openssl(
            "req", "-x509", *_NEW_KEY, "-keyout", self._key, "-out", self.certificate, "-subj", f"/CN={name}"
        )

    def issue(self, name: str, alternative: str = "", days: int = 100) -> tuple[Path, Path]:
        """A certificate and its key. `alternative` are the names that a server may be called by."""
        certificate, key, request = (self.folder / f"{name}.{ending}" for ending in ("crt", "key", "csr"))
        self._openssl("req", *_NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(
            f"subjectAltName={alternative}\n" if alternative else "basicConstraints=CA:FALSE\n"
        )
        self._openssl(
            *(
                "x509",
                "-req",
                "-in",
                request,
                "-CA",
                self.certificate,
                "-CAkey",
                self._key,
                "-CAcreateserial",
            ),
            *("-out", certificate, "-extfile", extensions, "-days", days),
        )
        key.chmod(0o600)
        return certificate, key

    def _openssl(self, *arguments: object) -> None:
        subprocess.run([program("openssl"), *map(str, arguments)], check=True, capture_output=True)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class EmbeddedBroker:
    """`edge broker` in a process of its own: amqtt, MQTT 3.1.1 over TCP and WebSocket."""

    def __init__(self) -> None:
        self.port, self.websocket_port = free_port(), free_port()
        ports = ["--port", str(self.port), "--websocket-port", str(self.websocket_port)]
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import typer; from edge.cli.broker import broker; typer.run(broker)",
                *ports,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.said = self._process.stdout.readline()

    def stop(self) -> int:
        """End it as systemd would; gives its exit code."""
        self._process.terminate()
        return self._process.wait(10)


@dataclass(frozen=True)
class Heard:
    topic: str
    payload: bytes
    retain: bool
    qos: int
    properties: Any


class Listener:
    """Hears everything on a broker, by paho alone."""

    def __init__(
        self,
        port: int,
        topic: str = "#",
        version: int = 5,
        prepare: Callable[[Client], object] = lambda _: None,
        transport: str = "tcp",
    ) -> None:
        self.heard: list[Heard] = []
        self._ready = threading.Event()
        self._version = MQTTProtocolVersion(version)
        self._topic = topic
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=self._version, transport=transport)  # type: ignore[arg-type]
        self.client.on_connect = lambda *_: self._subscribe()
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = self._hear
        self.client.reconnect_delay_set(1, 1)
        prepare(self.client)
        self.client.connect("127.0.0.1", port)

    def __enter__(self) -> Self:
        self.client.loop_start()
        assert self._ready.wait(START_S), "the listener could not subscribe"
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def on(self, topic: str) -> list[bytes]:
        """The payloads on a topic, in the order of arrival."""
        return [heard.payload for heard in list(self.heard) if heard.topic == topic]

    def forget(self) -> None:
        self.heard.clear()

    def _subscribe(self) -> None:
        if self._version == MQTTProtocolVersion.MQTTv5:
            self.client.subscribe(self._topic, options=SubscribeOptions(qos=1, retainAsPublished=True))
        else:
            self.client.subscribe(self._topic, qos=1)

    def _hear(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self.heard.append(
            Heard(message.topic, bytes(message.payload), message.retain, message.qos, message.properties)
        )
