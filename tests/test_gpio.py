"""Lines to the machine: which of them a verdict drives, what an edge becomes, and what cannot be had."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from time import monotonic, monotonic_ns, sleep
from types import TracebackType
from typing import Any, Self

import numpy as np
import pytest
from parts import WHEN
from stations import reports
from stations import settings as station_settings

from edge import config
from edge.config import Gpio, Output, SyntheticSource
from edge.daemon import Daemon
from edge.errors import CaptureError, ConfigError, DeviceError
from edge.gpio.lines import Edge, Lines
from edge.gpio.panel import MOST_WAITING, Panel, answer
from edge.gpio.triggered import Triggered
from edge.service import Crew, Trouble
from edge.sources.synthetic import Synthetic
from edge.types import EndOfFrames, Frame, Verdict

ALL = {f"{name}_line": at for at, name in enumerate(("trigger", "lamp", "pass", "fail", "ready", "busy"))}
SMALLEST = '[source]\ntype = "synthetic"\n[recipe]\nchecks = [{ name = "a", bundle = "b" }]\n'


class Machine:
    """The other end of the lines: it announces parts, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bool]] = []
        self.announced: list[Edge] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def switch(self, name: Output, *, on: bool) -> None:
        self.told.append((name, on))

    def edges(self, timeout_s: float) -> list[Edge]:  # noqa: ARG002 - those there are, are there at once
        edges, self.announced = self.announced, []
        return edges

    def hears(self, change: tuple[str, bool], timeout_s: float) -> bool:
        """Wait until it is told so."""
        until_s = monotonic() + timeout_s
        while change not in self.told and monotonic() < until_s:
            sleep(0.01)
        return change in self.told

    def announce(self, *numbers: int, at_ns: int | None = None) -> None:
        self.announced += [Edge(number, monotonic_ns() if at_ns is None else at_ns) for number in numbers]


class Camera:
    """A camera that runs freely: what it is to give next, in order; a call gives a frame as it will be then."""

    triggered = False
    name = "camera"

    def __init__(self, *gives: Callable[[], Frame] | Exception) -> None:
        self.gives = list(gives)
        self.sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def read(self) -> Frame:
        self.sequence += 1
        given = self.gives.pop(0) if self.gives else EndOfFrames()
        if isinstance(given, Exception):
            raise given
        return replace(given(), sequence=self.sequence)

    def interrupt(self) -> None:
        pass


def frame(at_ns: int | None = None) -> Callable[[], Frame]:
    """A frame that was taken then, or now."""
    image = np.zeros((4, 4, 3), np.uint8)
    return lambda: Frame(image, 0, monotonic_ns() if at_ns is None else at_ns, WHEN, "camera")


def triggered(
    machine: Machine, source: Any, frames: int = 1, well: Callable[[], None] = lambda: None, **settings: Any
) -> Triggered:
    lines = Gpio.model_validate({**ALL, **settings})
    return Triggered(source, Panel(lines, machine), lines, frames, well)


def misses(source: Triggered, count: int) -> list[tuple[str | None, str]]:
    """The parts that were missed, and why."""
    said = []
    for _ in range(count):
        with pytest.raises(CaptureError) as caught:
            source.read()
        said.append((caught.value.part_id, str(caught.value)))
    return said


def drive(*verdicts: Verdict, **settings: Any) -> list[tuple[str, bool]]:
    """What a machine is told of these verdicts, one after the other."""
    machine = Machine()
    lines = {**ALL, "lamp": "strobe", "pulse_ms": 1, **settings}
    panel = Panel(Gpio.model_validate(lines), machine)
    for verdict in verdicts:
        panel.judged(verdict)
    panel.close()
    panel.work(Crew(), Trouble("gpio", None))
    return machine.told


@pytest.mark.parametrize("verdict", list(Verdict))
def test_only_a_pass_drives_the_line_of_a_pass(verdict: Verdict) -> None:
    assert answer(verdict) == ("pass" if verdict is Verdict.PASS else "fail")
    told = drive(verdict)
    assert (("pass", True) in told) == (verdict is Verdict.PASS)
    assert (("fail", True) in told) == (verdict is not Verdict.PASS)


def test_the_answer_is_there_before_busy_ends_and_is_a_pulse() -> None:
    assert drive(Verdict.PASS) == [("pass", True), ("busy", False), ("pass", False)]


def test_two_parts_are_two_pulses() -> None:
    told = [change for change in drive(Verdict.FAIL, Verdict.ERROR) if change[0] == "fail"]
    assert told == [("fail", True), ("fail", False)] * 2


