"""The MQTT sink: `docs/mqtt.md` is the contract."""

import json
import logging
from collections.abc import Iterable, Sequence
from time import monotonic
from types import TracebackType
from typing import Self

from edge.config import MqttSink, Station
from edge.errors import DeliveryError
from edge.mailbox import Mailbox
from edge.message import JSON, encode, flat, refusal
from edge.secret import read_secret
from edge.sinks import tls
from edge.sinks.backoff import Backoff
from edge.sinks.command import Command, Inbox, answer, is_pattern
from edge.sinks.connection import Connection, Peer
from edge.sinks.flight import Flight
from edge.sinks.reason import FIRST_FAILURE, Version
from edge.sinks.uplink import Timing, Uplink
from edge.sinks.window import Ticket
from edge.sinks.wire import Message, messages, single
from edge.types import Receipt, Row

log = logging.getLogger(__name__)

_LATEST_PAUSE_S = 0.5
"""At least so long between two messages on `result/last`."""
_EXPIRY_S = 60
"""What is not kept is stale after a minute."""


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
            station.client_id,
            None if config.password_file is None else read_secret(config.password_file),
            tls.context(config),
            self._timing.silence_s,
            self._inbox.take,
        )
        self._uplink = Uplink(self.name, self._dial, self._timing)
        self._batch = config.batch
        self._latest: bytes | None = None
        self._shown_s = 0.0
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
        self._offer(link, messages(rows, self._batch, self._base), flight)
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

        QoS 1 waits for the acknowledgement. Says whether it went out, or with QoS 1, whether it arrived; never
        where the topic is a pattern.
        """
        link = self._uplink.link
        message = Message(topic, payload, qos=qos, expiry_s=_EXPIRY_S)
        if link is None or is_pattern(topic) or link.too_large(message):
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
            flight.fail(link.why_over)
            if link.too_much:
                self._send_less(flight)

    def _send_less(self, flight: Flight) -> None:
        """A broker hung up on a message as too large, without having named its limit: it must not get it again."""
        if self._batch > 1:
            self._batch = max(1, self._batch // 2)
        else:
            flight.refuse_largest("too large; the broker hung up on it (0x95)")

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
            flight.fail(link.why_over)
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
        now = monotonic()
        if self._latest is None or (now - self._shown_s < _LATEST_PAUSE_S and not self._uplink.stopping):
            return
        latest, self._latest, self._shown_s = self._latest, None, now
        try:
            self.retain("result/last", encode(flat(json.loads(latest))), qos=0)
        except (ValueError, KeyError) as err:
            log.warning("sink %s: no result/last of a record that is not a report: %s", self.name, err)

    def _refuse(self, command: Command, reason: str) -> None:
        self.reply(command, refusal(command.name, reason))
