"""What no desk can show, and which lines of a report from a board show it. docs/hardware.md has the same list."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from edge.cli.doctor.camera import FRAME
from edge.cli.doctor.line import Line
from edge.config import Config, OpenCVSource


class Facts(NamedTuple):
    """What a report knows of its machine."""

    board: str
    machine: str
    config: Config | None
    lines: Sequence[Line]

    def well(self, what: str) -> bool:
        """Whether there are such lines, and all are ok."""
        states = [line.state for line in self.lines if line.what.startswith(what)]
        return bool(states) and set(states) == {"ok"}

    def frame(self, *kinds: str) -> bool:
        """Whether a frame was taken just now from a source of this kind."""
        return (
            self.config is not None
            and self.config.source.type in kinds
            and any(line.what.startswith("source") and line.found.startswith(FRAME) for line in self.lines)
        )

    def usb(self) -> bool:
        """Whether a frame came from a device of the kernel, not from a file or a stream."""
        source = None if self.config is None else self.config.source
        return self.frame("opencv") and isinstance(source, OpenCVSource) and source.device.startswith("/dev/")

    def warm(self) -> bool:
        """Whether there is a thermometer, and something that tells of throttling."""
        found = {line.what: line.found for line in self.lines}
        return "°C" in found.get("temperature", "") and "does not say" not in found.get(
            "throttling", "does not say"
        )

    def delegate(self, *kinds: str) -> bool:
        """Whether every check runs, on a delegate of this kind."""
        return (
            self.config is not None
            and any(check.delegate in kinds for check in self.config.recipe.checks)
            and self.well("bundle")
            and not any(line.what.startswith("delegate") for line in self.lines)
        )


class Unproven(NamedTuple):
    """Something that a report can show; `key` stands in docs/hardware.md."""

    key: str
    shown: Callable[[Facts], bool]


UNPROVEN = (
    Unproven(
        "pi-64",
        lambda facts: "Raspberry Pi" in facts.board and facts.machine == "aarch64" and facts.well("backbone"),
    ),
    Unproven(
        "pi-32",
        lambda facts: "Raspberry Pi" in facts.board and facts.machine == "armv7l" and facts.well("backbone"),
    ),
    Unproven("jetson", lambda facts: "Jetson" in facts.board and facts.well("backbone")),
    Unproven("ribbon-camera", lambda facts: "Raspberry Pi" in facts.board and facts.frame("picamera2")),
    Unproven("jetson-camera", lambda facts: "Jetson" in facts.board and facts.frame("gstreamer")),
    Unproven("usb-camera", Facts.usb),
    Unproven("edge-tpu", lambda facts: facts.delegate("edgetpu")),
    Unproven("gpu", lambda facts: facts.delegate("gpu")),
    Unproven("npu", lambda facts: facts.delegate("npu", "external")),
    Unproven("hardware-watchdog", lambda facts: facts.well("hardware watchdog")),
    Unproven("thermometer", Facts.warm),
)


def shown(facts: Facts) -> dict[str, Any]:
    """For each key, whether this report shows it."""
    return {each.key: each.shown(facts) for each in UNPROVEN}
