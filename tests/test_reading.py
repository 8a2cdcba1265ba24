"""Codes and print: what is read, what is in doubt, and the part's id that comes of it."""

import builtins
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

pytest.importorskip("zxingcpp")
sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
from rendered_labels import Look, dotted, label

from edge.cli.main import app
from edge.codes.printed import PrintPlace, density_of, look_for_print
from edge.codes.reader import read_codes
from edge.config import Check as CheckConfig
from edge.config import Quality, Rectangle, Rules
from edge.config.reading import ReadingRules
from edge.errors import BundleError, ConfigError
from edge.geometry import Box, Image
from edge.judge.identity import identify
from edge.judge.reading import judge_reading
from edge.message import describe
from edge.model.bundle import load
from edge.model.checks import open_check
from edge.pipeline import Check, judge_frame, prepare_frame
from edge.prediction import Print, Reading, Readings
from edge.preprocess.quality import QualityGate
from edge.types import Decision, Frame, Inspection, Verdict

SIZE = 240
WHOLE = Box(0, 0, SIZE, SIZE)
LOT = "LOT-2026/0815"
ALL = ("QRCode", "DataMatrix", "Code128", "EAN13")
BOX = Box(10, 10, 50, 50)


def a_label(text: str = LOT, symbology: str = "DataMatrix", **look: float) -> Image:
    return label(text, symbology, replace(Look(module_px=3), **look), SIZE)


def beside(*pictures: Image) -> Image:
    return np.hstack(pictures)


def texts(image: Image) -> list[str]:
    return [reading.text for reading in read_codes(image, WHOLE, ALL)]


@pytest.mark.parametrize(
    ("symbology", "text", "module_px"),
    [
        ("QRCode", "https://example.com/1", 4),
        ("DataMatrix", LOT, 4),
        ("Code128", "SN0815", 2),
        ("EAN13", "4006381333931", 2),
    ],
)
@pytest.mark.parametrize(
    "look", [{}, {"angle_deg": 180.0}, {"angle_deg": 40.0}, {"noise": 20.0}, {"ink": 130.0, "paper": 150.0}]
)
def test_a_code_says_what_was_written(
    symbology: str, text: str, module_px: float, look: dict[str, float]
) -> None:
    assert texts(a_label(text, symbology, **{"module_px": module_px} | look)) == [text]


def test_a_codes_box_is_where_it_lies_in_the_frame() -> None:
    (reading,) = read_codes(a_label(angle_deg=10), Box(1000, 500, 1000 + SIZE, 500 + SIZE), ALL)
    middle = (reading.box.x_min + reading.box.x_max) / 2, (reading.box.y_min + reading.box.y_max) / 2
    assert middle == pytest.approx((1000 + SIZE / 2, 500 + SIZE / 2), abs=4)
    assert 50 < reading.box.width < 90


def test_a_box_that_was_found_in_another_look_is_in_frame_pixels_too() -> None:
    clear = read_codes(a_label("SN0815", "Code128", module_px=2), WHOLE, ALL)[0].box
    turned = read_codes(a_label("SN0815", "Code128", module_px=2, angle_deg=45), WHOLE, ALL)[0].box
    middles = [((box.x_min + box.x_max) / 2, (box.y_min + box.y_max) / 2) for box in (clear, turned)]
    # A barcode's place is that of one of its lines, anywhere in its height.
    assert np.hypot(*np.subtract(*middles)) < 40


@pytest.mark.parametrize("level", [0, 128, 255])
def test_nothing_is_read_where_nothing_is(level: int) -> None:
    assert texts(np.full((SIZE, SIZE, 3), level, np.uint8)) == []


def test_nothing_is_read_in_noise() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3)).astype(np.uint8)
    assert not any(texts(noise))


def test_a_tiny_picture_is_no_fault() -> None:
    assert texts(np.zeros((1, 1, 3), np.uint8)) == []


def test_a_code_that_is_damaged_is_there_but_not_read() -> None:
    picture = a_label("https://example.com/p/0815/and/more/of/it", "QRCode", module_px=4)
    picture[110:180, 110:180] = 200
    found = read_codes(picture, WHOLE, ALL)
    assert [(reading.text, reading.symbology) for reading in found] == [("", "QRCode")]


