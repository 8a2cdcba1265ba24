"""A teaching session by itself: what it takes from the line, and what it does when something is in the way."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic_ns
from typing import Any

import numpy as np
import parts
import pytest
from brokers import eventually
from stations import render
from test_camera_teaching import a_part, noisy

from edge import config
from edge.errors import BundleError
from edge.preprocess.picture import read
from edge.remote.commands import Refused
from edge.remote.session import Place
from edge.remote.teaching import Teaching
from edge.store.examples import Examples, waiting
from edge.types import Decision, Inspection, Miss, Verdict


class Line:
    """A session, its thread, and a line that shows it parts."""

    def __init__(self, folder: Path, *, triggered: bool = True, **place: Any) -> None:
        self.folder = folder
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.session = Teaching(
            Place(
                config=config.Teaching(capture_s=place.pop("capture_s", 5.0)),
                quality=config.Quality(),
                triggered=triggered,
                products=("cap",),
                shelf=lambda product: (folder / "shelves" / product, None),
                examples=lambda product: Examples(folder / "teach" / product),
                read=read,
                take=place.pop("take", lambda _shelf: True),
                tell=lambda text, detail: self.told.append((text, dict(detail))),
                fewest=5,
            ),
            list(waiting(folder / "teach")),
        )
        self._thread = threading.Thread(target=self.session.work, daemon=True)
        self._thread.start()
        self._parts = 0

    def press(self, command: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = dict(self.session.handlers()[f"teach/{command}"](request)["teaching"])
        return answer

    def show(self, picture: np.ndarray | None = None, *, before_ns: int = 0) -> None:
        """The next part goes by."""
        self._parts += 1
        frame = parts.frame(noisy(a_part(self._parts), self._parts) if picture is None else picture)
        frame = replace(frame, captured_ns=monotonic_ns() - before_ns)
        self.session.offer(Inspection(frame, (), Decision(Verdict.PASS), {}))

    def capture(self, picture: np.ndarray | None = None) -> dict[str, Any]:
        """A button is pressed while the part goes by."""
        with threading_timer(0.05, lambda: self.show(picture)):
            return self.press("capture")

    def collect(self, pictures: int) -> None:
        for _ in range(pictures):
            self.capture()

    def close(self) -> None:
        self.session.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


class threading_timer:  # noqa: N801 - used like a function
    """Does something a little later, and waits for it."""

    def __init__(self, delay_s: float, work: Callable[[], None]) -> None:
        self._timer = threading.Timer(delay_s, work)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.join()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path)
    yield line
    line.close()


def test_nothing_is_kept_of_parts_that_nobody_asked_for(line: Line, tmp_path: Path) -> None:
    line.show()
    line.press("start")
    line.show()
    assert line.session.session.pictures == 0
    assert not list(Examples(tmp_path / "teach" / "cap").paths())


def test_a_press_takes_one_part_and_no_more(line: Line) -> None:
    line.press("start")
    assert line.capture()["pictures"] == 1
    line.show()
    line.show()
    assert line.capture()["pictures"] == 2


def test_the_same_part_twice_is_refused_until_another_is_there(line: Line) -> None:
    line.press("start")
    line.capture(noisy(a_part(1), 1))
    with pytest.raises(Refused, match="the same as the one before; put another part there"):
        line.capture(noisy(a_part(1), 2))
    assert line.session.session.reason == "the same as the one before; put another part there"
    assert line.capture(noisy(a_part(2), 3))["pictures"] == 2
    assert line.session.session.reason is None


def test_of_a_live_view_what_was_seen_before_the_press_is_not_meant(tmp_path: Path) -> None:
    line = Line(tmp_path, triggered=False, capture_s=0.4)
    line.press("start")
    with threading_timer(0.05, lambda: line.show(before_ns=1_000_000_000)), pytest.raises(Refused):
        line.press("capture")
    assert line.capture()["pictures"] == 1
    line.close()


def test_where_no_part_comes_the_answer_says_so_and_the_next_press_works(tmp_path: Path) -> None:
    line = Line(tmp_path, capture_s=0.1)
    line.press("start")
    with pytest.raises(Refused, match="no picture came in time"):
        line.press("capture")
    line.show()
    assert line.session.session.pictures == 0, "the press is over"
    line.close()


def test_a_part_that_went_by_unseen_is_no_example(line: Line) -> None:
    line.press("start", mode="every")
    frame = parts.frame(a_part(1))
    unseen = Miss(1, monotonic_ns(), frame.captured_at, "camera", "no picture")
    line.session.offer(Inspection(unseen, (), Decision(Verdict.ERROR), {}))
    line.show()
    eventually(lambda: line.session.session.pictures == 1)


def test_a_disk_that_takes_nothing_is_named_and_the_session_goes_on(line: Line, tmp_path: Path) -> None:
    line.press("start")
    (tmp_path / "teach").write_text("in the way")
    with pytest.raises(Refused, match="cannot be written"):
        line.capture()
    (tmp_path / "teach").unlink()
    assert line.capture()["pictures"] == 1


def test_start_again_changes_how_and_keeps_the_pictures(line: Line) -> None:
    line.press("start")
    line.collect(2)
    assert line.press("start", mode="every", count=6)["pictures"] == 2
    with pytest.raises(Refused, match="there are pictures of cap"):
        line.press("start", product="lid")


def test_a_lesson_that_cannot_be_given_says_why_and_keeps_the_pictures(line: Line, tmp_path: Path) -> None:
    line.press("start")
    line.collect(5)
    for path in Examples(tmp_path / "teach" / "cap").paths():
        path.write_bytes(b"damaged")
    line.press("finish", transaction="t7")
    detail = eventually(lambda: [detail for _, detail in line.told if "ok" in detail], 60)[0]
    assert detail["ok"] is False
    assert detail["transaction"] == "t7"
    assert "5 of 5 pictures cannot be read" in detail["error"]
    assert line.session.session.state == "collecting"


def test_a_version_that_cannot_judge_is_said_and_keeps_the_pictures(tmp_path: Path) -> None:
    def refuse(_shelf: Path) -> bool:
        raise BundleError("rules.fail_at is under pass_below")

    render(tmp_path / "teach" / "cap", count=6, defect_rate=0.0, seed=3)
    line = Line(tmp_path, take=refuse)
    assert line.press("start")["pictures"] == 6
    line.press("finish", force=True)
    detail = eventually(lambda: [detail for _, detail in line.told if "ok" in detail], 60)[0]
    assert detail["error"] == "the new version cannot be used: rules.fail_at is under pass_below"
    assert line.session.session.pictures == 6
    line.close()


def test_a_session_that_ends_with_its_station_waits_for_the_next_start(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.press("start")
    line.collect(2)
    line.close()
    again = Line(tmp_path)
    assert again.session.session.state == "interrupted"
    assert again.session.session.pictures == 2
    eventually(lambda: again.told)
    again.press("cancel")
    assert not (tmp_path / "teach" / "cap").exists()
    again.close()


def test_a_command_while_the_station_stops_is_refused(line: Line) -> None:
    line.press("start")
    line.collect(5)
    line.close()
    line.show()
    line.press("start")
    with pytest.raises(Refused, match="the station is stopping; the pictures are kept"):
        line.press("finish")
