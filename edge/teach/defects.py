"""Made-up defects on pictures of good parts: not what a line will see, but enough to tell settings apart.

A candidate is chosen by how well it tells them from good parts, so they must not all be easy: sizes and strengths
run from what can just be seen to what nobody misses.

Sources: Li et al. 2021, "CutPaste: self-supervised learning for anomaly detection and localization"; Zavrtanik
et al. 2021, "DRAEM: a discriminatively trained reconstruction embedding for surface anomaly detection".
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np

from edge.config import Rectangle
from edge.geometry import Image, Mask
from edge.teach import blemishes
from edge.teach.blemishes import Draw
from edge.teach.places import Floats, Ground, survey
from edge.teach.shapes import Site

Kind = Literal["cut_paste", "scratch", "blob", "missing", "stain", "hole", "foreign_body", "smear"]

KINDS: tuple[Kind, ...] = (
    "cut_paste",
    "scratch",
    "blob",
    "missing",
    "stain",
    "hole",
    "foreign_body",
    "smear",
)
TRIED: tuple[Kind, ...] = KINDS[:5]
"""Those that candidates are told apart with: what teaching finds is as it was measured with them."""
DRAW: dict[Kind, Draw] = {
    "cut_paste": blemishes.cut_paste,
    "scratch": blemishes.scratch,
    "blob": blemishes.blob,
    "missing": blemishes.missing,
    "stain": blemishes.stain,
    "hole": blemishes.hole,
    "foreign_body": blemishes.foreign_body,
    "smear": blemishes.smear,
}
LENGTHS: dict[Kind, tuple[float, float]] = {
    "cut_paste": (0.04, 0.4),
    "scratch": (0.08, 0.6),
    "blob": (0.04, 0.4),
    "missing": (0.06, 0.4),
    "stain": (0.10, 0.5),
    "hole": (0.03, 0.25),
    "foreign_body": (0.05, 0.4),
    "smear": (0.12, 0.5),
}
"""The shortest and the longest, as a share of the shorter side of what is looked at.

