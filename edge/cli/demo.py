"""`edge demo`: teach a product from real pictures, then inspect a line of them over a real broker."""

import csv
import shutil
from pathlib import Path
from typing import Annotated

import typer

from edge.errors import BundleError, ConfigError

TAUGHT = 60
SEED = 7
"""Which cells are taught and which come down the line: the same in every run."""


def demo(
    parts: Annotated[int, typer.Option(min=1, max=800, help="Cells that come down the line.")] = 300,
    rate: Annotated[float, typer.Option(min=0.1, max=100, help="Cells a second.")] = 10.0,
    folder: Annotated[Path, typer.Option(help="Where pictures, bundle, evidence and settings go.")] = Path(
        "demo"
    ),
    *,
    keep_running: Annotated[
        bool, typer.Option("--keep-running", help="Start again after the last cell.")
    ] = False,
) -> None:
    """Teach on real solar cells, then run the daemon over a line of others and judge its verdicts."""
    from edge.cli.demo_line import Line
    from edge.cli.progress import bar
    from edge.teach.lesson import teach

    folder = folder.resolve()
    labels = unpack_cells(folder)
    bundle = folder / "bundle"
    if not is_sound(bundle):
        shutil.rmtree(bundle, ignore_errors=True)
        with bar() as progress:
            pictures = sorted((folder / "teach").glob("*.png"))
            taught = teach("cells", pictures, bundle, progress=progress)
        for line in taught.summary():
            typer.echo(line)
    line_up(folder, labels, parts)
    shutil.rmtree(folder / "state", ignore_errors=True)
    Line(folder, bundle, labels, rate_hz=rate, keep_running=keep_running).run()


def is_sound(bundle: Path) -> bool:
    """Whether an earlier run has left a bundle that this version takes."""
    from edge.model.bundle import load
    from edge.model.verify import verify

    try:
        verify(load(bundle), bundle.with_name("verified.json"))
    except BundleError:
        return False
    return True


def unpack_cells(folder: Path) -> dict[str, bool]:
    """Write the cells as files, once. Gives for each cell that is not taught whether it is defective."""
    listing = folder / "labels.csv"
    if not listing.exists():
        _write_cells(folder)
    with listing.open() as lines:
        return {row["cell"]: row["defective"] == "1" for row in csv.DictReader(lines)}


def line_up(folder: Path, labels: dict[str, bool], parts: int) -> None:
    """Put the first `parts` cells on the line."""
    line = folder / "line"
    shutil.rmtree(line, ignore_errors=True)
    line.mkdir()
    for cell in list(labels)[:parts]:
        (line / f"{cell}.png").hardlink_to(folder / "cells" / f"{cell}.png")


def _write_cells(folder: Path) -> None:
    """Mono cells whose label is certain: `TAUGHT` good ones to teach, all others, shuffled, for the line."""
    import numpy as np
    from PIL import Image

    try:
        from elpv_dataset.utils import load_dataset
    except ImportError as err:
        raise ConfigError("the demo's pictures are missing; run: pip install 'edge-inspect[demo]'") from err
    pictures, probabilities, kinds = load_dataset()
    certain = np.flatnonzero((kinds == "mono") & ((probabilities == 0) | (probabilities == 1)))
    rng = np.random.default_rng(SEED)
    good = rng.permutation(certain[probabilities[certain] == 0])[:TAUGHT]
    rest = rng.permutation(np.setdiff1d(certain, good))
    for name in ("teach", "cells"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, index in enumerate(good):
        Image.fromarray(pictures[index]).save(folder / "teach" / f"good-{number:02}.png")
    for number, index in enumerate(rest):
        Image.fromarray(pictures[index]).save(folder / "cells" / f"cell-{number:04}.png")
    with (folder / "labels.new").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["cell", "defective"])
        writer.writerows(
            [f"cell-{number:04}", int(probabilities[index] == 1)] for number, index in enumerate(rest)
        )
    (folder / "labels.new").rename(folder / "labels.csv")
