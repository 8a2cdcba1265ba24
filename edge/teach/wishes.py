"""What the person who teaches may wish for; everything has a sensible default."""

from dataclasses import dataclass
from pathlib import Path

from edge.config import Rectangle
from edge.config.enhance import Enhance
from edge.errors import ConfigError
from edge.model.methods import Method
from edge.teach.limits import check_promise

MOST_TILES = 4
"""Side by side, and as many one above the other."""


@dataclass(frozen=True)
class Wishes:
    """How a product is to be taught.

    It will look at `roi` alone (pixels of the frame; None: at all of it), in `tiles` × `tiles` pieces: the more,
    the smaller the defects that it finds, and the longer it takes. What it sees goes through the restoration in
    the folder `restore` first, and then through the steps `enhance`. `method` None: the best on these pictures. At
    most `false_reject` (0…0.5) of good parts fail, with `confidence` (0.5…1). What is learned takes `budget_mb` at
    most (1e6 bytes), and a picture `budget_ms` on this machine, one thread, where a candidate does. `force`
    activates the new version although int8 and float do not agree.
    """

    roi: Rectangle | None = None
    tiles: int = 1
    enhance: tuple[Enhance, ...] = ()
    restore: Path | None = None
    method: Method | None = None
    false_reject: float = 0.01
    confidence: float = 0.9
    budget_mb: float = 8.0
    budget_ms: float | None = None
    seed: int = 0
    force: bool = False

    def check(self) -> None:
        """Raises `ConfigError` for what cannot be."""
        if not 1 <= self.tiles <= MOST_TILES:
            raise ConfigError(f"tiles: {self.tiles} will not do; give 1 to {MOST_TILES}")
        if self.tiles > 1 and self.method == "position_gaussian":
            raise ConfigError("method: position_gaussian needs the whole in one tile; set tiles to 1")
        if not self.budget_mb > 0:
            raise ConfigError(f"budget_mb: {self.budget_mb:g} will not do; give more than 0")
        check_promise(self.false_reject, self.confidence)

    @property
    def head_bytes(self) -> int:
        """What a method may take of the budget: half; the rest is for examples and for adding parts later."""
        return int(self.budget_mb * 1e6 / 2)
