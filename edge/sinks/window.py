"""Which messages wait for an acknowledgement on one connection: never more than its size."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic


@dataclass(slots=True)
class Ticket:
    """A message on its way. `code` is the reason code of its acknowledgement, None until that comes."""

    sent_s: float
    code: int | None = None


class Window:
    """The messages in flight, by packet identifier.

    `changed` guards this window and the connection that it belongs to: every method but `wait_*` is called
    with it held. A window that is closed lets everybody who waits go, and is never opened again.
    """

    def __init__(self, size: int) -> None:
        self.changed = threading.Condition()
        self.size = size
        self.closed = False
        self.hurry = False
        self._flying: dict[int, Ticket] = {}

    def narrow(self, size: int) -> None:
        """The broker wants fewer at a time (its Receive Maximum, 1…65535)."""
        self.size = min(self.size, size)

    def sent(self, packet: int) -> Ticket:
        """A message is on its way."""
        ticket = self._flying[packet] = Ticket(monotonic())
        return ticket

    def settle(self, packet: int, code: int) -> None:
        """An acknowledgement came. Unknown packets are none of ours."""
        ticket = self._flying.pop(packet, None)
        if ticket is None:
            return
        ticket.code = code
        # Half of the window at a time: waking the writer for each message costs twice the processor time.
        if len(self._flying) <= self.size // 2:
            self.changed.notify_all()

    def close(self) -> None:
        """Nothing more will be acknowledged here."""
        self.closed = True
        self.changed.notify_all()

    def let_go(self) -> None:
        """Let those go who wait without a limit. Takes `changed` itself."""
        with self.changed:
            self.hurry = True
            self.changed.notify_all()

    def oldest_s(self) -> float:
        """For how many seconds the message that has waited longest has been in flight; 0 where none is."""
        first = next(iter(self._flying.values()), None)
        return 0.0 if first is None else monotonic() - first.sent_s

    def __len__(self) -> int:
        return len(self._flying)

    def wait_for_room(self) -> bool:
        """Block until one more may be sent, with `changed` held; False where that will not be."""
        while len(self._flying) >= self.size and not self.closed and not self.hurry:
            self.changed.wait()
        return len(self._flying) < self.size and not self.closed

    def wait_for(self, tickets: Sequence[Ticket], timeout_s: float | None = None) -> None:
        """Block until all are acknowledged, the window closes, or the time runs out."""
        with self.changed:
            self.changed.wait_for(
                lambda: (
                    self.closed
                    or (self.hurry and timeout_s is None)
                    or all(ticket.code is not None for ticket in tickets)
                ),
                timeout_s,
            )
