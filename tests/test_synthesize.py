"""`edge synthesize`: made-up defects to train with and to test with."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from parts import frame, judged
from stations import bundle, render
from test_classes import folders as class_folders
from test_classes import taught_on
from typer.testing import CliRunner
from washers import album

from edge.cli.main import app
from edge.errors import EdgeError
from edge.preprocess.picture import read
from edge.teach.defects import KINDS, damage
from edge.teach.recall import Recall, lines
from edge.teach.synthesis import Order, made_up
from edge.types import Decision, Inspection, Verdict


def run(*arguments: str | Path) -> tuple[int, str]:
    ran = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(ran.exception, EdgeError):
        return ran.exception.exit_code, str(ran.exception)
    return ran.exit_code, ran.stdout


@pytest.fixture
def good(tmp_path: Path) -> Path:
    album(tmp_path / "good", range(4))
    return tmp_path / "good"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered good parts, other than those that the bundle was taught on."""
    folder = tmp_path_factory.mktemp("parts") / "good"
    render(folder, count=8, defect_rate=0.0, seed=500)
    return folder


def test_pictures_masks_and_boxes_lie_side_by_side(good: Path, tmp_path: Path) -> None:
    code, _ = run("synthesize", good, "--out", tmp_path / "made", "--count", "16")
    assert code == 0
    record = json.loads((tmp_path / "made" / "synthetic.json").read_text())
    assert [row["kind"] for row in record["pictures"]] == [*KINDS, *KINDS]
    assert (tmp_path / "made" / "classes.txt").read_text().split() == list(KINDS)
    for row in record["pictures"]:
        place = tmp_path / "made" / row["name"]
        mask = read(place.with_name(f"{place.name}_mask.png")).max(axis=2) > 127
        rows, columns = np.nonzero(mask)
        assert row["box"] == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        number, x, y, wide, tall = map(float, place.with_suffix(".txt").read_text().split())
        assert KINDS[int(number)] == row["kind"]
        edges = [(x - wide / 2) * 96, (y - tall / 2) * 96, (x + wide / 2) * 96, (y + tall / 2) * 96]
        assert edges == pytest.approx(row["box"], abs=1e-3)
        change = np.abs(read(place.with_suffix(".png")).astype(int) - read(good / row["parent"])).max(axis=2)
        assert change[mask].mean() == pytest.approx(row["contrast"], abs=0.1)
    with PIL.Image.open(tmp_path / "made" / "sheet.jpg") as sheet:
        assert sheet.width > 1000


def test_the_same_seed_writes_the_same_files_and_another_seed_others(good: Path, tmp_path: Path) -> None:
    for name, seed in (("one", "3"), ("again", "3"), ("other", "4")):
        assert run("synthesize", good, "--out", tmp_path / name, "--count", "8", "--seed", seed)[0] == 0
    one, again, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).glob("*/*")}
        for name in ("one", "again", "other")
    )
    assert one == again
    assert one.keys() == other.keys()
    assert one != other


def test_the_seventh_picture_is_the_same_however_many_are_asked_for(good: Path) -> None:
    paths = sorted(good.iterdir())
    few, many = (list(made_up(paths, Order(count)))[6] for count in (7, 12))
    assert (few.damaged.picture == many.damaged.picture).all()


def test_all_defects_can_have_one_name(good: Path, tmp_path: Path) -> None:
    run("synthesize", good, "--out", tmp_path / "made", "--count", "3", "--label", "defect")
    assert (tmp_path / "made" / "classes.txt").read_text() == "defect\n"
    assert {path.read_text()[0] for path in (tmp_path / "made" / "defect").glob("*.txt")} == {"0"}


def test_real_defects_are_grafted_from_pictures_with_masks(good: Path, tmp_path: Path) -> None:
    (bad,) = album(tmp_path / "bad", [50], scratched=True)
    mask = np.zeros((96, 96), np.uint8)
    mask[48:56, 66:82] = 255
    PIL.Image.fromarray(mask).save(bad.with_name(f"{bad.stem}_mask.png"))
    code, told = run(
        "synthesize", good, "--out", tmp_path / "made", "--count", "4", "--kinds", "graft,hole",
        "--donors", tmp_path / "bad",
    )  # fmt: skip
    assert code == 0, told
    record = json.loads((tmp_path / "made" / "synthetic.json").read_text())
    assert [row["kind"] for row in record["pictures"]] == ["graft", "hole"] * 2


def test_masks_beside_good_parts_are_no_parts(good: Path, tmp_path: Path) -> None:
    PIL.Image.new("L", (96, 96)).save(good / "000_mask.png")
    run("synthesize", good, "--out", tmp_path / "made", "--count", "12")
    record = json.loads((tmp_path / "made" / "synthetic.json").read_text())
    assert {row["parent"] for row in record["pictures"]} <= {f"{seed:03}.png" for seed in range(4)}


