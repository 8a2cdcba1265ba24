"""One verdict from several frames and checks: the worst is never voted away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import WHEN, frame

from edge.errors import ConfigError
from edge.judge.vote import Quorum, Vote, worst
from edge.types import Decision, Inspection, Miss, Verdict

PASS, FAIL, DOUBT, ERROR = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR


def seen(verdict: Verdict, part_id: str | None = "P1", score: float | None = None) -> Inspection:
    return Inspection(frame(part_id=part_id), (), Decision(verdict, (f"why {verdict}",), score), {})


def voted(vote: Vote, *verdicts: Verdict, part_id: str | None = "P1") -> list[Inspection]:
    """All parts that come out of these frames, the one that is cut short included."""
    parts = [part for verdict in verdicts for part in vote.add(seen(verdict, part_id))]
    return [*parts, *vote.flush()]


def the_part(vote: Vote, *verdicts: Verdict) -> Decision:
    (part,) = voted(vote, *verdicts)
    return part.decision


def test_with_one_frame_a_part_its_decision_stands_at_once() -> None:
    inspection = seen(FAIL)
    vote = Vote(Quorum(1, 1))
    assert vote.add(inspection) == (inspection,)
    assert vote.flush() == ()


def test_a_part_waits_for_all_of_its_frames() -> None:
    vote = Vote(Quorum(2, 3))
    assert vote.add(seen(PASS)) == ()
    assert vote.add(seen(PASS)) == ()
    assert len(vote.add(seen(PASS))) == 1


def test_a_part_fails_when_enough_of_its_frames_fail() -> None:
    decision = the_part(Vote(Quorum(2, 3)), FAIL, PASS, FAIL)
    assert decision == Decision(FAIL, ("2 of 3 frames failed", "why fail"))


def test_a_part_passes_when_too_few_of_its_frames_fail_and_says_so() -> None:
    decision = the_part(Vote(Quorum(2, 3)), PASS, FAIL, PASS)
    assert (decision.verdict, decision.reasons[0]) == (PASS, "1 of 3 frames failed; 2 make a fail")


def test_doubtful_frames_that_could_have_failed_make_a_part_inconclusive() -> None:
    decision = the_part(Vote(Quorum(2, 3)), FAIL, DOUBT, PASS)
    assert (decision.verdict, decision.reasons[0]) == (DOUBT, "1 of 3 frames failed, 1 are inconclusive")


def test_a_frame_that_could_not_be_judged_makes_the_part_an_error() -> None:
    decision = the_part(Vote(Quorum(2, 3)), FAIL, FAIL, ERROR)
    assert decision == Decision(ERROR, ("1 of 3 frames could not be judged", "why error"))


def test_a_part_that_is_gone_too_soon_is_inconclusive_and_not_joined_with_the_next() -> None:
    vote = Vote(Quorum(1, 3))
    vote.add(seen(PASS, "P1"))
    vote.add(seen(PASS, "P1"))
    (ended,) = vote.add(seen(PASS, "P2"))
    assert ended.frame.part_id == "P1"
    assert ended.decision == Decision(DOUBT, ("only 2 of 3 frames seen",))
    (rest,) = vote.flush()
    assert rest.frame.part_id == "P2"
    assert vote.flush() == ()


def test_a_part_that_is_gone_too_soon_fails_where_it_has_failed_already() -> None:
    assert the_part(Vote(Quorum(1, 3)), FAIL, PASS).verdict is FAIL


def test_frames_without_a_part_id_are_counted_off() -> None:
    parts = voted(Vote(Quorum(1, 2)), PASS, FAIL, PASS, PASS, PASS, part_id=None)
    assert [part.decision.verdict for part in parts] == [FAIL, PASS, DOUBT]


def test_a_part_that_went_by_unseen_counts_as_a_frame() -> None:
    vote = Vote(Quorum(1, 2))
    vote.add(Inspection(Miss(1, 0, WHEN, "camera", "lost", "P1"), (), Decision(ERROR, ("lost",)), {}))
    (part,) = vote.add(seen(PASS))
    assert part.decision.verdict is ERROR


def test_the_frame_with_the_highest_score_stands_for_the_part() -> None:
    vote = Vote(Quorum(2, 3))
    frames = [seen(FAIL, score=1.1), seen(FAIL, score=1.9), seen(PASS, score=0.1)]
    (part,) = [vote.add(inspection) for inspection in frames][-1]
    assert part.frame is frames[1].frame
    assert part.decision.score == 1.9


def test_more_failing_frames_than_there_are_frames_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"recipe\.fail_frames: 3 is over of_frames, 2"):
        Quorum(3, 2)


verdicts = st.sampled_from(list(Verdict))


@given(st.lists(verdicts, min_size=1, max_size=12), st.integers(1, 4), st.integers(0, 3), st.booleans())
def test_no_part_passes_that_failed_often_enough_or_has_an_error_or_a_frame_missing(
    shown: list[Verdict],
    fail_frames: int,
    more: int,
    named: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    of_frames = fail_frames + more
    parts = voted(Vote(Quorum(fail_frames, of_frames)), *shown, part_id="P1" if named else None)
    groups = [shown[start : start + of_frames] for start in range(0, len(shown), of_frames)]
    assert len(parts) == len(groups)
    for part, group in zip(parts, groups, strict=True):
        if part.decision.verdict is PASS:
            assert ERROR not in group
            assert len(group) == of_frames
            assert group.count(FAIL) + group.count(DOUBT) < fail_frames


decisions = st.builds(Decision, verdicts, st.tuples(st.text(max_size=3)))


@given(st.lists(decisions, min_size=1), st.lists(decisions, min_size=1))
def test_the_worst_of_the_worst_is_the_worst_of_all(some: list[Decision], others: list[Decision]) -> None:
    assert worst([worst(some), worst(others)]) == worst([*some, *others])


@given(st.lists(decisions, min_size=1))
def test_nothing_is_worse_than_the_worst(some: list[Decision]) -> None:
    assert worst(some) in some
    assert all(decision.verdict.severity <= worst(some).verdict.severity for decision in some)


def test_the_worst_of_nothing_is_an_error() -> None:
    assert worst([]).verdict is ERROR
