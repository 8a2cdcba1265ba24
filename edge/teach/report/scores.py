"""Where the scores of the parts lie, and what becomes of them: the plot of the limit.

Good parts, made-up defects and known-bad parts have a lane each over the same axis. Few are a dot each, that one
can point at; many are columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, isfinite, log2

import numpy as np

from edge.teach.record import Record
from edge.teach.report.markup import Markup, element, join
from edge.teach.report.plot import (
    LogAxis,
    end_or_middle,
    label,
    level,
    percent,
    plot,
    ticks,
    upright,
    words_at,
)
from edge.teach.report.wording import several

MOST_DOTS = 80
DOT_PX = 4.5
NARROW_PX = 640
"""Dots are stacked where they would touch on a page as narrow as this."""
COLUMNS_PX = 72
SIGNS_PX, TITLE_PX, AXIS_PX = 44, 28, 42
LOWEST, HIGHEST = 1 / 16, 32.0
"""The axis goes no farther: what lies beyond is drawn at its end."""
PER_DOUBLING = (32, 16, 8, 4)
"""Columns to each doubling of the score, so that one of them ends at the limit."""
MOST_COLUMNS = 64


@dataclass(frozen=True)
class Lane:
    """Parts of one kind: their names, where they have any, and scores."""

    title: str
    kind: str
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Fates:
    """How many of some parts pass, are inconclusive, fail; and how many have no score."""

    passed: int
    doubtful: int
    failed: int
    unknown: int


def lanes(record: Record) -> list[Lane]:
    """The kinds of parts that the lesson scored."""
    found = [
        Lane("Good parts", "good", record.good),
        Lane("Made-up defects", "damaged", tuple(("", score) for score in record.damaged)),
        Lane("Known-bad parts", "bad", tuple(("", score) for score in record.bad)),
    ]
    return [lane for lane in found if lane.parts]


def fates(scores: Sequence[float], pass_below: float) -> Fates:
    """What becomes of parts with these scores."""
    known = np.array([score for score in scores if isfinite(score)])
    passed, failed = int((known < pass_below).sum()), int((known >= 1).sum())
    return Fates(passed, len(known) - passed - failed, failed, len(scores) - len(known))


def said(found: Fates) -> str:
    """`18 pass, 1 inconclusive, 1 fails`; what did not happen is left out."""
    parts = [
        (found.passed, "passes" if found.passed == 1 else "pass"),
        (found.doubtful, "inconclusive"),
        (found.failed, "fails" if found.failed == 1 else "fail"),
        (found.unknown, "without a score"),
    ]
    return ", ".join(f"{number:,} {word}" for number, word in parts if number)


def score_plot(record: Record) -> Markup:
    """The scores of all parts, the limit, and the band below it."""
    shown = lanes(record)
    pass_below = record.limit.pass_below
    axis = _axis([score for lane in shown for _, score in lane.parts], pass_below)
    pieces: list[Markup] = []
    top = float(SIGNS_PX)
    for lane in shown:
        drawn, height = _lane(lane, axis, pass_below, top)
        pieces.append(drawn)
        top += height
    description = "; ".join(f"{lane.title}: {several(len(lane.parts), 'score')}" for lane in shown)
    return plot(top + AXIS_PX, description, _signs(axis, pass_below, top - 10), *pieces, _ticks(axis, top))


def _axis(scores: Sequence[float], pass_below: float) -> LogAxis:
    """From the lowest to the highest, the limit well inside; in steps of a quarter of a doubling."""
    known = [min(max(score, LOWEST), HIGHEST) for score in (*scores, pass_below) if isfinite(score)]
    low, high = min([0.55, *known]) / 1.1, max([1.4, *known]) * 1.1
    return LogAxis(2 ** (floor(4 * log2(low)) / 4), 2 ** (ceil(4 * log2(high)) / 4))


def _signs(axis: LogAxis, pass_below: float, bottom: float) -> Markup:
    """What becomes of a part on either side; the limit."""
    limit, band = axis.share(1.0), _band(axis, pass_below)
    named = [
        words_at(percent(100 * band), SIGNS_PX - 8, "end", "passes", kind="zone", dx=-8),
        words_at(percent(100 * limit), SIGNS_PX - 8, "start", "fails", kind="zone", dx=8),
    ]
    if band < limit:
        middle = (band + limit) / 2
        named += [
            label(middle, SIGNS_PX - 27, "inconclusive", kind="zone"),
            upright(percent(100 * middle), SIGNS_PX - 22, SIGNS_PX - 2, "leader"),
        ]
    return join([*named, upright(percent(100 * limit), SIGNS_PX - 18, bottom, "limit")])


def _band(axis: LogAxis, pass_below: float) -> float:
    """Where the band begins: a share of the width, at most that of the limit."""
    return axis.share(min(pass_below, 1.0) if isfinite(pass_below) else 1.0)


def _zones(axis: LogAxis, pass_below: float, top: float, height: float) -> Markup:
    """The band and the side of failure, shaded."""
    limit, band = axis.share(1.0), _band(axis, pass_below)
    sides = [("band", band, limit), ("over", limit, 1.0)]
    return join(
        element(
            "rect",
            x=percent(100 * left),
            y=top,
            width=percent(100 * (right - left)),
            height=height,
            class_=kind,
        )
        for kind, left, right in sides
    )


def _lane(lane: Lane, axis: LogAxis, pass_below: float, top: float) -> tuple[Markup, float]:
    """A lane that begins `top` pixels from the top, and its height."""
    known = [(name, score) for name, score in lane.parts if isfinite(score)]
    drawn, height = (_dots if len(known) <= MOST_DOTS else _columns)(known, axis)
    base = top + TITLE_PX + height
    tally = said(fates([score for _, score in lane.parts], pass_below))
    title = element("tspan", lane.title, class_="strong")
    return (
        join(
            [
                words_at(
                    "0",
                    top + 19,
                    "start",
                    title,
                    element("tspan", tally, dx=10.0, class_="tally"),
                    kind="halo",
                ),
                _zones(axis, pass_below, top + TITLE_PX, height),
                element("g", join(drawn), class_=lane.kind, transform=f"translate(0 {base:g})"),
                level(base, "base"),
            ]
        ),
        TITLE_PX + height + 10,
    )


def _dots(parts: Sequence[tuple[str, float]], axis: LogAxis) -> tuple[list[Markup], float]:
    """A dot for each part at its score, on the lowest level where it touches no other; and the height."""
    width = 2 * DOT_PX / NARROW_PX
    ends: list[float] = []
    drawn = []
    for name, score in sorted(parts, key=lambda part: part[1]):
        place = axis.share(score)
        floor_at = next((number for number, end in enumerate(ends) if end <= place), len(ends))
        ends[floor_at : floor_at + 1] = [place + width]
        tip = element("title", f"{name}: {score:.3f}" if name else f"{score:.3f}")
        y = -(DOT_PX + 1) - floor_at * 2 * DOT_PX
        drawn.append(element("circle", tip, cx=percent(100 * place), cy=y, r=DOT_PX - 0.5))
    return drawn, 2 * DOT_PX * max(2, len(ends)) + 3


def _columns(parts: Sequence[tuple[str, float]], axis: LogAxis) -> tuple[list[Markup], float]:
    """Counts of parts between two scores, the highest `COLUMNS_PX` high; and the height."""
    doublings = log2(axis.high / axis.low)
    fine = next((fine for fine in PER_DOUBLING if fine * doublings <= MOST_COLUMNS), PER_DOUBLING[-1])
    edges = 2.0 ** (np.arange(round(fine * log2(axis.low)), round(fine * log2(axis.high)) + 1) / fine)
    counts, _ = np.histogram(np.clip([score for _, score in parts], edges[0], edges[-1]), edges)
    highest = int(counts.max())
    drawn = []
    for number, (low, high) in zip(counts, pairwise(edges), strict=True):
        if number:
            left, right = 100 * axis.share(low), 100 * axis.share(high)
            tall = COLUMNS_PX * number / highest
            tip = element("title", f"{low:.2f} to {high:.2f}: {several(int(number), 'part')}")
            drawn.append(element("rect", tip, x=percent(left + 0.08), width=percent(right - left - 0.16),
                                 y=float(-tall), height=float(tall)))  # fmt: skip
    peak = (axis.share(edges[counts.argmax()]) + axis.share(edges[counts.argmax() + 1])) / 2
    drawn.append(label(peak, -COLUMNS_PX - 4, f"{highest:,}", kind="small"))
    return drawn, COLUMNS_PX + 16


def beyond(record: Record) -> str:
    """What to add where scores lie beyond the ends of the axis."""
    scores = [score for lane in lanes(record) for _, score in lane.parts if isfinite(score)]
    over = sum(score > HIGHEST for score in scores)
    under = sum(score < LOWEST for score in scores)
    parts = [
        f" {several(over, 'score')} over {HIGHEST:g} drawn at the right end." if over else "",
        f" {several(under, 'score')} under {LOWEST:g} drawn at the left end." if under else "",
    ]
    return "".join(parts)


def _ticks(axis: LogAxis, top: float) -> Markup:
    pieces = []
    for value in ticks(axis):
        share = axis.share(value)
        pieces.append(upright(percent(100 * share), top - 10, top - 5, "tick"))
        kind = "small strong" if value == 1 else "small"
        pieces.append(words_at(percent(100 * share), top + 9, end_or_middle(share), f"{value:g}", kind=kind))
    title = "score (logarithmic); 1 is the limit"
    return join([*pieces, words_at("50%", top + 30, "middle", title, kind="small soft")])
