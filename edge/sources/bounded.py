"""Calls into a driver may never come back: each is made by a thread of its own, which can be left behind."""

import threading
from collections.abc import Callable
from typing import TypeVar

from edge.errors import DeviceError
from edge.mailbox import Mailbox

T = TypeVar("T")


def bounded(work: Callable[[], T], limit_s: float, what: str) -> T:
    """What `work` returns or raises. Raises `DeviceError` where it does neither within `limit_s`.

    Nothing in this process can end a call that hangs in a driver: a fresh process is needed.
    """
    outcome: Mailbox[tuple[T | None, BaseException | None]] = Mailbox(1)

    def run() -> None:
        try:
            outcome.put((work(), None))
        except BaseException as err:  # noqa: BLE001 - not dealt with here, but handed over
            outcome.put((None, err))

    threading.Thread(target=run, name=what, daemon=True).start()
    try:
        got, error = outcome.get(limit_s)
    except TimeoutError:
        raise DeviceError(f"{what}: does not come back within {limit_s:g} s; its driver hangs") from None
    if error is not None:
        raise error
    return got  # type: ignore[return-value]
