"""The pictures of a teaching session: wished for, looked at as they come from the line, kept if they will do."""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from time import monotonic_ns
from typing import NamedTuple

from edge.errors import CaptureError, DeliveryError
from edge.geometry import Image
from edge.mailbox import Mailbox, WhenFull
from edge.preprocess.selection import Look, Selection, look
from edge.remote.commands import Refused
from edge.remote.session import Examples, Place
from edge.types import Frame, Inspection

NO_PICTURE = "no picture came in time (teaching.capture_s); does the camera run, and is it triggered?"


class Wish:
    """For which frames a session waits: for one, whose fate is put into `fate`, or for every one."""

    def __init__(self, since_ns: int, *, every: bool) -> None:
        self.since_ns, self.every = since_ns, every
        self.taken = False
        self.fate: Mailbox[str | None] = Mailbox(1, WhenFull.DROP_OLDEST)


class Candidate(NamedTuple):
    """A picture that was wished for, and is to be looked at."""

    picture: Image
    wish: Wish


class Pictures:
    """What was taken so far, and what is wished for. What is taken changes under `lock` alone.

    `wanted` is for the inspect thread, `consider` for the one thread that looks; the others for any.
    """

    def __init__(self, place: Place, left: Examples | None) -> None:
        """`left` are pictures that a session before the restart has left behind."""
        self.lock = Lock()
        self._place = place
        self._wish: Wish | None = None
        self._selection = Selection(place.quality)
        self._examples = left

    def __len__(self) -> int:
        return len(self._selection)

    def wanted(self, part: Inspection) -> Candidate | None:
        """The part's picture, if it is wished for. Costs nothing while none is."""
        wish = self._wish
        if wish is None or wish.taken or not isinstance(part.frame, Frame):
            return None
        if part.frame.captured_ns < wish.since_ns:
            return None
        wish.taken = not wish.every
        return Candidate(part.frame.image, wish)

    def open(self, product: str) -> None:
        """Go on with what is there of a product already, from before a restart. Hold `lock`. Raises `Refused`."""
        self._examples = self._place.examples(product)
        self._examples.sweep()
        self._selection = Selection(self._place.quality)
        for path in self._examples.paths():
            try:
                self._selection.add(look(self._place.read(path)))
            except CaptureError as err:
                raise Refused(f"{err}; remove it, or send teach/cancel") from err

    def want(self, *, every: bool) -> None:
        """Wish for every picture from now on, or for none. Hold `lock`."""
        self._wish = Wish(monotonic_ns(), every=True) if every else None

    def take_one(self) -> str | None:
        """Wish for one picture, and wait for its fate: why it was not taken, or None."""
        # A part waits for its turn; of a live view only what is seen from now on is meant.
        wish = Wish(0 if self._place.triggered else monotonic_ns(), every=False)
        self._wish = wish
        try:
            return wish.fate.get(self._place.config.capture_s)
        except TimeoutError:
            with self.lock:
                self._wish = None
            # It may have come at the last moment.
            return wish.fate.get(0) if len(wish.fate) else NO_PICTURE

    def consider(self, candidate: Candidate, count: Callable[[str | None], bool]) -> bool:
        """Look at a picture, and keep it if it will do. Is it the last of those that were wished for?

        `count` is told why it was not taken, or None, and says whether there are enough; it is called with `lock`.
        """
        seen = look(candidate.picture)
        objections = self._selection.objections(seen)
        with self.lock:
            wish = candidate.wish
            if self._wish is not wish:
                return False
            if not objections:
                objections = self._keep(candidate.picture, seen)
            objection = "; ".join(objections) or None
            enough = count(objection) and wish.every
            if enough or not wish.every:
                self._wish = None
            wish.fate.put(objection)
        return enough

    def paths(self) -> Sequence[Path]:
        """The files, in the order in which they were taken. Raises `DeliveryError`."""
        return self._examples.paths() if self._examples is not None else ()

    def clear(self) -> None:
        """Remove the files. Hold `lock`. Raises `DeliveryError`."""
        if self._examples is not None:
            self._examples.clear()

    def _keep(self, picture: Image, seen: Look) -> tuple[str, ...]:
        assert self._examples is not None  # noqa: S101 - collecting
        try:
            self._examples.add(picture)
        except DeliveryError as err:
            return (str(err),)
        self._selection.add(seen)
        return ()
