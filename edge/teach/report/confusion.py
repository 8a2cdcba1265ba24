"""What was called what: a heat table of held-out pictures, and the pictures that were confused."""

from collections.abc import Sequence
from math import sqrt

from edge.geometry import Image
from edge.judge.classification import UNKNOWN
from edge.store.overlay import encode_jpeg, scaled
from edge.teach.classes.record import ShownConfusion
from edge.teach.classes.trust import Trust
from edge.teach.report.gallery import MOST_BYTES, STEPS, url
from edge.teach.report.markup import Markup, element, fill, join
from edge.teach.report.wording import count, figure, percent, percent_text

NORMAL = 1.645
"""Of a normal distribution, 90 % are within so many standard deviations."""
UPRIGHT_FROM = 7
"""With so many answers, or more, their names stand upright: the table would be too wide."""


def confusion_table(trust: Trust) -> Markup:
    """A row for each class, a column for each answer; the deeper the colour, the larger the share of the row."""
    answers = [*trust.labels, UNKNOWN]
    upright = "upright" if len(answers) >= UPRIGHT_FROM else None
    names = [element("th", element("span", answer), scope="col", class_=upright) for answer in answers]
    head = element("tr", element("th", "is … called", scope="col"), *names,
                   element("th", "right", scope="col"), element("th", "likely range", scope="col"))  # fmt: skip
    rows = [
        _row(label, place, counts)
        for place, (label, counts) in enumerate(zip(trust.labels, trust.confusion.tolist(), strict=True))
    ]
    table = element("table", element("thead", head), element("tbody", *rows), class_="confusion")
    return element("div", table, class_="scroll")


def likely(right: int, of: int) -> tuple[float, float]:
    """Where the share lies that `right` of so many are drawn from, in nine of ten cases (Wilson 1927)."""
    share, square = right / of, NORMAL**2 / of
    middle = (share + square / 2) / (1 + square)
    reach = NORMAL / (1 + square) * sqrt(share * (1 - share) / of + square / (4 * of))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def confused(shown: Sequence[ShownConfusion]) -> Markup:
    """The pictures, with what they are and what they were called."""
    jpegs = _encoded([one.picture for one in shown])
    return element(
        "div",
        *(_exhibit(one, jpeg) for one, jpeg in zip(shown, jpegs, strict=True)),
        class_="gallery thumbnails",
    )


def _row(label: str, place: int, counts: Sequence[int]) -> Markup:
    total, right = sum(counts), counts[place]
    cells = [
        _cell(number, total, _kind(column, place, len(counts) - 1)) for column, number in enumerate(counts)
    ]
    low, high = likely(right, total)
    said = fill("{} of {}, {}", count(right), count(total), percent(right / total))
    between = f"{percent_text(round(low, 2))} to {percent_text(round(high, 2))}"
    return element(
        "tr", element("th", label, scope="row"), *cells, element("td", said), element("td", between)
    )


def _kind(column: int, place: int, unknown: int) -> str:
    return "hit" if column == place else "none" if column == unknown else "miss"


def _cell(number: int, total: int, kind: str) -> Markup:
    if not number:
        return element("td", figure(0, "·"), class_="empty")
    return element("td", count(number), class_=kind, style=f"--share:{number / total:.3f}")


def _exhibit(one: ShownConfusion, jpeg: bytes) -> Markup:
    found = one.confusion
    file = found.file or ""
    fate = element("span", "called ", found.answer, " ", percent(found.probability), class_="fate fail")
    true = fill("is {}, {} for that", found.label, percent(found.own))
    words = join([element("span", file, class_="name"), element("span", true), fate])
    image = element("img", src=url(jpeg), alt=f"{file}: is {found.label}, called {found.answer}")
    return element("figure", image, element("figcaption", words), class_="exhibit")


def _encoded(pictures: Sequence[Image]) -> list[bytes]:
    """As JPEGs, as large as `MOST_BYTES` of all allows."""
    found: list[bytes] = []
    for side_px, quality in STEPS:
        small = [scaled(picture, min(4.0, side_px / max(picture.shape[:2]))) for picture in pictures]
        found = [encode_jpeg(picture, quality) for picture in small]
        if sum(map(len, found)) <= MOST_BYTES:
            break
    return found
