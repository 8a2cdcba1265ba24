"""Work on all processors, and counting it."""

from time import sleep

from edge.teach.parallel import counter, each


def test_what_is_made_of_each_keeps_the_order() -> None:
    assert each(lambda number: number**2, range(20)) == [number**2 for number in range(20)]


def test_steps_on_several_threads_are_told_one_after_the_other_and_in_order() -> None:
    told = []

    def tell(done: int) -> None:
        # The later, the quicker: whoever does not wait for the others overtakes them.
        sleep(0.001 * (20 - done))
        told.append(done)

    count = counter(tell)
    each(lambda _: count(), range(20))
    assert told == list(range(1, 21))
