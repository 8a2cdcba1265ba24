"""Grey profiles along scan lines: side by side over a strip, or out of the middle of a circle.

Places are frame pixels: the middle of the first pixel is at (0.5, 0.5), as edges of boxes count.
"""

from dataclasses import dataclass
from math import ceil, hypot, pi

import numpy as np
import numpy.typing as npt

from edge.errors import NothingToMeasureError
from edge.gauge.light import Grey

Points = npt.NDArray[np.float64]
"""Places (x, y), n×2."""

LINES_TOGETHER = 3
"""So many neighbouring scan lines become one profile: less noise, and what is left of it is independent."""


@dataclass(frozen=True, eq=False)
class Scan:
    """Profiles, one a row, from `starts` on; `steps` are the ways to the next sample, about a pixel long."""

    profiles: Grey
    starts: Points
    steps: Points

    def at(self, rows: npt.NDArray[np.intp], places: npt.NDArray[np.float64]) -> Points:
        """Where in the frame these samples (whole or not) of these rows lie."""
        return np.asarray(self.starts[rows] + self.steps[rows] * places[:, np.newaxis])


@dataclass(frozen=True, eq=False)
class View:
    """The light of a part of the frame. `left` and `top` are the frame pixels of its corner."""

    grey: Grey
    left: float = 0.0
    top: float = 0.0

    def holds(self, points: Points) -> bool:
        """Whether all of them can be sampled."""
        rows, columns = self.grey.shape
        x, y = points[:, 0] - self.left, points[:, 1] - self.top
        return bool(np.all((x >= 0) & (y >= 0) & (x <= columns) & (y <= rows)))

    def sample(self, points: Points) -> Grey:
        """The light at these places (…×2), linear between the middles of pixels."""
        rows, columns = self.grey.shape
        x = np.clip(points[..., 0] - self.left - 0.5, 0, columns - 1.001)
        y = np.clip(points[..., 1] - self.top - 0.5, 0, rows - 1.001)
        column, row = x.astype(np.intp), y.astype(np.intp)
        across, down = (x - column).astype(np.float32), (y - row).astype(np.float32)
        flat = self.grey.ravel()
        corner = row * columns + column
        upper = flat[corner] * (1 - across) + flat[corner + 1] * across
        lower = flat[corner + columns] * (1 - across) + flat[corner + columns + 1] * across
        return np.asarray(upper * (1 - down) + lower * down, np.float32)


def strip(view: View, start: tuple[float, float], end: tuple[float, float], across_px: float) -> Scan:
    """Parallel profiles from `start` to `end`, over a strip of that width.

    Raises `NothingToMeasureError` where the strip is not all in the view.
    """
    begin, way = np.array(start), np.array(end) - np.array(start)
    length = hypot(*way)
    along = way / length
    beside = np.array([-along[1], along[0]])
    groups = max(1, round(across_px / LINES_TOGETHER))
    offsets = np.arange(groups * LINES_TOGETHER) - (groups * LINES_TOGETHER - 1) / 2
    starts = begin + offsets[:, np.newaxis] * beside
    return _scan(view, starts, np.broadcast_to(along, starts.shape), length)


def rays(view: View, centre: tuple[float, float], inner_px: float, outer_px: float) -> Scan:
    """Profiles from one radius to a larger one, all around: neighbours a pixel apart.

    Raises `NothingToMeasureError` where the larger circle is not all in the view.
    """
    groups = max(16, ceil(pi * (inner_px + outer_px) / LINES_TOGETHER))
    angles = np.arange(groups * LINES_TOGETHER) * (2 * pi / (groups * LINES_TOGETHER))
    along = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _scan(view, np.array(centre) + inner_px * along, along, outer_px - inner_px)


def _scan(view: View, starts: Points, along: Points, length: float) -> Scan:
    samples = max(2, ceil(length) + 1)
    steps = along * (length / (samples - 1))
    if not view.holds(np.concatenate([starts, starts + steps * (samples - 1)])):
        raise NothingToMeasureError(
            "lies outside of what the check looks at; move it, or make the roi larger"
        )
    places = starts[:, np.newaxis] + steps[:, np.newaxis] * np.arange(samples)[:, np.newaxis]
    profiles = view.sample(places).reshape(-1, LINES_TOGETHER, samples).mean(axis=1)
    middle = LINES_TOGETHER // 2
    return Scan(profiles, starts[middle::LINES_TOGETHER], steps[middle::LINES_TOGETHER])
