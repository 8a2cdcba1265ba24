"""A bundle that measures, from its file of tools to the verdict, the report and the picture."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from math import inf, nan
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
from rendered_parts import Look, Shape, bar, both, cut, disc, half_plane, mapped, render

from edge.cli.main import app
from edge.config import Check as CheckConfig
from edge.config import Config, Quality, Rectangle, Rules
from edge.config.measurement import MeasurementRules, Tolerance
from edge.errors import BundleError, ConfigError
from edge.gauge.calibration import Calibration, Found, Length, Lens, PlaneTable, rows_of
from edge.geometry import Image
from edge.judge.measurement import judge_measurement, told
from edge.message import describe
from edge.model.bundle import load
from edge.model.checks import open_check, open_checks
from edge.pipeline import Check, judge_frame, prepare_frame
from edge.prediction import Measurement, Measurements
from edge.preprocess.quality import QualityGate
from edge.store.overlay import overlay
from edge.table import read_table, write_table
from edge.types import Frame, Inspection, Verdict

TOOLS = """
calibration = "scale.toml"
[[tools]]
type = "caliper"
name = "width"
start = [15, 42]
end = [145, 42]
[[tools]]
type = "circle"
name = "bore"
centre = [80, 80]
radius_px = 25
inside = "light"
"""
MM_PER_PX = 0.05
PART = cut(bar((80, 80), 100, 120), disc((80, 80), 25))
"""5 mm wide, with a bore of 2.5 mm."""
LIMITS = (Tolerance(name="width", lower=4.98, upper=5.02), Tolerance(name="bore", lower=2.45, upper=2.55))


def scale(size: tuple[int, int] = (160, 160)) -> str:
    return write_table(
        Calibration(
            schema="edge.calibration/1",
            created=datetime(2026, 1, 2, tzinfo=UTC),
            size=size,
            target=Length(type="length", length_mm=5, start=(0, 0), end=(100, 0)),
            plane=PlaneTable(
                homography=rows_of(np.diag([MM_PER_PX, MM_PER_PX, 1.0]).tolist()),
                mm_per_px=MM_PER_PX,
                rms_mm=0.001,
                scale_error=0.0005,
            ),
            found=[Found(number=0, x=0, y=0), Found(number=1, x=100, y=0)],
        )
    )


def a_picture(shape: Shape = PART, size: int = 160) -> Image:
    return render(shape, size, size, Look(noise=1, seed=4))


def edge(*words: str) -> tuple[int, str]:
    told = CliRunner().invoke(app, list(words))
    return (
        (78, str(told.exception))
        if isinstance(told.exception, ConfigError)
        else (told.exit_code, told.stdout)
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of tools, its calibration, a picture of a good part, and the bundle that was made of them."""
    folder = tmp_path_factory.mktemp("measurement")
    (folder / "tools.toml").write_text(TOOLS)
    (folder / "scale.toml").write_text(scale())
    PIL.Image.fromarray(a_picture()).save(folder / "part.png")
    code, said = edge(
        "measure", *map(str, (folder / "tools.toml", folder / "part.png")), "--out", str(folder / "bundle")
    )
    assert code == 0, said
    return folder


def inspected(
    files: Path, image: Image, tolerances: tuple[Tolerance, ...] = LIMITS, **check: object
) -> Inspection:
    rules = Rules(measurement=MeasurementRules(tolerances=list(tolerances)))
    config = CheckConfig(name="size", bundle=files / "bundle", rules=rules, **check)  # type: ignore[arg-type]
    opened = open_check(config, files / "proven.json")  # tried out once, not for each test
    return inspect(opened, image)


def inspect(check: Check, image: Image) -> Inspection:
    gate = QualityGate(check.model.quality, Quality(frozen_after=0))
    frame = Frame(image, 1, 0, datetime.now(UTC), "camera")
    return judge_frame(prepare_frame(frame, gate, [check]))


def measured(part: Inspection) -> Mapping[str, Measurement]:
    found = part.findings[0].prediction
    assert isinstance(found, Measurements)
    return {one.name: one for one in found.found}


