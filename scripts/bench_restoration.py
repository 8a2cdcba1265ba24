"""PSNR, SSIM and ms of the shipped restorations on pictures that they were not trained on.

Non-local means gets the strength that comes nearest to the clean picture, row by row: nobody on a line can choose
it so well. The restorations choose nothing.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
from accuracy_sets import Absent
from picture_quality import psnr_db, ssim
from restoration_patches import label
from restoration_pictures import Pixels, enlarged, held_out, photograph, read, shrunk

from edge.model.restorations import load_restorer

ROOT = Path(__file__).resolve().parent.parent
GAINS = (2.0, 8.0, 32.0)
STRENGTHS = (2, 4, 8, 16)
"""Of non-local means (`h` and `hColor`); OpenCV's own default is 3."""
SIDE_PX = 256
TIMED_WIDTH_PX, TIMED_HEIGHT_PX, RUNS = 1280, 960, 5

Restore = Callable[[Pixels], Pixels]
Pair = tuple[Pixels, Pixels]


def main() -> None:
    """Print the tables; exit code 1 where a restoration is not better than what it is compared with."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--pictures", type=int, default=8, metavar="N", help="Of each set; default: 8.")
    asked.add_argument(
        "--models", type=Path, default=ROOT / "models", metavar="DIR", help="Default: models/."
    )
    options = asked.parse_args()
    cv2.setNumThreads(1)
    denoise = load_restorer(options.models / "denoiser").restore
    double = load_restorer(options.models / "super-resolution-x2").restore
    try:
        missed = denoising(denoise, options.pictures) + doubling(double, options.pictures)
    except Absent as absent:
        sys.exit(f"bench_restoration: {absent}")
    timing(denoise, double)
    sys.exit(int(missed > 0))


def denoising(denoise: Restore, count: int) -> int:
    """The table of noise; says in how many rows non-local means is nearer to the clean picture."""
    print(f"\nNoise: the middle {SIDE_PX}×{SIDE_PX} of {count} pictures of each set; PSNR in dB, SSIM.\n")
    head("set", "trained on", "sensor", "gain", "noisy", "non-local means, best h", "denoiser")
    missed = 0
    for held in held_out(count):
        for bayer in (False, True):
            for gain in GAINS:
                pairs = [_noisy(path, gain, seed, bayer=bayer) for seed, path in enumerate(held.paths)]
                means = [worth(partial(_means, strength), pairs) for strength in STRENGTHS]
                best = max(range(len(STRENGTHS)), key=lambda number: means[number][0])
                ours = worth(denoise, pairs)
                missed += ours[0] < means[best][0]
                row(
                    held.words,
                    "others of it" if held.kin else "never",
                    "Bayer" if bayer else "grey or 3-chip",
                    f"{gain:g}",
                    told(worth(lambda picture: picture, pairs)),
                    f"{told(means[best])} (h = {STRENGTHS[best]})",
                    told(ours),
                )
    print(f"\nnon-local means with the best h is nearer in {missed} rows")
    return missed


def doubling(double: Restore, count: int) -> int:
    """The table of twice the size; says in how many rows cubic interpolation is nearer to the original."""
    print(
        f"\nTwice the size: the middle {2 * SIDE_PX}×{2 * SIDE_PX} (or less) of {count} pictures of each set.\n"
    )
    head("set", "trained on", "cubic", "super-resolution-x2", "gain in dB")
    missed = 0
    for held in held_out(count):
        originals = [_middle(read(path), 2 * SIDE_PX) for path in held.paths]
        pairs = [(shrunk(original), original) for original in originals]
        cubic, ours = worth(enlarged, pairs), worth(double, pairs)
        missed += ours[0] < cubic[0]
        trained = "others of it" if held.kin else "never"
        row(held.words, trained, told(cubic), told(ours), f"{ours[0] - cubic[0]:+.2f}")
    print(f"\ncubic interpolation is nearer in {missed} rows")
    return missed


def timing(denoise: Restore, double: Restore) -> None:
    """Milliseconds, one thread, and the ratio to what each is compared with."""
    random = np.random.default_rng(5)
    scene = np.tile(label(random), (3, 4, 1))[:TIMED_HEIGHT_PX, :TIMED_WIDTH_PX]
    noisy, _ = photograph(np.ascontiguousarray(scene), 8.0, random, bayer=True)
    small = shrunk(scene)
    print(f"\nOne thread, median of {RUNS}, {TIMED_WIDTH_PX}×{TIMED_HEIGHT_PX} pixels of the result.\n")
    head("", "ms", "ratio")
    ours, means = milliseconds(denoise, noisy), milliseconds(partial(_means, 4), noisy)
    row("denoiser", f"{ours:.0f}", "1")
    row("non-local means (7, 21)", f"{means:.0f}", f"{means / ours:.1f}")
    ours, cubic = milliseconds(double, small), milliseconds(enlarged, small)
    row("super-resolution-x2", f"{ours:.0f}", "1")
    row("cubic interpolation", f"{cubic:.1f}", f"{cubic / ours:.3f}")


def milliseconds(restore: Restore, picture: Pixels) -> float:
    """Median of some runs, after one that counts for nothing."""
    times = []
    for _ in range(RUNS + 1):
        started = perf_counter()
        restore(picture)
        times.append((perf_counter() - started) * 1e3)
    return float(np.median(times[1:]))


def worth(restore: Restore, pairs: Sequence[Pair]) -> tuple[float, float]:
    """Mean PSNR in dB and SSIM of what becomes of each picture, against what it should be."""
    restored = [(restore(seen), wanted) for seen, wanted in pairs]
    return (
        float(np.mean([psnr_db(*pair) for pair in restored])),
        float(np.mean([ssim(*pair) for pair in restored])),
    )


def head(*cells: str) -> None:
    """The first two lines of a Markdown table."""
    row(*cells)
    print("| --- " * len(cells) + "|", flush=True)


def row(*cells: str) -> None:
    """A line of a Markdown table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def told(figures: tuple[float, float]) -> str:
    """PSNR and SSIM, as the tables have them."""
    return f"{figures[0]:.2f}, {figures[1]:.4f}"


def _noisy(path: Path, gain: float, seed: int, *, bayer: bool) -> Pair:
    return photograph(_middle(read(path), SIDE_PX), gain, np.random.default_rng(seed), bayer=bayer)


def _middle(picture: Pixels, side_px: int) -> Pixels:
    """The middle, with even sides; of a smaller picture all that there is."""
    height, width = (min(side, side_px) // 2 * 2 for side in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


def _means(strength: int, picture: Pixels) -> Pixels:
    return np.asarray(cv2.fastNlMeansDenoisingColored(picture, None, strength, strength, 7, 21), np.uint8)


if __name__ == "__main__":
    main()
