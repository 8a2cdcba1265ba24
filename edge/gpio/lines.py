"""GPIO lines of the kernel's character device, through gpiod: the only file that knows it.

As long as they are open, no other process can have the lines. When this process ends, however it ends, the kernel
takes them back; whether they then keep their level is the driver's decision (docs/gpio.md).
"""

import errno
import logging
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from edge.config import Gpio, Output
from edge.errors import ConfigError, DeviceError, EdgeError

if TYPE_CHECKING:
    import gpiod

log = logging.getLogger(__name__)

NAME = "edge-inspect"
"""What gpioinfo says of lines that are ours begins with it."""
ROOM_FOR_EDGES = 1024
"""Edges that the kernel keeps for us; when there are more, it drops some, and their numbers show it."""


class Edge(NamedTuple):
    """A part that came: its number on this line since it was opened, from 1, and when (`time.monotonic_ns`)."""

    number: int
    at_ns: int


class Lines:
    """The lines of a station. Each output may be set by another thread; `edges` belongs to the capture thread."""

    def __init__(self, config: Gpio) -> None:
        self._config = config
        self._trigger: gpiod.LineRequest | None = None
        self._outputs: dict[Output, gpiod.LineRequest] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Take the lines; all outputs are off. Raises `ConfigError` or `DeviceError`."""
        config = self._config
        if config.outputs or config.trigger_line is not None:
            with ExitStack() as opening:
                self._take(opening)
                self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Switch all outputs off, then give the lines back."""
        for name in self._outputs:
            try:
                self.switch(name, on=False)
            except DeviceError as err:
                log.warning("%s", err)
        self._open.close()

    def switch(self, name: Output, *, on: bool) -> None:
        """Set an output; nothing happens where it has no line. Raises `DeviceError`."""
        request = self._outputs.get(name)
        if request is None:
            return
        from gpiod.line import Value

        try:
            request.set_value(request.offsets[0], Value.ACTIVE if on else Value.INACTIVE)
        except OSError as err:
            raise DeviceError(f"gpio.{name}_line: cannot be set: {err.strerror}") from err

    def edges(self, timeout_s: float) -> list[Edge]:
        """The edges of the trigger since the last call; waits for one. Raises `DeviceError`."""
        if self._trigger is None:
            return []
        try:
            if not self._trigger.wait_edge_events(timeout_s):
                return []
            events = self._trigger.read_edge_events(ROOM_FOR_EDGES)
        except OSError as err:
            raise DeviceError(f"gpio.trigger_line: cannot be read: {err.strerror}") from err
        return [Edge(event.line_seqno, event.timestamp_ns) for event in events]

    def _take(self, opening: ExitStack) -> None:
        config = self._config
        chip = opening.enter_context(_chip(config.chip))
        offsets = _offsets(chip, config)
        import gpiod
        from gpiod.line import Bias, Direction, Value
        from gpiod.line import Edge as Change

        for name in config.outputs:
            settings = gpiod.LineSettings(
                direction=Direction.OUTPUT,
                active_low=name in config.active_low,
                output_value=Value.INACTIVE,
            )
            key = f"{name}_line"
            self._outputs[name] = opening.enter_context(_request(chip, key, offsets[key], settings))
        if config.trigger_line is not None:
            settings = gpiod.LineSettings(
                direction=Direction.INPUT,
                edge_detection=Change[config.trigger_edge.upper()],
                bias=Bias[config.trigger_bias.replace("-", "_").upper()],
                debounce_period=timedelta(milliseconds=config.debounce_ms),
            )
            offset = offsets["trigger_line"]
            self._trigger = opening.enter_context(_request(chip, "trigger_line", offset, settings))


def holders(config: Gpio) -> dict[str, str | None]:
    """Who has each line of the settings, by its key; None: nobody. Takes none, and moves none.

    Raises `ConfigError` and `DeviceError`, as opening them does.
    """
    with _chip(config.chip) as chip:
        seen = {key: chip.get_line_info(offset) for key, offset in _offsets(chip, config).items()}
    return {key: (line.consumer or "the kernel") if line.used else None for key, line in seen.items()}


def _chip(path: str) -> "gpiod.Chip":
    try:
        import gpiod
    except ImportError as err:
        raise ConfigError(
            "gpio: lines are named, but the Python package gpiod is missing; pip install edge-inspect[gpio]"
        ) from err
    try:
        return gpiod.Chip(path)
    except FileNotFoundError:
        found = ", ".join(sorted(str(chip) for chip in Path("/dev").glob("gpiochip*"))) or "none at all"
        raise DeviceError(f"gpio.chip: {path}: no such device; there is {found}") from None
    except PermissionError:
        raise DeviceError(f"gpio.chip: {path}: not permitted; put this user into the group 'gpio'") from None
    except OSError as err:
        raise DeviceError(f"gpio.chip: {path}: is no GPIO chip: {err.strerror}") from err


def _offsets(chip: "gpiod.Chip", config: Gpio) -> dict[str, int]:
    """Where the lines are on the chip. Raises `ConfigError` for one that is not there, or has two uses."""
    wanted = {f"{name}_line": line for name, line in config.outputs.items()}
    if config.trigger_line is not None:
        wanted["trigger_line"] = config.trigger_line
    count, path = chip.get_info().num_lines, config.chip
    offsets = dict[str, int]()
    for key, line in wanted.items():
        if isinstance(line, int):
            if line >= count:
                raise ConfigError(f"gpio.{key}: {line}: {path} has lines 0 to {count - 1}")
            offset = line
        else:
            names = {chip.get_line_info(at).name: at for at in reversed(range(count))}
            if line not in names:
                raise ConfigError(f"gpio.{key}: {path} has no line named {line!r}; gpioinfo lists them")
            offset = names[line]
        other = next((other for other, taken in offsets.items() if taken == offset), None)
        if other is not None:
            raise ConfigError(f"gpio.{key}: is line {offset}, as {other} is; give each a line of its own")
        offsets[key] = offset
    return offsets


def _request(
    chip: "gpiod.Chip", key: str, offset: int, settings: "gpiod.LineSettings"
) -> "gpiod.LineRequest":
    try:
        return chip.request_lines({offset: settings}, f"{NAME} {key.removesuffix('_line')}", ROOM_FOR_EDGES)
    except OSError as err:
        raise _refusal(chip, key, offset, err) from err


def _refusal(chip: "gpiod.Chip", key: str, offset: int, err: OSError) -> EdgeError:
    where = f"gpio.{key}: line {offset}"
    if err.errno == errno.EBUSY:
        info = chip.get_line_info(offset)
        return DeviceError(
            f"{where} is in use by {info.consumer or 'the kernel'!r}; end that, or use another line"
        )
    if err.errno in {errno.ENOTSUP, errno.EINVAL, errno.ENXIO}:
        return ConfigError(
            f"{where}: the chip cannot do what is asked of it ({err.strerror}); try another line or bias"
        )
    return DeviceError(f"{where}: cannot be opened: {err.strerror}")
