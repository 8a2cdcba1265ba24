"""Teach on rendered parts, run the daemon over others, and draw the contact sheet of the evidence that it kept."""

import tempfile
from pathlib import Path

from edge.cli.bench_runs import taught_bundle
from edge.cli.progress import bar
from edge.config import load
from edge.daemon import Daemon
from edge.store.sheet import sheet_from

PARTS = 16
SHEET = Path(__file__).parents[1] / "docs" / "images" / "sheet.jpg"

with tempfile.TemporaryDirectory() as scratch, bar() as progress:
    folder = Path(scratch)
    bundle = taught_bundle(folder, progress)
    (folder / "station.toml").write_text(
        f'[station]\nstate_dir = "state"\n'
        f'[source]\ntype = "synthetic"\ncount = {PARTS}\ndefect_rate = 0.5\nseed = 3\n'
        f'[recipe]\nchecks = [{{ name = "surface", bundle = "{bundle}" }}]\n'
        f"[evidence]\npass_rate = 1.0\nmin_free_mb = 0\n"
    )
    Daemon(load(folder / "station.toml")).run()
    SHEET.parent.mkdir(exist_ok=True)
    sheet_from(folder / "state" / "evidence", SHEET, "edge-inspect: rendered parts, as judged and kept")
    print(SHEET)
