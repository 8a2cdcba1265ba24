"""A product that is taught and judged on noisy pictures: as they are, and with the denoiser before its model."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from accuracy_sets import SPLITS, Absent, Split
from restoration_pictures import photograph, read

from edge.cli.evaluate import anomaly_figures
from edge.teach.lesson import Wishes, teach
from edge.teach.packing import as_png

ROOT = Path(__file__).resolve().parent.parent
GAINS = (8.0, 32.0)


def main() -> None:
    """Print a row for each set and gain."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--sets", nargs="+", choices=sorted(SPLITS), default=["bottle-20", "screws"])
    asked.add_argument(
        "--most", type=int, default=60, metavar="N", help="Good and bad pictures each; default: 60."
    )
    options = asked.parse_args()
    print("| set | gain | AUROC | with the denoiser | escapes, overkill | with the denoiser |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in options.sets:
        try:
            split = SPLITS[name]()
        except Absent as absent:
            sys.exit(f"bench_restored_input: {absent}")
        for gain in GAINS:
            with tempfile.TemporaryDirectory() as folder:
                plain, restored = figures(split, gain, options.most, Path(folder))
            errors = [f"{told['escapes']}, {told['overkill']}" for told in (plain, restored)]
            print(
                f"| {name} | {gain:g} | {plain['auroc']:.4f} | {restored['auroc']:.4f} | {' | '.join(errors)} |",
                flush=True,
            )


def figures(split: Split, gain: float, most: int, folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """What `edge eval` says of both lessons."""
    taught = spoilt(split.taught, gain, folder / "taught")
    good, bad = (folder / kind for kind in ("good", "bad"))
    spoilt(split.good[:most], gain, good)
    spoilt(split.bad[:: max(1, len(split.bad) // most)][:most], gain, bad)
    told = []
    for restore in (None, ROOT / "models" / "denoiser"):
        shelf = folder / f"shelf-{len(told)}"
        teach(split.name, taught, shelf, wishes=Wishes(restore=restore, force=True))
        told.append(anomaly_figures(shelf, good, bad, None))
    plain, restored = told
    return plain, restored


def spoilt(paths: Sequence[Path], gain: float, folder: Path) -> list[Path]:
    """The pictures as a sensor at that gain would have taken them, each with noise of its own."""
    folder.mkdir()
    written = []
    for number, path in enumerate(paths):
        noise = np.random.default_rng([number, len(paths)])
        noisy, _ = photograph(read(path), gain, noise, bayer=True)
        target = folder / f"{number:04}.png"
        target.write_bytes(as_png(noisy))
        written.append(target)
    return written


if __name__ == "__main__":
    main()
