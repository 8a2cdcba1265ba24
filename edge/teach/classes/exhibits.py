"""What the report of a lesson about classes shows: the pictures that were confused."""

from collections.abc import Sequence
from pathlib import Path

from edge.config import Rectangle
from edge.geometry import Image
from edge.preprocess.picture import read
from edge.teach.classes.record import Confusion, ShownConfusion
from edge.teach.gather import reduced

SHOWN = 8


def show_confused(
    found: Sequence[tuple[Path | None, Confusion]], roi: Rectangle | None
) -> tuple[ShownConfusion, ...]:
    """The first of them whose pictures are at hand: those of earlier lessons are not."""
    at_hand = [(path, confusion) for path, confusion in found if path is not None]
    return tuple(ShownConfusion(confusion, _shown(path, roi)) for path, confusion in at_hand[:SHOWN])


def _shown(path: Path, roi: Rectangle | None) -> Image:
    picture = read(path)
    return reduced(picture if roi is None else picture[roi.y_min : roi.y_max, roi.x_min : roi.x_max])
