"""What `edge eval --classes` says of a bundle that tells classes apart, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tiny_bundle
from typer.testing import CliRunner, Result

from edge.cli.main import app
from edge.errors import ConfigError

COLOURS = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220)}


def picture(path: Path, colour: str) -> None:
    """A plate of that colour, uneven enough to be looked at."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).normal(0, 20, (32, 32, 3))
    PIL.Image.fromarray(np.clip(COLOURS[colour] + noise, 0, 255).astype(np.uint8)).save(path)


def labelled(folder: Path, classes: dict[str, list[str]]) -> Path:
    """A folder for each class, with plates of these colours."""
    for label, colours in classes.items():
        for number, colour in enumerate(colours):
            picture(folder / label / f"{number}.png", colour)
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Knows red and green; what is blue is unknown."""
    return tiny_bundle.classification(tmp_path / "bundle", labels=("red", "green", "unknown"))


def told(bundle: Path, *options: str | Path) -> Result:
    return CliRunner().invoke(app, ["eval", str(bundle), *map(str, options)])


def figures(bundle: Path, classes: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(told(bundle, "--classes", classes, "--json").stdout)
    return found


def complaint(bundle: Path, *options: str | Path) -> str:
    error = told(bundle, *options).exception
    assert isinstance(error, ConfigError)
    return str(error)


def test_what_was_called_what_is_counted(bundle: Path, tmp_path: Path) -> None:
    found = figures(
        bundle,
        labelled(tmp_path / "new", {"red": ["red", "red", "red", "green"], "green": ["green", "blue"]}),
    )
    assert found["classes"] == ["green", "red"]
    assert found["answers"] == ["red", "green", "unknown", "not judged"]
    assert found["confusion"] == [[0, 1, 1, 0], [3, 1, 0, 0]]


def test_every_class_weighs_the_same_in_balanced_accuracy(bundle: Path, tmp_path: Path) -> None:
    found = figures(
        bundle, labelled(tmp_path / "new", {"red": ["red", "red", "red", "green"], "green": ["blue"]})
    )
    assert found["recall"] == {"green": 0, "red": 0.75}
    assert found["balanced_accuracy"] == 0.375
    assert found["called_unknown"] == 0.2


def test_pictures_of_no_class_are_right_as_unknown_and_not_in_the_accuracy(
    bundle: Path, tmp_path: Path
) -> None:
    found = figures(bundle, labelled(tmp_path / "new", {"red": ["red"], "unknown": ["blue", "red"]}))
    assert found["recall"] == {"red": 1, "unknown": 0.5}
    assert found["balanced_accuracy"] == 1
    assert found["called_unknown"] == 0


def test_a_picture_that_cannot_be_read_is_not_right(bundle: Path, tmp_path: Path) -> None:
    folder = labelled(tmp_path / "new", {"red": ["red"]})
    (folder / "red" / "broken.png").write_bytes(b"no picture")
    found = figures(bundle, folder)
    assert found["recall"] == {"red": 0.5}
    assert found["confusion"] == [[1, 0, 0, 1]]


def test_a_picture_that_is_not_judged_is_named_with_the_reason(bundle: Path, tmp_path: Path) -> None:
    folder = labelled(tmp_path / "new", {"red": ["red"]})
    broken = folder / "red" / "broken.png"
    broken.write_bytes(b"no picture")
    assert figures(bundle, folder)["not_judged"] == [
        {"file": str(broken), "reason": f"{broken}: is not a JPEG, PNG, BMP, TIFF or WebP picture"}
    ]
    assert told(bundle, "--classes", folder).stdout.splitlines()[-1].startswith(f"not judged: {broken}: ")


def test_a_person_reads_the_recall_of_each_class_in_the_table(bundle: Path, tmp_path: Path) -> None:
    folder = labelled(tmp_path / "new", {"red": ["red", "green"], "green": ["green"]})
    rows = [line.split() for line in told(bundle, "--classes", folder).stdout.splitlines()]
    assert ["balanced_accuracy", "0.75"] in rows
    assert rows[-3:] == [
        ["is", "recall", "red", "green", "unknown"],
        ["green", "100.0%", "0", "1", "0"],
        ["red", "50.0%", "1", "1", "0"],
    ]


def test_a_folder_that_is_no_class_is_named_with_the_nearest(bundle: Path, tmp_path: Path) -> None:
    text = complaint(bundle, "--classes", labelled(tmp_path / "new", {"gren": ["green"]}))
    assert text.endswith("gren: the model has no class 'gren'; did you mean 'green'?")


def test_pictures_of_no_class_alone_are_refused(bundle: Path, tmp_path: Path) -> None:
    text = complaint(bundle, "--classes", labelled(tmp_path / "new", {"unknown": ["blue"]}))
    assert text.endswith("has no folder of a class that was taught: red, green")


@pytest.mark.parametrize("option", ["--good", "--bad", "--masks"])
def test_good_and_bad_mean_nothing_to_a_bundle_that_tells_classes_apart(
    option: str, bundle: Path, tmp_path: Path
) -> None:
    folder = labelled(tmp_path / "new", {"red": ["red"]})
    expected = "tells classes apart; evaluate it with --classes DIR, a folder of pictures for each class"
    assert expected in complaint(bundle, option, folder)
    assert expected in complaint(bundle, "--classes", folder, option, folder)


def test_classes_mean_nothing_to_a_bundle_that_tells_good_from_bad(tmp_path: Path) -> None:
    bundle = tiny_bundle.anomaly(tmp_path / "bundle")
    folder = labelled(tmp_path / "new", {"red": ["red"]})
    expected = (
        "tells good parts from bad ones; evaluate it with --good DIR and --bad DIR, and without --classes"
    )
    assert expected in complaint(bundle)
    assert expected in complaint(bundle, "--classes", folder)
    assert expected in complaint(bundle, "--classes", folder, "--good", folder, "--bad", folder)
