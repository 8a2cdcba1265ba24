"""`edge teach` as a user meets it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tiny_bundle
from stations import render
from typer.testing import CliRunner, Result

from edge.cli.main import app
from edge.model.bundle import load, write
from edge.model.versions import ACTIVE, Shelf

AS_A_PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from edge.cli.main import main; main()"
)


def teach(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["teach", *map(str, arguments)])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    render(folder, count=6, defect_rate=0.0, seed=300)
    return folder


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """Three versions; the last is active."""
    model = load(tiny_bundle.anomaly(tmp_path / "model" / "part"))
    folder = tmp_path / "shelf"
    for _ in range(3):
        with Shelf(folder) as held:
            write(held.next, model.manifest.model_copy(update={"version": held.number}), model.files)
            held.activate(held.number)
    return folder


@pytest.fixture(scope="module")
def taught(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A shelf with one version, taught on all pictures but one, and what was said of it."""
    folder = tmp_path_factory.mktemp("taught") / "shelf"
    dropped = sorted(path.name for path in pictures.iterdir())[2]
    options = ("--method", "gaussian", "--false-reject", 0.02, "--budget-mb", 4, "--force")
    return folder, teach(
        "bracket", "--good", pictures, "--out", folder, "--drop", dropped, *options, "--json"
    )


def test_a_lesson_is_json_on_stdout_and_a_progress_bar_on_stderr(taught: tuple[Path, Result]) -> None:
    folder, done = taught
    assert done.exit_code == 0, done.exception
    said = json.loads(done.stdout)
    assert (said["name"], said["version"], said["activated"]) == ("bracket", 1, True)
    assert said["folder"] == str(folder / "0001")
    assert "reading pictures" in done.stderr


def test_the_options_reach_the_lesson(taught: tuple[Path, Result], pictures: Path) -> None:
    said = json.loads(taught[1].stdout)
    assert said["pictures"] == len(list(pictures.iterdir())) - 1
    assert said["limit"]["false_reject"] == 0.02
    assert {one["method"] for one in said["candidates"] if one["chosen"]} == {"gaussian"}


def test_the_report_lies_where_the_lesson_says(taught: tuple[Path, Result]) -> None:
    report = Path(json.loads(taught[1].stdout)["report"])
    assert report.read_text().lstrip().lower().startswith("<!doctype html>")


def test_check_takes_a_shelf(shelf: Path, tmp_path: Path) -> None:
    config = tmp_path / "station.toml"
    config.write_text(
        f'[source]\ntype = "synthetic"\n[recipe]\nchecks = [{{ name = "surface", bundle = "{shelf}" }}]\n'
        '[[sinks]]\ntype = "jsonl"\npath = "reports.jsonl"\n'
    )
    checked = CliRunner().invoke(app, ["check", str(config)])
    assert checked.exit_code == 0, checked.exception
    assert checked.output.startswith("check surface: grey version 3")


def test_adding_pictures_makes_a_next_version_of_all_of_them(
    taught: tuple[Path, Result], tmp_path: Path
) -> None:
    shutil.copytree(taught[0], tmp_path / "shelf")
    render(tmp_path / "more", count=5, defect_rate=0.0, seed=301)
    done = teach("bracket", "--add", tmp_path / "more", "--out", tmp_path / "shelf", "--force")
    assert done.exit_code == 0, done.exception
    assert done.stdout.startswith("taught bracket, version 2, on 10 pictures")
    assert load(tmp_path / "shelf").folder.name == "0002"


def test_pictures_can_be_dropped_from_what_was_taught(taught: tuple[Path, Result], tmp_path: Path) -> None:
    shutil.copytree(taught[0], tmp_path / "shelf")
    render(tmp_path / "more", count=1, defect_rate=0.0, seed=301)
    (more,) = (tmp_path / "more").iterdir()
    odd = more.rename(tmp_path / "more" / "odd.png")
    added = teach("bracket", "--add", odd.parent, "--out", tmp_path / "shelf", "--force", "--json")
    assert json.loads(added.stdout)["pictures"] == 6
    done = teach("bracket", "--drop", "odd.png", "--out", tmp_path / "shelf", "--json")
    assert done.exit_code == 0, done.exception
    said = json.loads(done.stdout)
    assert (said["version"], said["pictures"]) == (3, 5)
    assert "odd.png" not in {one["file"] for one in said["good"]}


