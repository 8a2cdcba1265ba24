"""Golden pictures of a lesson: what the bundle must answer for them is stored beside them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.config import Rectangle
from edge.geometry import Image
from edge.preprocess.picture import read
from edge.teach.defects import damage

PICTURES = 2
"""Good ones; and as many again with a made-up defect."""


def golden_pictures(
    paths: Sequence[Path], scores: Sequence[float], roi: Rectangle | None, seed: int
) -> dict[str, Image]:
    """Good pictures, of middling scores to the highest, and the same with a made-up defect, by file name."""
    rng = np.random.default_rng(seed)
    order = np.argsort(scores, kind="stable")
    places = np.linspace(len(order) // 2, len(order) - 1, PICTURES).round().astype(int)
    found = {}
    for number, place in enumerate(places):
        picture = read(paths[order[place]])
        found[f"good-{number}.png"] = picture
        found[f"damaged-{number}.png"] = damage(picture, rng, roi, "cut_paste").picture
    return found
