import json
import shutil
from pathlib import Path

import pytest
from washers import Lesson

from edge.config import Check
from edge.errors import BundleError
from edge.model.bundle import load
from edge.model.checks import open_check
from edge.model.runtime import runtime
from edge.model.tables import MANIFEST


def believed(folder: Path, cache: Path) -> Path:
    """Note the bundle down as proven, as an earlier start would have done."""
    cache.write_text(json.dumps({"proven": [f"{load(folder).digest} {runtime()}"]}))
    return cache


def test_a_bundle_that_was_proven_before_is_opened(quick: Lesson, tmp_path: Path) -> None:
    folder = quick.taught.bundle.folder
    check = open_check(Check(name="surface", bundle=folder), believed(folder, tmp_path / "verified.json"))
    assert check.model.identity is not None
    assert check.model.identity.digest == quick.taught.bundle.digest


def test_golden_pictures_are_replayed_even_where_the_bundle_was_proven_before(
    quick: Lesson, tmp_path: Path
) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(quick.taught.bundle.folder, folder)
    score = quick.taught.bundle.manifest.golden[0].score
    manifest = folder / MANIFEST
    manifest.write_text(manifest.read_text().replace(f"score = {score}", f"score = {score * 1.5}"))
    with pytest.raises(
        BundleError, match=r"golden picture good-0\.png has the score .* teach the bundle again"
    ):
        open_check(Check(name="surface", bundle=folder), believed(folder, tmp_path / "verified.json"))
