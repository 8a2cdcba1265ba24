"""The messages of one `write`, and what became of them."""

from collections import deque

from edge.sinks.reason import Outcome, meaning, outcome
from edge.sinks.window import Ticket
from edge.sinks.wire import Message
from edge.types import Receipt


class Flight:
    """Messages that were sent, in order, with the tickets that their acknowledgements settle. For one thread.

    `again` are messages that the broker refused as a batch: they are to be sent one by one.
    """

    def __init__(self) -> None:
        self.trouble: str | None = None
        self.denied = False
        """The broker's rules forbid it: waiting a second will not help."""
        self.again: list[Message] = []
        self._flying: deque[tuple[Message, Ticket]] = deque()
        self._delivered: set[int] = set()
        self._refused: dict[int, str] = {}

    @property
    def tickets(self) -> list[Ticket]:
        """Of the messages that are not known to be settled yet."""
        return [ticket for _, ticket in self._flying]

    def sent(self, message: Message, ticket: Ticket) -> None:
        """A message is on its way."""
        self._flying.append((message, ticket))

    def refuse(self, message: Message, reason: str) -> None:
        """A message that will never be taken; one of several rows may be, row by row."""
        if len(message.rows) > 1:
            self.again.append(message)
        else:
            self._refused.update((row.seq, reason) for row in message.rows)

    def refuse_largest(self, reason: str) -> None:
        """The largest of those that are not settled is the one that was refused."""
        guilty = max(self._flying, key=lambda flying: len(flying[0].payload))
        self._flying.remove(guilty)
        self.refuse(guilty[0], reason)

    def fail(self, reason: str) -> None:
        """The rest cannot be offered now; the first reason counts."""
        self.trouble = self.trouble or reason

    def deny(self, reason: str) -> None:
        """The broker's rules forbid it."""
        self.denied = True
        self.fail(reason)

    def review(self) -> None:
        """Take note of the acknowledgements that have come since, from the front."""
        while self._flying and self._flying[0][1].code is not None:
            message, ticket = self._flying.popleft()
            code = ticket.code or 0
            match outcome(code):
                case Outcome.DELIVERED:
                    self._delivered.update(row.seq for row in message.rows)
                case Outcome.REFUSED:
                    self.refuse(message, meaning(code))
                case Outcome.RETRY:
                    self.fail(f"the broker did not take {message.topic}: {meaning(code)}")
                case Outcome.PAUSE:
                    self.deny(f"the broker's ACL forbids writing to {message.topic}: {meaning(code)}")

    def receipt(self) -> Receipt:
        """What became of the rows."""
        return Receipt(frozenset(self._delivered), self._refused, self.trouble)
