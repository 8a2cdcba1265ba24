"""One verdict for each part on a belt: from the frames and the findings that are its own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from edge.config import Check, Recipe, Track
from edge.config.detection import DetectionRules, Pair
from edge.config.recipe import Rules
from edge.geometry import Box
from edge.judge.deviation import Limits
from edge.judge.rules import judge
from edge.judge.track.tracker import MOST, Tracker
from edge.prediction import Anomaly, Classification, Detection, Detections, Prediction, Reading, Readings
from edge.types import Decision, Defect, Finding, Frame, Inspection, Miss, Region, Verdict

PASS, FAIL, DOUBT, ERROR = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR
WIDTH, HEIGHT, SIDE, LINE, STEP_NS = 400, 200, 60, 240, 33_000_000
WHEN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
IMAGE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
CAPPED = Rules(detection=DetectionRules(pairs=[Pair(each="Bottle", has="Cap")]))
CHECKS = [Check(name="caps", bundle="caps", rules=CAPPED), Check(name="surface", bundle="surface")]  # type: ignore[arg-type]


def a_recipe(fail_frames: int = 1, of_frames: int = 3, **track: object) -> Recipe:
    followed = Track(label="Bottle", report_at=LINE, **track)  # type: ignore[arg-type]
    return Recipe(checks=CHECKS, fail_frames=fail_frames, of_frames=of_frames, track=followed)


def judged_by_rules(check: str, prediction: Prediction) -> Decision:
    if isinstance(prediction, Readings):
        return Decision(PASS)
    rules = next(known.rules for known in CHECKS if known.name == check)
    return judge(prediction, Limits(0.8), rules)


def a_tracker(**changes: object) -> Tracker:
    return Tracker(a_recipe(**changes), "caps", judged_by_rules, "S")  # type: ignore[arg-type]


def bottle(x: float, y: float = 100, score: float = 0.9) -> Detection:
    half = SIDE / 2
    box = Box(x - half, y - half, x + half, y + half)
    return Detection("Bottle", score, box.intersection(Box(0, 0, WIDTH, HEIGHT)))


def cap(x: float, y: float = 80) -> Detection:
    box = Box(x - 8, y - 8, x + 8, y + 8)
    return Detection("Cap", 0.8, box.intersection(Box(0, 0, WIDTH, HEIGHT)))


def seen(
    number: int, things: Sequence[Detection], *more: Finding, truth: tuple[Defect, ...] = ()
) -> Inspection:
    """A frame in which these things were found."""
    found = Detections(tuple(thing for thing in things if thing.box.area > 0), Box(0, 0, WIDTH, HEIGHT))
    frame = Frame(IMAGE, number, number * STEP_NS, WHEN, "camera", truth=truth)
    finding = Finding("caps", judged_by_rules("caps", found), None, found)
    return Inspection(frame, (finding, *more), finding.decision, {"verdict": 5.0})


def blind(number: int, verdict: Verdict = ERROR) -> Inspection:
    frame = Frame(IMAGE, number, number * STEP_NS, WHEN, "camera")
    return Inspection(frame, (), Decision(verdict, ("the lens is blocked",)), {})


def missing(number: int) -> Inspection:
    frame = Miss(number, number * STEP_NS, WHEN, "camera", "the camera lost a frame")
    return Inspection(frame, (), Decision(ERROR, (frame.reason,)), {})


def film(
    capped: Callable[[int], bool] = lambda _: True, *, frames: int = 60, start: float = -20.0
) -> list[Inspection]:
    """One bottle that comes through at 8 px a frame; in which frames its cap is found is asked."""
    places = [start + 8 * number for number in range(frames)]
    return [
        seen(number, [bottle(x), *([cap(x)] if capped(number) else [])]) for number, x in enumerate(places)
    ]


def parts(frames: Sequence[Inspection], tracker: Tracker | None = None) -> list[Inspection]:
    tracker = tracker or a_tracker()
    told = [part for frame in frames for part in tracker.add(frame)]
    return [*told, *tracker.flush()]


def the_part(frames: Sequence[Inspection], **changes: object) -> Inspection:
    (part,) = parts(frames, a_tracker(**changes))
    return part


CROSSING = 33
"""The frame of `film` in which its bottle is at the line."""


def test_a_part_gets_one_verdict_from_its_latest_frames() -> None:
    part = the_part(film())
    assert part.decision.verdict is PASS
    assert part.decision.reasons == ("0 of 3 frames failed; 1 make a fail",)
    assert part.joined == (CROSSING - 2, CROSSING - 1, CROSSING)


def test_its_name_is_its_own_and_says_which_it_was() -> None:
    tracker = a_tracker()
    names = [part.frame.part_id for _ in range(3) for part in parts(shifted(film(), tracker), tracker)]
    assert names == ["S-000001", "S-000002", "S-000003"]


def shifted(frames: list[Inspection], tracker: Tracker) -> list[Inspection]:
    """The same film, later: each time further."""
    later: int = getattr(tracker, "later", 0)
    tracker.later = later + 200  # type: ignore[attr-defined]
    return [
        replace(frame, frame=replace(frame.frame, captured_ns=frame.frame.captured_ns + later * STEP_NS))
        for frame in frames
    ]


def test_it_is_said_how_a_part_was_followed() -> None:
    passage = the_part(film()).passage
    assert passage is not None
    assert (passage.first, passage.last) == (0, CROSSING)
    assert passage.frames == CROSSING + 1


def test_how_long_it_waited_is_what_the_frame_took_in_which_it_crossed() -> None:
    part = the_part(film())
    assert part.stage_ms["verdict"] == pytest.approx(5.0 + part.stage_ms["track"])


@pytest.mark.parametrize(("without", "verdict"), [(0, PASS), (1, PASS), (2, FAIL), (3, FAIL)])
def test_a_part_fails_when_enough_of_its_frames_fail(without: int, verdict: Verdict) -> None:
    part = the_part(film(lambda number: number <= CROSSING - without), fail_frames=2)
    assert part.decision.verdict is verdict


def test_a_missing_cap_is_not_made_up_for_by_the_neighbours() -> None:
    frames = []
    for number in range(70):
        first, second = -20 + 8 * number, -70 + 8 * number  # boxes overlap by 10 px
        frames.append(seen(number, [bottle(first), bottle(second), cap(first - 24)]))
    verdicts = [part.decision.verdict for part in parts(frames)]
    assert sorted(verdicts) == [FAIL, PASS]


def test_each_part_has_its_own_verdict_findings_and_truth() -> None:
    frames = []
    for number in range(80):
        first, second = -20 + 8 * number, -120 + 8 * number
        truth = (Defect("dent", bottle(second).box),) if bottle(second).box.area > 0 else ()
        frames.append(seen(number, [bottle(first), cap(first), bottle(second)], truth=truth))
    good, bad = parts(frames)
    assert (good.decision.verdict, bad.decision.verdict) == (PASS, FAIL)
    for part, things in ((good, ["Bottle", "Cap"]), (bad, ["Bottle"])):
        (finding,) = part.findings
        assert isinstance(finding.prediction, Detections)
        assert [thing.label for thing in finding.prediction.found] == things
    assert isinstance(good.frame, Frame)
    assert isinstance(bad.frame, Frame)
    assert good.frame.truth == ()
    assert [defect.label for defect in bad.frame.truth or ()] == ["dent"]


def test_a_frame_that_could_not_be_judged_makes_the_part_an_error() -> None:
    frames = film()
    frames[CROSSING - 1] = blind(CROSSING - 1)
    part = the_part(frames)
    assert part.decision.verdict is ERROR
    assert part.decision.reasons[0] == "1 of 3 frames could not be judged"


def test_a_lost_frame_makes_the_part_an_error() -> None:
    frames = film()
    frames[CROSSING - 1] = missing(CROSSING - 1)
    assert the_part(frames).decision.verdict is ERROR


def test_a_fault_that_is_older_than_its_frames_is_made_good_by_them() -> None:
    frames = film()
    frames[CROSSING - 10] = blind(CROSSING - 10)
    assert the_part(frames).decision.verdict is PASS


def test_an_unfit_picture_leaves_doubt() -> None:
    frames = film()
    frames[CROSSING - 1] = blind(CROSSING - 1, DOUBT)
    assert the_part(frames).decision.verdict is DOUBT


def test_a_part_that_was_seen_too_rarely_does_not_pass() -> None:
    decision = the_part(film(), of_frames=100).decision
    assert decision.verdict is DOUBT
    assert "of 100 frames seen" in decision.reasons[0]


def test_a_part_that_was_never_in_view_as_a_whole_does_not_pass() -> None:
    frames = [
        seen(number, [Detection("Bottle", 0.9, Box(max(0, x - 60), 0, min(WIDTH, x + 60), HEIGHT)), cap(x)])
        for number, x in enumerate(range(20, 380, 6))
    ]
    decision = the_part(frames).decision
    assert decision.verdict is DOUBT
    assert decision.reasons[0] == "it was never in view as a whole"


def test_frames_that_show_a_part_in_part_do_not_count() -> None:
    # The cap is out of view as long as the bottle is not whole: that says nothing of the bottle.
    part = the_part(film(lambda number: -20 + 8 * number > 31), of_frames=29)
    assert part.decision.verdict is not FAIL


def test_a_part_that_vanishes_does_not_pass() -> None:
    slow = [seen(number, [bottle(-20 + 3 * number), cap(-20 + 3 * number)]) for number in range(40)]
    part = the_part([*slow, *(seen(number, []) for number in range(40, 90))])
    assert part.decision.verdict is DOUBT
    assert part.decision.reasons[0] == "it was not seen any more before it came to the line"


def test_a_part_that_is_first_seen_beyond_the_line_does_not_pass() -> None:
    frames = [seen(number, []) for number in range(60)]
    frames += [seen(60 + number, [bottle(x), cap(x)]) for number, x in enumerate(range(250, 360, 5))]
    part = the_part(frames)
    assert part.decision.verdict is DOUBT
    assert part.decision.reasons[0] == "it was seen only after the line, so it may have been judged too late"


def test_a_camera_that_sees_nothing_is_told_again_and_again_and_is_no_part() -> None:
    told = parts([blind(number) for number in range(100)])  # 3.3 s
    assert [part.decision.verdict for part in told] == [ERROR] * 3
    assert all(part.frame.part_id is None and part.passage is None for part in told)
    assert told[0].decision.reasons == (
        "the lens is blocked",
        "for 1 s no part could be seen; those that went by are not counted",
    )


def test_no_frame_or_no_part_is_no_verdict() -> None:
    assert parts([]) == []
    assert parts([seen(number, [cap(100)]) for number in range(100)]) == []


def test_boxes_outside_of_the_frame_or_without_area_are_no_parts() -> None:
    odd = [
        Detection("Bottle", 0.9, Box(500, 300, 560, 360)),
        Detection("Bottle", 0.9, Box(50, 50, 50, 90)),
        Detection("Bottle", 0.9, Box(90, 90, 50, 50)),
    ]
    frames = film()
    mixed = [seen(number, [*frames[number].findings[0].prediction.found, *odd]) for number in range(60)]  # type: ignore[union-attr]
    assert len(parts(mixed)) == 1


def test_a_doubtful_box_is_not_followed() -> None:
    assert parts([seen(number, [bottle(-20 + 8 * number, score=0.4)]) for number in range(60)]) == []


@pytest.mark.parametrize("many", [MOST + 1, 10_000])
def test_more_parts_than_can_be_followed_are_an_error(many: int) -> None:
    crowd = [bottle(200, 100)] * many
    told = parts([seen(number, crowd) for number in (0, 40)])
    assert [part.decision.verdict for part in told] == [ERROR]
    assert f"{many} times 'Bottle' in one frame; {MOST} can be followed" in told[0].decision.reasons[0]


def test_a_line_outside_of_the_frame_is_an_error() -> None:
    tracker = a_tracker()
    recipe = a_recipe()
    assert recipe.track is not None
    far = recipe.model_copy(update={"track": recipe.track.model_copy(update={"report_at": 400})})
    tracker = Tracker(far, "caps", judged_by_rules, "S")
    told = parts(film(), tracker)
    assert told[0].decision.verdict is ERROR
    assert "recipe.track.report_at: 400 lies outside of the view, x 0…400" in told[0].decision.reasons[0]


def test_a_code_that_was_read_on_a_part_is_its_name() -> None:
    frames = []
    for number in range(60):
        x = -20.0 + 8 * number
        read = Readings((Reading("A-17", "QRCode", cap(x).box), Reading("B-99", "QRCode", Box(0, 0, 5, 5))))
        frames.append(seen(number, [bottle(x), cap(x)], Finding("code", Decision(PASS), None, read)))
    assert the_part(frames).frame.part_id == "A-17"


def test_two_codes_on_one_part_leave_doubt() -> None:
    frames = []
    for number in range(60):
        x = -20.0 + 8 * number
        read = Readings((Reading(f"A-{number % 2}", "QRCode", cap(x).box),))
        frames.append(seen(number, [bottle(x), cap(x)], Finding("code", Decision(PASS), None, read)))
    part = the_part(frames)
    assert part.decision.verdict is DOUBT
    assert part.decision.reasons[0] == "different codes were read on it: A-0, A-1"
    assert part.frame.part_id == "S-000001"


def an_anomaly(at: float, peak: float = 1.6) -> Finding:
    """A map of 10-px cells with one that is hot, as the whole frame's check judges it."""
    scores = np.full((20, 40), 0.2, np.float32)
    row, column = 10, min(39, max(0, int(at // 10)))
    scores[row - 1 : row + 2, column - 1 : column + 2] = peak
    anomaly = Anomaly(scores, np.ones(scores.shape, bool), Box(0, 0, WIDTH, HEIGHT))
    decision = judged_by_rules("surface", anomaly)
    return Finding("surface", decision, None, anomaly)


def test_a_defect_is_that_parts_whose_box_it_lies_in() -> None:
    frames = []
    for number in range(90):
        first, second = -20 + 8 * number, -120 + 8 * number
        things = [bottle(first), cap(first), bottle(second), cap(second)]
        frames.append(seen(number, things, an_anomaly(second)))
    good, bad = parts(frames)
    assert (good.decision.verdict, bad.decision.verdict) == (PASS, FAIL)
    assert good.findings[1].decision.regions == ()
    assert len(bad.findings[1].decision.regions) == 1


def test_doubt_elsewhere_in_the_frame_is_none_of_this_part() -> None:
    frames = [
        seen(number, [bottle(-20 + 8 * number), cap(-20 + 8 * number)], an_anomaly(380, peak=0.9))
        for number in range(60)
    ]
    assert the_part(frames).decision.verdict is PASS


def test_a_defect_that_lies_in_a_part_only_in_part_is_its_own() -> None:
    frames = []
    for number in range(60):
        x = -20 + 8 * number
        finding = an_anomaly(x + SIDE / 2 + 8)
        region = Region(Box(x + 20, 90, x + 60, 110), 800.0, 1.6, (x + 50, 100))
        decision = Decision(FAIL, ("score",), 1.6, regions=(region,))
        frames.append(seen(number, [bottle(x), cap(x)], replace(finding, decision=decision)))
    assert the_part(frames).decision.verdict is FAIL


def test_what_has_no_place_in_the_frame_holds_for_every_part_in_it() -> None:
    label = Classification(("good", "bad"), (0.1, 0.9))
    frames = []
    for number in range(90):
        things = [
            bottle(-20 + 8 * number),
            cap(-20 + 8 * number),
            bottle(-120 + 8 * number),
            cap(-120 + 8 * number),
        ]
        frames.append(seen(number, things, Finding("kind", Decision(FAIL, ("bad",)), None, label)))
    assert [part.decision.verdict for part in parts(frames)] == [FAIL, FAIL]


def test_pictures_are_kept_of_the_frames_only_that_a_verdict_needs() -> None:
    tracker = a_tracker(of_frames=4)
    for frame in film(frames=30):
        tracker.add(frame)
    (record,) = tracker._records.values()
    assert len(record.scenes) == 4
    for number in range(30, 120):
        tracker.add(seen(number, []))
    assert not tracker._records
    assert not tracker._told