def test_without_pulses_an_answer_stays_until_another() -> None:
    told = drive(Verdict.PASS, Verdict.FAIL, pulse_ms=0)
    assert [change for change in told if change[0] != "busy"] == [
        ("fail", False), ("pass", True), ("pass", False), ("fail", True),
    ]  # fmt: skip


def test_a_verdict_never_waits_and_too_many_stop_the_station() -> None:
    panel = Panel(Gpio(pass_line=1, pulse_ms=10000), Machine())
    for _ in range(MOST_WAITING):
        panel.judged(Verdict.PASS)
    with pytest.raises(DeviceError, match=r"gpio\.pulse_ms: 16 verdicts wait.*one in 20000 ms"):
        panel.judged(Verdict.PASS)


def test_pulses_that_are_too_long_for_the_line_are_a_trouble() -> None:
    said: list[str | None] = []
    panel = Panel(Gpio(pass_line=1, pulse_ms=1), Machine())
    for _ in range(2):
        panel.judged(Verdict.PASS)
    panel.close()
    panel.work(Crew(), Trouble("gpio", None, said.append))
    assert said == ["verdicts wait for the pulses of those before; make gpio.pulse_ms shorter", None]


def test_a_line_that_cannot_be_set_ends_the_crew() -> None:
    class Unplugged(Machine):
        def switch(self, name: Output, *, on: bool) -> None:  # noqa: ARG002 - neither works
            raise DeviceError(f"gpio.{name}_line: cannot be set: No such device")

    crew = Crew()
    panel = Panel(Gpio(pass_line=1), Unplugged())
    crew.start("signal", lambda: panel.work(crew, Trouble("gpio", None)))
    panel.judged(Verdict.PASS)
    assert crew.stopping.wait(5)
    assert crew.exit_code == DeviceError.exit_code


def test_busy_lasts_as_long_as_any_part_is_inside() -> None:
    machine = Machine()
    panel = Panel(Gpio.model_validate({**ALL, "pulse_ms": 0}), machine)
    worker = Thread(target=panel.work, args=(Crew(), Trouble("gpio", None)))
    panel.began()
    panel.began()
    worker.start()
    panel.judged(Verdict.PASS)
    panel.judged(Verdict.PASS)
    panel.close()
    worker.join(5)
    assert [on for name, on in machine.told if name == "busy"] == [True, True, True, False]


def test_ready_is_told_once_for_each_change() -> None:
    machine = Machine()
    panel = Panel(Gpio(ready_line=1), machine)
    for on in (False, True, True, False):
        panel.ready(on=on)
    assert machine.told == [("ready", True), ("ready", False)]


def test_ready_waits_for_the_first_frame_of_a_camera_that_a_line_triggers() -> None:
    machine = Machine()
    lines = Gpio.model_validate(ALL)
    panel = Panel(lines, machine)
    panel.ready(on=True)
    assert machine.told == []
    source = Triggered(Camera(frame()), panel, lines, 1)
    with pytest.raises(EndOfFrames):
        source.read()
    panel.ready(on=True)
    assert machine.told == [("ready", True)]


def test_a_stage_that_is_stuck_is_not_ready(tmp_path: Path) -> None:
    machine, free = Machine(), Event()
    settings = station_settings(tmp_path, more="[health]\nstage_limit_s = 0.3\n")
    daemon = Daemon(config.load(settings), on_part=lambda _part: free.wait(60))
    daemon.panel = Panel(Gpio(ready_line=1), machine)
    running = Thread(target=daemon.run)
    running.start()
    off = machine.hears(("ready", False), 60)
    free.set()
    running.join(60)
    assert off
    assert machine.told[:2] == [("ready", True), ("ready", False)]


def test_the_machine_hears_of_every_part_of_a_station(tmp_path: Path) -> None:
    machine = Machine()
    daemon = Daemon(config.load(station_settings(tmp_path)))
    daemon.panel = Panel(Gpio(pass_line=1, fail_line=2, ready_line=3, pulse_ms=1), machine)
    assert daemon.run() == 0
    said = [report["verdict"] for report in reports(tmp_path)]
    on = [name for name, is_on in machine.told if is_on and name != "ready"]
    assert on == ["pass" if verdict == "pass" else "fail" for verdict in said]
    assert len(on) == 8


def test_a_machine_that_cannot_be_told_stops_the_station_and_the_report_is_kept(tmp_path: Path) -> None:
    source = 'type = "synthetic"\nwidth = 320\nheight = 240\ncount = 40'
    daemon = Daemon(config.load(station_settings(tmp_path, source)))
    daemon.panel = Panel(Gpio(pass_line=1, fail_line=2, pulse_ms=10000), Machine())
    assert daemon.run() == DeviceError.exit_code
    # One has its pulse, unless the next came sooner; the others wait; of the last one the machine does not hear.
    assert len(reports(tmp_path)) in {MOST_WAITING + 1, MOST_WAITING + 2}


