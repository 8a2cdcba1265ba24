"""`edge eval --boxes`: what a bundle finds, against what people marked."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_bundle
from PIL import Image as Pillow
from typer.testing import CliRunner

from edge.cli.box_evaluation import marked, names
from edge.cli.main import app
from edge.errors import ConfigError

LABELS = ("red", "green")


def save_blobs(path: Path, *squares: tuple[int, int, tuple[int, int, int]]) -> Path:
    image = np.zeros((32, 32, 3), np.uint8)
    for row, column, colour in squares:
        image[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = colour
    Pillow.fromarray(image).save(path)
    return path


@pytest.fixture
def marked_pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "marked"
    folder.mkdir()
    save_blobs(folder / "both.png", (1, 2, (255, 0, 0)), (3, 0, (0, 255, 0)))
    (folder / "both.txt").write_text("0 0.625 0.375 0.25 0.25\n1 0.125 0.875 0.25 0.25\n")
    save_blobs(folder / "none.png")
    save_blobs(folder / "unmarked.png", (0, 0, (255, 0, 0)))
    return folder


def evaluated(bundle: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["eval", str(bundle), *options], catch_exceptions=False)
    return done.exit_code, done.output


def test_what_is_found_is_compared_with_what_is_marked(tmp_path: Path, marked_pictures: Path) -> None:
    bundle = tiny_bundle.detection(tmp_path / "blobs")
    code, told = evaluated(bundle, "--boxes", str(marked_pictures), "--json")
    figures = json.loads(told)
    assert code == 0
    assert figures["things"] == {"red": 1, "green": 1}
    assert figures["ap50 green"] == 1
    # Of two red things one is not marked, and which comes first is chance: both have the same score.
    assert figures["ap50 red"] in {0.5, 1}
    assert figures["pictures"] == 3


def test_the_figures_are_told_to_a_person_too(tmp_path: Path, marked_pictures: Path) -> None:
    code, told = evaluated(tiny_bundle.detection(tmp_path / "blobs"), "--boxes", str(marked_pictures))
    assert code == 0
    assert "map50_95  " in told
    assert "not_judged  0" in told


def test_a_picture_that_cannot_be_read_is_named_and_its_things_are_missed(
    tmp_path: Path, marked_pictures: Path
) -> None:
    (marked_pictures / "both.png").write_bytes(b"no picture")
    bundle = tiny_bundle.detection(tmp_path / "blobs")
    figures = json.loads(evaluated(bundle, "--boxes", str(marked_pictures), "--json")[1])
    assert [Path(one["file"]).name for one in figures["not_judged"]] == ["both.png"]


def test_a_file_may_name_its_classes_in_another_order(tmp_path: Path) -> None:
    picture = save_blobs(tmp_path / "a.png", (1, 2, (255, 0, 0)))
    picture.with_suffix(".txt").write_text("1 0.5 0.5 0.5 0.25")
    (tmp_path / "classes.txt").write_text("green\nred\n\n")
    (thing,) = marked(picture, names(tmp_path, LABELS))
    assert (thing.label, thing.box) == ("red", (8, 12, 24, 20))


def test_a_class_that_the_model_does_not_know_is_refused_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("green\nreed\n")
    with pytest.raises(
        ConfigError, match=r"classes\.txt: line 2: the model has no label 'reed'; did you mean 'red'"
    ):
        names(tmp_path, LABELS)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0 0.5 0.5 0.5", "is not a thing as YOLO marks it"),
        ("0 0.5 0.5 0.5 0.5 0.9", "is not a thing as YOLO marks it"),
        ("red 0.5 0.5 0.5 0.5", "is not a thing as YOLO marks it"),
        ("0 320 240 30 30", "is not a thing as YOLO marks it"),
        ("0 nan 0.5 0.5 0.5", "is not a thing as YOLO marks it"),
        ("2 0.5 0.5 0.5 0.5", "there is no label 2; they are 0…1: red, green"),
        ("0.5 0.5 0.5 0.5 0.5", "there is no label 0.5"),
        ("-1 0.5 0.5 0.5 0.5", "there is no label -1"),
    ],
)
def test_a_line_that_says_nothing_is_refused_with_its_place(tmp_path: Path, line: str, told: str) -> None:
    picture = save_blobs(tmp_path / "a.png")
    picture.with_suffix(".txt").write_text(f"0 0.5 0.5 0.5 0.5\n\n{line}\n")
    with pytest.raises(ConfigError, match=rf"a\.txt: line 3: .*{told}"):
        marked(picture, LABELS)


def test_a_detector_is_not_evaluated_on_good_and_bad(tmp_path: Path, marked_pictures: Path) -> None:
    bundle = tiny_bundle.detection(tmp_path / "blobs")
    for options in ((), ("--good", str(marked_pictures), "--bad", str(marked_pictures))):
        with pytest.raises(ConfigError, match="finds things; evaluate it with --boxes DIR"):
            evaluated(bundle, *options)


def test_only_a_detector_is_evaluated_on_boxes(tmp_path: Path, marked_pictures: Path) -> None:
    with pytest.raises(ConfigError, match="finds no things; evaluate it without --boxes"):
        evaluated(tiny_bundle.anomaly(tmp_path / "grey"), "--boxes", str(marked_pictures))
