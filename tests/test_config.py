"""Settings: what is refused and how it is said, and that the sample names every key."""

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from edge import config
from edge.config import enhance as steps
from edge.config.detection import Count, DetectionRules, Pair
from edge.config.measurement import Tolerance
from edge.config.reading import ReadingRules
from edge.config.segmentation import AreaLimits, SegmentationRules
from edge.config.sources import Belt
from edge.errors import ConfigError
from edge.secret import read_secret
from edge.table import tables_in, validate

SAMPLE = Path(__file__).parents[1] / "firmware_config" / "edge.toml"
SMALLEST = '[source]\ntype = "synthetic"\n[recipe]\nchecks = [{ name = "a", bundle = "b" }]\n'


@contextmanager
def suppress_clear_errors() -> Iterator[None]:
    """Anything but a `ConfigError` that names the file gets through, and fails the test."""
    try:
        yield
    except ConfigError as err:
        if not str(err).startswith("edge.toml: "):
            raise


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config.parse(text, Path("edge.toml"))
    return str(caught.value)


def test_the_smallest_file_is_enough_and_paths_start_at_its_folder() -> None:
    loaded = config.parse(SMALLEST, Path("/etc/edge/line.toml"))
    assert loaded.recipe.checks[0].bundle == Path("/etc/edge/b")
    assert loaded.source == config.SyntheticSource(type="synthetic")


def test_a_typo_names_the_file_the_key_and_the_nearest_name() -> None:
    said = complaint(SMALLEST.replace("[recipe]", "rate_hzz = 3\n[recipe]"))
    assert said == "edge.toml: source.rate_hzz: unknown key; did you mean 'rate_hz'?"


def test_a_typo_in_a_list_of_tables_is_found_among_the_keys_of_its_kind() -> None:
    said = complaint(SMALLEST + '[[sinks]]\ntype = "mqtt"\nhots = "plant"\n')
    assert said == "edge.toml: sinks[0].hots: unknown key; did you mean 'host'?"


def test_a_wrong_type_says_what_it_got() -> None:
    said = complaint(SMALLEST + '[outbox]\nmax_mb = "much"\n')
    assert said.startswith("edge.toml: outbox.max_mb: ")
    assert "'much'" in said


def test_a_missing_key_is_named() -> None:
    assert "edge.toml: recipe: is missing; add it" in complaint('[source]\ntype = "synthetic"\n')


def test_an_unknown_kind_of_source_lists_the_kinds_that_there_are() -> None:
    said = complaint(SMALLEST.replace('"synthetic"', '"folde"'))
    assert said.startswith("edge.toml: source.type: 'folde' is unknown; use one of")
    assert "'watch'" in said


def test_every_complaint_is_told_at_once() -> None:
    said = complaint(SMALLEST + "[outbox]\nmax_mb = -1\n[evidence]\nbudget = 3\n")
    assert len(said.splitlines()) == 2


def test_text_that_is_not_toml_says_where() -> None:
    assert complaint("[source\n").startswith("edge.toml: is not TOML: ")


