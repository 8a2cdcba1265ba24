"""Every task comes through the same manifest, view, golden pictures and drawing."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import tiny_bundle
from parts import frame, judged, picture

from edge.config import Check, Rectangle
from edge.errors import BundleError, ConfigError, InferenceError
from edge.geometry import Box
from edge.message import describe
from edge.model.bundle import load
from edge.model.checks import open_check
from edge.model.manifest import Manifest, text
from edge.prediction import (
    Detection,
    Detections,
    Measurement,
    Measurements,
    Prediction,
    Reading,
    Readings,
    Segmentation,
)
from edge.preprocess.crop import Crop, CropSpec
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.tensor import InputSpec, Prepared
from edge.preprocess.view import view
from edge.store.overlay import has_marks, overlay
from edge.types import Decision, Inspection, Verdict

BOX = Box(20, 30, 60, 70)
AREAS = np.zeros((12, 16), np.uint8)
AREAS[3:7, 2:6] = 1
FOUND: dict[str, Prediction] = {
    "detections": Detections((Detection("cap", 0.9, BOX), Detection("bottle", 0.7, Box(0, 0, 500, 500)))),
    "areas": Segmentation(
        ("good", "scratch"), AREAS, np.ones(AREAS.shape, np.float32), AREAS >= 0, Box(0, 0, 160, 120)
    ),
    "measurements": Measurements((Measurement("bore", 12.04, "mm", 0.02, ends=((20, 30), (60, 70))),)),
    "codes": Readings((Reading("4006381333931", "EAN13", BOX),)),
}


def a_part(prediction: Prediction) -> Inspection:
    return judged(frame(), Decision(Verdict.PASS), prediction)


def a_manifest(task: str, **tables: object) -> Manifest:
    fields = {
        "schema": "edge.bundle/2",
        "name": "x",
        "task": task,
        "created": datetime(2026, 1, 2, tzinfo=UTC),
    }
    return Manifest(**fields, **tables)  # type: ignore[arg-type]


@pytest.mark.parametrize("found", FOUND)
def test_what_was_found_is_drawn_where_it_is(found: str) -> None:
    part = a_part(FOUND[found])
    assert has_marks(part)
    drawn = overlay(part, {})[:240].astype(int) - overlay(a_part(Readings(())), {})[:240]
    changed = np.argwhere(np.abs(drawn).max(axis=2) > 8) / 2  # small pictures are shown at twice their size
    assert ((changed >= (30 - 10, 20 - 1)) & (changed <= (71, 61))).all(axis=1).sum() > 40


@pytest.mark.parametrize(
    "found", sorted(FOUND.keys() - {"areas"})
)  # which belong to the decision: test_segmentation.py
def test_what_was_found_is_told_and_only_that(found: str) -> None:
    told = describe(a_part(FOUND[found]), "housing")["checks"][0]
    assert told[found]
    assert not told.keys() & (FOUND.keys() - {found})


def test_a_tool_sees_the_very_pixels_of_its_region() -> None:
    image = picture()
    seen = view(Pyramid(image), CropSpec(), Rectangle(x_min=10, y_min=20, x_max=30, y_max=400))
    assert isinstance(seen, Crop)
    assert seen.box == Box(10, 20, 30, 120)
    assert np.shares_memory(seen.image, image)
    assert (seen.image == image[20:120, 10:30]).all()


def test_a_region_outside_the_frame_is_an_error_for_tools_as_for_networks() -> None:
    aside = Rectangle(x_min=1000, y_min=0, x_max=1010, y_max=10)
    for spec in (CropSpec(), InputSpec(32, 32)):
        with pytest.raises(InferenceError, match="has no pixel of the frame"):
            view(Pyramid(picture()), spec, aside)


def test_a_network_sees_tensors() -> None:
    assert isinstance(view(Pyramid(picture()), InputSpec(32, 32)), Prepared)


def test_a_bundle_has_the_table_of_its_task() -> None:
    with pytest.raises(ValueError, match=r"task is 'reading': add the table \[reading\]"):
        a_manifest("reading")


def test_a_task_without_a_network_has_none() -> None:
    with pytest.raises(ValueError, match="task is 'reading', which needs no network: take model out"):
        a_manifest("reading", reading={}, model="model.tflite")


def test_a_task_with_a_network_has_one() -> None:
    with pytest.raises(ValueError, match="task is 'detection', which needs a network: add model"):
        a_manifest("detection", detection={"labels": ["cap"]})


def test_a_bundle_of_an_unknown_task_is_refused(tmp_path: Path) -> None:
    folder = tiny_bundle.anomaly(tmp_path / "part")
    path = folder / "model.toml"
    path.write_text(path.read_text().replace('task = "anomaly"', 'task = "telepathy"'))
    with pytest.raises(BundleError, match="task"):
        load(folder)


def test_a_tool_on_a_delegate_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    (folder / "model.toml").write_text(text(a_manifest("reading", reading={})))
    with pytest.raises(ConfigError, match="has no network; take it out"):
        open_check(Check(name="code", bundle=folder, delegate="gpu"), None)
