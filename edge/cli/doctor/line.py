"""What the doctor says: a line for each thing that was looked at."""

from typing import Literal, NamedTuple

State = Literal["ok", "warn", "fail"]


class Line(NamedTuple):
    """One thing that was looked at; `remedy` is empty where all is well.

    `what` is a word of the doctor's own: names of the settings stand in `found` and `remedy`.
    """

    state: State
    what: str
    found: str
    remedy: str = ""


def text(line: Line) -> str:
    """The line, with what to do below it."""
    remedy = f"\n{'':<29}→ {line.remedy}" if line.remedy else ""
    return f"{line.state:<5}{line.what:<24}{line.found}{remedy}"
