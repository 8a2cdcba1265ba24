"""One station that measures a part and reads its code, from the picture in a folder to report and evidence."""

import json
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

pytest.importorskip("zxingcpp")
sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
from rendered_labels import Look as Print
from rendered_labels import label
from rendered_parts import Look, bar, render

from edge.cli.main import app
from edge.config import load
from edge.daemon import Daemon
from edge.geometry import Image

TOOLS = '[[tools]]\ntype = "caliper"\nname = "width"\nstart = [20, 60]\nend = [140, 60]\n'


def a_part(number: int, width: float) -> Image:
    """A plate, and beside it a label with its number."""
    plate = render(bar((80, 80), width, 400), 160, 160, Look(noise=1, seed=number))
    return np.hstack([plate, label(f"SN{number:04}", "DataMatrix", Print(module_px=4, seed=number), 160)])


@pytest.fixture
def station(tmp_path: Path) -> Path:
    """Three parts: a good one, one that is too wide, one whose label is torn off."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    torn = a_part(3, 60.0)
    torn[:, 160:] = 200
    for number, picture in enumerate((a_part(1, 60.0), a_part(2, 63.0), torn), 1):
        PIL.Image.fromarray(picture).save(pictures / f"{number}.png")
    (tmp_path / "tools.toml").write_text(TOOLS)
    (tmp_path / "codes.toml").write_text('symbologies = ["DataMatrix"]\n')
    for command, tools, bundle in (("measure", "tools.toml", "size"), ("read", "codes.toml", "code")):
        words = [command, str(tmp_path / tools), str(pictures / "1.png"), "--out", str(tmp_path / bundle)]
        assert CliRunner().invoke(app, words).exit_code == 0
    path = tmp_path / "station.toml"
    path.write_text(
        '[station]\nstate_dir = "state"\n[source]\ntype = "folder"\npath = "pictures"\n'
        '[[recipe.checks]]\nname = "size"\nbundle = "size"\n'
        '[[recipe.checks.rules.measurement.tolerances]]\nname = "width"\nlower = 59\nupper = 61\n'
        '[[recipe.checks]]\nname = "code"\nbundle = "code"\n'
        '[recipe.checks.rules.reading]\npattern = "SN(?P<part_id>[0-9]+)"\npart_id = true\n'
        "[quality]\nenabled = false\n[evidence]\npass_rate = 1.0\nmin_free_mb = 0\n"
    )
    return path


def test_parts_are_measured_and_named_by_their_codes(station: Path) -> None:
    Daemon(load(station)).run()
    evidence = station.parent / "state" / "evidence"
    reports = [json.loads(path.read_bytes()) for path in sorted(evidence.rglob("*.json"))]
    told = {report["sequence"]: (report["part_id"], report["verdict"]) for report in reports}
    assert told == {1: ("0001", "pass"), 2: ("0002", "fail"), 3: ("3", "inconclusive")}
    assert len(list(evidence.rglob("*-map.jpg"))) == 3
