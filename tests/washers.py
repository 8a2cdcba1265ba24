"""Pictures of washers, good and scratched, to teach from."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image

from edge.config import Rectangle
from edge.geometry import Image
from edge.teach.lesson import Taught, Wishes, teach

QUICK = Wishes(method="gaussian", force=True)
"""One method is tried, and a quick one. On a few tiny pictures int8 and float agree now and then only."""

ROI = Rectangle(x_min=64, y_min=32, x_max=160, y_max=128)
"""Where in the frame the washer `on_a_belt` lies."""


def washer(seed: int, *, scratched: bool = False) -> Image:
    """A ring on a dark ground, never in quite the same place and light."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:96, 0:96] - (48 + rng.uniform(-1, 1, (2, 1, 1)))
    radius = np.hypot(x, y)
    grey = np.where((radius > 14) & (radius < 36), 170.0, 45.0) + rng.uniform(-5, 5)
    if scratched:
        grey[48:56, 66:82] = 20
    noise = rng.normal(0, 3, (96, 96))
    return np.repeat(np.clip(grey + noise, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def on_a_belt(seed: int, *, speck: bool = False) -> Image:
    """A washer in the middle of a frame of noise, never the same; with a dark speck of a few pixels."""
    picture = np.random.default_rng(1000 + seed).integers(0, 120, (160, 224, 3)).astype(np.uint8)
    part = washer(seed)
    if speck:
        part[50:55, 70:75] = 30
    picture[ROI.y_min : ROI.y_max, ROI.x_min : ROI.x_max] = part
    return picture


def album(folder: Path, seeds: Sequence[int], *, scratched: bool = False) -> list[Path]:
    """Files of washers, named by their seed."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{'scratched-' if scratched else ''}{seed:03}.png" for seed in seeds]
    for seed, path in zip(seeds, paths, strict=True):
        PIL.Image.fromarray(washer(seed, scratched=scratched)).save(path)
    return paths


class Lesson(NamedTuple):
    """What was taught, and how. `good` are the pictures that were used."""

    taught: Taught
    good: list[Path]
    told: list[tuple[str, int, int]]

    @property
    def shelf(self) -> Path:
        """Read only: other tests have it, too."""
        return self.taught.bundle.folder.parent

    def copied(self, folder: Path) -> Path:
        """The shelf, to be changed."""
        return Path(shutil.copytree(self.shelf, folder / "shelf"))


def quick_lesson(pictures: Path, shelf: Path) -> Lesson:
    """A lesson on six good washers and a bad one; one more cannot be read, and one is dropped."""
    good, told = album(pictures / "good", range(6)), []
    broken, dropped = album(pictures / "good", (90, 91))
    broken.write_text("no picture")
    bad = album(pictures / "bad", [50], scratched=True)
    paths = [*good, broken, dropped]
    taught = teach(
        "washer",
        paths,
        shelf,
        bad=bad,
        wishes=QUICK,
        drop=[dropped.name],
        progress=lambda *step: told.append(step),
    )
    return Lesson(taught, good, told)


def listing(shelf: Path) -> dict[str, bytes]:
    """Every file of a shelf."""
    return {str(path.relative_to(shelf)): path.read_bytes() for path in shelf.rglob("*") if path.is_file()}
