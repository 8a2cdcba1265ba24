"""The report of a lesson about classes: which it tells apart, how sure it is, and what it does not know."""

from edge.judge.classification import UNKNOWN
from edge.teach.classes.record import ClassRecord
from edge.teach.report.comparison import cost, row, table, tiles
from edge.teach.report.confusion import confused, confusion_table
from edge.teach.report.markup import Markup, bold, code, element, fill, join
from edge.teach.report.page import Section, page
from edge.teach.report.wording import count, fixed, listed, percent, percent_text, rounded, several

WEAK = 0.7
"""Recall under which a class needs attention."""
MANY_UNKNOWN = 0.1
OVERSURE = 0.1
"""So much more than is right may be stated."""
FEW = 10
"""Pictures of a class under which its figures say little."""


def class_html(record: ClassRecord) -> str:
    """The report as a self-contained page: 600 kB at most, most of it pictures."""
    known = join([count(sum(record.pictures.values())), " pictures known"])
    sections = [
        _overview(record),
        _called(record),
        *_confused(record),
        Section("How sure it is", _sureness(record)),
        Section("What is unknown", _unknown(record)),
        Section("Time and room", cost(record, known)),
        *_unused(record),
    ]
    note = f"edge-inspect, {record.created:%Y-%m-%d %H:%M %Z}".strip()
    return page(f"{record.name} v{record.version}", headline(record), sections, note=note)


def headline(record: ClassRecord) -> Markup:
    """The lesson in one sentence."""
    trust = record.trust
    return fill(
        "Taught {} v{} to tell {} apart on {}: of pictures that were held out it names {} right, every class"
        " counting the same, and calls {} unknown.",
        bold(record.name),
        count(record.version),
        several(len(trust.labels), "class", "classes"),
        several(sum(record.pictures.values()), "picture"),
        bold(percent(trust.balanced_accuracy)),
        percent(trust.unknown),
    )


def attention(record: ClassRecord) -> list[Markup]:
    """What a person should look at before trusting the lesson; none where all is well."""
    trust = record.trust
    found = [_weak(record, place) for place in range(len(trust.labels))]
    if trust.unknown > MANY_UNKNOWN:
        words = "{} of the pictures are called unknown although their class was taught: a person has to look."
        found.append(fill(words, percent(trust.unknown)))
    if trust.stated - trust.right > OVERSURE:
        words = "It is surer than it should be: its answers say {} on average, and {} of them are right."
        found.append(fill(words, percent(trust.stated), percent(trust.right)))
    few = [label for label, number in record.pictures.items() if number < FEW]
    if few:
        words = "Fewer than {} pictures of {}: the figures say little of them. Add more with {}."
        found.append(fill(words, count(FEW), listed([bold(label) for label in few]), code("--add DIR")))
    return [warning for warning in found if warning]


def _weak(record: ClassRecord, place: int) -> Markup:
    """That a class is often not named, and what it is taken for."""
    counts = record.trust.confusion[place].tolist()
    right, total = counts[place], sum(counts)
    if right >= WEAK * total:
        return Markup()
    answers = (*record.trust.labels, UNKNOWN)
    most = max((column for column in range(len(answers)) if column != place), key=counts.__getitem__)
    return fill(
        "{} of {} of {} are named right, {} are called {}. Look at these pictures below: are they of one class"
        " after all? If not, add more of both with {}, taken closer.",
        count(right),
        count(total),
        bold(record.trust.labels[place]),
        count(counts[most]),
        bold(answers[most]),
        code("--add DIR"),
    )


def _overview(record: ClassRecord) -> Section:
    trust = record.trust
    warnings = attention(record)
    notes = (
        element("ul", *(element("li", warning) for warning in warnings), class_="warnings")
        if warnings
        else ""
    )
    figures: list[tuple[str, str, str]] = [
        ("balanced accuracy", fixed(trust.balanced_accuracy, 3), "1: all named right"),
        ("called unknown", percent(trust.unknown), "of pictures of taught classes"),
        ("answers that are right", percent(trust.right), join([percent(trust.stated), " is what they say"])),
        ("one picture", rounded(record.model_ms, "ms"), "one thread"),
        ("bundle", rounded(record.bundle_mb, "MB"), ""),
    ]
    words = "Which of these classes pass is for the recipe to say ({}). Until it does, every part is inconclusive."
    passes = element("p", fill(words, code("good_labels")))
    return Section("", join([notes, tiles(figures), passes]))


def _called(record: ClassRecord) -> Section:
    lead = (
        "Each picture was held out once: what named it had not seen it. A row is what the pictures are, a column"
        " what they were called. The likely range (nine times of ten) says how little a few pictures prove."
    )
    return Section("What was called what", confusion_table(record.trust), lead)


def _confused(record: ClassRecord) -> list[Section]:
    if not record.confusions:
        return []
    lead = (
        "The surest mistakes first. Is the picture in the wrong folder? Then move it, and teach again. Could a"
        " person tell? If not, these may be one class, or the pictures must be taken closer."
    )
    left = len(record.confusions) - len(record.shown)
    lost = sum(confusion.file is None for confusion in record.confusions)
    notes = [
        f"{left} more in report.json." if left else "",
        f"{lost} of them in earlier lessons, whose pictures are not kept." if lost else "",
    ]
    note = element("p", " ".join(filter(None, notes)), class_="note") if left else ""
    return [Section("Pictures that were confused", join([confused(record.shown), note]), lead)]


def _sureness(record: ClassRecord) -> Markup:
    trust = record.trust
    if not record.sureness:
        return element("p", "Every picture was called unknown: there are no answers to say anything of.")
    words = (
        "Every answer comes with a probability. Held-out answers other than “unknown” say {} on average, and {} of"
        " them are right. The closer the two, the more a probability can be taken at its word: the recipe's {} can"
        " then be the chance that you want. The scale was set on these same pictures, so new ones may do a little"
        " worse."
    )
    said = element("p", fill(words, percent(trust.stated), percent(trust.right), code("min_probability")))
    rows = [
        row([f"{percent_text(one.low)} to {percent_text(one.high)}", count(one.answers), percent(one.stated),
             percent(one.right)])
        for one in record.sureness
    ]  # fmt: skip
    return join([said, table(("probability", "answers", "say on average", "are right"), rows, "sureness")])


def _unknown(record: ClassRecord) -> Markup:
    rate = percent(record.trust.unknown)
    words = (
        "A part that is farther from its class than parts of that class usually are is called “unknown”: it is"
        " inconclusive, and never passes. How far is usual was learned for each class from its held-out pictures;"
        " {} of them were called unknown by mistake."
    )
    other = (
        "What it makes of things that were never taught was not measured: there were no pictures of them. Put some"
        " into a folder {}, beside folders of the classes, and see with {} how many of them it notices."
    )
    test = fill(other, code(UNKNOWN), code(f"edge eval bundles/{record.name} --classes DIR"))
    return join([element("p", fill(words, rate)), element("p", test)])


def _unused(record: ClassRecord) -> list[Section]:
    if not record.skipped:
        return []
    names = element("ul", *(element("li", line) for line in record.skipped), class_="names")
    words = fill("{} not used:", several(len(record.skipped), "picture"))
    return [Section("Pictures to look at", join([element("p", words), names]))]
