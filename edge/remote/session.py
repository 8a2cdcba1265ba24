"""What a teaching session is, and what it needs of its station."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from edge import config
from edge.geometry import Image
from edge.message import JSON

State = Literal["idle", "interrupted", "collecting", "teaching"]


@dataclass(frozen=True)
class Session:
    """How far teaching is, as the status and each reply tell it.

    `reason` says why the latest picture was not taken, or why the latest lesson failed; `stage` is the lesson's.
    """

    state: State = "idle"
    product: str | None = None
    mode: str | None = None
    pictures: int = 0
    count: int = 0
    reason: str | None = None
    stage: str | None = None


class Examples(Protocol):
    """The pictures of one product on the disk. Everything but `folder` raises `DeliveryError`."""

    @property
    def folder(self) -> Path:
        """Where they are; its name is the product's."""
        ...

    def paths(self) -> Sequence[Path]:
        """All of them, in the order in which they were taken."""
        ...

    def add(self, picture: Image) -> Path:
        """Keep a picture durably."""
        ...

    def sweep(self) -> None:
        """Remove what is unfinished."""
        ...

    def clear(self) -> None:
        """Remove all of them."""
        ...


class Place(NamedTuple):
    """What a session needs of its station.

    `shelf` gives the folder of a product's versions, and where to look (None: at the whole frame), and raises
    `EdgeError` where it may not be taught. `take` makes the new version judge from the next frame on, says whether
    the recipe uses it at all, and raises `EdgeError`. `tell` makes an event of a sentence and its detail.
    """

    config: config.Teaching
    quality: config.Quality
    triggered: bool
    products: Sequence[str]
    shelf: Callable[[str], tuple[Path, config.Rectangle | None]]
    examples: Callable[[str], Examples]
    read: Callable[[Path], Image]
    take: Callable[[Path], bool]
    tell: Callable[[str, JSON], None]
    fewest: int
