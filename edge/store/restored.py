"""The restored picture beside the original one: made for people, named as what it is, and never in its place."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

from edge.errors import InferenceError
from edge.geometry import Image
from edge.message import model_fields
from edge.ports import Restorer
from edge.service import Trouble
from edge.types import ModelIdentity

log = logging.getLogger(__name__)

MOST_S = 3.0
"""A picture that would take longer is left as it is: after 10 s, the watchdog takes the thread for stuck."""
SAMPLE_PX = 256
"""Side of the corner that tells how long a picture would take, until one has been restored."""
COMMENT = b"\xff\xfe"
"""JPEG's marker of a comment."""


class Restored(NamedTuple):
    """What became of a picture; `picture` is None where it was not restored, and `says` then has the reason."""

    picture: Image | None
    says: dict[str, Any]


class Darkroom:
    """Restores the pictures of evidence. For the keep thread.

    Args:
        restorer: The network.
        hurried: Whether other parts wait for the disk: their originals go first.
        trouble: Is told when restoring fails, and when it works again.
        clock: Seconds, counting up.
    """

    def __init__(
        self,
        restorer: Restorer,
        hurried: Callable[[], bool] = lambda: False,
        trouble: Trouble | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._restorer = restorer
        self._hurried = hurried
        self._trouble = trouble or Trouble("evidence.restore", log)
        self._clock = clock
        self._s_per_px: float | None = None

    def restore(self, picture: Image) -> Restored:
        """A picture restored, or why it was not; the original is kept either way."""
        if self._hurried():
            return self._left("other parts waited to be kept")
        try:
            if self._s_per_px is None:
                self._timed(picture[:SAMPLE_PX, :SAMPLE_PX])
            takes_s = (self._s_per_px or 0.0) * picture.shape[0] * picture.shape[1]
            if takes_s > MOST_S:
                self._s_per_px = None  # the board may have had other work: the next picture asks again
                return self._left(f"it would have taken {takes_s:.0f} s")
            restored = self._timed(picture)
        except InferenceError as err:
            self._trouble.failed(err)
            return self._left(str(err))
        self._trouble.worked()
        return Restored(restored, self._says(None))

    def sign(self, jpeg: bytes) -> bytes:
        """The same JPEG file; a comment in it says that a network made it."""
        return signed(jpeg, self._restorer.identity)

    def _timed(self, picture: Image) -> Image:
        started_s = self._clock()
        restored = self._restorer.restore(picture)
        self._s_per_px = (self._clock() - started_s) / (picture.shape[0] * picture.shape[1])
        return restored

    def _left(self, reason: str) -> Restored:
        return Restored(None, self._says(reason))

    def _says(self, reason: str | None) -> dict[str, Any]:
        return {"model": model_fields(self._restorer.identity), "reason": reason}


def signed(jpeg: bytes, by: ModelIdentity) -> bytes:
    """A JPEG file whose comment names the model that has restored it."""
    words = f"restored by {by.name} {by.version} (sha256 {by.digest}); the original lies beside it".encode()
    # After JFIF's own segment, which must be the first.
    place = 4 + int.from_bytes(jpeg[4:6], "big")
    return jpeg[:place] + COMMENT + (len(words) + 2).to_bytes(2, "big") + words + jpeg[place:]
