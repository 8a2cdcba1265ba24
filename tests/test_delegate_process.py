"""A delegate in a process of its own: what it answers, and every way in which it can fail."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_model
from brokers import program
from delegate_double import HANG_MS, Switch, double, library
from stations import until

from edge.errors import DelegateError, DeviceError, InferenceError
from edge.model.delegate_process import DelegateProcess
from edge.model.delegates import DelegateConfig
from edge.model.interpreter import Interpreter
from edge.model.pixels import Pixels
from edge.model.shipped import backbone

PICTURE = np.random.default_rng(0).integers(-128, 128, (1, 32, 32, 3), np.int8)
LIBRARY_WITHOUT_DELEGATE = Path("libm.so.6")


def opened(delegate: DelegateConfig) -> DelegateProcess:
    return DelegateProcess(tiny_model.backbone(), 1, delegate)


def test_a_delegate_answers_from_its_process_what_the_cpu_answers_here() -> None:
    elsewhere, here = opened(double("works")), Interpreter(tiny_model.backbone())
    assert elsewhere.delegate == "npu"
    assert (elsewhere.inputs, elsewhere.outputs) == (here.inputs, here.outputs)
    for mine, theirs in zip(here.invoke(PICTURE), elsewhere.invoke(PICTURE), strict=True):
        assert np.abs(mine.astype(int) - theirs).max() <= 1


def test_the_shipped_backbone_runs_at_another_size_on_a_delegate_that_takes_some_of_it() -> None:
    content, size = backbone().read_bytes(), (160, 192)
    picture = np.random.default_rng(0).integers(-128, 128, (1, *size, 3), np.int8)
    elsewhere = DelegateProcess(content, 1, double("works"), "backbone", size)
    for mine, theirs in zip(
        Interpreter(content, size=size).invoke(picture), elsewhere.invoke(picture), strict=True
    ):
        assert np.corrcoef(mine.ravel(), theirs.ravel())[0, 1] > 0.999


def test_outputs_stay_as_they_are_when_the_delegate_runs_again() -> None:
    process = opened(double("works"))
    first = process.invoke(PICTURE)[0]
    kept = first.copy()
    process.invoke(PICTURE[:, ::-1].copy())
    assert np.array_equal(first, kept)


def test_a_model_that_wants_other_numbers_gets_them_there_too() -> None:
    picture = np.full((1, 8, 8, 3), -128, np.int8)
    picture[..., 0] = 127
    model = tiny_model.classifier(input_kind="uint8", output="float32")
    (scores,) = DelegateProcess(model, 1, double("works")).invoke(picture)
    assert scores[0].tolist() == pytest.approx([1, 0, 0], abs=0.01)


def test_a_model_of_others_sees_there_what_it_was_trained_with() -> None:
    wanted = Pixels(mean=[10.0, 20.0, 30.0], std=[100.0], order="bgr")
    content = tiny_model.strange(
        [tiny_model.Output(np.zeros((1, 2), np.float32), np.array([[1.0, 2.0]], np.float32))]
    )
    elsewhere = DelegateProcess(content, 1, DelegateConfig(), "model", pixels=wanted)
    (theirs,), (mine,) = elsewhere.invoke(PICTURE), Interpreter(content, pixels=wanted).invoke(PICTURE)
    # The model looks at the first channel alone: here it is blue.
    blue = float((PICTURE[..., 2].astype(float) + 128 - 10).mean() / 100)
    assert mine.tolist() == [pytest.approx([blue, 2 * blue], rel=1e-4)]
    assert theirs.tolist() == mine.tolist()


@pytest.mark.parametrize(
    ("delegate", "reason"),
    [
        (DelegateConfig("npu"), "no delegate_library is set"),
        (DelegateConfig("npu", Path("/no/such.so")), "/no/such.so: cannot open shared object file"),
        (DelegateConfig("npu", Path(__file__)), f"{__file__}: (file too short|invalid ELF header)"),
        (DelegateConfig("npu", LIBRARY_WITHOUT_DELEGATE), "is not a TFLite delegate"),
        (DelegateConfig("edgetpu", Path("/no/libedgetpu.so.1")), "/no/libedgetpu.so.1: cannot open"),
    ],
)
def test_a_library_that_is_none_is_refused_with_a_reason(delegate: DelegateConfig, reason: str) -> None:
    with pytest.raises(DeviceError, match=rf"^delegate '{delegate.name}': .*{reason}"):
        opened(delegate)


def test_a_library_of_another_version_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    source, built = tmp_path / "newer.c", tmp_path / "libnewer.so"
    source.write_text(
        "void driver_interface_9(void);\n"
        "void *tflite_plugin_create_delegate(void) { driver_interface_9(); return 0; }\n"
        "void tflite_plugin_destroy_delegate(void *delegate) {}\n"
    )
    subprocess.run([program("gcc"), "-shared", "-fPIC", source, "-o", built], check=True)
    with pytest.raises(DeviceError, match=rf"^delegate 'npu': {built}: undefined symbol: driver_interface_9"):
        opened(DelegateConfig("npu", built))


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("no_device", "no accelerator is plugged in"),
        ("not_prepared", "delegate application failure"),
        ("idle", "can run none of the model's operations"),
        (
            "load_crashes",
            r"crashed \(SIGSEGV\) while it was loaded: this processor lacks what the driver needs",
        ),
        ("crashes", r"crashed \(SIGSEGV\) while it was loaded"),
        ("lost", "failed to invoke"),
    ],
)
def test_a_delegate_that_does_not_get_ready_is_refused_with_a_reason(mode: str, reason: str) -> None:
    with pytest.raises(DeviceError, match=rf"delegate 'npu'.*{reason}"):
        opened(double(mode))


@pytest.mark.parametrize("mode", ["load_hangs", "hangs"])
def test_a_delegate_that_hangs_while_it_loads_is_given_up_at_its_deadline(mode: str) -> None:
    with pytest.raises(DeviceError, match=r"did not answer within 2 s while it was loaded"):
        opened(double(mode, load_s=2.0))


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("lost", "the model did not run on delegate 'npu': Node number"),
        ("hangs", f"delegate 'npu' did not answer within {HANG_MS:g} ms"),
        ("crashes", r"delegate 'npu' crashed \(SIGSEGV\)"),
    ],
)
def test_a_delegate_that_fails_while_it_runs_is_named_and_ended(tmp_path: Path, mode: str, said: str) -> None:
    switch = Switch(tmp_path)
    process = opened(switch.double())
    process.invoke(PICTURE)
    switch.turn(mode)
    with pytest.raises(DelegateError, match=said):
        process.invoke(PICTURE)
    assert process.close()
    with pytest.raises(DelegateError):
        process.invoke(PICTURE)


def test_a_tensor_of_another_shape_is_no_fault_of_the_delegate() -> None:
    process = opened(double("works"))
    with pytest.raises(InferenceError, match=r"the model takes \(1, 32, 32, 3\)") as refusal:
        process.invoke(PICTURE[:, :16])
    assert not isinstance(refusal.value, DelegateError)
    assert process.invoke(PICTURE)


def children_of(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@pytest.mark.parametrize("mode", ["works", "hangs"])
def test_the_process_ends_with_a_daemon_that_is_killed(tmp_path: Path, mode: str) -> None:
    switch = Switch(tmp_path)
    script = (
        "import sys, numpy as np; sys.path.insert(0, sys.argv[1])\n"
        "import tiny_model; from pathlib import Path\n"
        "from edge.model.delegate_process import DelegateProcess\n"
        "from edge.model.delegates import DelegateConfig\n"
        "options = {'switch': sys.argv[3]}\n"
        "wanted = DelegateConfig('npu', Path(sys.argv[2]), options, deadline_ms=600_000)\n"
        "process = DelegateProcess(tiny_model.backbone(), 1, wanted)\n"
        "Path(sys.argv[3]).write_text(sys.argv[4])\n"
        "print('loaded', flush=True)\n"
        "while True: process.invoke(np.zeros((1, 32, 32, 3), np.int8))\n"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(library()), str(switch.path)]
    with subprocess.Popen([*command, mode], stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == b"loaded\n"
        (child,) = children_of(daemon.pid)
        daemon.kill()
    until(lambda: not Path(f"/proc/{child}").exists() or is_zombie(child))


def test_systemd_stops_the_daemon_and_the_delegate_works_until_the_end() -> None:
    process = opened(double("works"))
    os.kill(process._child.pid, signal.SIGTERM)
    os.kill(process._child.pid, signal.SIGINT)
    assert process.invoke(PICTURE)
    assert process.close()


def is_zombie(process: int) -> bool:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_the_process_ends_when_nobody_has_it_any_more() -> None:
    process = opened(double("works"))
    child = process._child.pid
    del process
    until(lambda: child not in children_of(os.getpid()))


def test_the_vendors_library_sees_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    process = opened(double("works"))
    child = process._child.pid
    assert b"CREDENTIALS_DIRECTORY" not in Path(f"/proc/{child}/environ").read_bytes()
    assert process.close()


def test_a_crash_leaves_no_core_on_the_card(tmp_path: Path) -> None:
    process = opened(Switch(tmp_path).double())
    child = process._child.pid
    limits = Path(f"/proc/{child}/limits").read_text()
    assert next(line for line in limits.splitlines() if line.startswith("Max core")).split()[4] == "0"
    os.kill(child, signal.SIGSEGV)
    with pytest.raises(DelegateError, match=r"crashed \(SIGSEGV\)"):
        process.invoke(PICTURE)


def test_a_machine_without_a_gpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VK_DRIVER_FILES", "/no/such/driver.json")
    monkeypatch.setenv("VK_ICD_FILENAMES", "/no/such/driver.json")
    with pytest.raises(DeviceError, match=r"^delegate 'gpu': .*(No adapters found|has no GPU accelerator)"):
        DelegateProcess(backbone().read_bytes(), 1, DelegateConfig("gpu"))
