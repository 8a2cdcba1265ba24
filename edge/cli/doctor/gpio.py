"""The digital lines of a station: are they there, and does another program have one?"""

from collections.abc import Iterator

from edge.cli.doctor.line import Line
from edge.config import Config
from edge.errors import EdgeError
from edge.gpio.lines import NAME, holders


def gpio_lines(config: Config, *, running: bool) -> Iterator[Line]:
    """One for each line that the settings name; none is taken or moved. `running`: the station itself has them."""
    gpio = config.gpio
    if not gpio.outputs and gpio.trigger_line is None:
        return
    try:
        found = holders(gpio)
    except EdgeError as err:
        yield Line("fail", "gpio", str(err), "correct the table [gpio]; gpioinfo lists chips and lines")
        return
    for key, holder in found.items():
        if holder is None:
            yield Line("ok", f"gpio {key}", f"{gpio.chip}: free")
        elif running and holder.startswith(NAME):
            yield Line("ok", f"gpio {key}", f"{gpio.chip}: this station has it")
        else:
            yield Line(
                "fail", f"gpio {key}", f"{gpio.chip}: in use by '{holder}'", "end that, or use another line"
            )
