"""The detector that comes with the program, at work: a bottle without its cap fails, whatever else is there."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from stations import daemon, reports

from edge.config import Check as CheckConfig
from edge.errors import ConfigError
from edge.model.bundle import load
from edge.model.checks import open_check
from edge.model.shipped import bundles
from edge.pipeline import Check
from edge.preprocess.picture import read

RULES = {"pairs": [{"each": "Bottle", "has": "Cap", "place": "top"}], "margin_px": 3}
PICTURES = ("orange.jpg", "pumps.jpg", "one-uncapped.jpg", "empty.jpg")


def shipped() -> Path:
    return next(folder for folder in bundles() if folder.name == "cap-detector")


def opened(rules: dict[str, Any]) -> Check:
    config = {"name": "caps", "bundle": shipped(), "rules": {"detection": rules}}
    return open_check(CheckConfig.model_validate(config), None)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the daemon reports of each golden picture, by name; `checks` is its one check."""
    line = tmp_path_factory.mktemp("line")
    (line / "parts").mkdir()
    for number, name in enumerate(PICTURES):
        shutil.copy(shipped() / name, line / "parts" / f"{number}-{name}")
    (line / "station.toml").write_text(
        f"""
        [station]
        site = "test"
        device = "station"
        state_dir = "state"
        [source]
        type = "folder"
        path = "parts"
        [recipe]
        name = "bottles"
        [[recipe.checks]]
        name = "caps"
        bundle = "{shipped()}"
        [recipe.checks.rules.detection]
        margin_px = 3
        pairs = [{{ each = "Bottle", has = "Cap", place = "top" }}]
        [outbox]
        min_free_mb = 0
        [[sinks]]
        type = "jsonl"
        path = "reports.jsonl"
        """
    )
    with daemon(line / "station.toml") as process:
        assert process.wait(120) == 0, (line / "daemon.log").read_text()
    return {report["part_id"].split("-", 1)[1]: report for report in reports(line)}


def test_every_picture_is_reported_once(told: dict[str, dict[str, Any]]) -> None:
    assert sorted(told) == sorted(name.removesuffix(".jpg") for name in PICTURES)


@pytest.mark.parametrize("name", ["orange", "pumps"])
def test_bottles_with_their_caps_pass(told: dict[str, dict[str, Any]], name: str) -> None:
    assert (told[name]["verdict"], told[name]["reasons"]) == ("pass", [])


def test_a_bottle_without_its_cap_fails_and_the_report_says_where(told: dict[str, dict[str, Any]]) -> None:
    (check,) = told["one-uncapped"]["checks"]
    assert told["one-uncapped"]["verdict"] == "fail"
    assert check["reasons"][0].startswith("Bottle without Cap: at x ")
    (region,) = check["regions"]
    assert region["label"] == "Bottle without Cap"
    bottles = [thing for thing in check["detections"] if thing["label"] == "Bottle"]
    assert region["box"] in [bottle["box"] for bottle in bottles]


def test_an_empty_conveyor_is_inconclusive_and_says_why(told: dict[str, dict[str, Any]]) -> None:
    assert told["empty"]["verdict"] == "inconclusive"
    assert told["empty"]["reasons"] == ["Bottle: none found; is there a part to be seen?"]
    assert told["empty"]["checks"][0]["detections"] == []


def test_it_is_small_and_says_whose_pictures_it_learned_from() -> None:
    bundle = load(shipped())
    assert len(bundle.files[bundle.manifest.network]) <= 5_000_000
    card = (shipped() / "README.md").read_text()
    assert "lobachevsky-university" in card
    assert "CC BY 4.0" in card


def test_rules_with_a_label_that_it_lacks_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="the model has no label 'Caps'; did you mean 'Cap'"):
        opened({"fail_labels": ["Caps"]})


def test_rules_under_which_nothing_could_fail_are_refused() -> None:
    with pytest.raises(ConfigError, match="nothing could fail; set fail_labels, counts or pairs"):
        opened({})


def test_its_golden_pictures_are_as_it_takes_them() -> None:
    for name in PICTURES:
        assert read(shipped() / name).shape == (320, 320, 3)
