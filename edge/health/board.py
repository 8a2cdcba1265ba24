"""What the board and the kernel say: temperature, throttling, disk, memory, clock."""

import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edge.kernel_file import read_text

MB = 1_000_000

# The firmware of a Raspberry Pi, bit by bit (vcgencmd get_throttled); 16 to 19 are the same since the start.
PI_THROTTLED = {
    0: "the power supply is too weak (under-voltage)",
    1: "the processor's frequency is capped",
    2: "the processor is throttled",
    3: "the soft temperature limit is reached",
}
# The power chip of a Jetson says 100 °C always; the fan's is computed from others.
NO_THERMOMETERS = ("PMIC", "thermal-fan-est")
BRAKES = ("cpufreq", "devfreq", "thermal-cpufreq", "thermal-devfreq", "cpu-balanced", "gpu-balanced")
"""Cooling devices that slow the board down, by the beginning of their type; the others are fans."""


class Board:
    """The readings of this machine, or of the files below `root`. Any thread; under 1 ms a reading."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._thermal = root / "sys/class/thermal"
        self._platform = root / "sys/devices/platform"
        self._proc = root / "proc"

    def temperature_c(self) -> float | None:
        """The hottest thermometer of the board in °C; None where there is none."""
        return max(self._temperatures(), default=None)

    def throttled(self) -> tuple[str, ...] | None:
        """Why the board slows itself down just now; empty where it does not, None where nobody can tell."""
        firmware = self._pi_firmware()
        if firmware is not None:
            return tuple(reason for bit, reason in PI_THROTTLED.items() if firmware >> bit & 1)
        states = list(self._brakes())
        if not states:
            return None
        return tuple(f"the kernel slows it down ({kind})" for kind, state in states if state > 0)

    def rss_mb(self) -> float:
        """Memory of this process that is in RAM, in MB."""
        pages = read_text(self._proc / "self/statm").split()
        return int(pages[1]) * resource.getpagesize() / MB if pages else 0.0

    def _temperatures(self) -> Iterator[float]:
        for zone in self._thermal.glob("thermal_zone*"):
            celsius = _number(zone / "temp")
            if celsius is not None and not read_text(zone / "type").startswith(NO_THERMOMETERS):
                yield celsius / 1000

    def _pi_firmware(self) -> int | None:
        # The first reading makes the kernel grumble once (deprecated), but hwmon knows of under-voltage alone.
        # soc/soc:firmware up to Raspberry Pi 4, soc@107c000000/soc@107c000000:firmware on 5.
        for path in self._platform.glob("soc*/soc*firmware/get_throttled"):
            return _number(path, base=16)
        return None

    def _brakes(self) -> Iterator[tuple[str, int]]:
        for device in sorted(self._thermal.glob("cooling_device*")):
            kind = read_text(device / "type")
            state = _number(device / "cur_state")
            if state is not None and kind.startswith(BRAKES):
                yield kind, state


def disk_free_mb(folder: Path) -> float | None:
    """What may still be written where `folder` is, in MB; None where it is not there."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize / MB


class ClockWatch:
    """Notices that somebody has set the clock. For one thread; ask about once a second.

    `steady` must go on while the machine sleeps: waking up is not a step.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        self._wall = wall
        self._steady = steady
        self._offset_s = wall() - steady()

    def step(self) -> float | None:
        """By how many seconds the clock was set since the last call; None where by no more than one."""
        offset_s = self._wall() - self._steady()
        step_s = offset_s - self._offset_s
        # Kept in every case, so that the gentle corrections of a time daemon never add up to a step.
        self._offset_s = offset_s
        return step_s if abs(step_s) > 1.0 else None


def _number(path: Path, base: int = 10) -> int | None:
    try:
        return int(read_text(path), base)
    except ValueError:
        return None
