"""What the station says of itself: birth, status, telemetry, and the last part that failed."""

from collections.abc import Sequence
from time import monotonic
from typing import Protocol

from edge.message import JSON, encode

LAST_FAIL_PAUSE_S = 1.0
"""At least so long between two pictures of failed parts."""


class Broker(Protocol):
    """The part of an MQTT sink that is not about reports. May be used from any thread."""

    def retain(self, topic: str, payload: bytes, qos: int = 1) -> None:
        """Keep a message at the broker, and publish it again after every connect."""
        ...

    def publish(self, topic: str, payload: bytes, qos: int = 0) -> bool:
        """Publish once; nothing is kept. Says whether there was a connection."""
        ...


class Announcer:
    """Says the same to every broker. May be used from any thread."""

    def __init__(self, brokers: Sequence[Broker]) -> None:
        self._brokers = brokers
        self._last_fail_at = float("-inf")

    def birth(self, info: JSON, model: JSON, config: JSON) -> None:
        """Who this station is, what it runs, and its settings."""
        for topic, said in (("info", info), ("model", model), ("config", config)):
            self._retain(topic, encode(said))

    def status(self, status: JSON) -> None:
        """How the station is."""
        self._retain("status", encode(status))

    def telemetry(self, telemetry: JSON) -> None:
        """Counters and times, for those who listen now."""
        for broker in self._brokers:
            broker.publish("telemetry", encode(telemetry))

    def wants_last_fail(self) -> bool:
        """Whether a picture of a failed part would be sent: it is costly to draw."""
        return bool(self._brokers) and monotonic() - self._last_fail_at >= LAST_FAIL_PAUSE_S

    def last_fail(self, jpeg: bytes) -> None:
        """A small picture of the last part that failed."""
        self._last_fail_at = monotonic()
        self._retain("image/last_fail", jpeg, qos=0)

    def _retain(self, topic: str, payload: bytes, qos: int = 1) -> None:
        for broker in self._brokers:
            broker.retain(topic, payload, qos)
