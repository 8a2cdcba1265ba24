"""Teaching without a display: a button box, a broker, and a station that has never been taught anything."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto, eventually
from stations import HEIGHT, WIDTH, bundle, daemon
from test_contract import complaints
from test_remote import Plant

from edge.model.versions import Shelf, versions

GOOD = f'type = "synthetic"\nwidth = {WIDTH}\nheight = {HEIGHT}\nrate_hz = 20\ndefect_rate = 0.0'  # seed 1


class ButtonBox(Plant):
    """What a box with three buttons and a lamp knows of a station."""

    def press(self, command: str, **request: Any) -> dict[str, Any]:
        answer = self.ask(f"teach/{command}", **request)
        assert complaints("reply", answer) == []
        return answer

    def told(self) -> list[str]:
        return [event["text"] for event in self.events("teach")]

    def lamp(self) -> dict[str, Any]:
        """The state of teaching, as the latest status says it."""
        status = json.loads(eventually(lambda: self.said["status"])[-1])
        assert complaints("status", status) == []
        teaching: dict[str, Any] = status["teaching"]
        return teaching

    def collect(self, pictures: int) -> None:
        while self.press("capture").get("teaching", {"pictures": 0})["pictures"] < pictures:
            pass

    def verdicts(self) -> list[str]:
        return [result["verdict"] for result in self.results()]


Station = Callable[..., Any]


@pytest.fixture
def box(mosquitto: Mosquitto) -> Iterator[ButtonBox]:
    box = ButtonBox(mosquitto)
    yield box
    box.listener.close()


@pytest.fixture
def station(mosquitto: Mosquitto, tmp_path: Path, box: ButtonBox) -> Station:
    """Starts a station whose one check waits to be taught; killed at the end."""

    @contextmanager
    def start(source: str = GOOD, more: str = "", check: str = "teachable = true") -> Iterator[Any]:
        path = tmp_path / "station.toml"
        path.write_text(
            f'[station]\nsite = "test"\ndevice = "station"\nstate_dir = "state"\n[source]\n{source}\n'
            f'[recipe]\nname = "cap"\n[[recipe.checks]]\nname = "surface"\nbundle = "shelves/cap"\n{check}\n'
            f"[outbox]\nmin_free_mb = 0\n[evidence]\nmin_free_mb = 0\n{more}\n"
            f'[[sinks]]\ntype = "mqtt"\nhost = "127.0.0.1"\nport = {mosquitto.port}\n'
        )
        before = len(box.results())
        with daemon(path) as process:
            eventually(lambda: len(box.results()) > before + 2 or process.poll() is not None, 60)
            yield process

    return start


def stopped(process: Any) -> int:
    process.send_signal(signal.SIGTERM)
    return int(process.wait(30))


def test_a_station_that_nobody_has_taught_runs_passes_nothing_and_says_so(
    station: Station, box: ButtonBox
) -> None:
    with station() as process:
        assert set(box.verdicts()) == {"inconclusive"}
        assert box.results()[0]["reasons"] == ["check surface: nothing is taught yet"]
        eventually(
            lambda: any(b"check surface: nothing is taught yet in" in said for said in box.said["status"])
        )
        assert stopped(process) == 0


def test_a_bundle_that_is_missing_ends_a_station_that_is_not_to_be_taught(station: Station) -> None:
    with station(check="") as process:
        assert process.wait(30) == 78


def test_twenty_presses_and_one_more_make_a_detector(
    station: Station, box: ButtonBox, tmp_path: Path
) -> None:
    with station() as process:
        assert box.press("start", product="cap", count=6)["teaching"]["state"] == "collecting"
        box.collect(6)
        assert set(box.verdicts()) == {"inconclusive"}, "a part that is collected is reported as usual"
        answer = box.press("finish", force=True)
        assert answer["teaching"]["state"] == "teaching"
        taught = eventually(lambda: [event for event in box.events("teach") if "ok" in event["detail"]], 90)[
            0
        ]
        assert taught["detail"]["ok"], taught
        assert taught["detail"]["transaction"] == answer["transaction"]
        assert taught["detail"]["version"] == 1
        stages = [json.loads(said)["teaching"]["stage"] for said in box.said["status"]]
        assert any(stages), "the status told how far the lesson was"
        eventually(lambda: "pass" in box.verdicts()[-20:], 30)
        model = json.loads(eventually(lambda: box.said["model"])[-1])["active"][0]
        assert model["digest"] in {
            r["checks"][0]["model"]["digest"] for r in box.results() if r["checks"][0]["model"]
        }
        eventually(lambda: box.lamp()["state"] == "idle")
        assert not list((tmp_path / "state" / "teach").iterdir())
        assert [version.active for version in versions(tmp_path / "shelves" / "cap")] == [True]
        assert complaints("event", taught) == []
        assert stopped(process) == 0


def test_two_more_parts_are_added_to_what_was_taught(
    station: Station, box: ButtonBox, tmp_path: Path
) -> None:
    shutil.copytree(bundle(), tmp_path / "shelves" / "cap")
    with Shelf(tmp_path / "shelves" / "cap") as shelf:
        shelf.activate(1)
    with station():
        assert not {"pass", "fail"}.isdisjoint(box.verdicts()), "it judges before and meanwhile"
        box.press("start")
        box.collect(2)
        box.press("finish", add=True, force=True)
        taught = eventually(lambda: [event for event in box.events("teach") if "ok" in event["detail"]], 90)[
            0
        ]
        assert taught["detail"]["ok"], taught
        assert taught["detail"]["version"] == 2
        eventually(lambda: box.results()[-1]["checks"][0]["model"]["version"] == 2)


def test_with_every_part_taken_no_button_is_needed_between(station: Station, box: ButtonBox) -> None:
    with station():
        box.press("start", count=5, mode="every")
        eventually(lambda: any("has the 5 pictures" in text for text in box.told()))
        eventually(lambda: box.lamp()["pictures"] == 5)
        assert "every part is taken anyway" in box.press("capture")["error"]


def test_a_picture_that_will_not_do_is_refused_with_the_reason(station: Station, box: ButtonBox) -> None:
    still = GOOD.replace("rate_hz = 20", "rate_hz = 20\nseed = 1")
    with station(still, "[quality]\nmin_brightness = 250"):
        box.press("start")
        assert "too dark: brightness" in box.press("capture")["error"]
        assert "too dark: brightness" in eventually(lambda: box.lamp()["reason"])
        assert "0 pictures are too few to teach" in box.press("finish")["error"]


@pytest.mark.parametrize(
    ("command", "request_", "said"),
    [
        ("capture", {}, "nothing is being taught; send teach/start first"),
        ("cancel", {}, "nothing is being taught"),
        ("start", {"product": "../../etc"}, "'product' must be of letters"),
        ("start", {"count": 3}, "'count' must be from 5 to 500, not 3"),
        ("start", {"mode": "often"}, "'mode' must be one of button, every, not 'often'"),
    ],
)
def test_what_cannot_be_done_is_answered_with_what_to_do(
    station: Station, box: ButtonBox, command: str, request_: dict[str, Any], said: str
) -> None:
    with station():
        assert said in box.press(command, **request_)["error"]


def test_cancelling_removes_the_pictures(station: Station, box: ButtonBox, tmp_path: Path) -> None:
    with station():
        box.press("start")
        box.collect(2)
        assert len(list((tmp_path / "state" / "teach" / "cap").iterdir())) == 2
        assert box.press("cancel")["teaching"]["state"] == "idle"
        assert not (tmp_path / "state" / "teach" / "cap").exists()
        eventually(lambda: any("was cancelled" in text for text in box.told()))


def test_a_session_that_nobody_goes_on_with_is_given_up(
    station: Station, box: ButtonBox, tmp_path: Path
) -> None:
    with station(more="[teaching]\nlimit_s = 1.0"):
        box.press("start")
        eventually(lambda: any("was given up" in text for text in box.told()))
        assert not (tmp_path / "state" / "teach" / "cap").exists()


def test_after_a_power_cut_the_station_says_what_is_left_and_goes_on_with_it(
    station: Station, box: ButtonBox
) -> None:
    with station() as process:
        box.press("start", count=6)
        box.collect(3)
        process.kill()
        process.wait()
    with station():
        eventually(lambda: any("pictures from before the restart" in text for text in box.told()))
        eventually(lambda: box.lamp() | {"pictures": 3, "state": "interrupted"} == box.lamp())
        assert "there are pictures of cap" in box.press("start", product="lid")["error"]
        assert box.press("start", count=6)["teaching"]["pictures"] == 3


def the_lesson(station_pid: int) -> int | None:
    """The process id of the lesson's child, where there is one."""
    children = Path(f"/proc/{station_pid}/task").glob("*/children")
    for child in " ".join(path.read_text() for path in children).split():
        if b"edge.teach.child" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return None


