"""Teach on rendered parts, run the daemon over others, and draw the contact sheet of the evidence that it kept."""

import tempfile
from pathlib import Path

from edge.cli.bench_runs import taught_bundle
from edge.cli.progress import bar
from edge.config import Rectangle, load
from edge.daemon import Daemon
from edge.store.sheet import sheet_from

PARTS, SEED = 12, 5
"""Among these parts is every kind of defect."""
ROI = Rectangle(x_min=280, y_min=120, x_max=1000, y_max=840)
"""The part, and a little around it."""
TILES = 2
SHEET = Path(__file__).parents[1] / "docs" / "images" / "sheet.jpg"

with tempfile.TemporaryDirectory() as scratch, bar() as progress:
    folder = Path(scratch)
    bundle = taught_bundle(folder, progress, ROI, TILES)
    (folder / "station.toml").write_text(
        f'[station]\nstate_dir = "state"\n'
        f'[source]\ntype = "synthetic"\ncount = {PARTS}\ndefect_rate = 0.5\nseed = {SEED}\n'
        f'[recipe]\nchecks = [{{ name = "surface", bundle = "{bundle}" }}]\n'
        f"[evidence]\npass_rate = 1.0\nmin_free_mb = 0\n"
    )
    Daemon(load(folder / "station.toml")).run()
    SHEET.parent.mkdir(exist_ok=True)
    sheet_from(folder / "state" / "evidence", SHEET, "edge-inspect: rendered parts, as judged and kept")
    print(SHEET)
