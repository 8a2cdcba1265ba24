from pathlib import Path

import numpy as np
import pytest
from washers import ROI, album, washer

from edge.preprocess.picture import read
from edge.teach.exhibits import DEFECTS, WORST_GOOD, show_bad, show_damaged, show_worst
from edge.teach.golden import golden_pictures

SCORES = [0.5, 0.9, 0.1, 0.7, 0.3, 0.8, 0.2]
MAPS = [np.full((2, 2), found, np.float32) for found in SCORES]


@pytest.fixture(scope="module")
def washers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return album(tmp_path_factory.mktemp("washers"), range(7))


def test_the_worst_good_parts_are_shown_the_worst_first(washers: list[Path]) -> None:
    found = show_worst(washers, MAPS, SCORES, None)
    assert [one.title for one in found] == ["001.png", "005.png", "003.png", "000.png"][:WORST_GOOD]
    assert [one.score for one in found] == [0.9, 0.8, 0.7, 0.5]
    assert all((one.anomaly_map == np.float32(one.score)).all() for one in found)
    assert np.array_equal(found[0].picture, washer(1))
    assert found[0].defect is None


def test_no_more_good_parts_are_shown_than_there_are(washers: list[Path]) -> None:
    assert len(show_worst(washers[:2], MAPS[:2], SCORES[:2], None)) == 2


def test_only_the_region_of_interest_is_shown(washers: list[Path]) -> None:
    region = ROI.model_copy(update={"x_min": 8, "x_max": 40, "y_min": 16, "y_max": 32})
    found = show_worst(washers, MAPS, SCORES, region)
    assert np.array_equal(found[0].picture, washer(1)[16:32, 8:40])


def test_made_up_defects_are_shown_from_plain_to_faint() -> None:
    scores = [float(number) for number in range(20)]
    masks = [np.full((4, 4), fill_value=True) for _ in scores]
    exhibits = [(np.full((4, 4, 3), number, np.uint8), mask) for number, mask in enumerate(masks)]
    maps = [np.full((2, 2), score, np.float32) for score in scores]
    found = show_damaged(exhibits, maps, scores, str)
    assert len(found) == DEFECTS
    shown = [one.score for one in found]
    assert shown == sorted(shown, reverse=True)
    assert (shown[0], shown[-1]) == (19, 0)
    assert all(one.title == str(int(one.score)) for one in found)
    assert all(one.defect is masks[int(one.score)] for one in found)
    assert all((one.picture == one.score).all() for one in found)


def test_known_bad_parts_are_shown_from_plain_to_faint(washers: list[Path]) -> None:
    found = show_bad(washers, MAPS, SCORES, None)
    assert [one.score for one in found] == [0.9, 0.8, 0.7, 0.3, 0.2, 0.1]
    assert [one.title for one in found][:2] == ["001.png", "005.png"]
    assert all((one.anomaly_map == np.float32(one.score)).all() for one in found)
    assert np.array_equal(found[0].picture, washer(1))
    assert all(one.defect is None for one in found)
    assert show_bad((), (), (), None) == ()


def test_golden_pictures_are_a_middling_good_one_the_worst_and_the_same_with_defects(
    washers: list[Path],
) -> None:
    found = golden_pictures(washers, SCORES, None, seed=0)
    assert np.array_equal(found["good-0.png"], read(washers[0]))  # 0.5, the middle one
    assert np.array_equal(found["good-1.png"], read(washers[1]))  # 0.9
    for number in range(2):
        good, damaged = found[f"good-{number}.png"], found[f"damaged-{number}.png"]
        assert 0 < (good != damaged).any(axis=2).mean() < 0.5


def test_the_same_seed_gives_the_same_golden_pictures(washers: list[Path]) -> None:
    first, second = (golden_pictures(washers, SCORES, None, seed=3) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