def test_a_steady_lamp_is_on_from_the_start_and_no_part_switches_it() -> None:
    machine = Machine()
    with Panel(Gpio(lamp_line=1, lamp="steady"), machine) as panel:
        panel.light(on=True)
        panel.light(on=False)
    assert machine.told == [("lamp", True)]


def test_pictures_to_teach_have_the_lamp_on_and_nothing_else() -> None:
    lines = Gpio.model_validate({**ALL, "active_low": ["lamp", "fail"], "chip": "/dev/gpiochip3"})
    lamp = lines.steady_lamp
    assert (lamp.chip, lamp.outputs, lamp.lamp, lamp.active_low) == (
        "/dev/gpiochip3",
        {"lamp": 1},
        "steady",
        ["lamp"],
    )
    assert Gpio(pass_line=3).steady_lamp == Gpio()


def test_each_edge_is_a_part_with_an_id_of_its_own() -> None:
    machine = Machine()
    conveyor = Synthetic(SyntheticSource(type="synthetic", width=64, height=64))
    source = triggered(machine, conveyor)
    ids = []
    for number in (1, 2, 3):
        machine.announce(number)
        taken = source.read()
        ids.append((taken.part_id, taken.sequence, taken.trigger))
    assert ids == [("T000001", 1, "gpio"), ("T000002", 2, "gpio"), ("T000003", 3, "gpio")]


def test_a_frame_from_before_the_edge_is_not_of_the_part() -> None:
    machine = Machine()
    old = monotonic_ns()
    machine.announce(1)
    source = triggered(machine, Camera(frame(old), frame(old), frame()))
    assert source.read().captured_ns > old


def test_the_part_is_in_place_only_after_the_delay() -> None:
    machine = Machine()
    edge_ns = monotonic_ns()
    machine.announce(1, at_ns=edge_ns)
    early, right = edge_ns + 5_000_000, edge_ns + 11_000_000
    assert triggered(machine, Camera(frame(early), frame(right)), delay_ms=10).read().captured_ns == right


def test_the_strobe_is_on_for_the_frame_and_then_off() -> None:
    machine = Machine()
    machine.announce(1)
    triggered(machine, Camera(frame())).read()
    assert [change for change in machine.told if change[0] == "lamp"] == [("lamp", True), ("lamp", False)]


def test_a_frame_that_began_before_the_strobe_was_on_long_enough_is_not_taken() -> None:
    machine = Machine()
    edge_ns = monotonic_ns()
    machine.announce(1, at_ns=edge_ns)
    source = triggered(machine, Camera(frame(edge_ns + 1), frame(edge_ns + 10**12)), lamp_lead_ms=20)
    assert source.read().captured_ns == edge_ns + 10**12


def test_a_part_that_was_followed_before_its_picture_is_missed() -> None:
    machine = Machine()
    machine.announce(1, 2, 3)
    source = triggered(machine, Camera(frame()))
    reason = "not judged: the next part was there before its picture was taken"
    assert misses(source, 2) == [("T000001", reason), ("T000002", reason)]
    assert source.read().part_id == "T000003"


def test_edges_that_the_kernel_dropped_are_missed_parts() -> None:
    machine = Machine()
    machine.announce(1, 4)
    source = triggered(machine, Camera(frame(), frame()))
    said = misses(source, 3)
    assert [part for part, _ in said] == ["T000002", "T000003", "T000001"]
    assert "faster than the kernel can count" in said[0][1]
    assert source.read().part_id == "T000004"


def test_a_part_that_comes_while_the_camera_is_away_is_missed() -> None:
    machine = Machine()
    machine.announce(1, 2)
    source = triggered(machine, Camera(CaptureError("/dev/video0: cannot be opened"), frame()))
    reason = "not judged: /dev/video0: cannot be opened"
    assert misses(source, 2) == [("T000001", reason), ("T000002", reason)]
    machine.announce(3)
    assert source.read().part_id == "T000003"
    assert machine.told[-1] == ("lamp", False)


def test_a_part_that_comes_when_the_source_has_ended_is_missed() -> None:
    machine = Machine()
    machine.announce(1)
    source = triggered(machine, Camera())
    assert misses(source, 1) == [("T000001", "not judged: the source has come to its end")]
    with pytest.raises(EndOfFrames):
        source.read()