def test_a_file_that_is_missing_or_not_text_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file"):
        config.load(tmp_path / "nowhere.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        config.load(tmp_path / "binary.toml")


def test_only_what_differs_from_the_defaults_is_changed() -> None:
    loaded = config.parse(SMALLEST + "[outbox]\nmax_mb = 7\n", Path("edge.toml"))
    assert config.changed(loaded)["outbox"] == {"max_mb": 7.0}
    assert "evidence" not in config.changed(loaded)


def test_a_secret_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    secret.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod o-rwx"):
        read_secret(secret)
    secret.chmod(0o600)
    assert read_secret(secret) == "open sesame"


def test_a_secret_may_be_a_credential_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mqtt-password").write_text("from systemd\n")
    (tmp_path / "mqtt-password").chmod(0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret(Path("mqtt-password")) == "from systemd"


@given(st.text())
def test_whatever_the_file_holds_the_answer_is_settings_or_a_clear_error(text: str) -> None:
    with suppress_clear_errors():
        config.parse(text, Path("edge.toml"))


names = st.sampled_from(
    ["source", "recipe", "checks", "type", "mqtt", "sinks", "rules", "station", "x", "name"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(names, values, max_size=5))
def test_whatever_the_tables_hold_the_answer_is_settings_or_a_clear_error(table: dict[str, Any]) -> None:
    with suppress_clear_errors():
        validate(config.Config, table, Path("edge.toml"))


def blocks() -> Iterator[tuple[str, dict[str, str]]]:
    """The sample's tables, active or not: the header, and every key with its value as text."""
    header, keys = "", dict[str, str]()
    for line in [*SAMPLE.read_text().splitlines(), "[end]"]:
        if line.startswith("##") or not line:
            continue
        bare = line.removeprefix("# ")
        if bare.startswith("["):
            if keys:
                yield header, keys
            header, keys = bare.strip("[]"), {}
        else:
            key, value = bare.split(" = ", 1)
            keys[key] = value


def model_of(header: str, keys: dict[str, str]) -> type[BaseModel]:
    kinds = {
        "station": config.Station, "correction": config.Correction,
        "recipe": config.Recipe, "recipe.checks": config.Check,
        "recipe.track": config.Track, "source.belt": Belt,
        "recipe.checks.roi": config.Rectangle, "recipe.checks.rules": config.Rules, "quality": config.Quality,
        "recipe.checks.rules.detection": DetectionRules, "recipe.checks.rules.detection.counts": Count,
        "recipe.checks.rules.detection.pairs": Pair,
        "recipe.checks.rules.segmentation": SegmentationRules,
        "recipe.checks.rules.segmentation.limits": AreaLimits,
        "recipe.checks.rules.measurement.tolerances": Tolerance, "recipe.checks.rules.reading": ReadingRules,
        "outbox": config.Outbox, "evidence": config.Evidence, "teaching": config.Teaching,
        "health": config.Health, "gpio": config.Gpio, "privacy": config.Privacy,
    }  # fmt: skip
    by_type = {
        '"folder"': config.FolderSource, '"watch"': config.WatchSource, '"synthetic"': config.SyntheticSource,
        '"opencv"': config.OpenCVSource, '"picamera2"': config.Picamera2Source,
        '"gstreamer"': config.GStreamerSource, '"mqtt"': config.MqttSink, '"jsonl"': config.JsonlSink,
        '"denoise"': steps.Denoise, '"brightness"': steps.Brightness, '"clahe"': steps.Clahe,
        '"white_balance"': steps.WhiteBalance, '"sharpen"': steps.Sharpen,
    }  # fmt: skip
    return by_type[keys["type"]] if header in {"source", "sinks", "recipe.checks.enhance"} else kinds[header]


def test_the_sample_names_every_key_with_its_default() -> None:
    named: set[type[BaseModel]] = set()
    for header, keys in blocks():
        model = model_of(header, keys)
        named.add(model)
        fields = {
            name: info for name, info in model.model_fields.items() if not any(tables_in(info.annotation))
        }
        assert keys.keys() == fields.keys(), header
        for key, text in keys.items():
            default = fields[key].get_default(call_default_factory=True)
            if default in (None, PydanticUndefined):
                continue
            shown = tomllib.loads(f"x = {text}")["x"]
            assert shown == json.loads(json.dumps(default, default=str)), f"{header}.{key}"
    assert len(named) == len(list(blocks()))


def test_the_sample_as_it_stands_is_a_good_file() -> None:
    assert config.load(SAMPLE).recipe.checks[0].name == "surface"


def test_every_key_has_a_description() -> None:
    schema = config.Config.model_json_schema()
    for table in schema["$defs"].values():
        for key, field in table["properties"].items():
            assert "description" in field or key == "type" or "$ref" in field or "default" in field, key
