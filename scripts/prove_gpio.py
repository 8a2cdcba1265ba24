"""Proof of the lines to the machine: real edges on a simulated chip of the kernel, and its outputs read back.

Runs in the virtual machine of scripts/vm-run. The chip is gpio-sim, the camera vivid; the daemon runs as it would
on a board. Times are those of an emulated processor.
"""

import os
import signal
import statistics
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic, monotonic_ns, sleep
from typing import Any

from proof import CONTROL, Station, end, proven, shell, until

from edge.config import Gpio
from edge.errors import EdgeError
from edge.gpio.lines import ROOM_FOR_EDGES, Lines, holders

NAMES = ("trigger", "lamp", "pass", "fail", "ready", "busy", "other", "spare")
OUTPUTS = NAMES[1:6]
WIRED = {f"{name}_line": name for name in NAMES[:6]} | {"active_low": ["fail"]}
PULSE_MS = 100


class Chip:
    """The simulated chip: its inputs are pulled, its outputs read back."""

    def __init__(self) -> None:
        shell(
            "modprobe gpio-sim; mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config"
        )
        bank = Path("/sys/kernel/config/gpio-sim/line/bank0")
        bank.mkdir(parents=True)
        (bank / "num_lines").write_text(str(len(NAMES)))
        for number, name in enumerate(NAMES):
            (bank / f"line{number}").mkdir()
            (bank / f"line{number}" / "name").write_text(name)
        (bank.parent / "live").write_text("1")
        device, chip = (
            (folder / key).read_text().strip()
            for folder, key in ((bank.parent, "dev_name"), (bank, "chip_name"))
        )
        self.path = f"/dev/{chip}"
        folder = Path("/sys/devices/platform") / device / chip
        self._values = {
            name: os.open(folder / f"sim_gpio{at}" / "value", os.O_RDONLY) for at, name in enumerate(NAMES)
        }
        self._pull = os.open(folder / "sim_gpio0" / "pull", os.O_WRONLY)

    def level(self, name: str) -> int:
        """The level of a line, as a machine would see it."""
        return int(os.pread(self._values[name], 8, 0))

    def on(self, name: str) -> bool:
        """Whether an output is on: `fail` is wired to be on when low."""
        return bool(self.level(name)) != (name == "fail")

    def pull(self, *, up: bool) -> int:
        """Set the level of the trigger; gives when."""
        at_ns = monotonic_ns()
        os.pwrite(self._pull, b"pull-up" if up else b"pull-down", 0)
        return at_ns

    def press(self, high_s: float = 0.02) -> int:
        """One pulse on the trigger, and a rest as long; gives when it rose."""
        at_ns = self.pull(up=True)
        sleep(high_s)
        self.pull(up=False)
        sleep(high_s)
        return at_ns


class Scope:
    """What the outputs did, and when: a thread that looks at them all the time."""

    def __init__(self, chip: Chip) -> None:
        self.seen: list[tuple[int, str, bool]] = []
        self._chip = chip
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        was = {name: self._chip.on(name) for name in OUTPUTS}
        while not self._stop.wait(0.001):
            for name in OUTPUTS:
                is_on = self._chip.on(name)
                if is_on != was[name]:
                    was[name] = is_on
                    self.seen.append((monotonic_ns(), name, is_on))

    def rises(self, *names: str) -> list[tuple[int, str]]:
        """When one of these went on."""
        return [(at_ns, name) for at_ns, name, is_on in list(self.seen) if is_on and name in names]

    def last(self, name: str, *, on: bool) -> int:
        """When it last went on, or off; 0 for never."""
        return max(
            (at_ns for at_ns, seen, is_on in list(self.seen) if seen == name and is_on is on), default=0
        )

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()


def main() -> None:
    """All of it."""
    chip = Chip()
    print(f"kernel {os.uname().release}, {chip.path}, gpiod", __import__("gpiod").__version__)
    the_lines_alone(chip)
    what_is_refused(chip)
    what_the_doctor_sees(chip)
    a_line_of_parts(chip)
    what_is_no_pass(chip)
    a_camera_that_goes_away(chip)
    end()


def settings(chip: Chip, **more: Any) -> Gpio:
    """Lines on the chip."""
    return Gpio.model_validate({"chip": chip.path, **more})


