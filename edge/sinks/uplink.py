"""Keeps one connection to the broker up: dials, greets, republishes what is retained, and dials again."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Generic, Protocol, TypeVar

from edge.errors import DeliveryError
from edge.mailbox import Mailbox, WhenFull
from edge.service import Trouble
from edge.sinks.backoff import Backoff
from edge.sinks.reason import FIRST_FAILURE, Version, meaning
from edge.sinks.window import Ticket, Window
from edge.sinks.wire import Message

log = logging.getLogger(__name__)

AVAILABILITY = "availability"
_TICK_S = 0.5


@dataclass(frozen=True)
class Timing:
    """How patient the sink is, in seconds."""

    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    connect_s: float = 15.0
    """From dialling to the broker's CONNACK."""
    answer_s: float = 1.0
    """No answer to MQTT 5 for so long, or for ten times as long as dialling took: ask again in 3.1.1."""
    newer_again_s: float = 3600.0
    """After so long with 3.1.1, the next connection is tried with MQTT 5 again."""
    stable_s: float = 30.0
    """A connection that lived for so long makes the next pause short again."""
    silence_s: float | None = None
    """Nothing heard for so long is the end of a connection; None is two keepalives."""
    echo_s: float = 5.0
    """MQTT 3.1.1: how long our own record may take to come back."""
    patience_s: float = 1.0
    """How long `write` waits for a connection."""
    farewell_s: float = 1.0
    """On leaving: how long `stopped` may take to be acknowledged."""


class Link(Protocol):
    """One connection, from dialling to its end; never used a second time."""

    version: Version
    window: Window
    dialled_s: float | None
    """How long dialling took; None until CONNECT is sent."""
    up: bool
    """The broker has accepted us."""
    outdated: bool
    """The broker does not speak our version of MQTT: it hung up, said so, or did not know what to say."""
    ended: str | None
    """Why it is over; None while it is not."""

    def start(self) -> None:
        """Dial, in a thread of its own."""
        ...

    def listen(self) -> None:
        """Subscribe to commands."""
        ...

    def too_large(self, message: Message) -> str | None:
        """Why the broker would not take a message of this size; None where it would."""
        ...

    def publish(self, message: Message) -> Ticket | None:
        """Send; waits for room in the window. None where the connection ended first, and for QoS 0."""
        ...

    def end(self, reason: str) -> None:
        """Drop the connection: the broker publishes the will."""
        ...

    def leave(self) -> None:
        """Say good-bye: the broker forgets the will."""
        ...


L = TypeVar("L", bound=Link)


