"""Steps of enhancement as they are named on the command line: `clahe`, or `clahe:clip=3,zones=8`."""

from collections.abc import Sequence
from pathlib import Path

from edge.config.enhance import Enhance, Steps
from edge.errors import ConfigError
from edge.table import Table, validate


class _Given(Table):
    steps: Steps


def steps_named(words: Sequence[str], option: str) -> tuple[Enhance, ...]:
    """The steps, in order; `option` is what errors call them. Raises `ConfigError`."""
    given = [_table(word, option) for word in words]
    return validate(_Given, {"steps": given}, Path(option)).steps


def _table(word: str, option: str) -> dict[str, str | float]:
    kind, _, settings = word.partition(":")
    table: dict[str, str | float] = {"type": kind}
    for setting in filter(None, settings.split(",")):
        name, _, number = setting.partition("=")
        try:
            table[name] = float(number)
        except ValueError:
            raise ConfigError(
                f"{option}: '{setting}' in '{word}' is no setting; write it as NAME=NUMBER, clahe:clip=3 say"
            ) from None
    return table
