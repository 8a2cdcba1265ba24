"""Teaching: from pictures of good parts to a bundle that tells what is unlike them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.config import Rectangle
from edge.errors import ConfigError
from edge.model import shipped
from edge.model.bundle import Bundle, write
from edge.model.manifest import AnomalyHead
from edge.model.memory_bank import write_bank
from edge.model.versions import Shelf
from edge.preprocess.picture import read
from edge.preprocess.quality import learn_limits
from edge.preprocess.tensor import InputSpec
from edge.teach import limits
from edge.teach.album import MOST, collect
from edge.teach.defects import damage
from edge.teach.features import Backbone, make_bank, scores
from edge.teach.limits import HeldOut
from edge.teach.packing import Draft, pack
from edge.teach.views import CONTRASTS, Contrast, Views
from edge.types import Image

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
"""Stage, how much is done, and of how much."""

STRIDE_PX = 16
MOST_TILES = 4
"""Side by side, and as many one above the other."""
OVERLAP = 1 / 7
"""Two of the 14 cells of a tile: a small defect on a seam is whole in one of the two."""
GOLDEN_PICTURES = 2
"""Good ones; and as many again with a made-up defect."""
BANK = "bank.npz"
CLEARLY = 0.01
"""A difference of AUROC under this is none: the separation decides."""


@dataclass(frozen=True)
class Taught:
    """What a lesson came to. `auroc` is of held-out good pictures against the same with made-up defects."""

    bundle: Bundle
    pictures: int
    skipped: tuple[str, ...]
    patches: int
    contrast: Contrast
    limit_distance: float
    pass_below: float
    auroc: float

    def summary(self) -> list[str]:
        """Lines for a person."""
        name, folder = self.bundle.manifest.name, self.bundle.folder
        unused = [f"not used: {line}" for line in self.skipped]
        return [
            f"taught {name} on {self.pictures} pictures: {self.patches} patches, contrast {self.contrast}",
            *unused,
            f"fails at distance {self.limit_distance:.2f} (score 1), passes under score {self.pass_below:.2f}",
            f"good pictures against made-up defects, both held out: AUROC {self.auroc:.3f}",
            f"bundle {folder} ({self.bundle.digest[:12]})",
        ]


def teach(
    name: str,
    pictures: Sequence[Path],
    out: Path,
    *,
    roi: Rectangle | None = None,
    tiles: int = 1,
    progress: Progress = lambda *_: None,
    bank_size: int = 1024,
    seed: int = 0,
) -> Taught:
    """Teach a product from pictures of good parts, and put its bundle on the shelf `out`, as the active one.

    It will look at `roi` alone, in `tiles` × `tiles` pieces, 4 × 4 at most: the more, the smaller the defects that
    it finds, and the longer it takes. The same pictures in the same order and the same seed give the same model.

    Raises `ConfigError` where pictures, `roi` or `tiles` will not do, `BundleError` where the bundle cannot be
    written, and `DeviceError` where the shelf is being taught already.
    """
    path = shipped.backbone()
    content = path.read_bytes()
    backbone = Backbone(content, str(path), STRIDE_PX)
    views = Views(backbone, _input(backbone, roi, tiles), min(len(pictures), MOST), seed)
    album = collect(pictures, views.add, lambda done, total: progress("reading pictures", done, total))
    contrast, held = _compare(views, backbone, bank_size, seed, progress)
    progress("choosing patches", 0, 1)
    patches = np.concatenate(views.patches[contrast])
    bank = make_bank(patches, backbone.spec, bank_size, np.random.default_rng(seed))
    progress("choosing patches", 1, 1)
    limit = limits.learn(held.good)
    head = AnomalyHead(bank=BANK, stride_px=STRIDE_PX, limit_distance=limit.limit_distance)
    draft = Draft(name, views.inputs[contrast], head, limit.pass_below, learn_limits(album.measures))
    files = {path.name: content, BANK: write_bank(bank)}
    golden = _golden_pictures(album.paths[:: views.step], held, roi, seed)
    with Shelf(out) as shelf:
        bundle = pack(draft, path.name, files, golden, shelf.next)
        write(shelf.next, bundle.manifest, bundle.files)
        shelf.activate(shelf.number)
    return Taught(
        bundle=bundle,
        pictures=len(album.paths),
        skipped=album.skipped,
        patches=len(bank.patches),
        contrast=contrast,
        limit_distance=limit.limit_distance,
        pass_below=limit.pass_below,
        auroc=held.auroc,
    )


def _input(backbone: Backbone, roi: Rectangle | None, tiles: int) -> InputSpec:
    if not 1 <= tiles <= MOST_TILES:
        raise ConfigError(f"tiles: {tiles} will not do; give 1 to {MOST_TILES}")
    overlap = OVERLAP if tiles > 1 else 0.0
    return InputSpec(backbone.width, backbone.height, tiles_x=tiles, tiles_y=tiles, overlap=overlap, roi=roi)


def _compare(
    views: Views, backbone: Backbone, bank_size: int, seed: int, progress: Progress
) -> tuple[Contrast, HeldOut]:
    """The contrast that tells made-up defects from good pictures best, and what it scored."""
    parts = list(limits.folds(views.count))
    found = {}
    for number, contrast in enumerate(CONTRASTS):
        patches, good, damaged = views.patches[contrast], views.good[contrast], views.damaged[contrast]
        good_scores: list[float] = []
        damaged_scores: list[float] = []
        for fold, held in enumerate(parts):
            taught = np.concatenate([patches[place] for place in np.setdiff1d(np.arange(views.count), held)])
            bank = make_bank(taught, backbone.spec, bank_size, np.random.default_rng(seed))
            tried = [place // views.step for place in held if place % views.step == 0]
            good_scores += scores(bank, backbone.spec, (good[place] for place in tried))
            damaged_scores += scores(bank, backbone.spec, (damaged[place] for place in tried))
            progress("finding the limits", number * len(parts) + fold + 1, len(CONTRASTS) * len(parts))
        found[contrast] = HeldOut(np.array(good_scores), np.array(damaged_scores))
        log.info("contrast %s: AUROC %.4f", contrast, found[contrast].auroc)
    plain, stretched = found["none"], found["stretch"]
    if abs(plain.auroc - stretched.auroc) >= CLEARLY:
        best: Contrast = "none" if plain.auroc > stretched.auroc else "stretch"
    else:
        best = "none" if plain.separation >= stretched.separation else "stretch"
    return best, found[best]


def _golden_pictures(
    paths: Sequence[Path], held: HeldOut, roi: Rectangle | None, seed: int
) -> dict[str, Image]:
    """Good pictures, of middling scores to the highest, and the same with a made-up defect, by file name."""
    rng = np.random.default_rng(seed)
    order = np.argsort(held.good, kind="stable")
    places = np.linspace(len(order) // 2, len(order) - 1, GOLDEN_PICTURES).round().astype(int)
    found = {}
    for number, place in enumerate(places):
        picture = read(paths[order[place]])
        found[f"good-{number}.png"] = picture
        found[f"damaged-{number}.png"] = damage(picture, rng, roi).picture
    return found
