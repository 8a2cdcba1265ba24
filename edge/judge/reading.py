"""From what was read to a verdict."""

import re
from collections.abc import Iterator

from edge.config.reading import ReadingRules
from edge.types import Decision, Readings, Verdict


def judge_reading(readings: Readings, rules: ReadingRules) -> Decision:
    """`pass` where one text was read, and it is what must stand there."""
    texts = {reading.text for reading in readings.found}
    if not texts:
        return Decision(Verdict.INCONCLUSIVE, ("nothing could be read",))
    if len(texts) > 1:
        return Decision(Verdict.INCONCLUSIVE, (f"reads in {len(texts)} ways: {', '.join(sorted(texts))}",))
    (text,) = texts
    if not re.fullmatch(rules.pattern, text):
        return Decision(Verdict.FAIL, (f"'{text}' does not match the pattern {rules.pattern}",), label=text)
    return Decision(Verdict.PASS, (), label=text)


def reading_complaints(rules: ReadingRules) -> Iterator[str]:
    """What is wrong with the rules."""
    try:
        re.compile(rules.pattern)
    except re.error as err:
        yield f"rules.reading.pattern: is no regular expression: {err}"
