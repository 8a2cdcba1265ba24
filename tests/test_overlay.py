"""What a person sees: heat maps, captions, thumbnails and contact sheets."""

import io
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from parts import classified, frame, heat, judged, miss, part, picture, report

from edge.config import Evidence
from edge.geometry import Box, Image
from edge.prediction import Anomaly
from edge.store.evidence import EvidenceStore
from edge.store.lettering import badge, font, printable, shortened
from edge.store.overlay import CAPTION_PX, caption, colours_of, overlay, save_overlay, scaled, thumbnail
from edge.store.sheet import Exhibit, contact_sheet, exhibit, exhibits_in, sheet_from
from edge.types import Decision, Defect, Finding, Inspection, Verdict

FLAT = np.full((480, 640, 3), 100, np.uint8)


def seen(inspection: Inspection, fail_at: float = 1.0) -> Image:
    """The overlay without its caption."""
    return overlay(inspection, {"surface": fail_at})[:-CAPTION_PX]


def changed(inspection: Inspection, fail_at: float = 1.0) -> np.ndarray:
    """Where the overlay is not the flat picture."""
    return np.any(seen(inspection, fail_at) != 100, axis=2)


def test_a_good_part_looks_as_it_was_taken() -> None:
    assert not changed(part(Verdict.PASS, FLAT, heat(hot=0.59))).any()


def test_heat_is_drawn_where_the_map_is_warm() -> None:
    warm = changed(part(Verdict.PASS, FLAT, heat(hot=0.9, at=(5, 8))))
    rows, columns = np.nonzero(warm)
    # Cells are 40×40 px; the 2×2 that are warm begin at row 200 and column 320.
    assert 180 <= rows.min() < rows.max() < 300
    assert 300 <= columns.min() < columns.max() < 420
    assert warm[240, 360]


def test_more_heat_hides_more_of_the_picture() -> None:
    colours = [seen(part(Verdict.PASS, FLAT, heat(hot=hot)))[240, 360].astype(int) for hot in (0.7, 0.9)]
    assert np.abs(colours[0] - 100).sum() < np.abs(colours[1] - 100).sum()


def test_a_white_line_runs_along_the_limit() -> None:
    def white(hot: float) -> np.ndarray:
        warm = Anomaly(heat(hot=hot), np.ones((12, 16), bool), Box(0, 0, 640, 480))
        return np.all(seen(judged(frame(FLAT), Decision(Verdict.FAIL, (), hot), warm)) > 250, axis=2)

    assert white(1.4).any()
    assert not white(0.98).any()


def test_the_regions_that_failed_have_marked_corners() -> None:
    drawn = seen(part(Verdict.FAIL, FLAT, heat(hot=1.4, at=(5, 8))))
    # The box is 320…400 × 200…280 px; the marks lie outside of it.
    assert (drawn[170:200, 300:320] > 250).all(axis=2).any()
    assert (drawn[280:310, 400:420] > 250).all(axis=2).any()


def test_the_limit_is_that_of_the_check() -> None:
    warm = Anomaly(heat(hot=1.1), np.ones((12, 16), bool), Box(0, 0, 640, 480))
    inspection = judged(frame(FLAT), Decision(Verdict.PASS, (), 1.1), warm)
    assert changed(inspection, fail_at=1.0).any()
    assert not changed(inspection, fail_at=2.0).any()


def test_what_lies_outside_of_the_region_of_interest_stays_cold() -> None:
    scores = heat(hot=1.5)
    blind = Anomaly(scores, np.zeros(scores.shape, bool), Box(0, 0, 640, 480))
    inspection = judged(frame(FLAT), Decision(Verdict.PASS, (), 0.3), blind)
    assert not changed(inspection).any()


def test_a_map_of_a_part_of_the_frame_is_drawn_in_its_place() -> None:
    hot = Anomaly(np.full((4, 4), 1.2, np.float32), np.ones((4, 4), bool), Box(320, 240, 640, 480))
    warm = changed(judged(frame(FLAT), Decision(Verdict.FAIL, (), 1.2), hot))
    assert warm[300:, 400:].all()
    assert not warm[:230].any()
    assert not warm[:, :310].any()


