"""From things that were found to a verdict: nothing missing, cut off, crowded or doubtful passes."""

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import Check, Rules
from edge.errors import ConfigError
from edge.geometry import Box
from edge.judge.deviation import Limits
from edge.judge.rules import check_rules, judge
from edge.prediction import Detection, Detections
from edge.types import Decision, Verdict

FRAME = Box(0, 0, 400, 300)
BOTTLE, CAP = Box(100, 50, 200, 250), Box(130, 50, 170, 80)
BESIDE = Box(220, 50, 320, 250)
CAPPED: dict[str, Any] = {"pairs": [{"each": "bottle", "has": "cap"}]}


def thing(label: str, box: Box, score: float = 0.9) -> Detection:
    return Detection(label, score, box)


def decided(*found: Detection, unknown_below: float = 0.0, ignore: Any = (), **rules: Any) -> Decision:
    table = Rules.model_validate({"detection": rules, "ignore": list(ignore)})
    best_first = tuple(sorted(found, key=lambda one: -one.score))
    return judge(Detections(best_first, FRAME, unknown_below), Limits(), table)


def refusal(**rules: Any) -> str:
    check = Check.model_validate({"name": "caps", "bundle": "x", "rules": {"detection": rules}})
    with pytest.raises(ConfigError) as refused:
        check_rules(check, Limits(), "detection", ("Bottle", "Cap"))
    return str(refused.value)


def test_a_bottle_with_its_cap_passes() -> None:
    assert decided(thing("bottle", BOTTLE), thing("cap", CAP, 0.8), **CAPPED) == Decision(
        Verdict.PASS, (), 0.9
    )


def test_a_bottle_without_its_cap_fails_and_is_marked() -> None:
    decision = decided(thing("bottle", BOTTLE), **CAPPED)
    assert decision.verdict is Verdict.FAIL
    assert decision.reasons == ("bottle without cap: at x 100…200, y 50…250",)
    assert [(region.box, region.label, region.peak) for region in decision.regions] == [
        (BOTTLE, "bottle without cap", 0.9)
    ]


def test_one_cap_does_not_serve_two_bottles() -> None:
    decision = decided(
        thing("bottle", BOTTLE), thing("bottle", BOTTLE._replace(x_min=120)), thing("cap", CAP), **CAPPED
    )
    assert len(decision.regions) == 1
    assert decision.verdict is Verdict.FAIL


def test_a_cap_beside_the_bottle_is_not_its_cap() -> None:
    decision = decided(thing("bottle", BESIDE), thing("cap", CAP), **CAPPED)
    assert decision.verdict is Verdict.FAIL


def test_each_bottle_takes_the_cap_that_lies_most_inside_it() -> None:
    shared = Box(170, 50, 215, 80)  # two thirds in the left bottle, and a third of it outside
    both = (thing("bottle", BOTTLE), thing("bottle", Box(195, 50, 300, 250)))
    assert (
        decided(*both, thing("cap", shared), thing("cap", Box(196, 50, 230, 80)), **CAPPED).verdict == "pass"
    )


@pytest.mark.parametrize(("place", "verdict"), [("top", "pass"), ("bottom", "fail"), ("left", "pass")])
def test_a_part_must_lie_in_the_right_half(place: str, verdict: str) -> None:
    pair = {"each": "bottle", "has": "cap", "place": place}
    assert decided(thing("bottle", BOTTLE), thing("cap", CAP), pairs=[pair]).verdict == verdict


@pytest.mark.parametrize("verdict", ["inconclusive", "fail", "pass"])
def test_where_there_is_no_bottle_the_recipe_says_what_that_means(verdict: str) -> None:
    pair = {"each": "bottle", "has": "cap", "if_none": verdict}
    assert decided(thing("cap", CAP), pairs=[pair]).verdict == verdict


