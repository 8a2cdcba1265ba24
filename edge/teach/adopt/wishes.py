"""What the person says of a model that is to be taken in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from edge.geometry import Image
from edge.model.pixels import Pixels
from edge.teach.adopt.proposals import Hints

Task = Literal["classification", "detection", "segmentation"]
Fit = Literal["stretch", "letterbox"]


@dataclass(frozen=True, eq=False)
class Wishes:
    """None and empty: as the model says itself, or as is usual for its layout."""

    task: Task
    name: str
    labels: tuple[str, ...] = ()
    hints: Hints = field(default_factory=Hints)
    pixels: Pixels | None = None
    bgr: bool = False
    fit: Fit | None = None
    min_score: float = 0.25
    """Of detections: what is under it is never looked at."""
    golden: Sequence[tuple[str, Image]] = ()
    """Names and pictures on which the bundle has to give for ever what it gives now."""