def test_a_map_beyond_the_edge_of_the_frame_is_cut_off() -> None:
    hot = Anomaly(np.full((4, 4), 1.2, np.float32), np.ones((4, 4), bool), Box(600, 400, 700, 520))
    outside = Anomaly(hot.anomaly_map, hot.valid, Box(700, 500, 800, 600))
    inspection = judged(frame(FLAT), Decision(Verdict.FAIL, (), 1.2), hot)
    assert changed(inspection).any()
    assert not changed(judged(frame(FLAT), Decision(Verdict.FAIL, (), 1.2), outside)).any()


def test_the_heat_of_every_check_is_drawn() -> None:
    ones = np.ones((4, 4), bool)
    decision = Decision(Verdict.FAIL, (), 1.2)
    findings = tuple(
        Finding(name, decision, None, Anomaly(np.full((4, 4), 1.2, np.float32), ones, box))
        for name, box in (("left", Box(0, 0, 100, 100)), ("right", Box(500, 300, 640, 480)))
    )
    warm = changed(Inspection(frame(FLAT), findings, decision, {}))
    assert warm[50, 50]
    assert warm[400, 600]


def test_a_map_with_holes_is_drawn_as_far_as_it_goes() -> None:
    scores = heat(hot=1.4)
    scores[0, 0], scores[11, 15] = np.nan, np.inf
    assert changed(part(Verdict.ERROR, FLAT, scores))[240, 360]


def test_brighter_is_hotter_in_every_kind_of_colour_vision() -> None:
    colours = colours_of(np.linspace(0.6, 1.8, 50, dtype=np.float32)[None])[0].astype(float)
    brightness = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) >= -1).all()
    assert brightness[-1] > brightness[0] + 100


def test_verdicts_differ_without_colours() -> None:
    in_grey = [
        cv2.cvtColor(np.ascontiguousarray(badge(verdict, 40)), cv2.COLOR_RGB2GRAY) for verdict in Verdict
    ]
    signs = [(grey[6:34, 8:38] > 128) == (grey[3, 20] > 128) for grey in in_grey]
    for one, other in combinations(signs, 2):
        assert (one != other).mean() > 0.08


def test_a_long_part_id_gives_way_to_the_score() -> None:
    strip = caption(part(Verdict.FAIL, part_id="A" * 200), 640)
    assert strip.shape == (CAPTION_PX, 640, 3)
    short = caption(part(Verdict.FAIL, part_id="A"), 640)
    assert (strip[:, -90:] == short[:, -90:]).all()


def test_the_middle_of_a_long_name_is_left_out() -> None:
    assert shortened("housing-2026-000123", 20, 120).startswith("ho")
    assert shortened("housing-2026-000123", 20, 120).endswith("23")
    assert "…" in shortened("housing-2026-000123", 20, 120)
    assert shortened("P-1", 20, 120) == "P-1"
    assert shortened("P-1", 20, 0) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Gehäuse Größe 5", "Gehause Grosse 5"), ("部品-7", "??-7"), ("a\nb\x00", "a?b?"), ("P-1", "P-1")],
)
def test_letters_that_the_typeface_lacks_are_replaced(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_every_letter_that_is_shown_is_in_the_typeface() -> None:
    unknown = font(24).getmask("\ufffe")
    for letter in [*map(chr, range(33, 127)), *"…°·±"]:
        assert bytes(font(24).getmask(letter)) != bytes(unknown)


def test_a_part_without_a_picture_is_a_card_with_its_reason() -> None:
    card = overlay(miss("the camera lost a frame"), {})
    assert (card != overlay(miss("another reason"), {})).any()


def test_a_classified_part_is_shown_as_it_was_taken() -> None:
    inspection = classified()
    assert (seen(inspection) == scaled(inspection.frame.image, 2)).all()  # type: ignore[union-attr]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 900), (2000, 5), (64, 64), (4000, 3000)])
def test_pictures_of_every_shape_can_be_drawn(width: int, height: int) -> None:
    drawn = overlay(part(Verdict.FAIL, picture(width, height)), {})
    assert drawn.dtype == np.uint8
    assert 320 <= drawn.shape[1] <= 960
    assert drawn.shape[0] <= 960 + CAPTION_PX


def test_the_picture_itself_is_not_drawn_on() -> None:
    inspection = part(Verdict.FAIL)
    before = inspection.frame.image.copy()  # type: ignore[union-attr]
    overlay(inspection, {})
    assert (inspection.frame.image == before).all()  # type: ignore[union-attr]


def test_reducing_keeps_a_line_that_is_one_pixel_wide() -> None:
    image = np.zeros((900, 1200, 3), np.uint8)
    image[:, 601] = 255
    reduced = scaled(image, 0.3)
    assert reduced.shape == (270, 360, 3)
    assert reduced[100].max() > 40


@pytest.mark.parametrize("most", [100_000, 20_000, 8_000])
def test_a_thumbnail_is_never_larger_than_wanted(most: int) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (960, 1280, 3), np.uint8)
    content = thumbnail(part(Verdict.FAIL, noise), {}, most)
    assert len(content) <= most
    with PIL.Image.open(io.BytesIO(content)) as read:
        assert read.format == "JPEG"


