"""Made-up defects on pictures of good parts: not what a line will see, but enough to tell settings apart.

A candidate is chosen by how well it tells them from good parts, so they must not all be easy: sizes and strengths
run from what can just be seen to what nobody misses.

Sources: Li et al. 2021, "CutPaste: self-supervised learning for anomaly detection and localization"; Zavrtanik
et al. 2021, "DRAEM: a discriminatively trained reconstruction embedding for surface anomaly detection".
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from edge.config import Rectangle
from edge.teach import blemishes
from edge.teach.blemishes import LEAST_PX, Draw, Drawn, Site
from edge.teach.places import Floats, Ground, survey
from edge.types import Image, Mask

Kind = Literal["cut_paste", "scratch", "blob", "missing", "stain"]

KINDS: tuple[Kind, ...] = ("cut_paste", "scratch", "blob", "missing", "stain")
DRAW: dict[Kind, Draw] = {
    "cut_paste": blemishes.cut_paste,
    "scratch": blemishes.scratch,
    "blob": blemishes.blob,
    "missing": blemishes.missing,
    "stain": blemishes.stain,
}
LENGTHS: dict[Kind, tuple[float, float]] = {
    "cut_paste": (0.03, 0.18),
    "scratch": (0.06, 0.35),
    "blob": (0.03, 0.18),
    "missing": (0.05, 0.20),
    "stain": (0.06, 0.30),
}
"""The shortest and the longest, as a share of the shorter side of what is looked at."""
TRIES = 4
"""A region that is missing on an even surface is no defect: so many places are tried."""


@dataclass(frozen=True, eq=False)
class Damaged:
    """A copy of a picture with one defect, h×w×3; `mask`, h×w, is where it can be seen. At least one pixel is."""

    picture: Image
    mask: Mask
    kind: Kind


def damage(
    picture: Image, rng: np.random.Generator, roi: Rectangle | None = None, kind: Kind | None = None
) -> Damaged:
    """Make a copy with one defect inside the `roi`, of this kind or any, mostly on the part.

    Where it shows, a change stands out of the noise around it: by 2.5 times its standard deviation on average, by
    4 grey levels at least. The same state of `rng` gives the same defect. Any thread; up to 10 ms for 1280×960.
    """
    chosen = kind or KINDS[int(rng.integers(len(KINDS)))]
    damaged, mask = picture.copy(), np.zeros(picture.shape[:2], np.bool_)
    inside = np.s_[:, :] if roi is None else np.s_[roi.y_min : roi.y_max, roi.x_min : roi.x_max]
    site, pixels, seen = _draw(picture[inside], chosen, rng)
    damaged[inside][site.rows, site.columns] = pixels
    mask[inside][site.rows, site.columns] = seen
    return Damaged(damaged, mask, chosen)


def _draw(picture: Image, kind: Kind, rng: np.random.Generator) -> tuple[Site, Image, Mask]:
    """The first defect of some that can be seen; the last one, made plainer, where none can."""
    ground = survey(picture)
    for _ in range(TRIES):
        site = _site(picture, ground, kind, rng)
        drawn = DRAW[kind](site, rng)
        pixels, seen = _look(site, drawn)
        if seen.any():
            return site, pixels, seen
    return site, *_disc(site)


def _site(picture: Image, ground: Ground, kind: Kind, rng: np.random.Generator) -> Site:
    height, width = picture.shape[:2]
    shortest, longest = np.log(LENGTHS[kind])
    size_px = max(LEAST_PX, float(min(height, width) * np.exp(rng.uniform(shortest, longest))))
    x, y = ground.place(rng, detailed=kind == "missing")
    x, y = min(x, width - 1), min(y, height - 1)
    reach = round(0.8 * size_px) + 3
    rows = slice(max(0, y - reach), min(height, y + reach))
    columns = slice(max(0, x - reach), min(width, x + reach))
    piece = picture[rows, columns].astype(np.float32)
    least = min(40.0, max(4.0, 2.5 * _noise(piece)))
    plain = min(100.0, max(25.0, 1.5 * ground.contrast))
    return Site(
        picture, ground, rows, columns, x - columns.start, y - rows.start, size_px, piece, least, plain
    )


def _noise(piece: Floats) -> float:
    """The standard deviation of what a blur takes away: noise, and the grain of the surface."""
    green = np.ascontiguousarray(piece[:, :, 1])
    return 1.57 * float(np.median(np.abs(green - cv2.blur(green, (3, 3)))))


def _look(site: Site, drawn: Drawn) -> tuple[Image, Mask]:
    """The pixels, and where the change can be seen: nowhere, if hardly anything of the shape can."""
    mixed, shape = drawn
    pixels = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    red, green, blue = cv2.split(np.abs(cv2.blur(pixels - site.piece, (3, 3))))
    change = np.maximum(np.maximum(red, green), blue)
    meant = shape > 0.3  # noqa: PLR2004 - the rest is the soft edge
    seen = meant & (change >= site.least / 2)
    if seen.sum() < max(4, 0.3 * meant.sum()) or change[seen].mean() < site.least:
        return pixels, np.zeros_like(seen)
    return pixels, seen


def _disc(site: Site) -> tuple[Image, Mask]:
    """An even spot, so much lighter or darker that it will be seen."""
    y, x = np.ogrid[: site.piece.shape[0], : site.piece.shape[1]]
    disc: Mask = np.hypot(x - site.x, y - site.y) <= site.size_px / 2
    step = 3 * site.least * (1 if site.piece[disc].mean() < 128 else -1)  # noqa: PLR2004 - grey
    pixels = np.clip(site.piece + np.float32(step) * disc[:, :, None], 0, 255).astype(np.uint8)
    return pixels, disc
