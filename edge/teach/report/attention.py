"""What a person should look at before trusting a lesson: each a sentence that says what to do."""

from collections.abc import Sequence

from edge.teach.record import Record
from edge.teach.report.markup import Markup, bold, code, element, fill, join, text
from edge.teach.report.scores import fates
from edge.teach.report.wording import count, fixed, listed, percent, several

MANY_MISSED = 0.1
"""Share of the made-up defects that may pass: some are fainter than anything that matters."""
NAMED = 3
"""So many outliers are named in the warning."""


def summary(record: Record) -> Markup:
    """The lesson in one sentence."""
    limit = record.limit
    found = fates(record.damaged, limit.pass_below)
    taught = fill("Taught {} v{} on {}: ", bold(record.name), count(record.version), _parts(record.pictures))
    if limit.promised:
        sentence = "it fails at most {} of good parts by mistake ({} confidence)"
        promise, link = fill(sentence, bold(percent(limit.false_reject)), percent(limit.confidence)), " and"
    else:
        promise, link = text("not enough to promise how many good parts it fails by mistake"), "; it"
    if not record.damaged:
        return join([taught, promise, "."])
    stopped = bold(count(found.failed + found.doubtful), " of ", count(len(record.damaged)))
    return join([taught, promise, link, fill(" stops {} made-up defects.", stopped)])


def attention(record: Record) -> list[Markup]:
    """The warnings, worst first; none where all is well."""
    found = [
        _disagreement(record),
        _passing(record),
        _missed(record),
        _outliers(record),
        _few(record),
        _unscored(record),
    ]
    return [warning for warning in found if warning]


def unused(record: Record) -> Markup:
    """The pictures that were not taught, and why; and those that look unlike the others."""
    parts: list[Markup] = []
    if record.outliers:
        words = (
            "These are unlike the other good parts. Look at them: a defect among the good parts teaches that"
            " it is good. To teach again without one, add {}."
        )
        parts += [element("p", fill(words, code("--drop FILE"))), _names(record.outliers)]
    if record.skipped:
        words = "{} not used:"
        parts += [element("p", fill(words, several(len(record.skipped), "picture"))), _names(record.skipped)]
    return join(parts)


def _disagreement(record: Record) -> Markup:
    agreement = record.agreement
    if agreement is None or agreement.accepted:
        return Markup()
    return fill(
        "The int8 model does not say what the float model says (AUROC {} instead of {}, correlation of the"
        " maps {}), so it is not activated by itself. Take pictures with more light or contrast and teach"
        " again, or activate it as it is with {}.",
        fixed(agreement.auroc_int8, 4),
        fixed(agreement.auroc_float, 4),
        fixed(agreement.correlation, 4),
        code(f"edge teach {record.name} --activate {record.version}"),
    )


def _passing(record: Record) -> Markup:
    passed = fates(record.bad, record.limit.pass_below).passed
    if not passed:
        return Markup()
    return fill(
        "{} of {} would pass. Take the pictures closer, or teach in tiles: the smaller the view, the smaller"
        " the defects that it finds.",
        count(passed),
        several(len(record.bad), "known-bad part"),
    )


def _missed(record: Record) -> Markup:
    passed = fates(record.damaged, record.limit.pass_below).passed
    if passed <= MANY_MISSED * len(record.damaged):
        return Markup()
    return fill(
        "{} of {} would pass: small or faint defects can be missed. Look below at which; take the pictures"
        " closer or steadier, or teach in tiles.",
        count(passed),
        several(len(record.damaged), "made-up defect"),
    )


def _outliers(record: Record) -> Markup:
    if not record.outliers:
        return Markup()
    names = [bold(name) for name in record.outliers[:NAMED]]
    others = len(record.outliers) - NAMED
    if others > 0:
        names.append(fill("{} more", count(others)))
    return fill(
        "{} {} unlike the other good parts. If there is a defect, teach again with {}.",
        listed(names),
        "is" if len(names) == 1 else "are",
        code("--drop FILE"),
    )


def _few(record: Record) -> Markup:
    if record.limit.promised:
        return Markup()
    return fill(
        "{} do not tell how good parts vary: there are too few, or they are nearly all the same. Add more,"
        " taken as the line will take them, with {}.",
        several(record.limit.parts, "part"),
        code("--add DIR"),
    )


def _unscored(record: Record) -> Markup:
    kinds: Sequence[Sequence[float]] = ([score for _, score in record.good], record.damaged, record.bad)
    unknown = sum(fates(scores, record.limit.pass_below).unknown for scores in kinds)
    return (
        fill("{} without a score, not in the plots below.", several(unknown, "picture"))
        if unknown
        else Markup()
    )


def _names(names: Sequence[str]) -> Markup:
    return element("ul", *(element("li", name) for name in names), class_="names")


def _parts(number: int) -> Markup:
    return fill("{} good part" if number == 1 else "{} good parts", count(number))
