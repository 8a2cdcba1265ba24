import json
from math import inf, nan

import numpy as np
import pytest
from lessons import CHOSEN, record

from edge.teach.record import SCHEMA, Agreement, to_json


@pytest.mark.parametrize(
    ("auroc_float", "auroc_int8", "correlation", "accepted"),
    [
        (0.99, 0.99, 1.0, True),
        (0.99, 0.986, 0.99, True),
        (0.99, 0.984, 1.0, False),
        (0.98, 0.99, 1.0, False),
        (0.99, 0.99, 0.989, False),
        (nan, 0.99, 1.0, False),
        (0.99, 0.99, nan, False),
    ],
)
def test_int8_is_accepted_where_it_ranks_and_maps_as_float_does(
    auroc_float: float, auroc_int8: float, correlation: float, *, accepted: bool
) -> None:
    assert Agreement(auroc_float, auroc_int8, correlation).accepted is accepted


def test_the_chosen_candidate_is_the_one_marked_so() -> None:
    assert record().chosen == CHOSEN
    assert record(candidates=()).chosen is None


def test_a_record_survives_json_but_for_its_pictures() -> None:
    lesson = record()
    found = json.loads(json.dumps(to_json(lesson), allow_nan=False))
    assert found["schema"] == SCHEMA == "edge.lesson/1"
    assert found["name"] == lesson.name
    assert found["good"] == [{"file": file, "score": score} for file, score in lesson.good]
    assert found["damaged"] == list(lesson.damaged)
    assert found["limit"]["limit_distance"] == lesson.limit.limit_distance
    assert found["limit"]["promised"] is lesson.limit.promised
    assert found["agreement"]["accepted"] is True
    assert found["candidates"][1]["strides_px"] == [16]
    assert found["created"] == "2026-01-02T03:04:00+00:00"
    assert "worst_good" not in found


def test_what_is_no_number_is_null() -> None:
    lesson = record(
        damaged=(nan, 1.5), good=(("a.png", inf),), model_ms=nan, agreement=Agreement(nan, 0.9, 0.9)
    )
    found = json.loads(json.dumps(to_json(lesson), allow_nan=False))
    assert found["damaged"] == [None, 1.5]
    assert found["good"] == [{"file": "a.png", "score": None}]
    assert found["model_ms"] is None
    assert found["agreement"]["auroc_float"] is None
    assert found["agreement"]["accepted"] is False


def test_numbers_of_numpy_become_numbers_of_json() -> None:
    lesson = record(damaged=(np.float32(1.5),), pictures=np.int64(20), peak_mb=np.float64(7))
    found = json.loads(json.dumps(to_json(lesson)))
    assert (found["damaged"], found["pictures"], found["peak_mb"]) == ([1.5], 20, 7.0)


def test_a_lesson_without_float_says_so() -> None:
    assert to_json(record(agreement=None))["agreement"] is None
