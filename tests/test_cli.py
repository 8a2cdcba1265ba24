"""The command line as a user meets it: what is printed, the exit codes, and errors that are one clear sentence."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from stations import bundle, render, settings


def edge(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=cwd)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    render(folder / "good", count=6, defect_rate=0.0, seed=200)
    render(folder / "bad", count=6, defect_rate=1.0, seed=201)
    return folder


def test_help_lists_every_command() -> None:
    said = edge("--help").stdout
    for command in (
        "run",
        "check",
        "config",
        "teach",
        "import",
        "score",
        "eval",
        "replay",
        "bench",
        "doctor",
        "broker",
        "lines",
    ):
        assert f"  {command} " in said


def test_version_is_that_of_the_package() -> None:
    from edge import __version__

    assert edge("--version").stdout == f"edge-inspect {__version__}\n"


def test_check_says_that_a_good_station_is_fine(tmp_path: Path) -> None:
    path = settings(tmp_path)
    done = edge("check", path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{path}: fine"


def test_config_shows_only_what_was_changed(tmp_path: Path) -> None:
    done = edge("config", settings(tmp_path), "--changed")
    assert json.loads(done.stdout)["station"]["site"] == "test"
    assert "keepalive_s" not in done.stdout


def test_config_prints_its_schema() -> None:
    assert json.loads(edge("config", "--schema").stdout)["title"] == "Config"


def test_teach_makes_a_bundle_that_scores_a_line_per_picture(pictures: Path, tmp_path: Path) -> None:
    taught = edge("teach", "bracket", "--good", pictures / "good", "--out", tmp_path / "bracket", "--force")
    assert taught.returncode == 0, taught.stderr
    scored = edge(
        "score",
        tmp_path / "bracket",
        pictures / "bad",
        "--jsonl",
        tmp_path / "s.jsonl",
        "--maps",
        tmp_path / "maps",
    )
    assert scored.returncode == 0, scored.stderr
    lines = scored.stdout.splitlines()
    assert len(lines) == 6
    path, score, verdict, ms = lines[0].split()
    assert Path(path).parent == pictures / "bad"
    assert float(score) > 0
    assert verdict in {"pass", "fail", "inconclusive"}
    assert float(ms) > 0
    assert [json.loads(line)["path"] for line in (tmp_path / "s.jsonl").read_text().splitlines()] == [
        line.split()[0] for line in lines
    ]
    assert len(list((tmp_path / "maps").glob("*.jpg"))) == 6


def test_a_bundle_taught_on_a_part_of_the_frame_is_scored_on_that_part(
    pictures: Path, tmp_path: Path
) -> None:
    where = ("--roi", "70,30,250,210", "--tiles", 2, "--force")
    taught = edge("teach", "bracket", "--good", pictures / "good", "--out", tmp_path / "bracket", *where)
    assert taught.returncode == 0, taught.stderr
    for path in pictures.glob("good/*.png"):
        picture = cv2.imread(str(path))
        picture[:30] = 255 - picture[:30]
        cv2.imwrite(str(tmp_path / path.name), picture)
    before = edge("score", tmp_path / "bracket", pictures / "good").stdout.split()[1::4]
    beside = edge("score", tmp_path / "bracket", *sorted(tmp_path.glob("*.png"))).stdout.split()[1::4]
    assert len(before) == 6
    assert beside == before


def test_eval_counts_escapes_and_overkill(pictures: Path) -> None:
    done = edge("eval", bundle(), "--good", pictures / "good", "--bad", pictures / "bad", "--json")
    figures = json.loads(done.stdout)
    assert figures["good"] == figures["bad"] == 6
    assert 0.5 < figures["auroc"] <= 1
    assert figures["escapes"] + figures["undecided_bad"] <= 6


def test_replay_reports_every_picture(pictures: Path, tmp_path: Path) -> None:
    done = edge("replay", settings(tmp_path), pictures / "good", "--jsonl", tmp_path / "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("6 reports")


def test_doctor_looks_at_runtime_disk_and_bundle(tmp_path: Path) -> None:
    done = edge("doctor", settings(tmp_path))
    assert done.returncode == 0, done.stdout
    for what in ("runtime", "backbone", "clock", "settings", "state", "bundle"):
        assert any(line.split()[1] == what for line in done.stdout.splitlines() if len(line.split()) > 1), (
            what
        )


WRONG = {
    "no such settings": (
        ("run", "nowhere.toml"),
        78,
        "nowhere.toml: cannot be read: No such file or directory",
    ),
    "no such bundle": (("score", "nowhere", "x.png"), 78, "nowhere: there is no such bundle"),
    "no such pictures": (
        ("teach", "a", "--good", "nowhere", "--out", "out"),
        78,
        "nowhere: there is no such",
    ),
    "three corners": (
        ("teach", "a", "--good", ".", "--out", "out", "--roi", "1,2,3"),
        78,
        "--roi: '1,2,3' is no rectangle; give X_MIN,Y_MIN,X_MAX,Y_MAX in pixels",
    ),
    "an empty rectangle": (
        ("teach", "a", "--good", ".", "--out", "out", "--roi", "90,0,10,50"),
        78,
        "--roi: '90,0,10,50' is no rectangle",
    ),
    "settings or schema": (("config",), 78, "name the station's TOML file"),
    "unknown command": (("rum",), 2, "No such command 'rum'"),
}


@pytest.mark.parametrize(("arguments", "code", "said"), WRONG.values(), ids=WRONG.keys())
def test_a_mistake_is_one_clear_sentence(
    arguments: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    done = edge(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_pictures_says_which_endings_are_pictures(tmp_path: Path) -> None:
    done = edge("teach", "a", "--good", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 78
    assert ".png" in done.stderr
