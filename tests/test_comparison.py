"""A defect beside how the place should look."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from parts import heat, part, report

from edge.config import Evidence
from edge.geometry import Box, Image
from edge.store.comparison import CROP_PX, GAP_PX, STRIP_PX, strip
from edge.store.evidence import EvidenceStore
from edge.store.overlay import CAPTION_PX, overlay, picture_rows, thumbnail
from edge.store.sheet import exhibit, exhibits_in
from edge.types import Example, Inspection, Verdict

FLAT = np.full((480, 640, 3), 100, np.uint8)


def an_example(colour: tuple[int, int, int] = (20, 160, 40), size: tuple[int, int] = (240, 320)) -> Example:
    """A place of a picture of 640×480 that is of one colour, but for a white patch at 320…360, 200…240."""
    pixels = np.full((*size, 3), colour, np.uint8)
    y, x = size[0] / 480, size[1] / 640
    pixels[round(200 * y) : round(240 * y), round(320 * x) : round(360 * x)] = 255
    jpeg = cv2.imencode(".jpg", pixels[:, :, ::-1])[1].tobytes()
    return Example("good-07.jpg", Box(320, 200, 360, 240), Box(0, 0, 640, 480), jpeg)


def explained(image: Image = FLAT, example: Example | None = None, regions: int = 1) -> Inspection:
    """A part that failed, with an example for each of its regions."""
    bare = part(Verdict.FAIL, image, heat(hot=1.6))
    (finding,) = bare.findings
    (region,) = finding.decision.regions
    explained = tuple(
        replace(region, peak=2.0 - number, nearest=example or an_example()) for number in range(regions)
    )
    decision = replace(finding.decision, regions=explained)
    return replace(bare, findings=(replace(finding, decision=decision),), decision=decision)


def crops(inspection: Inspection) -> tuple[Image, Image]:
    shown = strip(inspection, 640)
    assert shown is not None
    rows, second = slice(GAP_PX, GAP_PX + CROP_PX), GAP_PX + CROP_PX + GAP_PX // 2
    return shown[rows, GAP_PX : GAP_PX + CROP_PX], shown[rows, second : second + CROP_PX]


def test_a_defect_is_shown_beside_the_good_place() -> None:
    here, good = crops(explained())
    assert np.abs(here.astype(int) - 100).max() <= 1
    assert np.median(good, axis=(0, 1)) == pytest.approx((20, 160, 40), abs=6)
    middle = CROP_PX // 2
    assert good[middle - 8 : middle + 8, middle - 8 : middle + 8].min() > 200


def test_crops_show_the_same_extent_whatever_the_size_of_the_thumbnail() -> None:
    small, large = (crops(explained(example=an_example(size=size)))[1] for size in ((120, 160), (480, 640)))
    assert (small > 128).all(axis=2).mean() == pytest.approx((large > 128).all(axis=2).mean(), abs=0.02)


def test_a_part_without_examples_looks_as_before() -> None:
    inspection = part(Verdict.FAIL, FLAT, heat(hot=1.6))
    assert strip(inspection, 640) is None
    assert len(overlay(inspection, {})) == 480 + CAPTION_PX


def test_the_comparison_stands_below_the_caption() -> None:
    drawn, plain = overlay(explained(), {}), overlay(part(Verdict.FAIL, FLAT, heat(hot=1.6)), {})
    assert drawn.shape == (480 + CAPTION_PX + STRIP_PX, 640, 3)
    assert np.array_equal(drawn[: len(plain)], plain)


def test_of_many_regions_those_that_fit_are_compared() -> None:
    one, many = strip(explained(), 640), strip(explained(regions=20), 640)
    assert one is not None
    assert many is not None
    assert one.shape == many.shape
    assert np.array_equal(one[:, :260], many[:, :260])
    assert not np.array_equal(one[:, 260:], many[:, 260:])


@pytest.mark.parametrize(("width", "height"), [(8, 8), (40, 2000), (2000, 40), (100, 60), (1280, 960)])
def test_pictures_of_every_shape_can_be_compared(width: int, height: int) -> None:
    picture = np.full((height, width, 3), 90, np.uint8)
    drawn = overlay(explained(picture), {})
    assert len(drawn) == picture_rows(picture) + CAPTION_PX + STRIP_PX


def test_a_thumbnail_with_a_comparison_is_never_larger_than_wanted() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    assert len(thumbnail(explained(noise), {}, 12_000)) <= 12_000


def test_the_evidence_of_a_failed_part_shows_the_comparison(tmp_path: Path) -> None:
    inspection = explained()
    kept = EvidenceStore(tmp_path, Evidence()).keep(report(1, inspection), inspection)
    (path,) = (file for file in kept.files if file.name.endswith("-map.jpg"))
    assert cv2.imread(str(path)).shape[0] == 480 + CAPTION_PX + STRIP_PX


def test_a_contact_sheet_shows_the_picture_alone(tmp_path: Path) -> None:
    inspection = explained()
    EvidenceStore(tmp_path, Evidence()).keep(report(1, inspection), inspection)
    (kept,) = exhibits_in(tmp_path, 1)
    fresh = exhibit(inspection)
    assert fresh is not None
    for shown in (kept, fresh):
        assert shown.heat is not None
        assert shown.heat.shape == (480, 640, 3)
