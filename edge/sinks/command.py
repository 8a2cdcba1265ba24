"""Commands as they come from the broker, and the way of their answers."""

import json
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple

from edge.mailbox import Closed, Mailbox, WhenFull
from edge.message import JSON, encode
from edge.sinks.wire import Message

log = logging.getLogger(__name__)

TOPICS = ("cmd/+", "cmd/teach/+")
"""What is subscribed, below the base topic. Not `cmd/+/+`: on MQTT 3.1.1 our own answers would come back."""
RESPONSE = "/response"
LARGEST_BYTES = 256 * 1024
MOST_PER_S = 10
_REPLY_EXPIRY_S = 30


@dataclass(frozen=True)
class Command:
    """A request from outside, not yet looked at.

    `response_topic` and `correlation` are MQTT 5's; without the former the answer goes to
    `cmd/{name}/response`. Either way it carries the request's `transaction`.
    """

    name: str
    request: Mapping[str, Any]
    response_topic: str | None = None
    correlation: bytes | None = None


class Incoming(NamedTuple):
    """A message from the broker, as it came."""

    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None = None
    correlation: bytes | None = None


class BadRequest(Exception):
    """A request that cannot be read; the text says why, and goes back to whoever sent it."""


def decode_request(payload: bytes) -> dict[str, Any]:
    """The JSON object of a request; an empty payload is an empty one. Raises `BadRequest`, and nothing else."""
    if len(payload) > LARGEST_BYTES:
        raise BadRequest(f"the request has {len(payload)} bytes; {LARGEST_BYTES} are the most")
    if not payload.strip():
        return {}
    try:
        request = json.loads(payload)
        # Python reads more than it can write: NaN, 1e999, half a surrogate pair. None of it may get into a record.
        encode(request)
    except (ValueError, RecursionError) as err:
        raise BadRequest(f"the request is not JSON: {err}") from err
    if not isinstance(request, dict):
        raise BadRequest("the request is not a JSON object; send {…}")
    return request


def answer(command: Command, payload: JSON) -> Message:
    """The message that answers a command."""
    body = encode({**payload, "transaction": _plain(command.request.get("transaction"))})
    if command.response_topic is None:
        return Message(f"cmd/{command.name}{RESPONSE}", body, expiry_s=_REPLY_EXPIRY_S)
    return Message(
        command.response_topic,
        body,
        expiry_s=_REPLY_EXPIRY_S,
        correlation=command.correlation,
        elsewhere=True,
    )


def fits_a_reply(topic: str, base: str) -> bool:
    """Whether an answer may go to a topic: not to a pattern, and not to where our own records go."""
    if not topic or is_pattern(topic):
        return False
    return topic.startswith(f"{base}/cmd/") or not f"{topic}/".startswith(f"{base}/")


def is_pattern(topic: str) -> bool:
    """Whether nothing can be published on a topic, for it is a filter."""
    return any(sign in topic for sign in "+#\0")


class Inbox:
    """Takes commands on the connection's thread, and never raises there.

    `refused` counts those that were retained, too many, or not readable. More than `MOST_PER_S` in any second
    are too many: they are dropped without an answer. `refuse` tells the asker what is wrong with a request.
    """

    def __init__(self, base: str, refuse: Callable[[Command, str], None]) -> None:
        self.commands: Mailbox[Command] = Mailbox(100, WhenFull.DROP_OLDEST)
        self.refused = 0
        self._base = base
        self._refuse = refuse
        self._taken: deque[float] = deque(maxlen=MOST_PER_S)

    def take(self, incoming: Incoming) -> None:
        """A message on one of our command topics."""
        name = incoming.topic.removeprefix(f"{self._base}/cmd/")
        if name.endswith(RESPONSE):
            return  # the answer to a command that is called like a group of them
        if incoming.retained:
            self.refused += 1
            log.warning("command %s: refused, for it is retained: publish it without the retain flag", name)
            return
        if not self._allowed():
            self.refused += 1
            return
        to = incoming.response_topic
        if to is not None and not fits_a_reply(to, self._base):
            to = None
        try:
            request = decode_request(incoming.payload)
            self.commands.put(Command(name, request, to, incoming.correlation))
        except BadRequest as err:
            self.refused += 1
            self._refuse(Command(name, {}, to, incoming.correlation), str(err))
        except Closed:
            self.refused += 1

    def _allowed(self) -> bool:
        now = monotonic()
        if len(self._taken) == MOST_PER_S and now - self._taken[0] < 1.0:
            return False
        self._taken.append(now)
        return True


def _plain(transaction: object) -> str | int | float | None:
    """A transaction is whatever the asker uses to tell requests apart, as long as it is a text or a number."""
    if isinstance(transaction, str | int | float) and not isinstance(transaction, bool):
        return transaction
    return None
