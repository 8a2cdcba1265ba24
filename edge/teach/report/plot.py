"""Pieces of a plot in SVG that is as wide as its page: places across are percentages, heights are pixels.

So letters and dots keep their size on a phone and on paper, where a `viewBox` would shrink them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log, log10

from edge.teach.report.markup import Markup, element, join

NEAR_EDGE = 14.0
"""In percent: a label nearer to an edge than this would stick out if it were centred."""


@dataclass(frozen=True)
class LogAxis:
    """Equal steps for equal ratios; both ends above 0."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """Where the value lies between the ends, 0…1; what lies beyond is at the end."""
        inside = min(max(value, self.low), self.high)
        return log(inside / self.low) / log(self.high / self.low)

    def across(self, value: float) -> str:
        """The place from the left, in percent."""
        return percent(100 * self.share(value))


STEPS: tuple[tuple[float, ...], ...] = (
    (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9),
    (1, 1.5, 2, 3, 5, 7),
    (1, 2, 5),
    (1,),
)
"""Ticks within a factor of ten, from many to few."""


def ticks(axis: LogAxis, most: int = 9) -> list[float]:
    """Round numbers within the axis: `most` of them, or fewer."""
    powers = range(floor(log10(axis.low)), ceil(log10(axis.high)) + 1)
    found: list[float] = []
    for steps in STEPS:
        numbers = (float(f"{step * 10.0**power:.6g}") for power in powers for step in steps)
        found = [number for number in numbers if axis.low <= number <= axis.high]
        if len(found) <= most:
            break
    return found[:: ceil(len(found) / most)]


def percent(value: float) -> str:
    """A length or place across."""
    return f"{value:.4g}%" if value < 100 else "100%"  # noqa: PLR2004 - the whole width


def label(share: float, y_px: float, *words: str, kind: str = "") -> Markup:
    """Words centred at a place across (0…1); near an edge they begin or end at it."""
    place = 100 * share
    anchor = "start" if place < NEAR_EDGE else "end" if place > 100 - NEAR_EDGE else "middle"
    return words_at(percent(place), y_px, anchor, *words, kind=kind)


def end_or_middle(share: float) -> str:
    """How to anchor the short words under a tick, so that those at the ends do not stick out."""
    return "start" if share < 0.02 else "end" if share > 0.98 else "middle"  # noqa: PLR2004 - 2 % of a page


def words_at(
    x: str, y_px: float, anchor: str, *words: str, kind: str = "", dx: float | None = None
) -> Markup:
    """Words whose start, middle or end (`anchor`) is at a place; `kind` is a class of the style sheet."""
    return element("text", *words, x=x, y=y_px, dx=dx, text_anchor=anchor, class_=kind or None)


def upright(x: str, top_px: float, bottom_px: float, kind: str) -> Markup:
    """A line from top to bottom."""
    return element("line", x1=x, x2=x, y1=top_px, y2=bottom_px, class_=kind)


def level(y_px: float, kind: str) -> Markup:
    """A line from edge to edge."""
    return element("line", x1=0.0, x2="100%", y1=y_px, y2=y_px, class_=kind)


def curve(places: Sequence[tuple[float, float]], height_px: float, kind: str) -> Markup:
    """A line through places: shares of the width from the left and of the height from the top, 0…1."""
    points = " ".join(f"{100 * x:.2f},{100 * y:.2f}" for x, y in places)
    line = element("polyline", points=points, class_=kind, vector_effect="non-scaling-stroke")
    return element(
        "svg", line, viewBox="0 0 100 100", preserveAspectRatio="none", width="100%", height=height_px
    )


def plot(height_px: float, description: str, *pieces: str) -> Markup:
    """The pieces on a canvas as wide as the page. `description` is read to those who do not see it."""
    return element(
        "svg", join(pieces), class_="plot", width="100%", height=height_px, role="img", aria_label=description
    )
