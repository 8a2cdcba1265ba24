"""A consumer of a station's records as `docs/mqtt.md` asks for: it drops what it has, and asks for what it lacks.

The device does not run this: the demo, the benchmark and the proof of delivery do, and a plant may.
"""

import json
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.errors import DeviceError
from edge.mailbox import Mailbox
from edge.message import encode


class Listener:
    """Subscribes to the results and events below `base`, in MQTT 3.1.1.

    Records arrive in `records`, each once, in the order of arrival. Everything else below `base` goes to `other`,
    which is called on paho's thread with the topic and the payload.
    """

    def __init__(
        self,
        host: str,
        port: int,
        base: str,
        *,
        transport: str = "tcp",
        other: Callable[[str, bytes], None] = lambda _topic, _payload: None,
    ) -> None:
        self.base = base
        self.port = port
        self.records: Mailbox[dict[str, Any]] = Mailbox(1_000_000)
        self.redelivered = 0
        self.conflicts = 0
        """Records that came again with another content: must never be."""
        self.explained: dict[str, set[int]] = {}
        """For each epoch, what the station said in `event/gap` that it lost."""
        self.seen: dict[str, dict[int, int]] = {}
        """For each epoch, the hash of the record with each sequence number."""
        self._other = other
        self._subscribed = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"listener-{uuid4().hex[:12]}",
            transport="websockets" if transport == "websockets" else "tcp",
        )
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect_async(host, port, keepalive=60)
        self._client.loop_start()

    def wait_until_connected(self, timeout_s: float = 10.0) -> None:
        """Return when the broker has confirmed the subscription. Raises `DeviceError`."""
        if not self._subscribed.wait(timeout_s):
            raise DeviceError(f"no broker answers on {self._client.host}:{self._client.port}")

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def holes(self, epoch: str, last: int) -> list[tuple[int, int]]:
        """Ranges (first, last) of 1…`last` that neither came nor are explained."""
        here = self.seen.get(epoch, {}).keys() | self.explained.get(epoch, set())
        ranges: list[tuple[int, int]] = []
        for seq in range(1, last + 1):
            if seq in here:
                continue
            if ranges and ranges[-1][1] == seq - 1:
                ranges[-1] = (ranges[-1][0], seq)
            else:
                ranges.append((seq, seq))
        return ranges

    def ask_again(self, epoch: str, ranges: list[tuple[int, int]]) -> None:
        """Ask the station to send ranges again."""
        for first, last in ranges:
            request = {"transaction": uuid4().hex, "epoch": epoch, "from": first, "to": last}
            self.publish("cmd/replay", encode(request))

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish below `base`; paho sends it when there is a connection."""
        self._client.publish(f"{self.base}/{topic}", payload, qos=1)

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        if not reason.is_failure:
            client.subscribe(f"{self.base}/#", qos=1)

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        topic = message.topic.removeprefix(f"{self.base}/")
        if topic == "result" or topic.startswith("event/"):
            content = json.loads(message.payload)
            for record in content if isinstance(content, list) else [content]:
                self._take(record)
        else:
            self._other(topic, bytes(message.payload))

    def _take(self, record: dict[str, Any]) -> None:
        record.pop("historical", None)
        _device, epoch, seq = record["id"].rsplit("/", 2)
        seen = self.seen.setdefault(epoch, {})
        content = hash(encode(record))
        if int(seq) in seen:
            self.redelivered += 1
            self.conflicts += seen[int(seq)] != content
            return
        seen[int(seq)] = content
        if record["schema"].startswith("edge.gap/"):
            lost = self.explained.setdefault(record["lost_epoch"], set())
            for first, last in record["ranges"]:
                lost.update(range(first, last + 1))
        self.records.put(record)