def test_a_good_part_passes_and_its_values_are_reported(files: Path) -> None:
    part = inspected(files, a_picture())
    assert (part.decision.verdict, part.decision.reasons) == (Verdict.PASS, ())
    reported = describe(part, "housing")["checks"][0]["measurements"]
    assert [(one["name"], one["unit"], one["reason"]) for one in reported] == [
        ("width", "mm", None),
        ("bore", "mm", None),
    ]
    assert reported[0]["value"] == pytest.approx(5.0, abs=0.005)
    assert reported[1]["value"] == pytest.approx(2.5, abs=0.005)
    assert 0 < reported[0]["uncertainty"] < 0.02


def test_a_part_that_is_too_wide_fails(files: Path) -> None:
    part = inspected(files, a_picture(bar((80, 80), 104, 120)), LIMITS[:1])
    assert part.decision.verdict is Verdict.FAIL
    assert part.decision.reasons[0].startswith("width: 5.1")
    assert part.decision.reasons[0].endswith("mm is over 5.02")


def test_a_part_near_a_limit_is_in_doubt(files: Path) -> None:
    part = inspected(files, a_picture(), (Tolerance(name="width", upper=5.001),))
    assert part.decision.verdict is Verdict.INCONCLUSIVE
    assert "may lie on either side of 5.001" in part.decision.reasons[0]


def test_a_part_without_its_bore_is_in_doubt_and_says_why(files: Path) -> None:
    part = inspected(files, a_picture(bar((80, 80), 100, 120)))
    assert part.decision.verdict is Verdict.INCONCLUSIVE
    assert part.decision.reasons[0].startswith("bore: no edge")


@pytest.mark.parametrize("level", [0, 255])
def test_an_empty_picture_never_passes(files: Path, level: int) -> None:
    part = inspected(files, np.full((160, 160, 3), level, np.uint8))
    assert part.decision.verdict is not Verdict.PASS


def test_the_first_reason_is_the_worst(files: Path) -> None:
    part = inspected(files, a_picture(bar((80, 80), 104, 120)), (LIMITS[1], LIMITS[0]))
    assert part.decision.verdict is Verdict.FAIL
    assert [reason.split(":")[0] for reason in part.decision.reasons] == ["width", "bore"]


def test_a_picture_of_another_size_is_not_measured(files: Path) -> None:
    part = inspected(files, a_picture(size=200))
    assert part.decision.verdict is Verdict.INCONCLUSIVE
    assert "the picture is 200×200, and the calibration holds for 160×160" in part.decision.reasons[0]


def test_tools_stay_where_they_are_when_the_region_is_smaller(files: Path) -> None:
    whole = measured(inspected(files, a_picture()))
    part = inspected(files, a_picture(), roi=Rectangle(x_min=10, y_min=5, x_max=150, y_max=150))
    assert measured(part)["bore"].value == pytest.approx(whole["bore"].value)


def test_a_tool_outside_of_the_region_is_in_doubt(files: Path) -> None:
    part = inspected(files, a_picture(), roi=Rectangle(x_min=40, y_min=0, x_max=160, y_max=160))
    assert part.decision.verdict is Verdict.INCONCLUSIVE
    assert "width: lies outside" in part.decision.reasons[0]


def test_a_polygon_is_refused_since_no_tool_heeds_it(files: Path) -> None:
    with pytest.raises(ConfigError, match="looks at its roi, a rectangle"):
        inspected(files, a_picture(), polygon=[(0, 0), (99, 0), (0, 99)])


def test_what_was_measured_is_drawn(files: Path) -> None:
    part = inspected(files, a_picture())
    picture = overlay(part, {})[:320]
    coloured = np.ptp(picture.astype(int), axis=2) > 60
    assert coloured[76:92].sum() > 100  # the caliper's line, at twice the size
    assert coloured[100:220, 100:220].sum() > 100  # the bore's edge