def the_lines_alone(chip: Chip) -> None:
    """Outputs and edges, without a daemon."""
    with Lines(settings(chip, **WIRED)) as lines:
        proven("outputs are off when they are taken", ok=not any(map(chip.on, OUTPUTS)))
        proven("an output that is on when low is high when it is off", ok=chip.level("fail") == 1)
        lines.switch("fail", on=True)
        lines.switch("pass", on=True)
        proven("both can be switched on", ok=chip.level("fail") == 0 and chip.level("pass") == 1)
        pressed = [chip.press() for _ in range(5)]
        edges = lines.edges(1.0)
        late_us = [(edge.at_ns - at_ns) / 1e3 for edge, at_ns in zip(edges, pressed, strict=False)]
        proven("five pulses are five edges", ok=[edge.number for edge in edges] == [1, 2, 3, 4, 5])
        proven(
            "their time is the kernel's, on our clock",
            ok=all(0 <= us < 100_000 for us in late_us),
            found=f"{max(late_us):.0f} us after",
        )
    proven("outputs are off when they are given back", ok=chip.level("pass") == 0)
    with Lines(settings(chip, trigger_line=0, debounce_ms=60)) as lines:
        for _ in range(5):
            chip.pull(up=True)
            sleep(0.002)
            chip.pull(up=False)
            sleep(0.002)
        chip.pull(up=True)
        sleep(0.2)
        proven("a level that bounces six times is one edge", ok=len(lines.edges(0.5)) == 1)
        chip.pull(up=False)
    with Lines(settings(chip, trigger_line=0, trigger_edge="falling", debounce_ms=0)) as lines:
        chip.press()
        proven("a falling edge is one, where that is wanted", ok=len(lines.edges(0.5)) == 1)
        for _ in range(1500):
            chip.press(0.001)
        edges = [*lines.edges(0.5), *lines.edges(0.0), *lines.edges(0.0)]
        found = f"{len(edges)} kept, the last is number {edges[-1].number}"
        proven(
            "edges that the kernel had no room for show in the numbers",
            ok=len(edges) < edges[-1].number > ROOM_FOR_EDGES,
            found=found,
        )


def what_is_refused(chip: Chip) -> None:
    """Every way in which lines cannot be had, and what is said."""
    refused(
        "a chip that is not there", {"chip": "/dev/gpiochip99", "pass_line": 1}, "no such device; there is"
    )
    refused("a device that is no chip", {"chip": "/dev/null", "pass_line": 1}, "is no GPIO chip")
    refused("an offset that is not there", {"chip": chip.path, "pass_line": 99}, "has lines 0 to 7")
    refused(
        "a name that is not there",
        {"chip": chip.path, "pass_line": "nobody"},
        "no line named 'nobody'; gpioinfo",
    )
    twice = {"chip": chip.path, "pass_line": 2, "fail_line": "pass"}
    refused("a line that is named and numbered", twice, "is line 2, as pass_line is")
    with Lines(settings(chip, ready_line="other")):
        refused(
            "a line that somebody has",
            {"chip": chip.path, "pass_line": 6},
            "is in use by 'edge-inspect ready'",
        )
    code = (
        "from edge.config import Gpio\nfrom edge.gpio.lines import Lines\n"
        f"Lines(Gpio(chip='{chip.path}', pass_line=2)).__enter__()"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], user="nobody", capture_output=True, text=True, check=False
    ).stderr
    proven(
        "a user who may not is told what to do",
        ok="put this user into the group 'gpio'" in said,
        found=said.strip().splitlines()[-1][-90:],
    )


def refused(what: str, table: dict[str, Any], words: str) -> None:
    """It cannot be had, and the words say why."""
    try:
        with Lines(Gpio.model_validate(table)):
            said = "it was taken"
    except EdgeError as err:
        said = f"{type(err).__name__}: {err}"
    proven(f"{what} is refused", ok=words in said, found=said)


def station(name: str, chip: Chip, source: str, more: str = "", check: str = "") -> Station:
    """A station on the chip."""
    lines = "\n".join(f"{key} = {value!r}" for key, value in WIRED.items())
    check = check or f'{{ name = "surface", bundle = "{CONTROL}/bundle" }}'
    return Station(
        Path("/run/proof") / name,
        f"[source]\n{source}\n[recipe]\nchecks = [{check}]\n"
        f'[gpio]\nchip = "{chip.path}"\n{lines}\npulse_ms = {PULSE_MS}\n{more}',
    )


def inspect(line: Station, chip: Chip) -> int:
    """Announce a part, and wait for its report; gives when it was announced."""
    known = len(line.reports)
    at_ns = chip.press()
    until(lambda: len(line.reports) > known, 60)
    sleep(3 * PULSE_MS / 1e3)
    return at_ns