def test_an_empty_picture_does_not_pass_by_itself() -> None:
    decision = decided(**CAPPED)
    assert decision == Decision(
        Verdict.INCONCLUSIVE, ("bottle: none found; is there a part to be seen?",), None
    )


def test_a_doubtful_cap_is_inconclusive() -> None:
    decision = decided(thing("bottle", BOTTLE), thing("cap", CAP, 0.4), **CAPPED)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reasons == ("bottle without cap? A cap may be there, but scores under 0.500 (min_score)",)


def test_a_cap_that_is_hardly_seen_is_none() -> None:
    assert decided(thing("bottle", BOTTLE), thing("cap", CAP, 0.29), **CAPPED).verdict is Verdict.FAIL


def test_a_doubtful_bottle_without_a_cap_is_inconclusive() -> None:
    assert decided(thing("bottle", BOTTLE, 0.4), **CAPPED).verdict is Verdict.INCONCLUSIVE


def test_a_doubtful_bottle_with_a_cap_passes() -> None:
    assert decided(thing("bottle", BOTTLE, 0.4), thing("cap", CAP), **CAPPED).verdict is Verdict.PASS


def test_a_doubtful_bottle_does_not_take_the_cap_of_a_sure_one() -> None:
    doubtful = thing("bottle", BOTTLE._replace(y_min=40), 0.35)
    decision = decided(thing("bottle", BOTTLE), doubtful, thing("cap", CAP), **CAPPED)
    assert decision.verdict is Verdict.INCONCLUSIVE


def test_what_has_a_label_that_fails_fails() -> None:
    decision = decided(thing("scratch", CAP), thing("bottle", BOTTLE), fail_labels=["scratch"])
    assert (decision.verdict, decision.reasons) == (Verdict.FAIL, ("scratch: found with score 0.900",))
    assert [region.box for region in decision.regions] == [CAP]


def test_a_doubtful_defect_is_inconclusive_and_none_passes() -> None:
    assert decided(thing("scratch", CAP, 0.3), fail_labels=["scratch"]).verdict is Verdict.INCONCLUSIVE
    assert decided(thing("scratch", CAP, 0.2), fail_labels=["scratch"]).verdict is Verdict.PASS
    assert decided(fail_labels=["scratch"]).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("sure", "doubtful", "verdict"),
    [
        (4, 0, "pass"),
        (3, 0, "fail"),
        (3, 1, "inconclusive"),
        (2, 1, "fail"),
        (4, 1, "inconclusive"),
        (5, 0, "fail"),
    ],
)
def test_exactly_four_screws_must_be_there(sure: int, doubtful: int, verdict: str) -> None:
    scores = [0.9] * sure + [0.4] * doubtful
    screws = [thing("screw", Box(20 * at, 0, 20 * at + 9, 9), score) for at, score in enumerate(scores)]
    count = {"label": "screw", "at_least": 4, "at_most": 4}
    assert decided(*screws, counts=[count]).verdict == verdict


def test_a_certain_fail_is_worse_than_a_doubt_and_names_only_what_is_certain() -> None:
    decision = decided(thing("scratch", CAP), thing("dent", BOTTLE, 0.4), fail_labels=["dent", "scratch"])
    assert decision.reasons == ("scratch: found with score 0.900",)


def test_a_crowd_that_was_cut_cannot_pass_but_can_fail() -> None:
    bottle, cap = thing("bottle", BOTTLE), thing("cap", CAP)
    assert decided(bottle, cap, unknown_below=0.31, **CAPPED).verdict is Verdict.INCONCLUSIVE
    assert decided(bottle, unknown_below=0.31, **CAPPED).verdict is Verdict.FAIL
    assert decided(bottle, cap, unknown_below=0.2, **CAPPED).verdict is Verdict.PASS


def test_what_is_cut_off_by_the_edge_does_not_count() -> None:
    cut = thing("bottle", Box(390, 50, 400, 250))
    capped = (thing("bottle", BOTTLE), thing("cap", CAP))
    assert decided(*capped, cut, margin_px=2, **CAPPED).verdict is Verdict.PASS
    assert decided(*capped, cut, **CAPPED).verdict is Verdict.FAIL