def test_a_lesson_that_is_killed_hurts_neither_the_line_nor_the_pictures(
    station: Station, box: ButtonBox, tmp_path: Path
) -> None:
    with station() as process:
        box.press("start", count=5)
        box.collect(5)
        box.press("finish")
        child = eventually(lambda: the_lesson(process.pid))
        assert os.getpriority(os.PRIO_PROCESS, child) >= 0
        os.kill(child, signal.SIGKILL)
        failed = eventually(lambda: [e for e in box.events("teach") if e["detail"].get("ok") is False])[0]
        assert "was killed; is there enough memory?" in failed["text"]
        assert len(list((tmp_path / "state" / "teach" / "cap").iterdir())) == 5
        before = len(box.results())
        eventually(lambda: len(box.results()) > before + 5)
        assert box.press("finish", force=True)["ok"]
        assert eventually(lambda: [e for e in box.events("teach") if e["detail"].get("ok")], 90)


def test_a_lesson_dies_with_its_station(station: Station, box: ButtonBox) -> None:
    with station() as process:
        box.press("start", count=5)
        box.collect(5)
        box.press("finish")
        child = eventually(lambda: the_lesson(process.pid))
        process.kill()
        process.wait()
        eventually(lambda: not Path(f"/proc/{child}").exists())


def test_cancelling_a_lesson_ends_it(station: Station, box: ButtonBox, tmp_path: Path) -> None:
    with station() as process:
        box.press("start", count=5)
        box.collect(5)
        box.press("finish")
        child = eventually(lambda: the_lesson(process.pid))
        box.press("cancel")
        eventually(lambda: not Path(f"/proc/{child}").exists())
        assert versions(tmp_path / "shelves" / "cap") == ()
        assert box.press("start")["teaching"]["pictures"] == 0


def test_the_station_names_these_commands_among_what_it_can_do(station: Station, box: ButtonBox) -> None:
    with station():
        info = json.loads(eventually(lambda: box.said["info"])[-1])
        assert {"teach/start", "teach/capture", "teach/finish", "teach/cancel"} <= set(info["capabilities"])
        assert "this station knows image, ping, replay, teach/cancel" in box.ask("rewind")["error"]
