"""From what was read to a verdict, and to the part's id."""

import re
from collections.abc import Iterator

from edge.config.reading import ReadingRules
from edge.judge.vote import worst
from edge.prediction import Print, Readings
from edge.types import Decision, Verdict

LONGEST_ID = 128
"""Letters of a part's id: it stands in every report, and in captions."""
GROUP = "part_id"


def judge_reading(readings: Readings, rules: ReadingRules) -> Decision:
    """`pass` where as many texts were read as must be there, each as it must be, and print where it must be."""
    codes = _judge_codes(readings, rules)
    decisions = [codes, *(_judge_print(seen) for seen in readings.prints)]
    deciding = worst(decisions)
    reasons = [decision for decision in decisions if decision.reasons]
    reasons.sort(key=lambda decision: -decision.verdict.severity)
    return Decision(
        deciding.verdict,
        tuple(reason for decision in reasons for reason in decision.reasons),
        label=codes.label,
        part_id=codes.part_id,
    )


def reading_complaints(rules: ReadingRules) -> Iterator[str]:
    """What is wrong with the rules."""
    try:
        re.compile(rules.pattern)
    except re.error as err:
        yield f"rules.reading.pattern: is no regular expression: {err}"
    if rules.part_id and rules.codes != 1:
        yield f"rules.reading.part_id: a part has one id, but codes is {rules.codes}; set codes to 1"


def _judge_codes(readings: Readings, rules: ReadingRules) -> Decision:
    texts = sorted({reading.text for reading in readings.found if reading.text})
    label = ", ".join(texts) or None
    if len(texts) > rules.codes:
        ways = " and ".join(f"'{text}'" for text in texts)
        expected = "reads in two ways" if rules.codes == 1 else f"{rules.codes} codes are expected"
        return Decision(Verdict.INCONCLUSIVE, (f"{expected}: {ways}",), label=label)
    if len(texts) < rules.codes:
        return Decision(
            Verdict(rules.unreadable), (_missing(readings, len(texts), rules.codes),), label=label
        )
    wrong = [text for text in texts if not re.fullmatch(rules.pattern, text)]
    if wrong:
        reasons = tuple(f"'{text}' does not match the pattern {rules.pattern}" for text in wrong)
        return Decision(Verdict.FAIL, reasons, label=label)
    if not rules.part_id:
        return Decision(Verdict.PASS, (), label=label)
    part_id = _part_id(texts[0], rules.pattern)
    if not part_id:
        return Decision(Verdict.INCONCLUSIVE, (f"'{texts[0]}' has no part id in it",), label=label)
    return Decision(Verdict.PASS, (), label=label, part_id=part_id)


def _missing(readings: Readings, read: int, wanted: int) -> str:
    unread = sorted({reading.symbology for reading in readings.found if not reading.text})
    there = f"; there is a {' and a '.join(unread)} that cannot be read" if unread else ""
    return f"nothing could be read{there}" if wanted == 1 else f"{read} of {wanted} codes were read{there}"


def _part_id(text: str, pattern: str) -> str:
    """What names the part, without letters that nobody sees."""
    match = re.fullmatch(pattern, text)
    named = match is not None and GROUP in match.re.groupindex
    found = (match[GROUP] or "") if match is not None and named else text
    return "".join(letter for letter in found if letter.isprintable()).strip()[:LONGEST_ID]


def _judge_print(seen: Print) -> Decision:
    match seen.present:
        case True:
            return Decision(Verdict.PASS)
        case False:
            return Decision(Verdict.FAIL, (f"{seen.name}: {seen.reason}",))
        case None:
            return Decision(Verdict.INCONCLUSIVE, (f"{seen.name}: {seen.reason}",))