def test_a_kind_that_was_not_asked_for_is_not_read() -> None:
    assert read_codes(a_label(), WHOLE, ("QRCode",)) == ()


# --- from readings to a verdict

ONE = Readings((Reading(LOT, "DataMatrix", BOX),))
TWO = Readings((Reading("A1", "DataMatrix", BOX), Reading("A2", "DataMatrix", BOX)))
UNREAD = Readings((Reading("", "DataMatrix", BOX),))


@pytest.mark.parametrize(
    ("readings", "rules", "verdict", "why"),
    [
        (ONE, ReadingRules(), Verdict.PASS, None),
        (ONE, ReadingRules(pattern=r"LOT-\d{4}/\d{4}"), Verdict.PASS, None),
        (ONE, ReadingRules(pattern=r"LOT-\d{4}"), Verdict.FAIL, "does not match the pattern"),
        (TWO, ReadingRules(), Verdict.INCONCLUSIVE, "reads in two ways: 'A1' and 'A2'"),
        (TWO, ReadingRules(codes=2), Verdict.PASS, None),
        (TWO, ReadingRules(codes=2, pattern="A1"), Verdict.FAIL, "'A2' does not match"),
        (TWO, ReadingRules(codes=3), Verdict.INCONCLUSIVE, "2 of 3 codes were read"),
        (Readings((*ONE.found, *ONE.found)), ReadingRules(), Verdict.PASS, None),
        (Readings(()), ReadingRules(), Verdict.INCONCLUSIVE, "nothing could be read"),
        (Readings(()), ReadingRules(unreadable="fail"), Verdict.FAIL, "nothing could be read"),
        (UNREAD, ReadingRules(), Verdict.INCONCLUSIVE, "there is a DataMatrix that cannot be read"),
        (UNREAD, ReadingRules(unreadable="fail"), Verdict.FAIL, "there is a DataMatrix that cannot be read"),
        (ONE, ReadingRules(codes=0), Verdict.INCONCLUSIVE, "0 codes are expected"),
        (
            ONE,
            ReadingRules(pattern=r"LOT-(?P<part_id>x?).*", part_id=True),
            Verdict.INCONCLUSIVE,
            "no part id",
        ),
    ],
)
def test_what_was_read_becomes_a_verdict(
    readings: Readings, rules: ReadingRules, verdict: Verdict, why: str | None
) -> None:
    decision = judge_reading(readings, rules)
    assert decision.verdict is verdict
    assert why is None or why in decision.reasons[0]
    assert decision.part_id is None


@pytest.mark.parametrize(
    ("text", "pattern", "part_id"),
    [
        (LOT, ".+", LOT),
        (LOT, r"LOT-(?P<part_id>.*)", "2026/0815"),
        ("  A\x1d1\u200b ", "(?s).+", "A1"),
        ("x" * 3000, ".+", "x" * 128),
    ],
)
def test_the_part_id_is_what_people_can_see(text: str, pattern: str, part_id: str) -> None:
    found = Readings((Reading(text, "QRCode", BOX),))
    assert judge_reading(found, ReadingRules(pattern=pattern, part_id=True)).part_id == part_id


@pytest.mark.parametrize(
    ("present", "verdict"), [(True, Verdict.PASS), (False, Verdict.FAIL), (None, Verdict.INCONCLUSIVE)]
)
def test_print_becomes_a_verdict(present: bool | None, verdict: Verdict) -> None:  # noqa: FBT001
    found = Readings((), (Print("date", present, 0.1, BOX, "blank" if not present else None),))
    assert judge_reading(found, ReadingRules(codes=0)).verdict is verdict


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (ReadingRules(pattern="("), "is no regular expression"),
        (ReadingRules(part_id=True, codes=2), "a part has one id, but codes is 2"),
    ],
)
def test_rules_that_cannot_work_are_refused(rules: ReadingRules, why: str, reader: Path) -> None:
    with pytest.raises(ConfigError, match=why):
        open_check(CheckConfig(name="code", bundle=reader, rules=Rules(reading=rules)), None)


