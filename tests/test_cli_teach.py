"""`edge teach` as a user meets it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_bundle
from stations import bundle, render, settings
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


def test_teaching_makes_a_version_that_check_takes(pictures: Path, tmp_path: Path) -> None:
    done = teach("bracket", "--good", pictures, "--out", tmp_path / "shelf")
    assert done.exit_code == 0, done.output
    config = settings(tmp_path)
    config.write_text(config.read_text().replace(str(bundle()), str(tmp_path / "shelf")))
    checked = CliRunner().invoke(app, ["check", str(config)])
    assert checked.exit_code == 0, checked.exception
    assert checked.output.startswith("check surface: bracket version 1")


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
    "a region for more": (("--add", ".", "--roi", "1,2,3,4"), "--roi goes with --good or --classes, not with --add"),
    "bad classes": (("--classes", ".", "--bad", "."), "--bad goes with --good or --add, not with --classes"),
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
