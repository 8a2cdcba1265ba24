"""A check whose product nobody has taught yet: it judges nothing, and says so of every part."""

from pathlib import Path
from typing import Any, NoReturn

from edge.errors import NotTaughtError
from edge.judge.deviation import Limits
from edge.model.tables import MANIFEST
from edge.model.versions import ACTIVE
from edge.preprocess.quality import QualityLimits
from edge.preprocess.tensor import InputSpec, Prepared
from edge.types import Decision

REASON = "nothing is taught yet"
SMALLEST = InputSpec(width=32, height=32)
"""What is prepared in vain: as little as may be, and a region outside the frame is still an error."""


class Untaught:
    """Takes the place of a model. Every part is inconclusive, whatever it shows. Any thread."""

    spec = SMALLEST
    limits = Limits(pass_below=0.0)
    quality = QualityLimits()
    identity = None

    def run(self, _prepared: Prepared) -> NoReturn:
        """Raises `NotTaughtError`."""
        raise NotTaughtError(REASON)

    def decode(self, _outputs: Any, _prepared: Prepared) -> NoReturn:
        """Raises `NotTaughtError`."""
        raise NotTaughtError(REASON)

    def explain(self, decision: Decision, _outputs: Any, _prepared: Prepared) -> Decision:
        """As it is: there is nothing to compare with."""
        return decision

    def fall_back(self, _reason: str) -> bool:
        """There is nothing to fall back from."""
        return False


def is_taught(folder: Path) -> bool:
    """Whether there is something to load: a bundle, or a shelf that has, or should have, an active one.

    A shelf that is damaged counts as taught: loading it then says what is wrong.
    """
    return (folder / MANIFEST).exists() or (folder / ACTIVE).exists()
