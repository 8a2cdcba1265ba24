"""How each kind of made-up defect is drawn on a piece of a picture."""

from collections.abc import Callable

import cv2
import numpy as np

from edge.geometry import Image
from edge.teach.places import Floats
from edge.teach.shapes import (
    Site,
    add,
    axes,
    bar,
    blurred,
    cloud,
    colour,
    elsewhere,
    filled,
    mix,
    spot,
    stroke,
    surroundings,
    taken_from,
    tinted,
)

Drawn = tuple[Image, Floats]
"""The piece with the defect, h×w×3; and its shape, h×w, 1 inside, 0 outside."""
Draw = Callable[[Site, np.random.Generator], Drawn]


def cut_paste(site: Site, rng: np.random.Generator) -> Drawn:
    """A rotated piece of the same picture, from nearby or elsewhere; slim ones are scars (Li et al. 2021)."""
    shape = bar(site, rng, slimmest=6.0)
    pasted = tinted(elsewhere(site, rng, zoom=1.0), colour(site, rng, 0.0, 0.4))
    return mix(site.piece, pasted, shape * np.float32(rng.uniform(0.5, 1.0))), shape


def scratch(site: Site, rng: np.random.Generator) -> Drawn:
    """A thin bent line, lighter or darker; some with a shadow along one side."""
    angle = rng.uniform(0, np.pi)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    way = np.linspace(-1, 1, 13)[:, None]
    middle = np.array([site.x, site.y])
    bend, tremble = rng.normal(0, 0.15), np.cumsum(rng.normal(0, 0.01, (13, 1)), axis=0)
    line = middle + site.size_px / 2 * (way * along + (bend * way**2 + tremble) * across)
    thick_px = max(1, round(min(site.picture.shape[:2]) * rng.uniform(1 / 600, 1 / 120)))
    shape = stroke(site, line, thick_px)
    step = colour(site, rng, 0.3, 1.5)
    lit = shape
    if rng.random() < 0.4:  # noqa: PLR2004 - a groove in metal has a bright and a dark side
        shadow = stroke(site, line + thick_px * across, thick_px)
        lit, shape = shape - np.float32(0.7) * shadow, np.maximum(shape, shadow)
    return add(site.piece, lit, step), shape


def blob(site: Site, rng: np.random.Generator) -> Drawn:
    """A ragged spot of another texture or brightness, more or less opaque (Zavrtanik et al. 2021)."""
    shape = spot(site, rng, ragged=0.45)
    if rng.random() < 0.5:  # noqa: PLR2004 - a fair coin
        texture = elsewhere(site, rng, zoom=float(np.exp(rng.uniform(-0.7, 0.7))))
        texture = tinted(texture, colour(site, rng, 0.0, 0.5))
        return mix(site.piece, texture, shape * np.float32(rng.uniform(0.4, 1.0))), shape
    grain = 1 + np.float32(0.4) * cloud(site, rng)
    return add(site.piece, shape * grain, colour(site, rng, 0.1, 1.0)), shape


def missing(site: Site, rng: np.random.Generator) -> Drawn:
    """What is there gives way to what lies around it, or to the background."""
    slim = rng.random() < 0.5  # noqa: PLR2004 - a fair coin
    shape = bar(site, rng, slimmest=2.0) if slim else spot(site, rng, ragged=0.15)
    place = site.ground.background(rng)
    if place is None or rng.random() < 0.5:  # noqa: PLR2004 - a fair coin
        return mix(site.piece, surroundings(site, shape), shape), shape
    return mix(site.piece, taken_from(site, place, 0.0, 1.0), shape), shape


def stain(site: Site, rng: np.random.Generator) -> Drawn:
    """A soft change of low contrast, all lighter or darker; or a dent, lit from one side."""
    right, down = axes(site, rng, slimmest=2.5)
    ragged = 1 + np.float32(0.1) * cloud(site, rng)
    shape = np.minimum(cv2.exp(-2 * (right * right + down * down)) * ragged, 1)
    step = colour(site, rng, 0.1, 0.8)
    if rng.random() < 0.4:  # noqa: PLR2004 - dents are rarer
        return add(site.piece, 2 * shape * np.clip(right, -1, 1), step), shape
    return add(site.piece, shape, step), shape


