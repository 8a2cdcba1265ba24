"""`edge tune`, and what the daemon makes of it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_bundle
from delegate_double import Switch, double, library
from typer.testing import CliRunner
from washers import Lesson

from edge import config
from edge.cli.doctor.model import bundle_lines
from edge.cli.main import app
from edge.cli.tune import Climate, _lines
from edge.errors import BundleError, ConfigError
from edge.model.bundle import load
from edge.model.checks import open_check
from edge.model.contenders import Contender, enter, fastest, measure, ways
from edge.model.delegates import CPU, DelegateConfig
from edge.model.runtime import runtime
from edge.model.tuning import FILE, Surroundings, Way, Winner, keep, recall, this_device

HERE = Surroundings(this_device(), runtime())


def winner(way: Way, surroundings: Surroundings = HERE) -> Winner:
    return Winner(way, surroundings, 5.0, "2026-01-02T03:04:05.000Z")


def timed(way: Way, *runs_ms: float, refused: str | None = None) -> Contender:
    return Contender(way, refused=refused, runs_ms=list(runs_ms))


CPU_1, CPU_2 = Way("cpu", "int8", 1), Way("cpu", "int8", 2)
NPU = Way("npu", "int8", 1)


def test_threads_delegates_and_precisions_are_tried_where_the_bundle_has_them(
    quick: Lesson, tmp_path: Path
) -> None:
    taught = ways(quick.taught.bundle, CPU, cores=4)
    assert {(way.delegate, way.precision, way.threads) for way in taught} == {
        *(("cpu", precision, threads) for precision in ("int8", "float16") for threads in (1, 2, 4)),
        ("gpu", "int8", 1),
        ("gpu", "float16", 1),
    }
    compiled = {"model_edgetpu.tflite": b"compiled"}
    foreign = load(tiny_bundle.proven(tmp_path / "part", more=compiled))
    tried = ways(foreign, double("works"), cores=1)
    assert tried == [CPU_1, Way("edgetpu", "int8", 1), Way("gpu", "int8", 1), NPU]


def test_a_way_that_answers_otherwise_than_taught_does_not_count(tmp_path: Path) -> None:
    bundle = load(tiny_bundle.proven(tmp_path / "part"))
    wrong = enter(bundle, NPU, double("wrong"))
    assert "does not answer as was taught: golden picture golden.png" in str(wrong.refused)
    assert enter(bundle, NPU, double("works")).refused is None


def test_a_way_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    bundle = load(tiny_bundle.proven(tmp_path / "part"))
    assert "no accelerator is plugged in" in str(enter(bundle, NPU, double("no_device")).refused)
    assert "is missing; compile the model" in str(enter(bundle, Way("edgetpu", "int8", 1), CPU).refused)
    assert "no float16 model" in str(enter(bundle, Way("cpu", "float16", 1), CPU).refused)


def test_a_bundle_without_golden_pictures_cannot_be_tuned(tmp_path: Path) -> None:
    bundle = load(tiny_bundle.anomaly(tmp_path / "part"))
    with pytest.raises(BundleError, match="no golden pictures to prove it with"):
        fastest([enter(bundle, CPU_1, CPU)])


def test_all_run_in_turn_and_equally_often(tmp_path: Path) -> None:
    bundle = load(tiny_bundle.proven(tmp_path / "part"))
    order: list[int] = []
    tried = [enter(bundle, way, double("works")) for way in (CPU_1, CPU_2, NPU)]

    def after_round(number: int) -> None:
        order.append(number)
        assert [len(each.runs_ms) for each in tried] == [5 * len(order)] * 3

    measure(bundle, tried, 3, after_round)
    assert order == [0, 1, 2]


def test_a_delegate_that_fails_while_it_is_measured_is_out(tmp_path: Path) -> None:
    bundle, switch = load(tiny_bundle.proven(tmp_path / "part")), Switch(tmp_path)
    tried = [enter(bundle, CPU_1, CPU), enter(bundle, NPU, switch.double())]
    measure(bundle, tried, 1, lambda _round: switch.turn("crashes"))
    measure(bundle, tried, 2, lambda _round: None)
    assert "crashed (SIGSEGV)" in str(tried[1].refused)
    assert fastest(tried).way == CPU_1
    assert len(tried[0].runs_ms) == 15


@pytest.mark.parametrize(
    ("measured", "taken"),
    [
        ([timed(CPU_1, 10), timed(CPU_2, 6), timed(NPU, 2)], NPU),
        ([timed(CPU_1, 10), timed(CPU_2, 6), timed(NPU, refused="gone")], CPU_2),
        ([timed(CPU_1, 6.2), timed(CPU_2, 6)], CPU_1),
        ([timed(CPU_1, 5, 6, 500), timed(CPU_2, 10, 10, 10)], CPU_1),
    ],
    ids=["fastest", "refused", "as good as", "median"],
)
def test_the_plainest_of_the_fast_ones_is_taken(measured: list[Contender], taken: Way) -> None:
    assert fastest(measured).way == taken


def test_what_was_kept_is_found_again_for_that_bundle_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE
    keep(path, "a" * 64, winner(CPU_2))
    keep(path, "b" * 64, winner(NPU))
    assert recall(path, "a" * 64, HERE).way == CPU_2
    assert recall(path, "b" * 64, HERE).way == NPU
    with pytest.raises(ConfigError, match="has not been tuned on this device since it was taught"):
        recall(path, "c" * 64, HERE)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (replace(HERE, device="Raspberry Pi 5, 4 cores"), "was tuned on another device"),
        (replace(HERE, runtime="ai-edge-litert 9.9"), "was tuned with another runtime"),
        (replace(HERE, library="/usr/lib/libvx.so"), "was tuned with another delegate_library"),
        (replace(HERE, options=(("device", "usb"),)), "was tuned with other delegate_options"),
    ],
)
def test_what_was_measured_elsewhere_is_said_and_not_used(
    tmp_path: Path, now: Surroundings, said: str
) -> None:
    keep(tmp_path / FILE, "a" * 64, winner(CPU_2))
    with pytest.raises(ConfigError, match=said):
        recall(tmp_path / FILE, "a" * 64, now)


DAMAGE: dict[str, Callable[[str], str]] = {
    "no JSON": lambda text: text[:40],
    "no table": lambda _text: "[]",
    "an unknown delegate": lambda text: text.replace('"cpu"', '"tpu9"'),
    "no thread": lambda text: text.replace('"threads": 2', '"threads": 0'),
    "a way is missing": lambda text: text.replace('"way"', '"weg"'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_file_is_said_and_not_used(tmp_path: Path, damage: Callable[[str], str]) -> None:
    path = tmp_path / FILE
    keep(path, "a" * 64, winner(CPU_2))
    path.write_text(damage(path.read_text()))
    with pytest.raises(ConfigError, match="is damaged"):
        recall(path, "a" * 64, HERE)


def auto(folder: Path, delegate: DelegateConfig = CPU, **settings: Any) -> config.Check:
    return config.Check(
        name="surface",
        bundle=folder,
        delegate="auto",
        delegate_library=delegate.library,
        delegate_options=dict(delegate.options),
        **settings,
    )


def test_auto_runs_what_was_found(tmp_path: Path) -> None:
    bundle, state = load(tiny_bundle.proven(tmp_path / "part")), tmp_path / FILE
    delegate = double("works")
    keep(state, bundle.digest, winner(NPU, Surroundings.here(delegate)))
    identity = open_check(auto(bundle.folder, delegate), None, state).model.identity
    assert identity is not None
    assert (identity.delegate, identity.fallback) == ("npu", None)
    keep(state, bundle.digest, winner(CPU_2))
    identity = open_check(auto(bundle.folder), None, state).model.identity
    assert identity is not None
    assert (identity.delegate, identity.threads, identity.fallback) == ("cpu", 2, None)


def test_auto_runs_a_float_model_and_every_report_says_so(quick: Lesson, tmp_path: Path) -> None:
    bundle, state = quick.taught.bundle, tmp_path / FILE
    keep(state, bundle.digest, winner(Way("cpu", "float16", 1)))
    identity = open_check(auto(bundle.folder), None, state).model.identity
    assert identity is not None
    assert (identity.delegate, identity.fallback) == ("cpu (float16)", None)


def test_auto_without_a_measurement_that_holds_is_the_cpu_and_says_so(tmp_path: Path) -> None:
    bundle, state = load(tiny_bundle.proven(tmp_path / "part")), tmp_path / FILE
    for _ in range(2):
        check = open_check(auto(bundle.folder, threads=1), None, state)
        identity = check.model.identity
        assert identity is not None
        assert identity.delegate == "cpu"
        assert "run 'edge tune'" in str(identity.fallback)
        assert check.model.run(tiny_bundle.plain((9, 9, 9))) is not None
        state.write_text("no JSON")


def test_a_setting_always_wins(tmp_path: Path) -> None:
    bundle, state = load(tiny_bundle.proven(tmp_path / "part")), tmp_path / FILE
    keep(state, bundle.digest, winner(CPU_2))
    fixed = config.Check(name="surface", bundle=bundle.folder, threads=1)
    identity = open_check(fixed, None, state).model.identity
    assert identity is not None
    assert identity.threads == 1


def station(folder: Path, bundle: Path) -> Path:
    path = folder / "station.toml"
    path.write_text(
        f'[station]\nstate_dir = "state"\n[source]\ntype = "synthetic"\n[recipe]\nchecks = [{{ name = "surface",'
        f' bundle = "{bundle}", delegate = "auto", delegate_library = "{library()}",'
        f' delegate_options = {{ mode = "works" }} }}]\n'
    )
    (folder / "state").mkdir(exist_ok=True)
    return path


def edge(*arguments: object) -> str:
    outcome = CliRunner().invoke(app, ["tune", *map(str, arguments)], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def test_the_command_measures_keeps_and_the_daemon_finds_it(tmp_path: Path) -> None:
    bundle = load(tiny_bundle.proven(tmp_path / "part"))
    path = station(tmp_path, bundle.folder)
    figures = json.loads(edge(bundle.folder, "--config", path, "--rounds", 2, "--json"))
    assert {row["delegate"] for row in figures["ways"]} == {"cpu", "gpu", "npu"}
    assert all(("p50_ms" in row) != ("refused" in row) for row in figures["ways"])
    settings = config.load(path)
    check = open_check(settings.recipe.checks[0], None, settings.station.state_dir / FILE)
    assert check.model.identity is not None
    assert check.model.identity.delegate == figures["fastest"]["delegate"]
    assert check.model.identity.fallback is None


def test_the_doctor_finds_what_was_measured_as_the_daemon_does(tmp_path: Path) -> None:
    folder = tiny_bundle.proven(tmp_path / "part")
    station_config = config.load(station(tmp_path, folder))
    assert [line.state for line in bundle_lines(station_config)] == ["ok", "warn"]
    edge(folder, "--config", tmp_path / "station.toml", "--rounds", 1)
    assert [line.state for line in bundle_lines(station_config)] == ["ok"]


def test_the_command_measures_again_only_where_it_is_needed(tmp_path: Path) -> None:
    folder = tiny_bundle.proven(tmp_path / "part")
    path = station(tmp_path, folder)
    again = (folder, "--config", path, "--rounds", 1, "--if-needed")
    assert "kept in" in edge(*again)
    assert edge(*again) == ""
    kept = tmp_path / "state" / FILE
    kept.write_text(kept.read_text().replace(runtime(), "ai-edge-litert 1.0"))
    assert "kept in" in edge(*again)


def test_without_a_bundle_all_checks_that_want_it_are_tuned(tmp_path: Path) -> None:
    folder = tiny_bundle.proven(tmp_path / "part")
    path = station(tmp_path, folder)
    assert json.loads(edge("--config", path, "--rounds", 1, "--json"))["digest"] == load(folder).digest
    assert edge("--config", path, "--if-needed") == ""
    path.write_text(path.read_text().replace('"auto"', '"cpu"'))
    with pytest.raises(ConfigError, match='no check says delegate = "auto"'):
        edge("--config", path)
    with pytest.raises(ConfigError, match="name a bundle, or the station's file"):
        edge()


def test_a_product_that_is_not_taught_yet_is_no_fault(tmp_path: Path) -> None:
    path = station(tmp_path, tmp_path / "shelf")
    path.write_text(path.read_text().replace('delegate = "auto"', 'delegate = "auto", teachable = true'))
    assert edge("--config", path) == ""


def test_a_file_that_the_station_may_not_read_is_said_and_not_used(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(ConfigError, match=r"cannot be read: .*must belong to the station's user"):
        recall(tmp_path / FILE, "a" * 64, HERE)


def test_without_a_station_the_table_is_all(tmp_path: Path) -> None:
    told = edge(tiny_bundle.proven(tmp_path / "part"), "--rounds", 1)
    assert "← taken" in told
    assert "nothing was kept" in told


def test_a_bundle_of_no_check_is_refused(tmp_path: Path) -> None:
    path = station(tmp_path, tiny_bundle.proven(tmp_path / "part"))
    with pytest.raises(ConfigError, match="no check of the station's recipe uses it"):
        edge(tiny_bundle.proven(tmp_path / "other"), "--config", path)


def test_a_measurement_while_throttled_is_marked(tmp_path: Path) -> None:
    climate = Climate(84.0, ("the processor is throttled",))
    figures = {
        "device": "board", "runtime": "runtime", "ways": [], "fastest": {},
        "hottest_c": climate.hottest_c, "throttled": list(climate.throttled),
    }  # fmt: skip
    told = "\n".join(_lines(figures, None))
    assert "measured while throttled: the processor is throttled; cool it, and repeat" in told
    keep(tmp_path / FILE, "a" * 64, replace(winner(CPU_1), throttled=climate.throttled))
    assert recall(tmp_path / FILE, "a" * 64, HERE).throttled == climate.throttled


def test_a_pi_is_named_by_its_board(tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    assert this_device(tmp_path).startswith("Raspberry Pi 5 Model B Rev 1.0, ")