def what_the_doctor_sees(chip: Chip) -> None:
    """Which lines are free, and who has the others; no line moves for it."""
    wired = settings(chip, **WIRED)
    proven("all lines are seen to be free", ok=list(holders(wired).values()) == [None] * 6)
    with Lines(settings(chip, busy_line="busy", trigger_line="trigger")) as taken:
        taken.switch("busy", on=True)
        seen = {key: holder for key, holder in holders(wired).items() if holder}
        proven(
            "lines that somebody has are seen, and keep their level",
            ok=set(seen) == {"busy_line", "trigger_line"} and chip.on("busy"),
            found=", ".join(map(str, seen.values())),
        )


def a_line_of_parts(chip: Chip) -> None:
    """Edges, verdicts, pulses; a burst; the end in peace, and by force."""
    source = 'type = "synthetic"\nwidth = 320\nheight = 240\ndefect_rate = 0.5\nseed = 5\nrate_hz = 2'
    line = station("parts", chip, source)
    scope = Scope(chip)
    began = monotonic()
    with line.running() as daemon:
        if not until(lambda: chip.on("ready"), 240):
            raise SystemExit(f"the daemon is not ready: {line.tail()}")
        print(f"      ready is on {monotonic() - began:.0f} s after the daemon's start")
        pressed = [inspect(line, chip) for _ in range(8)]
        verdicts = [said["verdict"] for said in line.reports]
        wanted = ["pass" if verdict == "pass" else "fail" for verdict in verdicts]
        answers = scope.rises("pass", "fail")
        proven(
            "each edge is a part",
            ok=[said["part_id"] for said in line.reports] == [f"T{n:06}" for n in range(1, 9)],
        )
        proven(
            "each verdict drives its line",
            ok=[name for _, name in answers] == wanted and len(set(wanted)) == 2,
            found=" ".join(verdicts),
        )
        proven(
            "a part's frame is younger than its edge",
            ok=all(
                said["camera"]["captured_ns"] > at_ns
                for said, at_ns in zip(line.reports, pressed, strict=True)
            ),
        )
        lamp = (scope.rises("lamp"), [at for at, name, on in scope.seen if name == "lamp" and not on])
        lit = all(
            on[0] < said["camera"]["captured_ns"] < off
            for on, off, said in zip(*lamp, line.reports, strict=False)
        )
        proven("the strobe is on for each part's frame", ok=lit and len(lamp[0]) == len(lamp[1]) == 8)
        not_busy = [at for at, name, on in scope.seen if name == "busy" and not on]
        ordered = len(not_busy) == 8 and all(
            up[0] <= down for up, down in zip(answers, not_busy, strict=True)
        )
        proven("busy ends when the answer is there, not before", ok=ordered)
        ends = [
            at for at, name, on in scope.seen if name in {"pass", "fail"} and not on and at > answers[0][0]
        ]
        widths = [off - on for (on, _), off in zip(answers, ends, strict=True)]
        proven(
            f"a pulse is {PULSE_MS} ms",
            ok=all(width >= (PULSE_MS - 5) * 1e6 for width in widths),
            found=f"{min(widths) / 1e6:.0f} to {max(widths) / 1e6:.0f} ms",
        )
        late = [(up[0] - at_ns) / 1e6 for up, at_ns in zip(answers, pressed, strict=False)]
        print(
            f"      from the edge to the answer: median {statistics.median(late):.0f} ms, most {max(late):.0f} ms"
        )
        a_burst(chip, line, scope)
        daemon.send_signal(signal.SIGTERM)
        asked_ns = monotonic_ns()
        until(lambda: not chip.on("ready"), 20)
        proven(
            "ready is off as soon as the station is told to stop",
            ok=daemon.poll() is None and not chip.on("ready"),
            found=f"{(monotonic_ns() - asked_ns) / 1e6:.0f} ms",
        )
    proven(
        "all outputs are off when it has ended",
        ok=not any(map(chip.on, ("lamp", "pass", "ready", "busy"))) and daemon.returncode == 0,
    )
    scope.stop()
    with line.running() as daemon:
        until(lambda: chip.on("ready"), 240)
        daemon.kill()
        daemon.wait()
        left = ", ".join(f"{name} {'on' if chip.on(name) else 'off'}" for name in OUTPUTS)
        with Lines(settings(chip, **WIRED)):
            proven(
                "after SIGKILL the kernel has taken the lines back", ok=True, found=f"gpio-sim leaves {left}"
            )


