"""Teaching by commands: a session collects pictures from the running line, and has a lesson given."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple

from edge.errors import ConfigError, DeliveryError, DeviceError, EdgeError
from edge.mailbox import Closed, Mailbox, WhenFull
from edge.message import JSON
from edge.remote.commands import Handler, Refused, segment, whole_number
from edge.remote.lesson import Lesson, LessonError
from edge.remote.pictures import Candidate, Pictures
from edge.remote.session import Examples, Place, Session
from edge.types import Inspection

log = logging.getLogger(__name__)

MODES = ("button", "every")
USUAL_COUNT = 20
MOST = 500
ROOM = 4
"""Pictures that may wait to be looked at: at 1280×960, 15 MB."""
TICK_S = 0.5


class _Order(NamedTuple):
    """A lesson that is to be given."""

    session: Session
    request: Mapping[str, Any]

    @property
    def product(self) -> str:
        return str(self.session.product)

    @property
    def transaction(self) -> object:
        return self.request.get("transaction")


class Teaching:
    """The one session that a station can have.

    `handlers` are for any thread, `offer` for the inspect thread, `work` is the body of a thread of its own.
    """

    def __init__(self, place: Place, left: Sequence[Examples] = ()) -> None:
        """`left` are pictures that a session before the restart has left behind."""
        self._place = place
        self._commands = Lock()
        self._lock = Lock()
        self._session = Session()
        self._order: _Order | None = None
        self._lesson: Lesson | None = None
        self._touched_s = monotonic()
        self._pictures = Pictures(place, left[0] if left else None)
        self._work: Mailbox[Candidate | _Order] = Mailbox(ROOM, WhenFull.DROP_OLDEST)
        if left:
            there = len(left[0].paths())
            self._session = Session("interrupted", left[0].folder.name, pictures=there)

    @property
    def session(self) -> Session:
        """How far it is. Any thread; never waits."""
        return self._session

    def summary(self) -> dict[str, Any]:
        """The same as JSON."""
        return asdict(self._session)

    def handlers(self) -> dict[str, Handler]:
        """The commands, by name."""
        commands = {
            "start": self._start,
            "capture": self._capture,
            "finish": self._finish,
            "cancel": self._cancel,
        }
        return {f"teach/{name}": self._one_at_a_time(command) for name, command in commands.items()}

    def offer(self, part: Inspection) -> None:
        """A part was judged. Costs nothing while no picture is wanted."""
        candidate = self._pictures.wanted(part)
        if candidate is not None:
            with suppress(Closed):
                self._work.put(candidate)

    def work(self) -> None:
        """Look at pictures, follow lessons, and watch the clock, until `close`."""
        if self._session.state == "interrupted":
            self._tell(
                "there are pictures from before the restart: start goes on with them, cancel removes them"
            )
        while True:
            try:
                item = self._work.get(TICK_S)
            except TimeoutError:
                self._look_at_the_clock()
            except Closed:
                return
            else:
                if isinstance(item, Candidate):
                    self._consider(item)
                else:
                    self._teach(item)

    def close(self) -> None:
        """Take nothing more, and end a lesson; the pictures stay for the next start. Any thread."""
        self._work.close()
        with self._lock:
            self._session, self._order = Session(), None
            if self._lesson is not None:
                self._lesson.stop()

    # Commands

    def _one_at_a_time(self, command: Callable[[Mapping[str, Any]], None]) -> Handler:
        def handle(request: Mapping[str, Any]) -> JSON:
            with self._commands:
                self._touched_s = monotonic()
                try:
                    command(request)
                except (ConfigError, DeliveryError, DeviceError) as err:
                    raise Refused(str(err)) from err
                except Closed as err:
                    raise Refused("the station is stopping; the pictures are kept") from err
                return {"teaching": self.summary()}

        return handle

    def _start(self, request: Mapping[str, Any]) -> None:
        before = self._session
        product = self._product(request)
        if before.state == "teaching":
            raise Refused(f"a lesson about {before.product} is being given; wait, or send teach/cancel")
        if before.product not in (None, product):
            raise Refused(
                f"there are pictures of {before.product}; start that to go on, or send teach/cancel"
            )
        mode = request.get("mode", MODES[0])
        if mode not in MODES:
            raise Refused(f"'mode' must be one of {', '.join(MODES)}, not {mode!r:.40}")
        count = whole_number({"count": USUAL_COUNT, **request}, "count")
        if not self._place.fewest <= count <= MOST:
            raise Refused(f"'count' must be from {self._place.fewest} to {MOST}, not {count}")
        self._place.shelf(product)
        with self._pictures.lock:
            self._pictures.open(product)
            there = len(self._pictures)
            with self._lock:
                self._session = Session("collecting", product, mode, there, count)
            self._pictures.want(every=mode == "every")
        self._tell(f"collecting goes on with {there} pictures" if there else "collecting begins")

    def _capture(self, _request: Mapping[str, Any]) -> None:
        session = self._collecting()
        if session.mode != "button":
            raise Refused("every part is taken anyway; capture is for mode 'button'")
        if session.pictures >= MOST:
            raise Refused(f"{MOST} pictures are the most; send teach/finish")
        objection = self._pictures.take_one()
        if objection is not None:
            raise Refused(objection)

    def _finish(self, request: Mapping[str, Any]) -> None:
        session = self._collecting()
        fewest = 1 if request.get("add") is True else self._place.fewest
        if session.pictures < fewest:
            few = f"{session.pictures} pictures are too few to teach"
            raise Refused(f"{few}; take at least {fewest} of good parts")
        with self._pictures.lock, self._lock:
            self._pictures.want(every=False)
            self._session = replace(
                session, state="teaching", pictures=len(self._pictures), reason=None, stage="starting"
            )
            self._order = _Order(self._session, request)
            self._work.put(self._order)

    def _cancel(self, _request: Mapping[str, Any]) -> None:
        if self._session.state == "idle":
            raise Refused("nothing is being taught")
        self._end("was cancelled; its pictures are removed")

    def _product(self, request: Mapping[str, Any]) -> str:
        if "product" in request:
            return segment(request, "product")
        if len(self._place.products) == 1:
            return self._place.products[0]
        known = ", ".join(self._place.products) or "none with teachable = true"
        raise Refused(f"'product' must say what is to be taught; the recipe has {known}")

    def _collecting(self) -> Session:
        if self._session.state != "collecting":
            raise Refused(
                "a lesson is being given; wait for its end, or send teach/cancel"
                if self._session.state == "teaching"
                else "nothing is being taught; send teach/start first"
            )
        return self._session

    # On the thread of `work`

    def _consider(self, candidate: Candidate) -> None:
        if self._pictures.consider(candidate, self._count):
            self._tell(f"has the {self._session.count} pictures that were wanted; send teach/finish")

    def _count(self, objection: str | None) -> bool:
        """A picture was taken, unless there is an objection to it. Are there as many as were wanted?"""
        with self._lock:
            self._session = session = replace(self._session, pictures=len(self._pictures), reason=objection)
        if objection is None:
            self._touched_s = monotonic()
        return session.pictures >= session.count

    def _teach(self, order: _Order) -> None:
        try:
            with self._lock:
                if self._order is not order:
                    return
                self._lesson = Lesson(self._wishes(order))
            taught = self._lesson.follow(self._progress, self._place.config.lesson_s)
        except (LessonError, ConfigError, DeviceError) as err:
            self._failed(order, str(err))
        else:
            self._taught(order, taught)
        finally:
            with self._lock:
                self._lesson = None
            self._touched_s = monotonic()

    def _wishes(self, order: _Order) -> dict[str, Any]:
        """What the child is told."""
        shelf, roi = self._place.shelf(order.product)
        return {
            "product": order.product,
            "pictures": [str(path) for path in self._pictures.paths()],
            "shelf": str(shelf),
            "roi": None if roi is None else [roi.x_min, roi.y_min, roi.x_max, roi.y_max],
            "force": order.request.get("force") is True,
            "add": order.request.get("add") is True,
            "memory_mb": self._place.config.memory_mb,
        }

    def _progress(self, stage: str, done: int, total: int) -> None:
        with self._lock:
            if self._session.state == "teaching":
                self._session = replace(self._session, stage=f"{stage}: {done} of {total}")

    def _failed(self, order: _Order, reason: str, **detail: Any) -> None:
        with self._lock:
            if self._order is not order:  # cancelled, or we are stopping
                return
            self._order = None
            self._session = replace(self._session, state="collecting", reason=reason, stage=None)
        text = (
            f"was not taught: {reason}. Its pictures are still there: finish again, capture more, or cancel"
        )
        self._tell(text, order.session, ok=False, error=reason, transaction=order.transaction, **detail)

    def _taught(self, order: _Order, taught: Mapping[str, Any]) -> None:
        version, summary = taught["version"], list(taught["summary"])
        if not taught["activated"]:
            reason = "the new version is too doubtful to be activated; finish with force activates it anyway"
            self._failed(order, reason, version=version, summary=summary)
            return
        try:
            used = self._place.take(Path(taught["shelf"]))
        except EdgeError as err:
            self._failed(order, f"the new version cannot be used: {err}", version=version, summary=summary)
            return
        judges = "judges from now on" if used else "is on the shelf; no check of the recipe uses it"
        text = f"is taught: version {version} {judges}"
        detail = {"transaction": order.transaction, "version": version, "summary": summary}
        with self._commands:
            if self._order is order:
                self._end_quietly(text, ok=True, **detail)
            else:
                self._tell(f"{text}. It was ready before it was cancelled", order.session, ok=True, **detail)

    def _look_at_the_clock(self) -> None:
        limit_s = self._place.config.limit_s
        if self._session.state in ("idle", "teaching") or monotonic() - self._touched_s < limit_s:
            return
        if not self._commands.acquire(blocking=False):
            return  # somebody does something just now
        try:
            self._end_quietly(f"was given up: nothing was done for {limit_s:g} s; its pictures are removed")
        finally:
            self._commands.release()

    def _end_quietly(self, text: str, **detail: Any) -> None:
        try:
            self._end(text, **detail)
        except DeliveryError as err:
            log.warning("teaching: %s", err)

    # Any thread

    def _end(self, text: str, **detail: Any) -> None:
        """Back to idle, without lesson and pictures, and say how that came. Raises `DeliveryError`."""
        with self._pictures.lock:
            self._pictures.want(every=False)
            with self._lock:
                session, self._session = self._session, Session()
                self._order = None
                if self._lesson is not None:
                    self._lesson.stop()
            self._tell(text, session, **detail)
            self._pictures.clear()

    def _tell(self, text: str, about: Session | None = None, **detail: Any) -> None:
        session = about or self._session
        log.info("teaching %s %s", session.product, text)
        self._place.tell(
            f"{session.product}: {text}",
            {"product": session.product, "pictures": session.pictures, "count": session.count, **detail},
        )
