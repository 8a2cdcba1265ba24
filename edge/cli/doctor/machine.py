"""The board: its clock, its temperature, whether it slows itself down, and its memory."""

import platform
from collections.abc import Iterator
from pathlib import Path

from edge.cli.doctor.line import Line
from edge.config import Config
from edge.health.board import Board
from edge.kernel_file import board_name, read_text
from edge.message import clock_is_synced

LITTLE_MB = 300
DEFAULT_LIMIT_C = 80.0
COMPUTERS = ("Raspberry Pi", "NVIDIA Jetson")


def machine_lines(config: Config | None, root: Path = Path("/")) -> Iterator[Line]:
    """Clock, RTC, temperature, throttling, memory."""
    if clock_is_synced():
        yield Line("ok", "clock", "synchronized")
    else:
        remedy = "start systemd-timesyncd or chrony; until then, order reports by seq"
        yield Line("warn", "clock", "not known to be synchronized", remedy)
    if any((root / "sys/class/rtc").glob("rtc*")):
        yield Line("ok", "clock with battery", "the machine has one")
    else:
        remedy = "without the network the time is wrong after a power cut; fit a clock module, or its battery"
        yield Line("warn", "clock with battery", "none", remedy)
    yield from heat_lines(DEFAULT_LIMIT_C if config is None else config.health.max_temperature_c, root)
    yield from memory_lines(root)


def heat_lines(limit_c: float, root: Path) -> Iterator[Line]:
    """Thermometers and brakes."""
    board = Board(root)
    celsius = board.temperature_c()
    if celsius is None:
        yield Line("ok", "temperature", "no sensor")
    elif celsius > limit_c:
        remedy = "cool it better, or raise health.max_temperature_c"
        yield Line("warn", "temperature", f"{celsius:.0f} °C, over {limit_c:g} °C", remedy)
    else:
        yield Line("ok", "temperature", f"{celsius:.0f} °C")
    throttled = board.throttled()
    if throttled:
        yield Line("warn", "throttling", "; ".join(throttled), "better cooling, or a stronger power supply")
    else:
        yield Line("ok", "throttling", "none" if throttled is not None else "this machine does not say")


def memory_lines(root: Path) -> Iterator[Line]:
    """What is left, and swap on a card."""
    sizes_mb: dict[str, float] = {}
    for line in read_text(root / "proc/meminfo").splitlines():
        name, _, amount = line.partition(":")
        digits = amount.split()[:1]
        if digits and digits[0].isdigit():
            sizes_mb[name] = int(digits[0]) / 1000
    if "MemAvailable" not in sizes_mb:
        yield Line("warn", "memory", "/proc/meminfo does not say", "mount /proc")
        return
    found = f"{sizes_mb['MemAvailable']:,.0f} of {sizes_mb.get('MemTotal', 0):,.0f} MB available"
    if sizes_mb["MemAvailable"] < LITTLE_MB:
        yield Line("warn", "memory", found, "end other programs; a station needs about 200 MB")
    else:
        yield Line("ok", "memory", found)
    for line in read_text(root / "proc/swaps").splitlines()[1:]:
        if not line.startswith("/dev/zram"):
            remedy = (
                "swap wears the card, and a frame that waits for it is late: sudo swapoff -a, or use zram"
            )
            yield Line("warn", "swap", line.split()[0], remedy)


def board_model(root: Path = Path("/")) -> str:
    """What the board calls itself."""
    tree = board_name(root)
    return tree or read_text(root / "sys/class/dmi/id/product_name").strip() or platform.machine()