def test_a_picture_that_cannot_be_read_is_told_and_left_out(good: Path, tmp_path: Path) -> None:
    (good / "000.png").write_text("no picture")
    code, told = run("synthesize", good, "--out", tmp_path / "made", "--count", "6")
    assert (code, "not used: " in told) == (0, True)
    record = json.loads((tmp_path / "made" / "synthetic.json").read_text())
    assert "000.png" not in {row["parent"] for row in record["pictures"]}
    for path in good.iterdir():
        path.write_text("no picture")
    code, told = run("synthesize", good, "--out", tmp_path / "none")
    assert (code, "none of the good pictures can be read" in told) == (78, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say what to do with them"),
        (("--out", "OUT", "--kinds", "scrach"), "there is no 'scrach'; use some of cut_paste"),
        (("--out", "OUT", "--kinds", ""), "there is no ''"),
        (("--out", "OUT", "--kinds", "graft"), "give --donors DIR"),
        (("--out", "OUT", "--severity", "extreme"), "there is no 'extreme'; use any, mild"),
        (("--out", "OUT", "--label", "../x"), "cannot be the name of a folder"),
        (("--out", "OUT", "--roi", "500,500,600,600"), "the region of interest lies outside it"),
        (("--out", "OUT", "--donors", "GOOD"), "holds no mask for"),
        (("--out", "GOOD"), "would be taken for good parts"),
        (("--out", "INSIDE"), "would be taken for good parts"),
        (("--out", "FULL"), "is not empty; give --out a new folder"),
        (("--recall", "GOOD"), "model.toml"),
    ],
)
def test_what_will_not_do_is_refused(
    good: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    places = {"OUT": tmp_path / "made", "GOOD": good, "INSIDE": good / "made", "FULL": tmp_path}
    code, told = run("synthesize", good, *(str(places.get(one, one)) for one in arguments))
    assert (code, said in told) == (78, True), told


# Recall


def test_a_bundle_is_tested_by_kind_size_and_contrast(parts: Path, tmp_path: Path) -> None:
    code, told = run(
        "synthesize", parts, "--recall", bundle(), "--count", "40", "--severity", "severe",
        "--out", tmp_path / "made", "--json",
    )  # fmt: skip
    assert code == 0
    found = json.loads(told)["recall"]
    assert found["all"]["made"] + found["left_out"] == 40
    assert found["all"]["recall"] > 0.3
    for rows in ("kinds", "sizes", "contrasts"):
        assert sum(row["made"] for row in found[rows].values()) == found["all"]["made"]
        assert sum(row["fail"] for row in found[rows].values()) == found["all"]["fail"]
    if found["all"]["pass"]:
        assert (tmp_path / "made" / "escapes.jpg").exists()


def test_severe_defects_are_found_more_often_than_mild_ones(parts: Path) -> None:
    recall = {}
    for severity in ("mild", "severe"):
        _, told = run(
            "synthesize", parts, "--recall", bundle(), "--count", "40", "--severity", severity, "--json"
        )
        recall[severity] = json.loads(told)["recall"]["all"]["recall"]
    assert recall["severe"] > recall["mild"]


def test_a_bundle_that_names_classes_has_no_recall(good: Path, tmp_path: Path) -> None:
    shelf = taught_on(class_folders(tmp_path / "pictures"), tmp_path / "shelf").bundle.folder.parent
    code, told = run("synthesize", good, "--recall", shelf)
    assert (code, "its task is classification" in told) == (78, True)


def verdicts(*said: Verdict, without: Verdict = Verdict.PASS) -> Recall:
    """What is collected from these verdicts on as many scratches."""
    recall = Recall()
    picture = np.full((96, 96, 3), 90, np.uint8)
    made = next(iter(made_up([save(picture)], Order(1, ("scratch",)))))
    for verdict in said:
        recall.add(made, without, inspected(verdict))
    return recall


def save(picture: np.ndarray) -> Path:
    from tempfile import mkdtemp

    path = Path(mkdtemp()) / "good.png"
    PIL.Image.fromarray(picture).save(path)
    return path


def inspected(verdict: Verdict) -> Inspection:
    return judged(frame(), Decision(verdict))


def test_only_a_fail_is_recall_and_what_does_not_pass_is_caught() -> None:
    found = verdicts(Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS, Verdict.ERROR).figures()["all"]
    assert (found["recall"], found["caught"], found["in_place"]) == (0.25, 0.75, 0.0)


def test_parts_that_do_not_pass_as_they_are_say_nothing() -> None:
    recall = verdicts(Verdict.FAIL, without=Verdict.FAIL)
    assert (recall.figures()["left_out"], recall.figures()["all"]["recall"]) == (1, None)
    assert any("left out: 1 made on parts that do not pass" in line for line in lines(recall.figures()))


def test_kinds_come_in_turn(good: Path) -> None:
    made = list(made_up(sorted(good.iterdir()), Order(9, ("hole", "smear", "stain"))))
    assert Counter(one.kind for one in made) == {"hole": 3, "smear": 3, "stain": 3}
    assert damage(made[0].good, np.random.default_rng(0)).mask.any()