def a_burst(chip: Chip, line: Station, scope: Scope) -> None:
    """Five parts within the time of one picture, which shows the last of them."""
    known, answered = len(line.reports), len(scope.rises("pass", "fail"))
    for _ in range(5):
        chip.press()
    until(lambda: len(line.reports) >= known + 5, 60)
    sleep(12 * PULSE_MS / 1e3)
    burst = line.reports[known:]
    verdicts = [said["verdict"] for said in burst]
    answers = [name for _, name in scope.rises("pass", "fail")[answered:]]
    proven("of five parts at once none is lost", ok=len(burst) == 5, found=" ".join(verdicts))
    proven(
        "those that had no picture are errors",
        ok=verdicts[:-1].count("error") >= 1 and verdicts[-1] != "error",
        found=next((said["reasons"][0] for said in burst if said["verdict"] == "error"), "no error"),
    )
    proven(
        "each of the five is answered",
        ok=answers == ["pass" if verdict == "pass" else "fail" for verdict in verdicts],
    )


def what_is_no_pass(chip: Chip) -> None:
    """Verdicts `inconclusive` and `error` drive the line of a part that failed."""
    untaught = '{ name = "surface", bundle = "/run/proof/nothing", teachable = true }'
    pictures = Path("/run/proof/pictures")
    pictures.mkdir(parents=True)
    (pictures / "broken.png").write_text("no picture")
    source = 'type = "synthetic"\nwidth = 320\nheight = 240'
    for verdict, line in (
        ("inconclusive", station("untaught", chip, source, check=untaught)),
        ("error", station("broken", chip, f'type = "folder"\npath = "{pictures}"\nloop = true')),
    ):
        scope = Scope(chip)
        with line.running():
            until(lambda: chip.on("ready"), 240)
            inspect(line, chip)
            scope.stop()
        said = [report["verdict"] for report in line.reports] + [
            name for _, name in scope.rises("pass", "fail")
        ]
        proven(
            f"{verdict} drives the line of fail",
            ok=said[:1] == [verdict] and said[1:] == ["fail"],
            found=said,
        )


def a_camera_that_goes_away(chip: Chip) -> None:
    """A V4L2 camera that runs freely, triggered by the line, unplugged and plugged in again."""
    shell("modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x00; udevadm settle")
    driver = Path("/sys/bus/platform/drivers/vivid")
    source = 'type = "opencv"\ndevice = "/dev/video0"\nwidth = 640\nheight = 360\nrate_hz = 15'
    line = station("camera", chip, source, "lamp_lead_ms = 50\n[quality]\nenabled = false")
    scope = Scope(chip)
    with line.running():
        if not until(lambda: chip.on("ready"), 240):
            raise SystemExit(f"the daemon is not ready: {line.tail()}")
        pressed = [inspect(line, chip) for _ in range(3)]
        after = [
            (said["camera"]["captured_ns"] - at_ns) / 1e6
            for said, at_ns in zip(line.reports, pressed, strict=True)
        ]
        proven(
            "a frame of a free-running camera began after its edge",
            ok=min(after) >= 50,
            found=", ".join(f"{ms:.0f} ms" for ms in after),
        )
        proven(
            "and is judged",
            ok=all(said["verdict"] != "error" for said in line.reports),
            found=[said["verdict"] for said in line.reports],
        )
        (driver / "unbind").write_text("vivid.0")
        gone_ns = monotonic_ns()
        off = until(lambda: not chip.on("ready"), 20)
        proven(
            "ready goes off when the camera is gone, though no part came",
            ok=off,
            found=f"{(monotonic_ns() - gone_ns) / 1e9:.1f} s",
        )
        known, answered = len(line.reports), len(scope.rises("pass", "fail"))
        inspect(line, chip)
        lost = line.reports[known:]
        answers = [name for _, name in scope.rises("pass", "fail")[answered:]]
        proven(
            "a part that comes meanwhile is an error, and answered with fail",
            ok=[said["verdict"] for said in lost] == ["error"] and answers == ["fail"],
            found=lost[0]["reasons"][0] if lost else "",
        )
        (driver / "bind").write_text("vivid.0")
        back_ns = monotonic_ns()
        on = until(lambda: chip.on("ready"), 30)
        proven("ready comes back with the camera", ok=on, found=f"{(monotonic_ns() - back_ns) / 1e9:.1f} s")
        inspect(line, chip)
        proven(
            "and parts are judged again",
            ok=line.reports[-1]["verdict"] != "error",
            found=line.reports[-1]["verdict"],
        )
    scope.stop()


if __name__ == "__main__":
    main()
