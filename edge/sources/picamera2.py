"""Cameras on the ribbon cable of a Raspberry Pi: live, on demand, or triggered by a wire to the sensor."""

import logging
from datetime import UTC, datetime, timedelta
from time import monotonic_ns
from types import TracebackType
from typing import Self

import numpy as np

from edge.config import Picamera2Source
from edge.errors import CaptureError
from edge.mailbox import Closed
from edge.sources.camera_controls import Controls, recorded
from edge.sources.pacing import Pace
from edge.sources.picamera2_session import AHEAD, Library, Session, Shot, load
from edge.sources.sensor_trigger import require_trigger
from edge.types import EndOfFrames, Frame

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.25
"""Longest, before the first attempt to open a lost camera again; it doubles with each."""


class Picamera2:
    """A camera that is opened again whenever it is lost, with the exposure, gains and focus that it had before.

    Args:
        config: Its settings.
        library: Takes the place of the installed picamera2; for tests.
    """

    def __init__(self, config: Picamera2Source, library: Library | None = None) -> None:
        """Raises `ConfigError` where a library is missing, or the machine is not set up for triggers."""
        self._library = library or load()
        if config.trigger == "hardware":
            require_trigger()
        self._config = config
        self.name = config.camera or "picamera2"
        self.triggered = config.triggered
        self.sequence = 0
        """Number of the part or frame that was taken, or missed, last; the first is 1."""
        self._pace = Pace(0.0)
        self._pause_s = 0.0
        self._session: Session | None = None
        self._held: Controls = {}
        self._complaints: set[str] = set()
        self._last_number: int | None = None
        self._waiting: Shot | None = None
        self._unseen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises `DeviceError` where the camera cannot be let go."""
        self._lose()
        missed = self._unseen + (self._waiting is not None)
        if missed:
            log.warning(
                "%s: parts that came while it was being stopped, and are not judged: %d", self.name, missed
            )

    def read(self) -> Frame:
        """The next frame; `captured_ns` is the start of its exposure.

        Raises `CaptureError` for each attempt that fails: another call pauses, then opens the camera anew. Raises
        `DeviceError` where the camera's driver hangs: nothing in this process can end that.
        """
        asked_ns = monotonic_ns()
        self._pace.sleep(0)
        self._tell_of_unseen()
        shot, self._waiting = self._waiting, None
        try:
            shot = shot or self._take(asked_ns)
        except Closed:
            raise EndOfFrames from None
        except CaptureError as err:
            self._lose()
            self.sequence += err.part_unseen
            raise CaptureError(f"{self.name}: {err}", part_unseen=err.part_unseen) from err
        if self._unseen:
            self._waiting = shot
            self._tell_of_unseen()
        self.sequence += 1
        return self._frame(shot)

    def interrupt(self) -> None:
        """See `Source`."""
        self._pace.interrupt()
        session = self._session
        if session is not None:
            session.interrupt()

    def _take(self, asked_ns: int) -> Shot:
        session = self._session or self._open()
        self._pace.sleep(0)  # interrupted while there was no session to close
        match self._config.trigger:
            case "none":
                return self._newest(session, asked_ns - round(self._config.timeout_s * 1e9))
            case "software":
                return self._newest(session, asked_ns)
            case "hardware":
                return self._of_next_part(session)

    def _newest(self, session: Session, since_ns: int) -> Shot:
        """A frame whose exposure began after `since_ns`: what was there before is thrown away."""
        timeout_s = self._config.timeout_s
        try:
            return session.next_shot(timeout_s, since_ns=since_ns)
        except TimeoutError:
            raise CaptureError(f"no frame within {timeout_s:g} s; is its cable in at both ends?") from None

    def _of_next_part(self, session: Session) -> Shot:
        try:
            shot = session.next_shot(self._config.part_every_s, ahead=AHEAD)
        except TimeoutError:
            raise CaptureError(
                f"no part for {self._config.part_every_s:g} s (source.part_every_s); does the line stand still? "
                "If not, look at the trigger wire, and at the camera, which is opened again"
            ) from None
        if self._last_number is not None:
            self._unseen += max(0, shot.number - self._last_number - 1)
        self._last_number = shot.number
        return shot

    def _tell_of_unseen(self) -> None:
        """Raise `CaptureError` for a part whose frame the sensor took, and nobody read; one at a time."""
        if self._unseen:
            self._unseen -= 1
            self.sequence += 1
            raise CaptureError(
                f"{self.name}: a part was triggered, but its picture was lost before it was read",
                part_unseen=True,
            )

    def _open(self) -> Session:
        self._pace.sleep(self._pause_s * float(np.random.default_rng().uniform(0.5, 1.0)))
        self._pause_s = min(self._config.reconnect_s, max(FIRST_PAUSE_S, 2 * self._pause_s))
        session = self._session = Session(self._library, self._config, self._held)
        self._pace.sleep(0)  # interrupted while it was being opened
        try:
            wrong = session.settle(self._config.timeout_s)
        except TimeoutError:
            raise CaptureError(f"is there, but gives no frame within {self._config.timeout_s:g} s") from None
        self._held = session.held
        self._last_number = None
        self._pause_s = 0.0
        for complaint in wrong:
            if complaint not in self._complaints:
                self._complaints.add(complaint)
                log.warning("%s: %s", self.name, complaint)
        return session

    def _lose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            unread = session.close()
            self._unseen += unread if self._config.trigger == "hardware" else 0

    def _frame(self, shot: Shot) -> Frame:
        age = timedelta(microseconds=(monotonic_ns() - shot.exposed_ns) / 1000)
        return Frame(
            shot.image,
            self.sequence,
            shot.exposed_ns,
            datetime.now(UTC) - age,
            self.name,
            controls=recorded(shot.said),
            trigger=self._config.trigger if self.triggered else None,
            evidence=shot.evidence,
        )