class Uplink(Generic[L]):
    """The connection in use, if any. Runs a thread of its own between `start` and `stop`.

    Args:
        name: The sink's name, for logs and errors.
        dial: Makes a link, not started, for an MQTT version; True for the first connection of this process.
        timing: How patient it is.
    """

    def __init__(self, name: str, dial: Callable[[Version, bool], L], timing: Timing) -> None:
        self.name = name
        self.connects = 0
        self.outgoing: Mailbox[Message] = Mailbox(100, WhenFull.DROP_OLDEST)
        self._dial = dial
        self._timing = timing
        self._retained: dict[str, Message] = {}
        self._unsent: dict[str, Message] = {}
        self._refused: set[str] = set()
        self._unanswered: list[tuple[Message, Ticket]] = []
        self._due: Callable[[], None] = lambda: None
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._current: L | None = None
        self._link: L | None = None
        self._reason = "not connected yet"
        self._trouble = Trouble(f"sink {name}", log)
        self._backoff = Backoff(timing.first_pause_s, timing.longest_pause_s)
        self._version = Version.V5
        self._older_since_s = 0.0
        self._thread = threading.Thread(target=self._run, name=f"uplink-{name}", daemon=True)

    # For every thread

    @property
    def link(self) -> L | None:
        """The connection, greeted and ready for records; None while there is none."""
        link = self._link
        return link if link is not None and link.ended is None else None

    @property
    def trouble(self) -> str | None:
        """Why there is no connection; None while there is one."""
        return None if self.link else self._why()

    @property
    def stopping(self) -> bool:
        """Whether this is the end."""
        return self._stopping.is_set()

    def ready(self, patience_s: float) -> L:
        """The connection, waited for if need be. Raises `DeliveryError` with the reason where none comes."""
        link = self.link
        if link is None:
            if not self._thread.is_alive() and not self._stopping.is_set():
                raise RuntimeError(
                    f"{self.name}: the thread that keeps the connection up is dead, or not started"
                )
            with self._changed:
                self._changed.wait_for(lambda: self.link or self._stopping.is_set(), patience_s)
                link = self.link
        if link is None:
            raise DeliveryError(f"{self.name}: not connected: {self._why()}")
        return link

    def retain(self, message: Message) -> None:
        """Publish now, and again after every connect; the newest of a topic replaces the older."""
        with self._changed:
            self._retained[message.topic] = message
            self._unsent[message.topic] = message
        self._wake.set()

    def post(self, message: Message) -> None:
        """Publish soon, if there is a connection; never blocks."""
        if self.link is not None:
            self.outgoing.put(message)
            self._wake.set()

    def rest(self, seconds: float) -> None:
        """Sleep, unless the sink is interrupted."""
        self._stopping.wait(seconds)

    def wake(self) -> None:
        """Something happened to the link: have a look at once."""
        self._wake.set()

    def _why(self) -> str:
        """Why there is no connection; the one that was lost this moment knows it before this thread does."""
        link = self._link
        return link.ended if link is not None and link is self._current and link.ended else self._reason

    # Its life

    def start(self, due: Callable[[], None]) -> None:
        """Begin. `due` is called twice a second while connected, and before leaving."""
        self._due = due
        self._thread.start()

    def interrupt(self) -> None:
        """Let everybody who waits for a connection go; there will be no other."""
        self._stopping.set()
        self._wake.set()
        with self._changed:
            self._changed.notify_all()
            link = self._current
        if link is not None:
            link.window.let_go()

    def stop(self) -> None:
        """Publish `stopped` if connected, leave, and end; takes 3 s at most."""
        self.interrupt()
        if self._thread.ident is not None:
            self._thread.join(3.0)

    def _run(self) -> None:
        first = True
        while not self._stopping.is_set():
            link = self._dial(self._version, first)
            with self._changed:
                self._current = link
            link.start()
            if self._came_up(link):
                first = False
                self._live(link)
            elif self._tries_the_other_version(link):
                continue
            self._stopping.wait(self._backoff.pause_s())

    def _came_up(self, link: L) -> bool:
        changed = link.window.changed

        def settled() -> bool:
            return link.up or link.ended is not None or self._stopping.is_set()

        until_s = monotonic() + self._timing.connect_s
        with changed:
            changed.wait_for(lambda: settled() or link.dialled_s is not None, until_s - monotonic())
            limit_s = until_s - monotonic()
            if link.version is Version.V5 and link.dialled_s is not None:
                limit_s = min(limit_s, max(self._timing.answer_s, 10 * link.dialled_s))
            changed.wait_for(settled, limit_s)
            if link.up and link.ended is None:
                return True
            # A broker too old for MQTT 5 may take its CONNECT for the beginning of a longer one, and wait.
            link.outdated |= link.ended is None and link.dialled_s is not None
        link.end("stopping" if self._stopping.is_set() else "the broker does not answer")
        if not self._stopping.is_set() and not (link.outdated and link.version is Version.V5):
            self._failed(link)
        return False

    def _tries_the_other_version(self, link: L) -> bool:
        """Whether to dial again at once: a broker that hangs up on MQTT 5 may speak 3.1.1, and the other way."""
        if not link.outdated:
            return False
        self._version = Version.V3_1_1 if link.version is Version.V5 else Version.V5
        self._older_since_s = monotonic()
        return self._version is Version.V3_1_1

    def _live(self, link: L) -> None:
        began_s = monotonic()
        log.info("sink %s: connected, %s", self.name, link.version)
        self._trouble.worked()
        self._greet(link)
        while link.ended is None and not self._stopping.is_set():
            self._attend(link)
            self._wake.wait(_TICK_S)
            self._wake.clear()
        if link.ended is None:
            self._attend(link)
            self._say_good_bye(link)
            return
        self._failed(link)
        if monotonic() - began_s >= self._timing.stable_s:
            self._backoff.reset()
        if (
            self._version is Version.V3_1_1
            and monotonic() - self._older_since_s >= self._timing.newer_again_s
        ):
            self._version = Version.V5

    def _failed(self, link: L) -> None:
        self._reason = link.ended or "closed"
        self._trouble.failed(self._reason)

    def _greet(self, link: L) -> None:
        """Everything retained anew, then `online`: whoever sees `online` finds the rest in place."""
        link.listen()
        with self._changed:
            self._unsent = dict(self._retained)
        self._unanswered = []
        self._refused = set()
        self._send_retained(link)
        self._send(link, Message(AVAILABILITY, b"online", retain=True))
        with self._changed:
            self.connects += 1
            self._link = link
            self._changed.notify_all()

    def _attend(self, link: L) -> None:
        self._due()
        self._send_retained(link)
        for message in self.outgoing.get_many(100, timeout_s=0):
            self._send(link, message)
        self._review()

    def _send_retained(self, link: L) -> None:
        while link.ended is None:
            with self._changed:
                if not self._unsent:
                    return
                message = self._unsent.pop(next(iter(self._unsent)))
            self._send(link, message)

    def _send(self, link: L, message: Message) -> None:
        too_large = link.too_large(message)
        if too_large is not None:
            log.error("sink %s: %s cannot be sent: %s", self.name, message.topic, too_large)
            return
        ticket = link.publish(message)
        if ticket is not None:
            self._unanswered.append((message, ticket))

    def _review(self) -> None:
        """Log what the broker refused of what nobody waits for."""
        waiting = []
        for message, ticket in self._unanswered:
            if ticket.code is None:
                waiting.append((message, ticket))
            elif ticket.code >= FIRST_FAILURE and message.topic not in self._refused:
                self._refused.add(message.topic)
                log.error("sink %s: %s refused: %s", self.name, message.topic, meaning(ticket.code))
        self._unanswered = waiting

    def _say_good_bye(self, link: L) -> None:
        ticket = link.publish(Message(AVAILABILITY, b"stopped", retain=True))
        if ticket is not None:
            link.window.wait_for([ticket], self._timing.farewell_s)
        link.leave()
