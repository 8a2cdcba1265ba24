"""Where on a picture a made-up defect belongs: on the part, where the part can be told from an even background."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.geometry import Image, Mask

Floats = npt.NDArray[np.float32]

GRID_PX = 64
"""Cells along the shorter side of the small picture that places are chosen on."""
ELSEWHERE = 0.08
"""How likely a place on an even background is, against one on the part: dirt lies there too."""
AROUND = 0.3
"""The same where what looks like background may be the part: a board around its screws."""


@dataclass(frozen=True, eq=False)
class Ground:
    """A picture in small: `step` pixels of the picture are one cell.

    `part` is where something other than the background lies (all of it, where there is no telling), and
    `elsewhere` how likely a place beside it is; `detail` is how much a cell differs from its neighbours, in
    grey levels. `contrast` is the standard deviation of the whole; `coloured` says that the picture is not grey.
    """

    step: int
    part: Mask
    elsewhere: float
    detail: Floats
    contrast: float
    coloured: bool

    def place(self, rng: np.random.Generator, *, detailed: bool = False) -> tuple[int, int]:
        """A pixel's x and y on the part, mostly; if `detailed`, rather where there is something to be seen."""
        weights = np.where(self.part, 1.0, self.elsewhere)
        if detailed:
            weights *= self.detail + 0.01
        return self._pixel(weights, rng)

    def background(self, rng: np.random.Generator) -> tuple[int, int] | None:
        """A pixel's x and y beside the part; None where there is no telling."""
        if self.part.all():
            return None
        return self._pixel((~self.part).astype(float), rng)

    def _pixel(self, weights: npt.NDArray[np.float64], rng: np.random.Generator) -> tuple[int, int]:
        cell = int(np.searchsorted(np.cumsum(weights), rng.uniform(0, weights.sum()), side="right"))
        row, column = divmod(min(cell, weights.size - 1), weights.shape[1])
        x, y = ((place + rng.uniform()) * self.step for place in (column, row))
        return int(x), int(y)


def survey(picture: Image) -> Ground:
    """Take every nth pixel of a picture, and tell the part from what its border is like (0.3 ms)."""
    step = max(1, min(picture.shape[:2]) // GRID_PX)
    small = cv2.blur(np.ascontiguousarray(picture[::step, ::step]), (3, 3)).astype(np.float32)
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    colour = np.median(border, axis=0)
    away = np.abs(small - colour).max(axis=2)
    uneven = float(np.quantile(np.abs(border - colour).max(axis=1), 0.75))
    contrast = float(small.mean(axis=2).std())
    texture = _texture(small)
    part, elsewhere = _part(away, texture, uneven, contrast)
    return Ground(
        step=step,
        part=part,
        elsewhere=elsewhere,
        detail=texture,
        contrast=contrast,
        coloured=bool(np.ptp(small, axis=2).mean() > 2),  # noqa: PLR2004 - JPEG's chroma
    )


def _texture(small: Floats) -> Floats:
    """The standard deviation of the 5×5 cells around each."""
    grey = small.mean(axis=2)
    mean, squares = cv2.blur(grey, (5, 5)), cv2.blur(grey * grey, (5, 5))
    deviation: Floats = np.sqrt(np.maximum(squares - mean * mean, 0))
    return deviation


def _part(away: Floats, texture: Floats, uneven: float, contrast: float) -> tuple[Mask, float]:
    """Cells unlike the border; where the border is as uneven as the picture, those of more texture than most."""
    if uneven < contrast:
        unlike = (away > max(10.0, 2 * uneven)) | (texture > max(6.0, contrast / 2))
        part = _without_specks(unlike)
        if 0.02 < part.mean() < 0.95:  # noqa: PLR2004 - nothing, or it fills the picture
            return part, ELSEWHERE
    part = _without_specks(texture > max(6.0, 2 * float(np.median(texture))))
    if 0.02 < part.mean() < 0.5:  # noqa: PLR2004 - nothing, or hardly more than chance
        return part, AROUND
    return np.ones_like(part), 1.0


def _without_specks(cells: Mask) -> Mask:
    opened = cv2.morphologyEx(cells.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return np.asarray(opened, np.bool_)
