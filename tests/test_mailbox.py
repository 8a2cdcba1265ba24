"""What carries data between threads."""

import threading
from collections import Counter
from time import monotonic

import pytest

from edge.mailbox import Closed, Mailbox, WhenFull


def in_thread(work: object) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


def test_items_come_out_in_the_order_they_went_in() -> None:
    mailbox: Mailbox[int] = Mailbox(3)
    for item in (1, 2, 3):
        mailbox.put(item)
    assert [mailbox.get(), mailbox.get(), mailbox.get()] == [1, 2, 3]


def test_a_full_mailbox_holds_the_writer_back_until_there_is_room() -> None:
    mailbox: Mailbox[int] = Mailbox(1)
    mailbox.put(1)
    written = threading.Event()

    def write() -> None:
        mailbox.put(2)
        written.set()

    in_thread(write)
    assert not written.wait(0.05)
    assert mailbox.get() == 1
    assert written.wait(5)
    assert mailbox.get() == 2
    assert mailbox.dropped == 0


def test_of_a_live_view_only_the_newest_is_left() -> None:
    mailbox: Mailbox[int] = Mailbox(1, WhenFull.DROP_OLDEST)
    for item in range(5):
        mailbox.put(item)
    assert (mailbox.get(), mailbox.dropped, len(mailbox)) == (4, 4, 0)


def test_beyond_the_room_only_something_small_is_let_in_and_keeps_its_place() -> None:
    mailbox: Mailbox[str] = Mailbox(2, WhenFull.SHRINK_NEWEST, lambda item: item[0])
    for item in ("one", "two", "three", "four"):
        mailbox.put(item)
    assert [mailbox.get() for _ in range(4)] == ["one", "two", "t", "f"]
    assert mailbox.dropped == 2


def test_an_empty_mailbox_times_out() -> None:
    mailbox: Mailbox[int] = Mailbox(1)
    with pytest.raises(TimeoutError):
        mailbox.get(timeout_s=0.01)


def test_what_is_inside_at_closing_can_still_be_taken() -> None:
    mailbox: Mailbox[int] = Mailbox(2)
    mailbox.put(1)
    mailbox.close()
    assert mailbox.get() == 1
    with pytest.raises(Closed):
        mailbox.get()


def test_nothing_goes_into_a_closed_mailbox() -> None:
    mailbox: Mailbox[int] = Mailbox(2)
    mailbox.close()
    with pytest.raises(Closed):
        mailbox.put(1)
    assert len(mailbox) == 0


@pytest.mark.parametrize("reads", [True, False])
def test_closing_wakes_whoever_waits(reads: bool) -> None:  # noqa: FBT001
    mailbox: Mailbox[int] = Mailbox(1)
    woken = threading.Event()
    if not reads:
        mailbox.put(1)

    def wait() -> None:
        with pytest.raises(Closed):
            mailbox.get() if reads else mailbox.put(2)
        woken.set()

    in_thread(wait)
    assert not woken.wait(0.05)
    mailbox.close()
    assert woken.wait(5)


def test_many_are_taken_at_once_and_no_more_than_wanted() -> None:
    mailbox: Mailbox[int] = Mailbox(10)
    for item in range(5):
        mailbox.put(item)
    assert mailbox.get_many(3) == [0, 1, 2]
    assert mailbox.get_many(3) == [3, 4]


def test_lingering_waits_for_more() -> None:
    mailbox: Mailbox[int] = Mailbox(10)
    mailbox.put(1)
    threading.Timer(0.05, mailbox.put, [2]).start()
    assert mailbox.get_many(2, linger_s=10) == [1, 2]


def test_lingering_ends_when_the_mailbox_is_closed() -> None:
    mailbox: Mailbox[int] = Mailbox(10)
    mailbox.put(1)
    threading.Timer(0.05, mailbox.close).start()
    begun = monotonic()
    assert mailbox.get_many(2, linger_s=60) == [1]
    assert monotonic() - begun < 30


def test_nothing_to_take_is_an_empty_list_until_the_mailbox_is_closed() -> None:
    mailbox: Mailbox[int] = Mailbox(10)
    assert mailbox.get_many(5, timeout_s=0.01) == []
    mailbox.close()
    with pytest.raises(Closed):
        mailbox.get_many(5, timeout_s=0.01)


def test_many_threads_lose_and_double_nothing() -> None:
    mailbox: Mailbox[int] = Mailbox(4)
    taken: list[list[int]] = [[], [], []]

    def read(mine: list[int]) -> None:
        while True:
            try:
                mine.append(mailbox.get())
            except Closed:
                return

    readers = [in_thread(lambda mine=mine: read(mine)) for mine in taken]
    writers = [
        in_thread(lambda first=first: [mailbox.put(first + n) for n in range(500)])
        for first in (0, 500, 1000)
    ]
    for thread in writers:
        thread.join(30)
    mailbox.close()
    for thread in readers:
        thread.join(30)
    assert Counter(item for mine in taken for item in mine) == Counter(range(1500))