def test_a_thumbnail_of_an_ordinary_picture_is_large_enough_to_see() -> None:
    content = thumbnail(part(Verdict.FAIL, picture(1280, 960)), {}, 100_000)
    with PIL.Image.open(io.BytesIO(content)) as read:
        assert read.width == 640


def test_an_overlay_is_saved_as_a_jpeg(tmp_path: Path) -> None:
    save_overlay(part(Verdict.FAIL), tmp_path / "map.jpg")
    with PIL.Image.open(tmp_path / "map.jpg") as read:
        assert read.size == (320, 240 + CAPTION_PX)


def an_exhibit(verdict: Verdict = Verdict.FAIL, truth: tuple[str, ...] | None = None) -> Exhibit:
    return Exhibit(picture(), picture(), verdict, "P-1", "score 1.20", truth)


@pytest.mark.parametrize(
    ("verdict", "truth", "mistake"),
    [
        (Verdict.PASS, ("scratch",), "escape"),
        (Verdict.FAIL, (), "overkill"),
        (Verdict.FAIL, ("scratch",), None),
        (Verdict.PASS, (), None),
        (Verdict.INCONCLUSIVE, ("scratch",), None),
        (Verdict.PASS, None, None),
    ],
)
def test_mistakes_are_named_where_the_truth_is_known(
    verdict: Verdict, truth: tuple[str, ...] | None, mistake: str | None
) -> None:
    assert an_exhibit(verdict, truth).mistake == mistake


def test_a_sheet_has_a_card_for_every_part() -> None:
    sizes = [contact_sheet([an_exhibit()] * count, columns=2).shape for count in (1, 2, 3, 4)]
    assert sizes[0][0] == sizes[1][0] < sizes[2][0] == sizes[3][0]
    assert sizes[0][1] < sizes[1][1] == sizes[2][1]


def test_a_sheet_without_parts_says_so() -> None:
    assert contact_sheet([]).ndim == 3


def test_a_small_defect_is_shown_enlarged() -> None:
    close = Exhibit(picture(640, 480), None, Verdict.FAIL, "P-1", "", None, Box(100, 100, 120, 120))
    far = Exhibit(picture(640, 480), None, Verdict.FAIL, "P-1", "", None, None)
    assert (contact_sheet([close]) != contact_sheet([far])).any()


@pytest.mark.parametrize(
    "spot", [Box(0, 0, 10, 10), Box(630, 470, 640, 480), Box(0, 0, 640, 480), Box(5, 5, 5, 5)]
)
def test_defects_at_the_edge_and_of_any_size_can_be_shown(spot: Box) -> None:
    item = Exhibit(picture(640, 480), None, Verdict.FAIL, "P-1", "", None, spot)
    assert contact_sheet([item]).ndim == 3


