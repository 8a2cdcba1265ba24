"""A bundle on a delegate, with the CPU standing by: when each of them judges, and what is said of it."""

from dataclasses import replace
from pathlib import Path
from time import sleep

import numpy as np
import pytest
import tiny_bundle
import tiny_model
from delegate_double import Switch, double
from stations import until
from washers import Lesson

from edge.config import Check, Quality
from edge.errors import BundleError, DelegateError, DeviceError
from edge.model.bundle import Bundle, load
from edge.model.checks import open_check, probe_delegates
from edge.model.delegates import DelegateConfig
from edge.model.runner import open_model
from edge.model.shelves import renewed
from edge.model.standby import Standby
from edge.model.tables import MANIFEST
from edge.pipeline import Check as OpenCheck
from edge.pipeline import Inspector
from edge.preprocess.quality import QualityGate

RED = (255, 0, 0)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return load(tiny_bundle.proven(tmp_path / "part"))


def standby(bundle: Bundle, delegate: DelegateConfig) -> Standby:
    return Standby(bundle, open_model(bundle), delegate, 1)


def judged(model: Standby) -> float:
    """The highest score of a picture that is all red: √3, whoever judges it."""
    prepared = tiny_bundle.plain(RED)
    return float(model.run(prepared).scores[0].max())


class Clock:
    """Time that passes when a test says so."""

    now_s = 1000.0

    def standby(self, bundle: Bundle, folder: Path, retry_s: float) -> Standby:
        delegate = Switch(folder).double(retry_s=retry_s)
        return Standby(bundle, open_model(bundle), delegate, 1, clock=lambda: self.now_s)


def lose(model: Standby, switch: Switch) -> None:
    """A part that the delegate fails, after one that it did not; it would be well at once."""
    judged(model)
    switch.turn("lost")
    with pytest.raises(DelegateError):
        judged(model)
    switch.turn("works")


def returns(model: Standby) -> bool:
    """Whether it is tried, and judges the next part."""
    model.probe()
    judged(model)
    return model.identity.delegate == "npu"


def on(model: Standby) -> tuple[str, bool]:
    """On what it runs, and whether that is a fall-back."""
    return model.identity.delegate, model.identity.fallback is not None