def test_the_golden_picture_guards_the_bundle(files: Path, tmp_path: Path) -> None:
    bundle = load(files / "bundle")
    assert {golden.label for golden in bundle.manifest.golden} == {"width", "bore"}
    manifest = (files / "bundle" / "model.toml").read_text().replace("radius_px = 25.0", "radius_px = 26.0")
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in (files / "bundle").iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    (changed / "model.toml").write_text(manifest.replace("score = 2.", "score = 3."))
    with pytest.raises(BundleError, match=r"golden picture golden\.png has the score 2\.5"):
        open_check(CheckConfig(name="size", bundle=changed), None)


@pytest.mark.parametrize(
    ("tools", "why"),
    [
        ("", "tools"),
        (
            TOOLS + '[[tools]]\ntype = "caliper"\nname = "bore"\nstart = [0, 0]\nend = [9, 9]\n',
            "two tools have the name",
        ),
        (TOOLS.replace("[145, 42]", "[15, 43]"), "at least 8 pixels apart"),
        (TOOLS.replace('"light"', '"bright"'), "inside"),
        (TOOLS.replace("radius_px = 25", "radius_px = nan"), "radius_px"),
        (TOOLS.replace("radius_px", "radius"), "unknown key"),
        (TOOLS.replace('"circle"', '"sphere"'), "'sphere' is unknown; use one of"),
        (
            TOOLS + '[[tools]]\ntype = "angle"\nname = "a"\nof = ["width", "bore"]\n',
            "must be an earlier tool of type",
        ),
        (TOOLS + '[[tools]]\ntype = "distance"\nname = "a"\nof = ["bore", "bore"]\n', "names 'bore' twice"),
        ('[[tools]]\ntype = "edge"\nname = "a"\nstart = [0, 0]\nend = [9, 9]\n', "no value of its own"),
        (TOOLS.replace("scale.toml", "gone.toml"), "gone.toml: cannot be read"),
        (TOOLS.replace("scale.toml", "tools.toml"), "schema: is missing"),
    ],
)
def test_tools_that_cannot_work_are_refused(tools: str, why: str, files: Path, tmp_path: Path) -> None:
    (tmp_path / "tools.toml").write_text(tools)
    (tmp_path / "scale.toml").write_text(scale())
    code, said = edge("measure", str(tmp_path / "tools.toml"), str(files / "part.png"))
    assert code == 78
    assert why in said


@pytest.mark.parametrize(
    ("tolerances", "why"),
    [
        ([], "is empty, so nothing could pass"),
        ([Tolerance(name="wdth", lower=1)], "did you mean 'width'"),
        ([Tolerance(name="width")], "has neither lower nor upper"),
        ([Tolerance(name="width", lower=2, upper=1)], "lower, 2, must be under upper"),
    ],
)
def test_limits_that_cannot_work_are_refused(files: Path, tolerances: list[Tolerance], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        inspected(files, a_picture(), tuple(tolerances))


@pytest.mark.parametrize(
    ("value", "doubt", "verdict"),
    [
        (10.0, 0.1, Verdict.PASS),
        (10.9, 0.1, Verdict.PASS),
        (10.95, 0.1, Verdict.INCONCLUSIVE),
        (11.05, 0.1, Verdict.INCONCLUSIVE),
        (11.1, 0.05, Verdict.FAIL),
        (8.9, 0.05, Verdict.FAIL),
        (8.95, 0.1, Verdict.INCONCLUSIVE),
        (10.0, 2.0, Verdict.INCONCLUSIVE),
        (nan, 0.1, Verdict.ERROR),
        (10.0, nan, Verdict.ERROR),
        (inf, 0.1, Verdict.ERROR),
        (10.0, inf, Verdict.ERROR),
        (10.0, -0.1, Verdict.ERROR),
        (None, 0.1, Verdict.INCONCLUSIVE),
    ],
)
def test_only_what_is_surely_within_the_limits_passes(
    value: float | None, doubt: float, verdict: Verdict
) -> None:
    found = Measurements((Measurement("width", value, "mm", doubt, reason="no edge"),))
    rules = MeasurementRules(tolerances=[Tolerance(name="width", lower=9, upper=11)])
    assert judge_measurement(found, rules).verdict is verdict


def test_a_value_that_is_missing_is_an_error() -> None:
    rules = MeasurementRules(tolerances=[Tolerance(name="width", lower=9)])
    found = Measurements((Measurement("bore", 1.0, "mm", 0.1),))
    assert judge_measurement(found, rules).verdict is Verdict.ERROR


def test_without_limits_nothing_passes() -> None:
    found = Measurements((Measurement("bore", 1.0, "mm", 0.1),))
    assert judge_measurement(found, MeasurementRules()).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("value", "doubt", "words"),
    [
        (12.34567, 0.0123, "12.346 ± 0.012 mm"),
        (12.34567, 0.5, "12.35 ± 0.50 mm"),
        (312.6, 14.0, "312.6 ± 14.0 mm"),
    ],
)
def test_a_value_is_told_with_two_digits_of_its_doubt(value: float, doubt: float, words: str) -> None:
    assert told(Measurement("x", value, "mm", doubt)) == words