def test_classes_are_taught_from_folders_and_added_to(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    for number, path in enumerate(("first/a", "first/b", "more/c")):
        colour_pictures(tmp_path / path, number)
    assert teach("kinds", "--classes", tmp_path / "first", "--out", shelf).exit_code == 0
    done = teach("kinds", "--add", tmp_path / "more", "--out", shelf, "--json")
    assert done.exit_code == 0, done.exception
    assert json.loads(done.stdout)["pictures"] == {"a": 6, "b": 6, "c": 6}
    odd = teach("kinds", "--add", tmp_path / "more", "--out", shelf, "--bad", tmp_path / "first")
    assert "--bad goes with pictures of good parts; this product has classes" in str(odd.exception)


def test_classes_need_a_folder_each(pictures: Path, tmp_path: Path) -> None:
    done = teach("kinds", "--classes", pictures, "--out", tmp_path / "shelf")
    assert "has no folders; give one with a folder of pictures for each class" in str(done.exception)


def colour_pictures(folder: Path, number: int) -> None:
    """Noisy pictures with a bright third, the first, second or third."""
    folder.mkdir(parents=True)
    for seed in range(6):
        pixels = np.random.default_rng(100 * number + seed).integers(0, 80, (96, 96, 3)).astype(np.uint8)
        pixels[:, 32 * number : 32 * number + 32] += 150
        PIL.Image.fromarray(pixels).save(folder / f"{seed}.png")


def test_versions_are_listed_with_the_active_one_marked(shelf: Path) -> None:
    lines = teach("part", "--versions", "--out", shelf).output.splitlines()
    assert [line.split()[:2] for line in lines] == [["1", "2026-01-02"], ["2", "2026-01-02"], ["*", "3"]]


def test_versions_can_be_read_by_a_program(shelf: Path) -> None:
    listed = json.loads(teach("part", "--versions", "--out", shelf, "--json").stdout)["versions"]
    assert [(version["version"], version["active"]) for version in listed] == [
        (1, False),
        (2, False),
        (3, True),
    ]
    assert listed[0]["folder"] == str(shelf / "0001")


def test_a_damaged_version_is_listed_as_one(shelf: Path) -> None:
    (shelf / "0002" / "model.toml").write_text("no manifest")
    lines = teach("part", "--versions", "--out", shelf).output.splitlines()
    assert "0002/model.toml: " in lines[1]


def test_undo_goes_back_and_says_to_what(shelf: Path) -> None:
    done = teach("part", "--undo", "--out", shelf)
    assert done.output.startswith("version 2 is active\n")
    assert load(shelf).manifest.version == 2


def test_a_version_can_be_made_active(shelf: Path) -> None:
    done = teach("part", "--activate", 1, "--out", shelf, "--json")
    assert json.loads(done.stdout) == {"active": 1, "folder": str(shelf / "0001")}
    assert load(shelf).manifest.version == 1


def test_looking_after_versions_that_are_not_there_makes_none(tmp_path: Path) -> None:
    for option in (("--undo",), ("--versions",), ("--activate", 1)):
        done = teach("part", *option, "--out", tmp_path / "shelf")
        assert "shelf: holds no versions; teach one with --good, or say with --out" in str(done.exception)
    assert not (tmp_path / "shelf").exists()


MISTAKES = {
    "nothing to do": ((), "say what to do: teach from --good DIR"),
    "two at once": (("--good", ".", "--undo"), "--good and --undo do not go together; give one of them"),
    "three at once": (
        ("--good", ".", "--add", ".", "--versions"),
        "--good and --add and --versions do not go",
    ),
    "a method for undo": (("--undo", "--method", "gaussian"), "--method goes with --good, not with --undo"),
    "a region for more": (
        ("--add", ".", "--roi", "1,2,3,4"),
        "--roi goes with --good or --classes, not with --add",
    ),
    "bad classes": (("--classes", ".", "--bad", "."), "--bad goes with --good or --add or --drop, not"),
    "a picture for undo": (
        ("--undo", "--drop", "1.png"),
        "--drop goes with --good or --add or --drop, not with",
    ),
    "a camera for less": (
        ("--drop", "1.png", "--count", "3"),
        "--count goes with --good or --add, not with --drop",
    ),
    "no rectangle": (("--good", ".", "--roi", "1,2,3"), "--roi: '1,2,3' is no rectangle; give X_MIN"),
    "no folder": (("--good", "nowhere"), "nowhere: there is no such file or folder"),
}


@pytest.mark.parametrize(("options", "said"), MISTAKES.values(), ids=MISTAKES.keys())
def test_options_that_make_no_sense_are_answered_with_one_sentence(
    options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = teach("part", *options, "--out", tmp_path / "shelf")
    assert said in str(done.exception)
    assert not (tmp_path / "shelf").exists()


@pytest.mark.parametrize("name", ["a b", "a/b", "", "ä", "x" * 65])
def test_a_name_that_cannot_stand_in_a_topic_is_refused_before_any_work(name: str) -> None:
    assert "cannot stand in a topic; use letters" in str(teach(name, "--good", "nowhere").exception)


def test_a_method_that_there_is_not_is_answered_with_those_that_there_are() -> None:
    done = teach("part", "--good", ".", "--method", "gausian")
    assert done.exit_code == 2
    assert "memory_bank" in done.output


def test_a_dropped_name_that_no_picture_has_is_refused(pictures: Path, tmp_path: Path) -> None:
    done = teach("part", "--good", pictures, "--drop", "nothing.png", "--out", tmp_path / "shelf")
    assert "nothing.png: is none of the pictures" in str(done.exception)


def test_a_shelf_that_is_being_taught_is_left_alone(pictures: Path, shelf: Path) -> None:
    with Shelf(shelf):
        done = teach("part", "--good", pictures, "--out", shelf)
    assert "shelf: is being taught right now; wait until that has ended" in str(done.exception)


def test_ctrl_c_is_one_line_and_changes_nothing(shelf: Path, tmp_path: Path) -> None:
    render(tmp_path / "many", count=60, defect_rate=0.0, seed=1)
    before = (shelf / ACTIVE).read_bytes()
    command = [
        sys.executable,
        "-c",
        AS_A_PROGRAM,
        "teach",
        "part",
        "--good",
        tmp_path / "many",
        "--out",
        shelf,
    ]
    terminal, stderr = os.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr) as process:
        os.close(stderr)
        drawn = b""
        while b"reading pictures" not in drawn:
            drawn += os.read(terminal, 4096)
        process.send_signal(signal.SIGINT)
        said = _rest(terminal)
        assert process.wait(timeout=60) == 130
    assert said.splitlines()[-1].endswith(b"edge: stopped: nothing changed, version 3 is active")
    assert b"Traceback" not in said
    assert (shelf / ACTIVE).read_bytes() == before
    assert sorted(path.name for path in shelf.iterdir()) == [".lock", "0001", "0002", "0003", ACTIVE]


def _rest(terminal: int) -> bytes:
    """What is still said until the terminal is let go of."""
    said = b""
    try:
        while piece := os.read(terminal, 4096):
            said += piece
    except OSError:
        pass
    os.close(terminal)
    return said
