"""Teaching: from pictures of good parts to a bundle that tells what is unlike them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from edge.errors import BundleError
from edge.model import shipped
from edge.model.bundle import Bundle, write
from edge.model.manifest import AnomalyHead
from edge.model.memory_bank import write_bank
from edge.preprocess.picture import read
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.quality import learn_limits
from edge.preprocess.tensor import InputSpec
from edge.teach import limits
from edge.teach.album import Album, collect
from edge.teach.defects import damage
from edge.teach.features import Backbone, Features, make_bank, scores
from edge.teach.limits import HeldOut
from edge.teach.packing import Draft, pack
from edge.types import Image

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
"""Stage, how much is done, and of how much."""
Contrast = Literal["none", "stretch"]

CONTRASTS: tuple[Contrast, ...] = ("none", "stretch")
STRIDE_PX = 16
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


class Views:
    """Features of every picture, as it is and with a made-up defect, for each contrast."""

    def __init__(self, backbone: Backbone, seed: int) -> None:
        self._backbone, self._rng = backbone, np.random.default_rng(seed)
        self.inputs = {
            contrast: InputSpec(backbone.width, backbone.height, contrast=contrast) for contrast in CONTRASTS
        }
        self.good: dict[Contrast, list[Features]] = {contrast: [] for contrast in CONTRASTS}
        self.damaged: dict[Contrast, list[Features]] = {contrast: [] for contrast in CONTRASTS}

    def add(self, picture: Image) -> None:
        """Look at the next picture."""
        for kept, seen in (
            (self.good, Pyramid(picture)),
            (self.damaged, Pyramid(damage(picture, self._rng))),
        ):
            for contrast, spec in self.inputs.items():
                kept[contrast].append(self._backbone.features(seen, spec))


def teach(
    name: str,
    pictures: Sequence[Path],
    out: Path,
    *,
    progress: Progress = lambda *_: None,
    force: bool = False,
    bank_size: int = 1024,
    seed: int = 0,
) -> Taught:
    """Teach a product from pictures of good parts, and write its bundle to the folder `out`.

    The same pictures in the same order and the same seed give the same model. Raises `ConfigError` where the
    pictures will not do, and `BundleError` where the bundle cannot be written, or exists and `force` is not set.
    """
    if out.exists() and not force:
        raise BundleError(f"{out}: exists already; choose another folder, or replace it with --force")
    path = shipped.backbone()
    content = path.read_bytes()
    backbone = Backbone(content, str(path), STRIDE_PX)
    views = Views(backbone, seed)
    album = collect(pictures, views.add, lambda done, total: progress("reading pictures", done, total))
    contrast, held = _compare(views, backbone, bank_size, seed, progress)
    progress("choosing patches", 0, 1)
    bank = make_bank(views.good[contrast], backbone.spec, bank_size, np.random.default_rng(seed))
    progress("choosing patches", 1, 1)
    limit_distance, pass_below = limits.learn(held.good)
    head = AnomalyHead(bank=BANK, stride_px=STRIDE_PX, limit_distance=limit_distance)
    draft = Draft(name, views.inputs[contrast], head, pass_below, learn_limits(album.measures))
    files = {path.name: content, BANK: write_bank(bank)}
    bundle = pack(draft, path.name, files, _golden_pictures(album, held, seed), out)
    write(out, bundle.manifest, bundle.files, force=force)
    return Taught(
        bundle=bundle,
        pictures=len(album.paths),
        skipped=album.skipped,
        patches=len(bank.patches),
        contrast=contrast,
        limit_distance=limit_distance,
        pass_below=pass_below,
        auroc=held.auroc,
    )


def _compare(
    views: Views, backbone: Backbone, bank_size: int, seed: int, progress: Progress
) -> tuple[Contrast, HeldOut]:
    """The contrast that tells made-up defects from good pictures best, and what it scored."""
    count = len(views.good["none"])
    parts = list(limits.folds(count))
    found = {}
    for number, contrast in enumerate(CONTRASTS):
        good, damaged = np.zeros(count), np.zeros(count)
        for fold, held in enumerate(parts):
            taught = [views.good[contrast][place] for place in np.setdiff1d(np.arange(count), held)]
            bank = make_bank(taught, backbone.spec, bank_size, np.random.default_rng(seed))
            good[held] = scores(bank, backbone.spec, (views.good[contrast][place] for place in held))
            damaged[held] = scores(bank, backbone.spec, (views.damaged[contrast][place] for place in held))
            progress("finding the limits", number * len(parts) + fold + 1, len(CONTRASTS) * len(parts))
        found[contrast] = HeldOut(good, damaged)
        log.info("contrast %s: AUROC %.4f", contrast, found[contrast].auroc)
    plain, stretched = found["none"], found["stretch"]
    if abs(plain.auroc - stretched.auroc) >= CLEARLY:
        best: Contrast = "none" if plain.auroc > stretched.auroc else "stretch"
    else:
        best = "none" if plain.separation >= stretched.separation else "stretch"
    return best, found[best]


def _golden_pictures(album: Album, held: HeldOut, seed: int) -> dict[str, Image]:
    """Good pictures from the middle of the scores to the top, and the same with a made-up defect, by file name."""
    rng = np.random.default_rng(seed)
    order = np.argsort(held.good, kind="stable")
    places = np.linspace(len(order) // 2, len(order) - 1, GOLDEN_PICTURES).round().astype(int)
    found = {}
    for number, place in enumerate(places):
        picture = read(album.paths[order[place]])
        found[f"good-{number}.png"] = picture
        found[f"damaged-{number}.png"] = damage(picture, rng)
    return found
