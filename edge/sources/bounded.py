"""Calls into a driver may never come back: each is made by a thread of its own, which can be left behind."""

import threading
from collections.abc import Callable
from typing import TypeVar

from edge.errors import DeviceError
from edge.mailbox import Closed, Mailbox

T = TypeVar("T")


def bounded(work: Callable[[], T], limit_s: float, what: str, expected: tuple[type[Exception], ...]) -> T:
    """What `work` returns, or raises of what is `expected`.

    Raises `DeviceError` where it does neither within `limit_s`, or its thread dies of anything else. Nothing in
    this process can end a call that hangs in a driver: a fresh process is needed.
    """
    outcome: Mailbox[T | Exception] = Mailbox(1)

    def run() -> None:
        try:
            outcome.put(work())
        except expected as err:
            outcome.put(err)
        finally:
            outcome.close()

    threading.Thread(target=run, name=what, daemon=True).start()
    try:
        got = outcome.get(limit_s)
    except TimeoutError:
        raise DeviceError(f"{what}: does not come back within {limit_s:g} s; its driver hangs") from None
    except Closed:
        raise DeviceError(f"{what}: its thread has died; its traceback is in the log") from None
    if isinstance(got, expected):
        raise got
    return got  # type: ignore[return-value]