Real ones are no specks: the median is 0.07 for blowholes of magnetic tiles, 0.29 for cracks, 0.86 where they fray;
0.27 to 0.65 on bottles, 0.39 on biscuits.
"""
LEAST_PX = 4
"""No defect is shorter."""
DETAILED: tuple[Kind, ...] = ("missing", "smear")
"""Kinds that cannot be seen where there is nothing to be seen."""
NOISE_PX = 64
"""Noise is measured on a square of this size."""
TRIES = 4
"""A region that is missing on an even surface is no defect: so many places are tried."""
GAINS = (1.0, 1.7, 3.0)
"""So many times the change, where it is too faint for the grain of the surface."""


class Severity(NamedTuple):
    """From the least to the most of what is made up: 0 is short and faint, 1 long and plain."""

    least: float = 0.0
    most: float = 1.0


SEVERITIES = {
    "any": Severity(),
    "mild": Severity(0.0, 1 / 3),
    "medium": Severity(1 / 3, 2 / 3),
    "severe": Severity(2 / 3, 1.0),
}
ANY = SEVERITIES["any"]


@dataclass(frozen=True, eq=False)
class Damaged:
    """A copy of a picture with one defect, h×w×3; `mask`, h×w, is where it can be seen. At least one pixel is."""

    picture: Image
    mask: Mask
    kind: str


def damage(
    picture: Image,
    rng: np.random.Generator,
    roi: Rectangle | None = None,
    kind: Kind | None = None,
    severity: Severity = ANY,
) -> Damaged:
    """Make a copy with one defect inside the `roi`, of this kind or any of `TRIED`, mostly on the part.

    Where it shows, a change stands out of the noise around it: by 3 times its standard deviation on average, by
    5 grey levels at least. The same state of `rng` gives the same defect. Any thread; 12 ms on
    average for 1280×960, 40 for the largest.
    """
    chosen = kind or TRIED[int(rng.integers(len(TRIED)))]
    damaged, mask = picture.copy(), np.zeros(picture.shape[:2], np.bool_)
    inside = np.s_[:, :] if roi is None else np.s_[roi.y_min : roi.y_max, roi.x_min : roi.x_max]
    site, pixels, seen = _draw(picture[inside], chosen, rng, severity)
    damaged[inside][site.rows, site.columns] = pixels
    mask[inside][site.rows, site.columns] = seen
    return Damaged(damaged, mask, chosen)


def _draw(
    picture: Image, kind: Kind, rng: np.random.Generator, severity: Severity
) -> tuple[Site, Image, Mask]:
    """The first defect of some that can be seen, made plainer if need be; an even spot where none can."""
    ground = survey(picture)
    for _ in range(TRIES):
        site = _site(picture, ground, kind, rng, severity)
        drawn, shape = DRAW[kind](site, rng)
        for gain in GAINS:
            pixels = np.asarray(cv2.addWeighted(drawn, gain, site.piece, 1 - gain, 0), np.uint8)
            seen = _seen(site, pixels, shape)
            if seen.any():
                return site, pixels, seen
    return site, *_disc(site)


def _site(picture: Image, ground: Ground, kind: Kind, rng: np.random.Generator, severity: Severity) -> Site:
    height, width = picture.shape[:2]
    shortest, longest = np.interp(severity, (0, 1), np.log(LENGTHS[kind]))
    size_px = max(LEAST_PX, float(min(height, width) * np.exp(rng.uniform(shortest, longest))))
    x, y = ground.place(rng, detailed=kind in DETAILED)
    x, y = min(x, width - 1), min(y, height - 1)
    reach = round(0.8 * size_px) + 3
    rows = slice(max(0, y - reach), min(height, y + reach))
    columns = slice(max(0, x - reach), min(width, x + reach))
    piece = picture[rows, columns]
    least = min(40.0, max(5.0, 3.0 * _noise(piece)))
    plain = min(100.0, max(25.0, 1.5 * ground.contrast))
    plain = least + (severity.least + severity.most) * max(0.0, plain - least)  # as it is for `ANY`
    return Site(
        picture, ground, rows, columns, x - columns.start, y - rows.start, size_px, piece, least, plain
    )


def _noise(piece: Image) -> float:
    """The standard deviation of what a blur takes away, in the middle: noise, and the grain of the surface."""
    height, width = piece.shape[:2]
    top, left = max(0, (height - NOISE_PX) // 2), max(0, (width - NOISE_PX) // 2)
    green = piece[top : top + NOISE_PX, left : left + NOISE_PX, 1].astype(np.float32)
    return 1.57 * float(np.median(np.abs(green - cv2.blur(green, (3, 3)))))


def _seen(site: Site, pixels: Image, shape: Floats) -> Mask:
    """Where the change can be seen: nowhere, if hardly anything of the shape can."""
    red, green, blue = cv2.split(cv2.absdiff(cv2.blur(pixels, (3, 3)), cv2.blur(site.piece, (3, 3))))
    change = np.maximum(np.maximum(red, green), blue)
    meant = shape > np.float32(0.3)  # the rest is the soft edge
    seen = meant & (change >= site.least / 2)
    if seen.sum() < max(4, 0.3 * meant.sum()) or change[seen].mean() < site.least:
        return np.zeros_like(seen)
    return seen


def _disc(site: Site) -> tuple[Image, Mask]:
    """An even spot, so much lighter or darker that it will be seen."""
    y, x = np.ogrid[: site.piece.shape[0], : site.piece.shape[1]]
    disc: Mask = np.hypot(x - site.x, y - site.y) <= site.size_px / 2
    step = 3 * site.least * (1 if site.piece[disc].mean() < 128 else -1)  # noqa: PLR2004 - grey
    pixels = np.clip(site.piece + step * disc[:, :, None], 0, 255).astype(np.uint8)
    return pixels, disc