def test_what_lies_in_an_ignored_polygon_does_not_count() -> None:
    polygon = [(210, 40), (330, 40), (330, 260), (210, 260)]
    both = (thing("bottle", BOTTLE), thing("cap", CAP), thing("bottle", BESIDE))
    assert decided(*both, ignore=[polygon], **CAPPED).verdict is Verdict.PASS


def test_without_a_rule_nothing_passes_and_what_is_there_is_told() -> None:
    decision = decided(thing("bottle", BOTTLE), thing("cap", CAP), thing("cap", BESIDE))
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reasons == ("found 1 bottle, 2 cap; no rule says what may be there (rules.detection)",)


@pytest.mark.parametrize("score", [nan, inf])
def test_a_score_that_is_no_number_is_an_error(score: float) -> None:
    assert decided(thing("bottle", BOTTLE, score), **CAPPED).verdict is Verdict.ERROR


def test_a_box_that_is_no_number_is_an_error() -> None:
    # Together they would sum up to a number.
    assert decided(thing("bottle", Box(-inf, 0, inf, 1)), **CAPPED).verdict is Verdict.ERROR


def test_rules_for_labels_that_the_model_lacks_are_refused_with_the_nearest() -> None:
    told = refusal(
        fail_labels=["Kap"], counts=[{"label": "Botle", "at_least": 1}], pairs=[CAPPED["pairs"][0]]
    )
    assert told.splitlines() == [
        "check caps: rules.detection.fail_labels[0]: the model has no label 'Kap'; did you mean 'Cap'?",
        "check caps: rules.detection.counts[0].label: the model has no label 'Botle'; did you mean 'Bottle'?",
        "check caps: rules.detection.pairs[0].each: the model has no label 'bottle'; did you mean 'Bottle'?",
        "check caps: rules.detection.pairs[0].has: the model has no label 'cap'; did you mean 'Cap'?",
    ]


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({}, "nothing could fail; set fail_labels, counts or pairs"),
        ({"fail_labels": ["Cap"], "doubt_from": 0.6}, "doubt_from: 0.6 is over min_score, which is 0.5"),
        ({"counts": [{"label": "Cap"}]}, "counts[0]: limits nothing; set at_least or at_most"),
        (
            {"counts": [{"label": "Cap", "at_least": 2, "at_most": 1}]},
            "at_most: 1 is under at_least, which is 2",
        ),
        ({"pairs": [{"each": "Cap", "has": "Cap"}]}, "'Cap' cannot be its own part; name another label"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(rules: dict[str, Any], told: str) -> None:
    assert told in refusal(**rules)


def test_rules_that_fit_are_taken() -> None:
    pair = {"each": "Bottle", "has": "Cap"}
    check = Check.model_validate({"name": "x", "bundle": "x", "rules": {"detection": {"pairs": [pair]}}})
    check_rules(check, Limits(), "detection", ("Bottle", "Cap"))


SCORES = st.floats(0, 1)
BOXES = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    st.floats(0, 300),
    st.floats(0, 200),
    st.floats(1, 90),
    st.floats(1, 90),
)
THINGS = st.lists(st.builds(Detection, st.sampled_from(["bottle", "cap"]), SCORES, BOXES), max_size=6)


@settings(max_examples=200)
@given(THINGS)
def test_a_picture_passes_only_with_as_many_caps_as_bottles_that_count(found: list[Detection]) -> None:
    decision = decided(*found, **CAPPED)
    bottles = [one for one in found if one.label == "bottle" and one.score >= 0.5]
    caps = [one for one in found if one.label == "cap" and one.score >= 0.5]
    if decision.verdict is Verdict.PASS:
        assert 0 < len(bottles) <= len(caps) or not bottles
        assert any(one.label == "bottle" and one.score >= 0.3 for one in found)
