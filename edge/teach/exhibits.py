"""What the report shows: the good parts that score highest, and defects, made up or known, from plain to faint."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge.config import Rectangle
from edge.geometry import Image, Map, Mask
from edge.preprocess.picture import read
from edge.teach.evenly import evenly
from edge.teach.gather import reduced
from edge.teach.record import Shown

WORST_GOOD = 4
DEFECTS = 6


def show_worst(
    paths: Sequence[Path], maps: Sequence[Map], scores: Sequence[float], roi: Rectangle | None
) -> tuple[Shown, ...]:
    """The good parts with the highest scores. Maps and scores are relative: 1.0 is the limit."""
    worst = np.argsort(scores, kind="stable")[::-1][:WORST_GOOD]
    return tuple(
        Shown(paths[place].name, _shown(paths[place], roi), maps[place], float(scores[place]))
        for place in worst
    )


def show_damaged(
    exhibits: Sequence[tuple[Image, Mask]],
    maps: Sequence[Map],
    scores: Sequence[float],
    title: Callable[[int], str],
) -> tuple[Shown, ...]:
    """Made-up defects, evenly from the highest score to the lowest."""
    return tuple(
        Shown(title(place), exhibits[place][0], maps[place], float(scores[place]), exhibits[place][1])
        for place in _plain_to_faint(scores)
    )


def show_bad(
    paths: Sequence[Path], maps: Sequence[Map], scores: Sequence[float], roi: Rectangle | None
) -> tuple[Shown, ...]:
    """Known-bad parts, evenly from the highest score to the lowest."""
    return tuple(
        Shown(paths[place].name, _shown(paths[place], roi), maps[place], float(scores[place]))
        for place in _plain_to_faint(scores)
    )


def _plain_to_faint(scores: Sequence[float]) -> list[int]:
    order = np.argsort(scores, kind="stable")[::-1]
    return [int(place) for place in order[evenly(len(order), DEFECTS)]]


def _shown(path: Path, roi: Rectangle | None) -> Image:
    picture = read(path)
    return reduced(picture if roi is None else picture[roi.y_min : roi.y_max, roi.x_min : roi.x_max])
