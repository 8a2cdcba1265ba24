"""The arithmetic of the outbox against plain models: ranges, the ring in memory, a sink's place."""

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.message import stamp_now
from edge.store.cursor import FRESH, Cursor, Span
from edge.store.ranges import Ranges, runs
from edge.store.ring import Pending, Rank, Ring
from edge.types import Row, Verdict

numbers = st.integers(-8, 60)
spans = st.tuples(numbers, numbers)


def members(ranges: Iterable[tuple[int, int]]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(st.lists(st.tuples(st.booleans(), numbers, numbers)), spans)
def test_ranges_hold_what_a_set_holds(steps: list[tuple[bool, int, int]], window: tuple[int, int]) -> None:
    ranges, expected = Ranges(), set[int]()
    for add, first, last in steps:
        (ranges.add if add else ranges.discard)(first, last)
        expected = expected | members([(first, last)]) if add else expected - members([(first, last)])
    assert list(ranges) == list(runs(sorted(expected)))
    assert ranges.total() == len(expected)
    assert bool(ranges) == bool(expected)
    assert {number for number in range(-10, 62) if number in ranges} == expected
    assert members(ranges.within(*window)) == expected & members([window])
    assert ranges.touches(*window) == bool(expected & members([window])) or window[0] > window[1]
    first = ranges.first_from(window[0])
    assert (first and first[0]) == min((number for number in expected if number >= window[0]), default=None)


@given(st.sets(numbers))
def test_runs_are_separate_and_lose_nothing(wanted: set[int]) -> None:
    found = list(runs(sorted(wanted)))
    assert members(found) == wanted
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(found))


def row(seq: int) -> Row:
    return Row(seq, "result", b"{}")


class Sink(RuleBasedStateMachine):
    """A sink that takes, acknowledges, disconnects and restarts, against sets that say what it must get."""

    @initialize(holes=st.sets(st.integers(1, 400)))
    def begin(self, holes: set[int]) -> None:
        self.holes = holes
        self.cursor = Cursor(0)
        self.head = 0
        self.filed: set[int] = set()
        self.owed: set[int] = set()
        self.live: set[int] = set()
        self.with_it: list[int] = []

    @rule(many=st.integers(1, 40))
    def commit(self, many: int) -> None:
        new = [seq for seq in range(self.head + 1, self.head + many + 1) if seq not in self.holes]
        self.head += many
        self.cursor.committed([row(seq) for seq in new])
        self.filed |= set(new)
        self.owed |= set(new)
        self.live |= set(new)

    @rule(most=st.integers(1, 30))
    def take(self, most: int) -> None:
        offer = self.cursor.next(most)
        while isinstance(offer, Span):
            filed = sorted(self.filed & members([offer[:2]]))
            rows = [row(seq) for seq in filed[:most]]
            historical = offer.historical
            self.cursor.found(offer, rows, complete=len(rows) < most)
            if rows:
                assert {historical} == {seq not in self.live for seq in filed[:most]}
                offer = rows
            else:
                offer = self.cursor.next(most)
        taken = [one.seq for one in offer]
        live, old = sorted(self.owed & self.live), sorted(self.owed - self.live)
        if self.with_it:
            assert taken == self.with_it[:most]
        else:
            assert taken == (live or old)[: len(taken)]
            assert taken or not self.owed
            self.with_it = taken

    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        said = data.draw(st.lists(st.sampled_from([*self.with_it, 1, 10**6])))
        expected = set(said) & set(self.with_it)
        assert self.cursor.acknowledge(said) == len(expected)
        self.owed -= expected
        self.with_it = [seq for seq in self.with_it if seq not in expected]

    @rule()
    def disconnect(self) -> None:
        self.cursor.disconnected()
        self.live, self.with_it = set(), []

    @rule()
    def restart(self) -> None:
        self.cursor = Cursor.restored(self.cursor.state(), self.head, 0)
        self.live, self.with_it = set(), []

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        gone = set(data.draw(st.lists(st.sampled_from(sorted(self.filed) or [0])))) - set(self.with_it)
        self.cursor.deleted(gone & self.filed)
        self.filed -= gone
        self.owed -= gone
        self.live -= gone

    @precondition(lambda self: self.filed)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        first, last = sorted(data.draw(st.tuples(*[st.sampled_from(sorted(self.filed))] * 2)))
        wanted = Ranges([(first, last)])
        for span in self.cursor.waiting:
            wanted.discard(*span)
        again = self.filed & members(wanted)
        self.cursor.again(wanted, len(again))
        self.owed |= again
        self.live = {seq for seq in self.live if seq in self.owed} - again

    @invariant()
    def knows_how_many_wait(self) -> None:
        if hasattr(self, "owed"):
            assert self.cursor.count == len(self.owed)
            assert self.owed <= members(self.cursor.waiting)


Sink.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestSink = Sink.TestCase


@example(verdicts=[Verdict.PASS, Verdict.FAIL, Verdict.FAIL], room=2)
@example(verdicts=[None, Verdict.ERROR, None], room=2)
@given(
    st.lists(st.sampled_from([Verdict.PASS, Verdict.FAIL, Verdict.ERROR, None]), max_size=60),
    st.integers(0, 60),
)
def test_a_full_ring_drops_the_oldest_passed_parts_then_other_parts_then_events(
    verdicts: list[Verdict | None], room: int
) -> None:
    ring = Ring()
    pending = [
        Pending(stamp_now("station", "epoch", seq), 0.0, Rank.of(verdict), "result", lambda _stamp: {})
        for seq, verdict in enumerate(verdicts)
    ]
    for one in pending:
        ring.add(one)
    gone = ring.shrink(room)
    expected = sorted(pending, key=lambda one: (one.rank, one.seq))[: max(0, len(pending) - room)]
    assert gone == len(expected)
    assert members(ring.dropped) == {one.seq for one in expected}
    assert ring.take() == [one for one in pending if one not in expected]


def test_records_beyond_what_memory_keeps_are_read_from_the_file() -> None:
    cursor = Cursor(0)
    cursor.committed([row(seq) for seq in range(1, FRESH + 11)])
    offer = cursor.next(100)
    assert offer == Span(1, 10, historical=False)
    cursor.found(Span(1, 10, historical=False), [row(seq) for seq in range(1, 11)], complete=True)
    cursor.acknowledge(range(1, 11))
    offer = cursor.next(2)
    assert isinstance(offer, list)
    assert [one.seq for one in offer] == [11, 12]
