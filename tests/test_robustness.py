"""`edge eval --robust`: figures against the strength of what disturbs, the gate's catch, table and plot."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tiny_bundle
import washers
from test_cli import edge

from edge.cli.bundles import open_bundle
from edge.cli.evaluate import things_in
from edge.cli.robustness import Robustness, of_classes, of_parts, of_things, sweep
from edge.cli.robustness_plot import plot, save_plot
from edge.cli.tally import GoodOrBad, Labelled, Level
from edge.errors import ConfigError
from edge.teach.disturbances import DISTURBANCES

KNOWN = {one.name: one for one in DISTURBANCES}


def silent(_stage: str, _done: int, _total: int) -> None:
    pass


@pytest.fixture(scope="module")
def swept(quick: washers.Lesson, tmp_path_factory: pytest.TempPathFactory) -> Robustness:
    folder = tmp_path_factory.mktemp("swept")
    good, bad = washers.album(folder, range(20, 24)), washers.album(folder, range(60, 64), scratched=True)
    pictures = [Labelled(path, "good") for path in good] + [Labelled(path, "bad") for path in bad]
    tried = [KNOWN[name] for name in ("brightness", "occlusion", "JPEG")]
    return sweep(open_bundle(quick.shelf), pictures, GoodOrBad, silent, tried)


def levels(swept: Robustness, name: str) -> dict[float, Level]:
    (curve,) = (curve for curve in swept.curves if curve.disturbance.name == name)
    return {level.strength: level for level in curve.levels}


def test_the_undisturbed_pictures_are_a_level_of_every_curve(swept: Robustness) -> None:
    assert [level.strength for level in swept.curves[0].levels] == [0.25, 0.5, 0.75, 1.0, 1.25, 1.6, 2.2]
    assert [level.strength for level in swept.curves[1].levels] == [0, 0.5, 1, 2, 5, 10, 20]
    assert [level.strength for level in swept.curves[2].levels] == [100, 90, 70, 50, 30, 15, 5]
    untouched = [replace(levels(swept, one)[KNOWN[one].none], strength=0) for one in ("occlusion", "JPEG")]
    assert untouched[0] == untouched[1]
    assert untouched[0].quality == 1.0


def test_the_gate_catches_the_dark_and_none_of_those_passes(swept: Robustness) -> None:
    dark = levels(swept, "brightness")[0.25]
    assert (dark.unfit, dark.missed, dark.stopped) == (1.0, 0.0, 1.0)
    assert levels(swept, "brightness")[1.0].unfit == 0.0


def test_the_model_is_judged_behind_the_gate_too(swept: Robustness) -> None:
    assert levels(swept, "brightness")[0.25].quality is not None


def test_good_parts_that_are_covered_do_not_pass(swept: Robustness) -> None:
    assert levels(swept, "occlusion")[20].stopped > levels(swept, "occlusion")[0].stopped


def test_a_person_reads_a_row_for_each_figure(swept: Robustness) -> None:
    said = "\n".join(swept.lines())
    assert "brightness: times the light" in said
    assert "1*" in said
    assert said.count("caught by the quality gate") == 3


def test_every_figure_is_json(swept: Robustness) -> None:
    said = json.loads(json.dumps(swept.to_json()))
    assert [one["name"] for one in said["disturbances"]] == ["brightness", "occlusion", "JPEG"]
    assert said["disturbances"][0]["levels"][0].keys() == {
        "strength", "quality", "unfit", "missed", "stopped",
    }  # fmt: skip


def test_the_plot_shows_every_series(swept: Robustness, tmp_path: Path) -> None:
    save_plot(swept, tmp_path / "plot.png")
    picture = np.asarray(PIL.Image.open(tmp_path / "plot.png"))
    assert picture.shape == plot(swept).shape
    for ink in ((0, 114, 178), (213, 94, 0), (0, 158, 115), (206, 212, 220)):
        assert (np.abs(picture.astype(int) - ink).max(axis=2) < 4).sum() > 100, ink


def test_a_plot_that_cannot_be_written_says_where(swept: Robustness, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.*the plot cannot be written"):
        save_plot(swept, tmp_path / "nowhere" / "plot.png")


def test_a_bundle_of_classes_is_tried_on_its_classes(tmp_path: Path) -> None:
    folder = tiny_bundle.classification(tmp_path / "colours")
    for number, colour in enumerate(("red", "green")):
        picture = np.full((32, 32, 3), 20, np.uint8)
        picture[..., number] = 230
        (tmp_path / "classes" / colour).mkdir(parents=True)
        PIL.Image.fromarray(picture).save(tmp_path / "classes" / colour / "a.png")
    figures, told = of_classes(folder, tmp_path / "classes", None)
    (light,) = (one for one in figures["disturbances"] if one["name"] == "brightness")
    untouched = light["levels"][3]
    assert (untouched["quality"], untouched["missed"], untouched["stopped"]) == (1.0, 0.0, 0.0)
    assert any("parts taken for another class" in line for line in told)


def test_a_picture_that_cannot_be_read_is_named(quick: washers.Lesson, tmp_path: Path) -> None:
    for folder in ("good", "bad"):
        washers.album(tmp_path / folder, [1])
    (tmp_path / "bad" / "b.png").write_text("no picture")
    with pytest.raises(ConfigError, match=r"b\.png: .*; take it out of the folder"):
        of_parts(quick.shelf, tmp_path / "good", tmp_path / "bad", None)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--plot", "a.png"), "--plot goes with --robust; add that, or leave it out"),
        (("--taught", "x"), "--taught goes with --ablate"),
        (("--enhance", "clahe"), "--enhance goes with --ablate"),
        (("--robust", "--ablate"), "--robust, --ablate and --masks do not go together"),
        (("--robust", "--masks", "x"), "--robust, --ablate and --masks do not go together"),
        (("--ablate", "--enhance", "clahee"), "did you mean 'clahe'?"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    quick: washers.Lesson, tmp_path: Path, options: tuple[str, ...], complaint: str
) -> None:
    washers.album(tmp_path, [1])
    done = edge("eval", quick.shelf, "--good", tmp_path, "--bad", tmp_path, *options)
    assert done.returncode == 78, done.stdout
    assert complaint in done.stderr


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], list[str]]:
    """A bundle that finds full colours in cells of 8 pixels, tried on a red cell in a grey picture."""
    folder = tmp_path_factory.mktemp("things")
    pictures = folder / "pictures"
    pictures.mkdir()
    picture = np.full((64, 64, 3), 90, np.uint8)
    picture[16:32, 32:48] = (255, 0, 0)
    PIL.Image.fromarray(picture).save(pictures / "a.png")
    (pictures / "a.txt").write_text("0 0.625 0.375 0.25 0.25\n")
    bundle = tiny_bundle.detection(folder / "blobs")
    return of_things(bundle, *things_in(bundle, pictures, ()), None)


def test_a_bundle_that_finds_things_is_tried_by_its_precision(
    things: tuple[dict[str, object], list[str]],
) -> None:
    figures, told = things
    assert figures["quality"] == "mAP50 of the model alone"
    assert any("things not found" in line for line in told)
    (light,) = (one for one in figures["disturbances"] if one["name"] == "brightness")  # type: ignore[attr-defined]
    dark, untouched = light["levels"][0], light["levels"][3]
    assert (untouched["quality"], untouched["missed"]) == (1.0, 0.0)
    assert dark["missed"] == 1.0


def test_the_marks_move_with_what_is_shifted(things: tuple[dict[str, object], list[str]]) -> None:
    (shift,) = (one for one in things[0]["disturbances"] if one["name"] == "shift")  # type: ignore[attr-defined]
    assert [level["missed"] for level in shift["levels"][:4]] == [0.0] * 4


def test_steps_are_not_compared_on_things(tmp_path: Path) -> None:
    done = edge("eval", tiny_bundle.detection(tmp_path / "blobs"), "--boxes", tmp_path, "--ablate")
    assert done.returncode == 78
    assert "finds things; --ablate compares steps by anomaly scores" in done.stderr