def test_pictures_are_measured_from_the_command_line(files: Path, tmp_path: Path) -> None:
    code, said = edge(
        "measure", str(files / "bundle"), str(files / "part.png"), "--json", "--draw", str(tmp_path)
    )
    assert code == 0, said
    facts = json.loads(said)
    assert facts["measurements"][1]["value"] == pytest.approx(2.5, abs=0.005)
    assert (tmp_path / "part.jpg").exists()


def test_a_bad_part_is_no_golden_picture(files: Path, tmp_path: Path) -> None:
    PIL.Image.new("RGB", (160, 160)).save(tmp_path / "black.png")
    words = (str(files / "tools.toml"), str(tmp_path / "black.png"), "--out", str(tmp_path / "bundle"))
    code, _ = edge("measure", *words)
    assert code == 78
    assert not (tmp_path / "bundle").exists()


# --- tools that move with the part


def lying(dx: float, dy: float, turn_deg: float) -> Shape:
    """A part with an ear, which has moved and turned."""
    turn = np.deg2rad(turn_deg)
    back = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    shape = cut(both(bar((80, 82), 60, 80), bar((60, 38), 14, 14)), disc((80, 82), 20))

    def places(points: np.ndarray) -> np.ndarray:
        return (points - np.array([80 + dx, 80 + dy])) @ back.T + 80

    return mapped(shape, places, 1)


ANCHORED = """
picture = "part.png"
[anchor]
corner = [44, 24]
opposite = [104, 66]
search_px = 24
turn_deg = 6
[[tools]]
type = "caliper"
name = "width"
start = [40, 110]
end = [120, 110]
across_px = 26
[[tools]]
type = "circle"
name = "bore"
centre = [80, 82]
radius_px = 20
search_px = 8
inside = "light"
[[tools]]
type = "area"
name = "area"
corner = [30, 10]
opposite = [130, 145]
"""


@pytest.fixture(scope="module")
def anchored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("anchored")
    (folder / "tools.toml").write_text(ANCHORED)
    PIL.Image.fromarray(render(lying(0, 0, 0), 160, 160, Look(noise=1))).save(folder / "part.png")
    words = [str(folder / "tools.toml"), str(folder / "part.png"), "--out", str(folder / "bundle")]
    code, said = edge("measure", *words)
    assert code == 0, said
    return folder


@pytest.mark.parametrize("pose", [(0, 0, 0), (15, -8, 0), (-12.4, 9.7, 0), (6, 5, 5), (-9, -7, -5)])
def test_tools_move_with_the_part(anchored: Path, pose: tuple[float, float, float]) -> None:
    limits = (Tolerance(name="width", lower=59.8, upper=60.2), Tolerance(name="bore", lower=39.8, upper=40.2))
    part = inspected(anchored, render(lying(*pose), 160, 160, Look(noise=1, seed=3)), limits)
    assert part.decision.reasons == ()
    assert measured(part)["width"].value == pytest.approx(60, abs=0.1)
    assert measured(part)["bore"].value == pytest.approx(40, abs=0.1)
    assert measured(part)["area"].value == pytest.approx(60 * 80 + 14 * 11 - np.pi * 400, rel=0.005)


