"""What is promised of good parts that fail, what is proven, and how many more parts would prove it."""

from math import isfinite

from edge.teach.limits import Limit
from edge.teach.report.markup import Markup, bold, element, fill, join, text
from edge.teach.report.plot import (
    LogAxis,
    curve,
    end_or_middle,
    level,
    percent,
    plot,
    ticks,
    upright,
    words_at,
)
from edge.teach.report.wording import count, one_in, percent_text, several
from edge.teach.report.wording import percent as share

HEIGHT_PX, TOP_PX, BOTTOM_PX = 250, 18, 40
STEPS = 60
LETTER_PX = 16
FAR_RIGHT = 0.83
MOST_PARTS = 100_000
"""The axis of the plot goes no farther."""


def promise(limit: Limit) -> Markup:
    """The rate of false rejects in words, and the plot of what more parts would prove."""
    drawn = element("figure", promise_plot(limit), _caption()) if _drawable(limit) else ""
    return join([element("p", _expected(limit)), element("p", _proven(limit), " ", _more(limit)), drawn])


def _expected(limit: Limit) -> Markup:
    often = one_in(limit.expected)
    return fill(
        "Expected: {}{} of good parts fail by mistake and {} are inconclusive, if the next ones vary as the"
        " {} did, of which {} fail and {} are inconclusive. {}: at most {} fail, with {} confidence.",
        bold(share(limit.expected)),
        f" ({often})" if often else "",
        share(limit.doubtful),
        several(limit.parts, "held-out part"),
        count(limit.over),
        count(limit.between),
        "Promised" if limit.promised else "Asked for, but not to be promised yet",
        share(limit.false_reject),
        share(limit.confidence),
    )


def _proven(limit: Limit) -> Markup:
    return fill(
        "Whatever the good parts are like, the number of held-out parts alone proves: at most {} fail"
        " ({} confidence).",
        bold(share(limit.proven)),
        share(limit.confidence),
    )


def _more(limit: Limit) -> Markup:
    if limit.is_proven:
        return text("That is what was promised.")
    more = more_parts(limit)
    if not more:
        return text("Parts enough, but too many of them fail: look at those with the highest scores.")
    words = fill(
        "{} would prove {}, if none fails.",
        bold(count(more), " more good part" if more == 1 else " more good parts"),
        share(limit.false_reject),
    )
    twice = 2 * limit.parts
    halved = bound(twice, limit.confidence)
    if twice >= limit.parts_needed or halved >= limit.proven:
        return words
    return join([words, fill(" Twice as many as now, {}, would prove {}.", count(twice), share(halved))])


def bound(parts: float, confidence: float) -> float:
    """The highest rate at which none of so many parts fails with a probability of 1 − `confidence`, or more."""
    return float(1 - (1 - confidence) ** (1 / parts))


def more_parts(limit: Limit) -> int:
    """How many more would prove what is promised."""
    return max(0, limit.parts_needed - limit.parts)


def promise_plot(limit: Limit) -> Markup:
    """The bound over the number of parts: where this lesson is, and where the promise is proven."""
    needed = min(MOST_PARTS, max(limit.parts_needed, limit.parts + 1))
    across = LogAxis(min(5, limit.parts) / 1.6, max(2.2 * needed, 3.0 * limit.parts))
    lowest = min(limit.false_reject, bound(across.high, limit.confidence))
    up = LogAxis(lowest / 1.3, min(1.0, 1.4 * max(limit.proven, bound(across.low, limit.confidence))))
    height = HEIGHT_PX - TOP_PX - BOTTOM_PX

    def y(rate: float) -> float:
        return TOP_PX + height * (1 - up.share(rate))

    steps = [across.low * (across.high / across.low) ** (step / STEPS) for step in range(STEPS + 1)]
    line = [(across.share(parts), 1 - up.share(bound(parts, limit.confidence))) for parts in steps]
    goal = y(limit.false_reject)
    rates = [rate for rate in ticks(up) if abs(y(rate) - goal) > LETTER_PX]
    asked = f"{percent_text(limit.false_reject)} {'promised' if limit.promised else 'asked for'}"
    return plot(
        HEIGHT_PX,
        f"What parts prove about false rejects: {percent_text(limit.proven)} with {limit.parts},"
        f" {percent_text(limit.false_reject)} with {limit.parts_needed}",
        *(level(y(rate), "grid") for rate in rates),
        level(goal, "goal"),
        element("svg", curve(line, height, "curve"), y=TOP_PX, width="100%", height=height),
        *(_above(y(rate), percent_text(rate), "small soft halo") for rate in rates),
        _above(goal, asked, "small strong halo"),
        _now(across, limit, y(limit.proven)),
        _then(across, needed, goal) if more_parts(limit) else "",
        _numbers(across, HEIGHT_PX - BOTTOM_PX),
    )


def _above(y_px: float, words: str, kind: str) -> Markup:
    return words_at("0", y_px - 4, "start", words, kind=kind)


def _now(across: LogAxis, limit: Limit, y_px: float) -> Markup:
    """Where this lesson is: on the curve or, if some parts fail, over it. The words keep off the curve."""
    place = across.share(limit.parts)
    anchor, dx = ("end", -3) if place > FAR_RIGHT else ("start", 3)
    words = f"now: {percent_text(limit.proven)}"
    dot = element("circle", cx=percent(100 * place), cy=y_px, r=5.0, class_="now")
    return join(
        [dot, words_at(percent(100 * place), y_px - 9, anchor, words, kind="small strong halo", dx=dx)]
    )


def _then(across: LogAxis, parts: int, y_px: float) -> Markup:
    """Where the promise is proven, named on the side where the curve is not."""
    place = percent(100 * across.share(parts))
    dot = element("circle", cx=place, cy=y_px, r=5.0, class_="then")
    words = several(parts, "part")
    return join([dot, words_at(place, y_px + 18, "end", words, kind="small strong halo", dx=-5)])


def _numbers(across: LogAxis, base: float) -> Markup:
    pieces = [level(base, "base")]
    for parts in ticks(across, most=7):
        share_across = across.share(parts)
        place = percent(100 * share_across)
        pieces.append(upright(place, base, base + 5, "tick"))
        pieces.append(words_at(place, base + 18, end_or_middle(share_across), f"{parts:,.0f}", kind="small"))
    return join([*pieces, words_at("50%", base + 36, "middle", "good parts taught", kind="small soft")])


def _drawable(limit: Limit) -> bool:
    known = all(isfinite(rate) and 0 < rate < 1 for rate in (limit.false_reject, limit.confidence))
    return known and isfinite(limit.proven) and 0 < limit.proven <= 1 and limit.parts > 0


def _caption() -> Markup:
    return element(
        "figcaption", "What a number of held-out good parts proves by itself, if none of them fails (curve)."
    )
