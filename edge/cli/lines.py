"""`edge lines`: the station's digital lines by hand, while it does not run."""

import time
from pathlib import Path
from typing import Annotated

import typer

from edge import config as settings


def lines(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The station's TOML file.")],
    *,
    blink: Annotated[
        bool, typer.Option("--blink", help="Each output on for a second, one after the other.")
    ] = False,
    count: Annotated[
        float, typer.Option(min=0, help="Seconds for which edges of the trigger are counted.")
    ] = 0,
) -> None:
    """Switch all outputs of a station off; on request try them, and the trigger."""
    from edge.gpio.lines import Lines

    gpio = settings.load(config).gpio
    with Lines(gpio) as taken:
        for name, line in gpio.outputs.items():
            if blink:
                taken.switch(name, on=True)
                typer.echo(f"{name:<8}{line}: on")
                time.sleep(1)
                taken.switch(name, on=False)
            typer.echo(f"{name:<8}{line}: off")
        if gpio.trigger_line is None or not count:
            return
        seen, until_s = 0, time.monotonic() + count
        while (left_s := until_s - time.monotonic()) > 0:
            for edge in taken.edges(min(left_s, 0.2)):
                seen = edge.number
                typer.echo(f"trigger {gpio.trigger_line}: edge {edge.number}")
    typer.echo(f"trigger {gpio.trigger_line}: {seen} edges in {count:g} s")