def test_a_camera_that_nobody_asks_is_looked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.gpio.triggered.CHECK_NS", 0)
    said: list[str] = []
    source = triggered(Machine(), Camera(CaptureError("gone"), frame()), well=lambda: said.append("well"))
    with pytest.raises(CaptureError) as caught:
        source.read()
    assert (caught.value.part_id, said) == (None, [])
    with pytest.raises(EndOfFrames):
        source.read()
    assert said == ["well"]


def test_a_part_of_several_frames_has_them_all_or_is_missed_whole() -> None:
    machine = Machine()
    machine.announce(1)
    source = triggered(machine, Camera(frame(), frame(), frame(), CaptureError("gone")), frames=2)
    assert [source.read().part_id for _ in range(2)] == ["T000001"] * 2
    machine.announce(2)
    assert [part for part, _ in misses(source, 2)] == ["T000002"] * 2


def test_parts_that_were_announced_and_not_inspected_are_told_of_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine = Machine()
    with triggered(machine, Camera()) as source:
        source.interrupt()
        machine.announce(1, 2)
    assert "stopped with 2 parts announced that were not inspected" in caplog.text


def test_a_wait_for_an_edge_can_be_interrupted() -> None:
    source = triggered(Machine(), Camera())
    source.interrupt()
    with pytest.raises(EndOfFrames):
        source.read()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("pass_line = 3\nfail_line = 3", "line 3 has two uses"),
        ("trigger_line = 3\nready_line = 3", "line 3 has two uses"),
        ("busy_line = 3", "busy_line needs a trigger_line"),
        ("lamp_line = 3", "set lamp = 'steady'"),
        ('active_low = ["fail"]', "active_low names 'fail', which has no line"),
        ("pass_line = -1", "gpio.pass_line"),
        ('pass_line = ""', "gpio.pass_line"),
        ("pulse_ms = -1", "gpio.pulse_ms"),
    ],
)
def test_settings_that_clash_are_refused(lines: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.parse(f"{SMALLEST}[gpio]\n{lines}\n", Path("edge.toml"))
    assert words in str(caught.value)
    assert str(caught.value).startswith("edge.toml: gpio")


def test_a_watched_folder_cannot_be_triggered() -> None:
    watched = SMALLEST.replace('"synthetic"', '"watch"\npath = "drop"')
    with pytest.raises(ConfigError, match="cannot trigger a watched folder"):
        config.parse(f"{watched}[gpio]\ntrigger_line = 1\n", Path("edge.toml"))


def test_a_sensor_that_has_its_own_trigger_wire_cannot_be_triggered_by_a_line_as_well() -> None:
    source = (
        'type = "picamera2"\ntrigger = "hardware"\nexposure_time_us = 4000\nanalogue_gain = 1.0\n'
        "colour_gains = [1.9, 1.6]\n"
    )
    text = (
        f'[source]\n{source}[recipe]\nchecks = [{{ name = "a", bundle = "b" }}]\n[gpio]\ntrigger_line = 17\n'
    )
    with pytest.raises(ConfigError, match="would both announce each part"):
        config.parse(text, Path("edge.toml"))


def test_without_lines_nothing_is_opened() -> None:
    with Lines(Gpio(chip="/dev/gpiochip-of-nobody")) as lines:
        lines.switch("pass", on=True)
        assert lines.edges(0) == []


def test_a_chip_that_is_not_there_says_which_are() -> None:
    with (
        pytest.raises(DeviceError, match=r"gpio\.chip: /dev/gpiochip-of-nobody: no such device; there is"),
        Lines(Gpio(chip="/dev/gpiochip-of-nobody", pass_line=1)),
    ):
        pass


def test_a_device_that_is_no_chip_is_refused() -> None:
    with (
        pytest.raises(DeviceError, match=r"/dev/null: is no GPIO chip"),
        Lines(Gpio(chip="/dev/null", pass_line=1)),
    ):
        pass


def test_lines_without_gpiod_say_what_to_install() -> None:
    code = (
        "import sys; sys.modules['gpiod'] = None\n"
        "from edge.config import Gpio\nfrom edge.gpio.lines import Lines\nLines(Gpio(pass_line=1)).__enter__()"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr
    assert "the Python package gpiod is missing; pip install edge-inspect[gpio]" in said


def test_lines_by_hand_of_a_station_that_has_none_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text(SMALLEST)
    done = subprocess.run(
        [sys.executable, "-m", "edge", "lines", str(tmp_path / "station.toml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_lines_by_hand_say_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text(SMALLEST + '[gpio]\nchip = "/dev/null"\nready_line = 1\n')
    done = subprocess.run(
        [sys.executable, "-m", "edge", "lines", str(tmp_path / "station.toml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == DeviceError.exit_code
    assert done.stderr.startswith("edge: gpio.chip: /dev/null: is no GPIO chip")
