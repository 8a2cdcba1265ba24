"""Part ids from file names."""

import re
from pathlib import Path

from edge.errors import ConfigError

PartName = re.Pattern[str]


def part_name(expression: str) -> PartName:
    """Compile `source.part_id_pattern`. Raises `ConfigError`."""
    try:
        pattern = re.compile(expression)
    except re.error as err:
        raise ConfigError(f"source.part_id_pattern: is not a regular expression: {err}") from err
    if "part_id" not in pattern.groupindex:
        raise ConfigError("source.part_id_pattern: has no group 'part_id'; put (?P<part_id>…) around the id")
    return pattern


def part_id(path: Path, pattern: PartName) -> str:
    """What the pattern finds in the name without its ending, or all of that where it finds nothing."""
    found = pattern.search(path.stem)
    return (found and found["part_id"]) or path.stem
