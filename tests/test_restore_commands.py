"""Restored pictures as a user meets them: `edge restore`, and a station that keeps them as evidence."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_bundle
import tiny_model
from stations import reports, settings


def edge(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "part.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (30, 41, 3), np.uint8))
    return path


def test_restore_writes_a_picture_beside_the_given_one(picture: Path, tmp_path: Path) -> None:
    model = tiny_bundle.restoration(tmp_path / "twice", tiny_model.smoother(block=2), factor=2)
    before = picture.read_bytes()
    done = edge("restore", model, picture, "--out", tmp_path / "restored")
    target = tmp_path / "restored" / "part.png"
    assert (done.returncode, done.stdout.split()[:3]) == (0, [str(target), "82", "60"]), done.stderr
    assert cv2.imread(str(target)).shape == (60, 82, 3)
    assert picture.read_bytes() == before


def test_restore_writes_over_nothing(picture: Path, tmp_path: Path) -> None:
    done = edge("restore", tiny_bundle.restoration(tmp_path / "smoother"), picture, "--out", tmp_path)
    assert done.returncode == 78
    assert "exists already; give another folder with --out" in done.stderr


def test_restore_tells_two_pictures_of_one_name_apart(picture: Path, tmp_path: Path) -> None:
    other = tmp_path / "more" / picture.name
    other.parent.mkdir()
    other.write_bytes(picture.read_bytes())
    done = edge(
        "restore", tiny_bundle.restoration(tmp_path / "smoother"), picture, other, "--out", tmp_path / "out"
    )
    assert done.returncode == 78
    assert "have the same name" in done.stderr


def test_a_model_that_restores_nothing_is_refused_by_name(picture: Path, tmp_path: Path) -> None:
    folder = tiny_bundle.classification(tmp_path / "colours")
    done = edge("restore", folder, picture, "--out", tmp_path / "out")
    assert done.returncode == 78
    assert "is for task 'classification', and restores no picture" in done.stderr


def test_a_station_keeps_restored_pictures_beside_its_evidence(tmp_path: Path) -> None:
    folder = tiny_bundle.restoration(tmp_path / "smoother")
    more = f'[evidence]\npass_rate = 1.0\nmin_free_mb = 0\nrestore = "{folder}"\n'
    station = settings(tmp_path, more=more)
    assert "evidence.restore: smoother version 1" in edge("check", station).stdout
    done = edge("run", station)
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in (tmp_path / "state" / "evidence").rglob("*.json")]
    kept = [record for record in records if "restored" in record]
    assert kept
    assert {record["restored"]["model"]["name"] for record in kept} == {"smoother"}
    restored = list((tmp_path / "state" / "evidence").rglob("*-restored.jpg"))
    assert len(restored) == sum(record["restored"]["reason"] is None for record in kept) > 0
    for path in restored:
        assert path.with_name(path.name.replace("-restored", "")).exists()
    assert not any("restored" in report for report in reports(tmp_path))


def test_a_station_whose_restoration_is_missing_does_not_start(tmp_path: Path) -> None:
    done = edge("check", settings(tmp_path, more='[evidence]\nrestore = "nowhere"\n'))
    assert done.returncode == 78
    assert "nowhere: there is no such bundle" in done.stderr