@pytest.mark.parametrize(
    "picture", [np.zeros((160, 160, 3), np.uint8), np.full((160, 160, 3), 255, np.uint8)]
)
def test_an_even_picture_does_not_hold_the_part(anchored: Path, picture: Image) -> None:
    part = inspected(anchored, picture, (Tolerance(name="width", lower=1),))
    assert part.decision.verdict is Verdict.INCONCLUSIVE


def test_a_region_that_is_too_small_does_not_hold_the_part(anchored: Path) -> None:
    sliver = Rectangle(x_min=0, y_min=0, x_max=160, y_max=1)
    part = inspected(anchored, a_picture(), (Tolerance(name="width", lower=1),), roi=sliver)
    assert part.decision.verdict is Verdict.INCONCLUSIVE
    assert "too few pixels" in part.decision.reasons[0]


def test_a_part_that_is_not_found_is_in_doubt(anchored: Path) -> None:
    empty = render(half_plane((80, 500), 90), 160, 160, Look(noise=1))
    part = inspected(anchored, empty, (Tolerance(name="width", lower=1),))
    assert part.decision.verdict is Verdict.INCONCLUSIVE
    assert "width: the part was not found" in part.decision.reasons[0]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('picture = "part.png"', "", "picture and anchor belong together"),
        ("corner = [44, 24]", "corner = [2, 2]\n", "there is nothing to be seen in it"),
        ("opposite = [104, 66]", "opposite = [204, 66]", "lie outside of its picture"),
        ("opposite = [104, 66]", "opposite = [48, 66]", "8 pixels above and to the left"),
        ('picture = "part.png"', 'picture = "tools.toml"', "is not a JPEG"),
    ],
)
def test_an_anchor_that_cannot_be_found_is_refused(
    old: str, new: str, why: str, anchored: Path, tmp_path: Path
) -> None:
    tools = ANCHORED.replace(old, new, 1)
    if "nothing" in why:
        tools = tools.replace("opposite = [104, 66]", "opposite = [20, 20]", 1)
    (tmp_path / "tools.toml").write_text(tools)
    (tmp_path / "part.png").write_bytes((anchored / "part.png").read_bytes())
    code, said = edge("measure", str(tmp_path / "tools.toml"), str(anchored / "part.png"))
    assert code == 78
    assert why in said


def test_a_lens_that_the_frame_is_rid_of_is_not_corrected_again(files: Path, tmp_path: Path) -> None:
    lens = Lens(
        matrix=rows_of([[200, 0, 80], [0, 200, 80], [0, 0, 1]]),
        distortion=[-0.1, 0, 0, 0, 0],
        size=(160, 160),
        rms_px=0.1,
    )
    for name, known in (("bent", lens), ("straight", None)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "tools.toml").write_text(TOOLS)
        bent = read_table(Calibration, scale(), Path("scale.toml")).model_copy(update={"lens": known})
        (folder / "scale.toml").write_text(write_table(bent))
        code, said = edge(
            "measure", str(folder / "tools.toml"), str(files / "part.png"), "--out", str(folder / "bundle")
        )
        assert code == 0, said
    station = {
        "source": {"type": "folder", "path": tmp_path},
        "correction": {"lens": tmp_path / "bent" / "scale.toml"},
    }
    check = {"name": "size", "rules": Rules(measurement=MeasurementRules(tolerances=list(LIMITS)))}
    twice, once = (
        Config.model_validate(
            station | {"recipe": {"checks": [check | {"bundle": tmp_path / name / "bundle"}]}}
        )
        for name in ("bent", "straight")
    )
    with pytest.raises(ConfigError, match=r"correction\.lens: check size corrects the lens itself"):
        open_checks(twice, None)
    assert len(open_checks(once, None)) == 1


def test_a_tool_without_a_network_takes_no_steps_of_enhancement(files: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"check size: enhance: is for networks, but .* has none; take it out"
    ):
        inspected(files, a_picture(), enhance=({"type": "clahe"},))