@pytest.mark.parametrize("size", [(30, 300), (300, 30), (2, 400)])
def test_a_close_up_has_room_on_a_slim_picture(size: tuple[int, int]) -> None:
    width, height = size
    middle = Box(width / 2, height / 2, width / 2 + 1, height / 2 + 1)
    item = Exhibit(picture(width, height), None, Verdict.FAIL, "P-1", "", None, middle)
    assert contact_sheet([item]).ndim == 3


def test_a_part_that_was_not_judged_is_shown_without_a_badge() -> None:
    item = Exhibit(picture(320, 240), None, None, "P-1", "size 0.05", None, None)
    judged = Exhibit(picture(320, 240), None, Verdict.PASS, "P-1", "size 0.05", None, None)
    assert contact_sheet([item], words="to look at").shape == contact_sheet([judged]).shape
    assert (contact_sheet([item], words="x") != contact_sheet([judged], words="x")).any()


def test_an_inspected_part_is_an_exhibit() -> None:
    shown = exhibit(part(Verdict.FAIL, truth=(Defect("scratch", Box(0, 0, 1, 1)),)))
    assert shown is not None
    assert (shown.name, shown.verdict, shown.truth) == ("P-1", Verdict.FAIL, ("scratch",))
    assert exhibit(miss()) is None


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """The evidence of six passes and six failures."""
    store = EvidenceStore(tmp_path / "evidence", Evidence(min_free_mb=0))
    for seq in range(1, 13):
        inspection = part(Verdict.PASS if seq % 2 else Verdict.FAIL, part_id=f"P-{seq}", truth=())
        store.keep(report(seq, inspection), inspection)
    return tmp_path / "evidence"


def test_a_sheet_of_kept_parts_shows_failures_and_passes(evidence: Path) -> None:
    names = [item.name for item in exhibits_in(evidence, 4)]
    assert names == ["P-10", "P-12", "P-9", "P-11"]


def test_what_is_undecided_stands_between_failures_and_passes(evidence: Path) -> None:
    for path in evidence.glob("e1/*-fail*"):
        if int(path.name[:12]) > 4:
            path.rename(path.with_name(path.name.replace("fail", "inconclusive")))
    assert [item.verdict for item in exhibits_in(evidence, 6)] == [
        *[Verdict.FAIL] * 2,
        Verdict.INCONCLUSIVE,
        *[Verdict.PASS] * 3,
    ]


def test_a_sheet_is_filled_up_where_one_kind_is_rare(evidence: Path) -> None:
    assert len(exhibits_in(evidence, 10)) == 10
    for path in evidence.glob("e1/*-pass*"):
        path.unlink()
    assert len(exhibits_in(evidence, 10)) == 6


def test_what_was_kept_is_shown_as_it_was_judged(evidence: Path) -> None:
    shown = exhibits_in(evidence, 1)[0]
    assert (shown.verdict, shown.score, shown.truth, shown.mistake) == (
        Verdict.FAIL,
        "score 1.60",
        (),
        "overkill",
    )
    assert shown.heat is not None
    assert shown.heat.shape == (240, 320, 3)
    assert shown.spot is not None


def test_there_is_a_sheet_even_where_nothing_was_kept(tmp_path: Path) -> None:
    assert sheet_from(tmp_path / "evidence", tmp_path / "sheet.png").ndim == 3


@pytest.mark.parametrize("name", ["sheet.png", "sheet.jpg"])
def test_a_sheet_is_written_to_a_file(evidence: Path, tmp_path: Path, name: str) -> None:
    drawn = sheet_from(evidence, tmp_path / name)
    with PIL.Image.open(tmp_path / name) as read:
        assert read.size == (drawn.shape[1], drawn.shape[0])


def test_drawing_a_sheet_leaves_what_is_just_being_written(evidence: Path, tmp_path: Path) -> None:
    unfinished = evidence / "e1" / "000000000099-fail.jpg.unfinished"
    unfinished.write_bytes(b"half")
    sheet_from(evidence, tmp_path / "sheet.png")
    assert unfinished.exists()