def test_a_delegate_that_answers_as_was_taught_judges(bundle: Bundle) -> None:
    model = standby(bundle, double("works"))
    assert on(model) == ("npu", False)
    assert judged(model) == pytest.approx(3**0.5, abs=0.02)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("wrong", "delegate 'npu' does not answer as was taught: golden picture golden.png has the score"),
        ("no_device", "no accelerator is plugged in"),
        ("crashes", "crashed (SIGSEGV) while it was loaded"),
        ("idle", "can run none of the model's operations"),
    ],
)
def test_a_delegate_that_cannot_be_trusted_leaves_the_cpu_and_the_reason(
    bundle: Bundle, mode: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = standby(bundle, double(mode))
    assert on(model) == ("cpu", True)
    assert reason in str(model.identity.fallback)
    assert reason in caplog.text
    assert judged(model) == pytest.approx(3**0.5, abs=0.02)


def test_a_bundle_that_nothing_is_known_of_never_runs_on_a_delegate(tmp_path: Path) -> None:
    model = standby(load(tiny_bundle.anomaly(tmp_path / "part")), double("works"))
    assert on(model) == ("cpu", True)
    assert "has no golden pictures to prove it with" in str(model.identity.fallback)


@pytest.mark.parametrize("mode", ["lost", "hangs", "crashes"])
def test_the_part_that_a_delegate_fails_is_an_error_and_the_cpu_judges_the_next(
    bundle: Bundle, tmp_path: Path, mode: str
) -> None:
    switch = Switch(tmp_path)
    model = standby(bundle, switch.double())
    judged(model)
    switch.turn(mode)
    with pytest.raises(DelegateError, match="delegate 'npu'") as fault:
        judged(model)
    assert model.identity.fallback == str(fault.value)
    assert judged(model) == pytest.approx(3**0.5, abs=0.02)
    assert on(model) == ("cpu", True)


@pytest.mark.parametrize("mode", ["lost", "hangs", "crashes"])
def test_a_delegate_that_is_well_again_comes_back_between_two_parts(
    bundle: Bundle, tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    switch = Switch(tmp_path)
    model = standby(bundle, switch.double())
    switch.turn(mode)
    with pytest.raises(DelegateError):
        judged(model)
    switch.turn("works")
    model.probe()
    assert on(model) == ("cpu", True)  # until the next part
    assert judged(model) == pytest.approx(3**0.5, abs=0.02)
    assert on(model) == ("npu", False)
    assert "delegate 'npu' is back" in caplog.text


@pytest.mark.parametrize("mode", ["wrong", "no_device", "load_crashes", "crashes"])
def test_a_delegate_that_is_not_well_stays_away_and_says_what_it_is_now(
    bundle: Bundle, tmp_path: Path, mode: str
) -> None:
    switch = Switch(tmp_path)
    model = standby(bundle, switch.double())
    switch.turn("lost")
    with pytest.raises(DelegateError):
        judged(model)
    first = model.identity.fallback
    switch.turn(mode)
    model.probe()
    judged(model)
    assert on(model) == ("cpu", True)
    assert model.identity.fallback != first


def test_a_delegate_that_begins_to_err_is_found_out_and_the_cpu_judges_that_part(
    bundle: Bundle, tmp_path: Path
) -> None:
    clock = Clock()
    switch, model = Switch(tmp_path), clock.standby(bundle, tmp_path, retry_s=60)
    clock.now_s += 60
    judged(model)
    assert on(model) == ("npu", False)
    switch.turn("wrong")
    clock.now_s += 60
    assert judged(model) == pytest.approx(3**0.5, abs=0.02)
    assert on(model) == ("cpu", True)
    assert "answers otherwise than 60 s ago: golden picture golden.png" in str(model.identity.fallback)


@pytest.mark.parametrize("mode", ["lost", "hangs", "crashes"])
def test_a_fault_that_a_golden_picture_finds_costs_no_part(bundle: Bundle, tmp_path: Path, mode: str) -> None:
    clock = Clock()
    switch, model = Switch(tmp_path), clock.standby(bundle, tmp_path, retry_s=60)
    switch.turn(mode)
    clock.now_s += 60
    assert judged(model) == pytest.approx(3**0.5, abs=0.02)
    assert on(model) == ("cpu", True)
    assert "delegate 'npu'" in str(model.identity.fallback)


def test_a_delegate_can_be_lost_and_come_back_again_and_again(bundle: Bundle, tmp_path: Path) -> None:
    switch = Switch(tmp_path)
    model = standby(bundle, switch.double())
    for _ in range(3):
        switch.turn("crashes")
        with pytest.raises(DelegateError):
            judged(model)
        assert on(model) == ("cpu", True)
        switch.turn("works")
        model.probe()
        judged(model)
        assert on(model) == ("npu", False)


def test_a_lost_delegate_is_left_alone_until_its_time_has_come(bundle: Bundle, tmp_path: Path) -> None:
    clock = Clock()
    switch, model = Switch(tmp_path), clock.standby(bundle, tmp_path, retry_s=60)
    clock.now_s += 3600
    lose(model, switch)
    clock.now_s += 59
    assert not returns(model)
    clock.now_s += 1
    assert returns(model)


def test_a_delegate_that_does_not_last_is_tried_more_and_more_rarely(bundle: Bundle, tmp_path: Path) -> None:
    clock = Clock()
    switch, model = Switch(tmp_path), clock.standby(bundle, tmp_path, retry_s=60)
    for pause_s in (60, 120, 240, 480, 960, 1920, 3600, 3600):
        lose(model, switch)
        clock.now_s += pause_s - 1
        assert not returns(model)
        clock.now_s += 1
        assert returns(model)
    clock.now_s += 10 * 3600
    lose(model, switch)
    clock.now_s += 60
    assert returns(model)


def test_a_model_whose_answers_are_no_use_goes_on_with_the_cpu_once(bundle: Bundle) -> None:
    model = standby(bundle, double("works"))
    assert model.fall_back("the model failed 5 times in a row")
    assert on(model) == ("cpu", True)
    assert not model.fall_back("the model failed 5 times in a row")


def test_the_edge_tpu_runs_the_file_that_was_compiled_for_it(tmp_path: Path) -> None:
    compiled = {"model_edgetpu.tflite": tiny_model.backbone(32)}
    other = {"model_edgetpu.tflite": tiny_model.classifier()}
    library = replace(double("works"), name="edgetpu")
    good = standby(load(tiny_bundle.proven(tmp_path / "good", more=compiled)), library)
    assert on(good) == ("edgetpu", False)
    bad = standby(load(tiny_bundle.proven(tmp_path / "bad", more=other)), library)
    assert "takes pictures of 8×8" in str(bad.identity.fallback)


def test_a_bundle_that_was_not_compiled_for_the_edge_tpu_says_what_is_missing(bundle: Bundle) -> None:
    model = standby(bundle, replace(double("works"), name="edgetpu"))
    assert "model_edgetpu.tflite is missing; compile the model" in str(model.identity.fallback)


def test_a_compiled_file_that_is_damaged_is_refused_with_its_bundle(tmp_path: Path) -> None:
    compiled = {"model_edgetpu.tflite": tiny_model.backbone(32)}
    folder = tiny_bundle.proven(tmp_path / "part", more=compiled)
    (folder / "model_edgetpu.tflite").write_bytes(compiled["model_edgetpu.tflite"][:-1] + b"!")
    with pytest.raises(BundleError, match=r"model_edgetpu\.tflite: was changed or damaged"):
        load(folder)


def a_check(folder: Path, delegate: DelegateConfig, deadline_ms: float = 300) -> OpenCheck:
    config = Check(
        name="surface",
        bundle=folder,
        delegate=delegate.name,  # type: ignore[arg-type]
        delegate_library=delegate.library,
        delegate_options=dict(delegate.options),
        delegate_deadline_ms=deadline_ms,
        delegate_retry_s=1,
    )
    return open_check(config, verified=None)


def test_the_check_of_a_recipe_has_its_delegate_and_only_lost_ones_are_probed(
    bundle: Bundle, tmp_path: Path
) -> None:
    switch = Switch(tmp_path, "no_device")
    lost = a_check(bundle.folder, switch.double())
    well, plain = a_check(bundle.folder, double("works")), a_check(bundle.folder, DelegateConfig())
    process = well.model.identity
    switch.turn("works")
    sleep(1.0)
    probe_delegates([lost, well, plain])
    for check in (lost, well, plain):
        check.model.run(tiny_bundle.plain(RED))
    told = [check.model.identity for check in (lost, well, plain)]
    assert [each.delegate for each in told if each] == ["npu", "npu", "cpu"]
    assert told[1] == process


def test_a_bundle_that_does_not_answer_on_the_cpu_as_was_taught_is_refused_whatever_its_delegate_says(
    bundle: Bundle,
) -> None:
    manifest = bundle.folder / MANIFEST
    score = bundle.manifest.golden[0].score
    manifest.write_text(manifest.read_text().replace(f"score = {score}", f"score = {score * 2}"))
    with pytest.raises(BundleError, match="teach the bundle again"):
        a_check(bundle.folder, double("works"))


def test_a_driver_that_keeps_its_process_is_not_asked_for_another(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = Switch(tmp_path)
    model = standby(bundle, switch.double())
    engine = model._judge.engine
    monkeypatch.setattr(engine, "close", lambda: False)  # no driver here hangs in the kernel
    assert model.fall_back("hung")
    model.probe()
    judged(model)
    assert "its process cannot be ended, since the driver hangs; restart the machine" in str(
        model.identity.fallback
    )


def test_a_delegate_without_a_process_is_a_device_error(bundle: Bundle) -> None:
    with pytest.raises(DeviceError, match="delegate 'npu'"):
        open_model(bundle, DelegateConfig("npu"))


def test_scores_on_a_delegate_are_those_on_the_cpu(bundle: Bundle) -> None:
    prepared = tiny_bundle.plain((200, 90, 10))
    there = standby(bundle, double("works")).run(prepared).scores[0]
    here = open_model(bundle).run(prepared).scores[0]
    assert np.allclose(there, here, atol=0.02)


def test_a_new_version_has_the_delegate_too_and_the_process_of_the_old_one_ends(
    quick: Lesson, tmp_path: Path
) -> None:
    check = a_check(quick.copied(tmp_path), double("works"), deadline_ms=5000)
    inspector = Inspector(QualityGate(check.model.quality, Quality()), (check,))
    assert isinstance(check.model, Standby)
    child = check.model._judge.engine._child.pid
    fresh = renewed(inspector, tmp_path / "shelf", Quality(), None)
    assert fresh is not None
    identity = fresh.checks[0].model.identity
    assert identity is not None
    assert (identity.delegate, identity.fallback) == ("npu", None)
    assert Path(f"/proc/{child}").exists()
    del inspector, check
    until(lambda: not Path(f"/proc/{child}").exists())