# --- from a file to the report


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that reads, made from the command line with a golden picture."""
    folder = tmp_path_factory.mktemp("reading")
    (folder / "codes.toml").write_text('symbologies = ["DataMatrix", "QRCode"]\n')
    PIL.Image.fromarray(a_label()).save(folder / "label.png")
    words = ["read", str(folder / "codes.toml"), str(folder / "label.png"), "--out", str(folder / "bundle")]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.exception
    assert f"DataMatrix {LOT}" in told.stdout
    return folder / "bundle"


def inspect(check: Check, image: Image, part_id: str | None = "T17") -> Inspection:
    frame = Frame(image, 1, 0, datetime.now(UTC), "camera", part_id=part_id)
    return judge_frame(
        prepare_frame(frame, QualityGate(check.model.quality, Quality(frozen_after=0)), [check])
    )


def a_check(reader: Path, **rules: object) -> Check:
    reading = ReadingRules.model_validate(rules)
    config = CheckConfig(name="code", bundle=reader, rules=Rules(reading=reading))
    return open_check(config, reader.with_name("proven.json"))  # tried out once, not for each test


def test_a_code_is_reported(reader: Path) -> None:
    told = describe(inspect(a_check(reader), a_label()), "housing")
    assert (told["verdict"], told["part_id"], told["label"]) == ("pass", "T17", LOT)
    (code,) = told["checks"][0]["codes"]
    assert (code["text"], code["symbology"]) == (LOT, "DataMatrix")


def test_a_code_can_name_the_part(reader: Path) -> None:
    part = inspect(a_check(reader, part_id=True, pattern=r"LOT-(?P<part_id>.+)"), a_label())
    assert describe(part, "housing")["part_id"] == "2026/0815"


def test_a_part_whose_code_is_wrong_keeps_the_id_that_it_had(reader: Path) -> None:
    part = inspect(a_check(reader, part_id=True, pattern="SN.+"), a_label())
    assert part.decision.verdict is Verdict.FAIL
    assert part.frame.part_id == "T17"


def test_two_codes_in_one_place_are_in_doubt(reader: Path) -> None:
    part = inspect(a_check(reader, part_id=True), beside(a_label("A1"), a_label("A2")))
    assert part.decision.verdict is Verdict.INCONCLUSIVE
    assert part.frame.part_id == "T17"


def test_checks_that_read_different_ids_are_in_doubt() -> None:
    decisions = [Decision(Verdict.PASS, part_id=text) for text in ("A1", "A2")]
    known, doubts = identify(decisions, "T17")
    assert known == "T17"
    assert doubts[0].verdict is Verdict.INCONCLUSIVE
    assert "A1, A2" in doubts[0].reasons[0]


def test_the_region_decides_which_code_counts(reader: Path) -> None:
    check = a_check(reader, part_id=True)
    right = Rectangle(x_min=SIZE, y_min=0, x_max=2 * SIZE, y_max=SIZE)
    looked = Check(check.config.model_copy(update={"roi": right}), check.model)
    assert inspect(looked, beside(a_label("A1"), a_label("A2"))).frame.part_id == "A2"


def test_the_golden_picture_guards_the_reader(reader: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in reader.iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    manifest = (reader / "model.toml").read_text().replace('"DataMatrix", ', "")
    (changed / "model.toml").write_text(manifest)
    assert load(changed).manifest.reading is not None
    with pytest.raises(BundleError, match=r"has the score 0\.000"):
        open_check(CheckConfig(name="code", bundle=changed), None)


def test_without_the_library_the_bundle_is_refused_and_says_what_to_install(
    reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge.codes import reader as codes
    from edge.model.instrument import open_instrument

    there = builtins.__import__

    def gone(name: str, *rest: object, **more: object) -> object:
        if name == "zxingcpp":
            raise ImportError("No module named 'zxingcpp'")
        return there(name, *rest, **more)  # type: ignore[arg-type]

    codes._library.cache_clear()
    monkeypatch.setattr(builtins, "__import__", gone)
    with pytest.raises(BundleError, match=r"install it: pip install edge-inspect\[codes\]"):
        open_instrument(load(reader))


# --- print

DATE = PrintPlace(name="date", corner=(30, 80), opposite=(210, 160))
DOTS = Look(module_px=1.8, blur_px=0.7, noise=3)


def a_date(text: str = "12.11.2026", **look: float) -> Image:
    return dotted(text, replace(DOTS, **look), SIZE)


def taught() -> PrintPlace:
    (left, top), (right, bottom) = DATE.corner, DATE.opposite
    return DATE.model_copy(update={"density": density_of(a_date()[top:bottom, left:right], DATE)})


def shaded(image: Image) -> Image:
    """The light falls off to one side."""
    ramp = np.linspace(1, 0.5, image.shape[1])[None, :, None]
    return np.asarray(np.rint(image * ramp), np.uint8)


@pytest.mark.parametrize(
    ("picture", "present"),
    [
        (a_date("03.04.2027"), True),
        (a_date(noise=10), True),
        (a_date(blur_px=1.2), True),
        (a_date(angle_deg=3), True),
        (shaded(a_date()), True),
        (a_date(""), False),
        (a_date("", noise=12), False),
        (shaded(a_date("")), False),
        (a_date("1"), False),
        (a_date("12.1"), None),
    ],
)
def test_print_is_told_from_a_blank_place(picture: Image, present: bool | None) -> None:  # noqa: FBT001
    assert look_for_print(picture, WHOLE, taught()).present is present


def test_a_smear_is_not_print() -> None:
    smeared = a_date("")
    smeared[90:150, 40:200] = 60
    assert look_for_print(smeared, WHOLE, taught()).present is not True


def test_a_place_that_was_not_taught_is_in_doubt_and_says_what_to_write() -> None:
    seen = look_for_print(a_date(), WHOLE, DATE)
    assert seen.present is None
    assert "give it density = 0." in str(seen.reason)


def test_a_place_outside_of_the_picture_is_in_doubt() -> None:
    seen = look_for_print(a_date(), Box(100, 0, 100 + SIZE, SIZE), taught())
    assert (seen.present, seen.density) == (None, None)
    assert "lies outside" in str(seen.reason)


def test_light_print_on_a_dark_ground_is_print() -> None:
    assert look_for_print(255 - a_date(), WHOLE, taught().model_copy(update={"ink": "light"})).present is True


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("symbologies = []\n", "reads nothing"),
        ('symbologies = ["Barcode"]\n', "symbologies"),
        ('[[prints]]\nname = "a"\ncorner = [0, 0]\n', "opposite: is missing"),
        ('[[prints]]\nname = "a"\ncorner = [9, 0]\nopposite = [9, 9]\n', "must lie above and to the left"),
        (2 * '[[prints]]\nname = "a"\ncorner = [0, 0]\nopposite = [9, 9]\n', "two prints have one name"),
    ],
)
def test_a_reader_that_cannot_work_is_refused(table: str, why: str, reader: Path, tmp_path: Path) -> None:
    (tmp_path / "codes.toml").write_text(table)
    told = CliRunner().invoke(app, ["read", str(tmp_path / "codes.toml"), str(reader.parent / "label.png")])
    assert isinstance(told.exception, ConfigError)
    assert why in str(told.exception)


def test_print_and_code_are_read_together(tmp_path: Path) -> None:
    place = taught()
    table = (
        f'[[prints]]\nname = "date"\ncorner = [270, 80]\nopposite = [450, 160]\ndensity = {place.density}\n'
    )
    (tmp_path / "codes.toml").write_text('symbologies = ["DataMatrix"]\n' + table)
    PIL.Image.fromarray(beside(a_label(), a_date())).save(tmp_path / "label.png")
    words = [
        "read",
        str(tmp_path / "codes.toml"),
        str(tmp_path / "label.png"),
        "--out",
        str(tmp_path / "bundle"),
    ]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.exception
    assert "date printed" in told.stdout
    check = a_check(tmp_path / "bundle")
    assert inspect(check, beside(a_label(), a_date())).decision.verdict is Verdict.PASS
    blank = inspect(check, beside(a_label(), a_date("")))
    assert blank.decision.verdict is Verdict.FAIL
    assert blank.decision.reasons[0].startswith("date: blank")
    assert describe(blank, "housing")["checks"][0]["prints"][0]["present"] is False
