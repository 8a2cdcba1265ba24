"""What a lesson keeps of its pictures: bounded, however many they are, and however many tiles they have."""

from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Literal

import numpy as np

from edge.config import Rectangle
from edge.errors import ConfigError
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.tensor import InputSpec
from edge.teach.defects import damage
from edge.teach.features import Backbone, Features, View
from edge.types import Image

Contrast = Literal["none", "stretch"]

CONTRASTS: tuple[Contrast, ...] = ("none", "stretch")
MOST_CANDIDATES = 40_000
"""Patches that a bank is chosen from: 4.5 MB for each contrast, and a few seconds."""
MOST_TRIED = 1000
"""Tiles that limits are found with: 22 kB each, as it is and damaged, for each contrast."""


class Views:
    """What the backbone sees of every picture, for each contrast.

    `patches` are what a bank can be chosen from: as many of each picture, in the order of the pictures. Whole
    views, of `good` parts and of the same `damaged`, are of every `step`th picture: what limits are found with.
    """

    def __init__(self, backbone: Backbone, seen: InputSpec, pictures: int, seed: int) -> None:
        """`seen` is but for the contrast how to look at each of at most so many `pictures`."""
        self._backbone, self._roi, self._rng = backbone, seen.roi, np.random.default_rng(seed)
        self._share = MOST_CANDIDATES // max(1, pictures)
        self.step = max(1, ceil(pictures * seen.tiles_x * seen.tiles_y / MOST_TRIED))
        self.count = 0
        self.inputs = {contrast: replace(seen, contrast=contrast) for contrast in CONTRASTS}
        self.patches: dict[Contrast, list[Features]] = {contrast: [] for contrast in CONTRASTS}
        self.good: dict[Contrast, list[View]] = {contrast: [] for contrast in CONTRASTS}
        self.damaged: dict[Contrast, list[View]] = {contrast: [] for contrast in CONTRASTS}

    def add(self, path: Path, picture: Image) -> None:
        """Look at the next picture. Raises `ConfigError` where it does not hold the region of interest."""
        if self._roi is not None:
            _check_inside(path, picture, self._roi)
        tried = self.count % self.step == 0
        seen = Pyramid(picture)
        for contrast, spec in self.inputs.items():
            view = self._backbone.look(seen, spec)
            self.patches[contrast].append(self._some(view.patches))
            if tried:
                self.good[contrast].append(view)
        if tried:
            seen = Pyramid(damage(picture, self._rng, self._roi).picture)
            for contrast, spec in self.inputs.items():
                self.damaged[contrast].append(self._backbone.look(seen, spec))
        self.count += 1

    def _some(self, patches: Features) -> Features:
        if len(patches) <= self._share:
            return patches
        return patches[self._rng.choice(len(patches), self._share, replace=False)]


def _check_inside(path: Path, picture: Image, roi: Rectangle) -> None:
    height, width = picture.shape[:2]
    if roi.x_max > width or roi.y_max > height:
        raise ConfigError(
            f"{path}: is {width}×{height}, but the region of interest is x {roi.x_min}…{roi.x_max},"
            f" y {roi.y_min}…{roi.y_max}; give one that lies inside every picture"
        )