def hole(site: Site, rng: np.random.Generator) -> Drawn:
    """A dark cavity with steep sides: the far wall catches some light, and so does the rim."""
    shape = spot(site, rng, ragged=0.15)
    towards = _slope(site, rng)
    floor = np.quantile(site.piece, 0.02, axis=(0, 1)) * rng.uniform(0.1, 0.7)
    wall = np.float32(rng.uniform(0.1, 0.5)) * np.clip(towards, 0, 1)
    inside = site.piece * wall[:, :, None] + floor * (1 - wall[:, :, None])
    rim = np.clip(blurred(shape) * 2, 0, 1) - shape
    lit = add(site.piece, rim * np.clip(towards, -0.5, 1), np.full(3, site.least, np.float32))
    return mix(lit, inside.astype(np.uint8), shape), shape


def foreign_body(site: Site, rng: np.random.Generator) -> Drawn:
    """A fibre or a chip that lies on the part, in a colour of its own, and throws a shadow."""
    fibre = rng.random() < 0.5  # noqa: PLR2004 - a fair coin
    shape = _fibre(site, rng) if fibre else _chip(site, rng)
    aside = np.column_stack([np.eye(2), rng.integers(1, 4, 2)]).astype(np.float32)
    shadow = np.asarray(cv2.warpAffine(blurred(shape), aside, site.size), np.float32)
    level = np.clip(site.piece[int(site.y), int(site.x)] + colour(site, rng, 0.4, 1.6), 0, 255)
    body = level * (1 + np.float32(0.15) * _slope(site, rng)[:, :, None])
    below = add(site.piece, shadow, np.full(3, -min(40.0, 2 * site.least), np.float32))
    return mix(below, np.clip(body, 0, 255).astype(np.uint8), shape), shape


def smear(site: Site, rng: np.random.Generator) -> Drawn:
    """Wiped in one direction, so that what was there runs into a streak; some leave a film."""
    shape = blurred(bar(site, rng, slimmest=3.0))
    long_px = int(np.clip(site.size_px * rng.uniform(0.15, 0.4), 3, 61)) | 1
    turn = cv2.getRotationMatrix2D(((long_px - 1) / 2, (long_px - 1) / 2), rng.uniform(0, 180), 1)
    line = np.zeros((long_px, long_px), np.float32)
    line[long_px // 2] = 1
    streak = cv2.warpAffine(line, turn, (long_px, long_px))
    wiped = cv2.filter2D(site.piece, -1, streak / streak.sum(), borderType=cv2.BORDER_REFLECT_101)
    film = colour(site, rng, 0.0, 0.3) * np.float32(rng.random() < 0.5)  # noqa: PLR2004 - a fair coin
    return mix(site.piece, tinted(np.asarray(wiped, np.uint8), film), shape), shape


def _slope(site: Site, rng: np.random.Generator) -> Floats:
    """From -1 on one side of the defect to 1 on the other, in a random direction: how light falls on it."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.ogrid[: site.piece.shape[0], : site.piece.shape[1]]
    along = ((x - site.x) * np.cos(angle) + (y - site.y) * np.sin(angle)) / (site.size_px / 2)
    return np.asarray(np.clip(along, -1, 1), np.float32)


def _fibre(site: Site, rng: np.random.Generator) -> Floats:
    """A thread that winds: its direction changes bit by bit."""
    headings = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.35, 16))
    way = np.cumsum(np.column_stack([np.cos(headings), np.sin(headings)]), axis=0)
    way -= way.mean(axis=0)
    way *= site.size_px / 2 / np.abs(way).max()
    thick_px = max(1, round(min(site.picture.shape[:2]) * rng.uniform(1 / 300, 1 / 90)))
    return stroke(site, np.array([site.x, site.y]) + way, thick_px)


def _chip(site: Site, rng: np.random.Generator) -> Floats:
    """A splinter with straight edges."""
    around = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 8))))
    far = site.size_px / 2 * rng.uniform(0.45, 1, len(around))
    corners = np.column_stack([site.x + far * np.cos(around), site.y + far * np.sin(around)])
    return filled(site, corners)
