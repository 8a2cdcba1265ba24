"""Lists of labels as they come with models: one in a line, numbered or not, with gaps or doubles."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edge.errors import ConfigError
from edge.table import read_text

NUMBERED = re.compile(r"(\d{1,5})[\s:,]+(\S.*)")
MOST = 10_000
BACKGROUND = "background"


def read(path: Path) -> tuple[str, ...]:
    """The labels of a file. Raises `ConfigError`."""
    found = tidy(read_text(path).removeprefix("\ufeff").splitlines())
    if not found:
        raise ConfigError(
            f"{path}: has no labels; write one in each line, in the order of the model's outputs"
        )
    if len(found) > MOST:
        raise ConfigError(f"{path}: has {len(found):,} labels; {MOST:,} are the most")
    return found


def tidy(lines: Sequence[str]) -> tuple[str, ...]:
    """The labels in these lines, up to the first empty one: after it, some files have remarks.

    Numbers in front of all of them say which label it is, and what is missing there gets a name of its own. So
    does the second of two that are called the same.
    """
    written: list[str] = []
    for line in lines:
        text = "".join(mark for mark in line.strip() if mark.isprintable())
        if not text:
            break
        written.append(text)
    numbered = [NUMBERED.fullmatch(text) for text in written]
    if all(numbered):
        by_number = {int(match[1]): match[2] for match in numbered if match is not None}
        if len(by_number) == len(written) and max(by_number, default=0) < MOST:
            last = max(by_number, default=-1)
            written = [by_number.get(number, f"label {number}") for number in range(last + 1)]
    seen: Counter[str] = Counter()
    told = []
    for text in written:
        seen[text] += 1
        told.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return tuple(told)
