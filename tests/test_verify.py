import json
import random
import signal
import subprocess
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tiny_bundle
import tiny_model

from edge.errors import BundleError
from edge.model.bundle import described, load, write
from edge.model.manifest import Golden
from edge.model.runner import open_model
from edge.model.runtime import runtime
from edge.model.verify import _said, verify


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bundle.anomaly(tmp_path / "part")


def with_golden(folder: Path, score: float, content: bytes | None = None) -> Path:
    """The bundle with a red golden picture that is to have a score."""
    bundle = load(folder)
    red = folder.parent / "red.png"
    PIL.Image.fromarray(np.full((32, 32, 3), (255, 0, 0), np.uint8)).save(red)
    files = {**bundle.files, "red.png": red.read_bytes() if content is None else content}
    golden = [Golden(file="red.png", score=score)]
    manifest = bundle.manifest.model_copy(update={"files": described(files), "golden": golden})
    write(folder.with_name("golden"), manifest, files)
    return folder.with_name("golden")


def flipped(folder: Path, bit: int) -> Path:
    """The bundle with one bit of its model flipped, and a manifest that agrees."""
    bundle = load(folder)
    content = bytearray(bundle.files["model.tflite"])
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    files = {**bundle.files, "model.tflite": bytes(content)}
    write(folder.with_name("flipped"), bundle.manifest.model_copy(update={"files": described(files)}), files)
    return folder.with_name("flipped")


def test_a_sound_bundle_is_accepted(folder: Path) -> None:
    verify(load(with_golden(folder, 3**0.5)))


def test_a_bundle_that_answers_otherwise_than_taught_is_refused(folder: Path) -> None:
    with pytest.raises(
        BundleError, match=r"red\.png has the score 1\.7\d\d on this machine, but 1\.500 ± 0\.095"
    ):
        verify(load(with_golden(folder, 1.5)))


def test_a_golden_picture_that_is_no_picture_is_refused(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"red\.png: .*; copy the bundle again"):
        verify(load(with_golden(folder, 1.5, b"no picture")))


def test_what_is_sound_is_remembered_by_digest_and_runtime(folder: Path, tmp_path: Path) -> None:
    bundle = load(folder)
    verify(bundle, tmp_path / "verified.json")
    assert json.loads((tmp_path / "verified.json").read_text()) == {
        "proven": [f"{bundle.digest} {runtime()}"]
    }


def test_what_is_remembered_is_not_run_again(folder: Path, tmp_path: Path) -> None:
    bundle = load(folder)
    with pytest.raises(BundleError, match=r"took longer than 0\.001 s"):
        verify(bundle, tmp_path / "verified.json", timeout_s=0.001)
    verify(bundle, tmp_path / "verified.json")
    verify(bundle, tmp_path / "verified.json", timeout_s=0.001)


def test_another_runtime_has_to_prove_it_again(folder: Path, tmp_path: Path) -> None:
    bundle = load(folder)
    (tmp_path / "verified.json").write_text(json.dumps({"proven": [f"{bundle.digest} ai-edge-litert 0.0.1"]}))
    with pytest.raises(BundleError, match="took longer"):
        verify(bundle, tmp_path / "verified.json", timeout_s=0.001)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"proven": 5}', b'{"proven": [1, null]}', b"\xff"])
def test_a_damaged_memory_is_replaced(folder: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "verified.json").write_bytes(content)
    verify(load(folder), tmp_path / "verified.json")
    assert len(json.loads((tmp_path / "verified.json").read_text())["proven"]) == 1


def test_a_memory_that_cannot_be_written_costs_time_and_nothing_else(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    verify(load(folder), tmp_path / "no such folder" / "verified.json")
    assert "verified.json: cannot be written, so the next start takes longer" in caplog.text


def test_a_model_that_wants_more_memory_than_there_is_is_refused(tmp_path: Path) -> None:
    folder = tiny_bundle.classification(
        tmp_path / "part", model=tiny_model.passthrough((1, 30_000, 30_000, 3))
    )
    with pytest.raises(BundleError, match=r"model\.tflite: .*(too little memory|crashed)"):
        verify(load(folder))


def test_a_model_that_was_cut_short_before_it_was_described_is_refused(tmp_path: Path) -> None:
    folder = tiny_bundle.classification(tmp_path / "part", model=tiny_model.classifier()[:700])
    with pytest.raises(BundleError, match=r"model\.tflite: (is not a model|crashed the TFLite runtime)"):
        verify(load(folder))


def test_a_crash_of_the_child_is_a_bundle_error_that_names_the_signal(folder: Path) -> None:
    child = subprocess.run(["sh", "-c", "kill -SEGV $$"], capture_output=True, check=False)
    assert child.returncode == -signal.SIGSEGV
    with pytest.raises(BundleError, match=r"model\.tflite: crashed the TFLite runtime \(signal 11\)"):
        _said(load(folder).model_path, child)


def test_a_child_that_says_nothing_of_use_is_a_bundle_error(folder: Path) -> None:
    child = subprocess.run(["sh", "-c", "echo no python >&2"], capture_output=True, check=False)
    with pytest.raises(BundleError, match=r"model\.tflite: could not be tried out: no python"):
        _said(load(folder).model_path, child)


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_bit_is_refused_or_does_no_harm(folder: Path, seed: int) -> None:
    broken = load(flipped(with_golden(folder, 3**0.5), random.Random(seed).randrange(2**16)))
    try:
        verify(broken)
    except BundleError:
        return
    # The child has run it, and its golden score is right: so does it here.
    open_model(broken).run(tiny_bundle.plain((255, 0, 0)))
