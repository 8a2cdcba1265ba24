"""The page of `edge gauge --report`: what varies, and each trial of each part."""

from collections.abc import Mapping, Sequence

from edge.cli.gauge import verdict
from edge.gauge.repeatability import Study, Trial
from edge.teach.report.markup import Markup, element, fill, join
from edge.teach.report.page import Section
from edge.teach.report.page import page as whole_page

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 900.0, 260.0, 80.0, 24.0, 40.0
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, which colour-blind people tell apart; so does the order in a column, from left to right."""
WORDS = {"good": "is good", "conditional": "may do", "unfit": "is not fit"}


def page(
    studies: Mapping[str, Study],
    trials: Mapping[str, Sequence[Trial]],
    units: Mapping[str, str],
    widths: Mapping[str, float],
) -> str:
    """The page as HTML."""
    told = [f"{name} {WORDS[verdict(found, widths.get(name))]}" for name, found in studies.items()]
    sections = [
        Section(name, join([_table(found, widths.get(name)), _plot(trials[name], units[name])]), _lead(found))
        for name, found in studies.items()
    ]
    return whole_page(
        "Gauge R&R",
        "; ".join(told) + ".",
        sections,
        note="Analysis of variance, crossed, as in AIAG, Measurement Systems Analysis, 4th edition.",
    )


def _lead(found: Study) -> str:
    return (
        f"{found.operators} operators measured {found.parts} parts {found.trials} times each. The gauge R&R is"
        f" {found.share:.1%} of the variation, and tells {found.categories} groups of parts apart."
    )


def _table(found: Study, width: float | None) -> Markup:
    rows = (
        ("repeatability", found.repeatability),
        ("reproducibility", found.reproducibility),
        ("gauge R&R", found.gauge),
        ("parts", found.part),
        ("total", found.total),
    )
    heads = ["", "s.d.", "6 s.d.", "% of variation", *([] if width is None else ["% of tolerance"])]
    body = [
        element(
            "tr",
            element("th", label),
            *(
                element("td", cell)
                for cell in (
                    f"{sigma:.5f}",
                    f"{6 * sigma:.5f}",
                    f"{sigma / found.total if found.total else 0:.1%}",
                    *([] if width is None else [f"{6 * sigma / width:.1%}"]),
                )
            ),
        )
        for label, sigma in rows
    ]
    return element("table", element("tr", *(element("th", head) for head in heads)), *body)


def _plot(trials: Sequence[Trial], unit: str) -> Markup:
    """A column for each part, in it a row of dots for each operator."""
    parts = sorted({trial.part for trial in trials})
    operators = sorted({trial.operator for trial in trials})
    values = [trial.value for trial in trials]
    low, high = min(values), max(values)
    span = high - low or 1.0

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / span * (HEIGHT - BOTTOM - TOP)

    step = (WIDTH - LEFT) / len(parts)
    marks: list[Markup] = [
        element("text", f"{value:.4f} {unit}", x=LEFT - 8, y=y(value) + 4, text_anchor="end", class_="tick")
        for value in (low, high)
    ]
    for column, part in enumerate(parts):
        x = LEFT + step * column
        marks.append(
            element("line", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM, stroke="currentColor", opacity=0.15)
        )
        marks.append(
            element("text", part, x=x + step / 2, y=HEIGHT - BOTTOM + 18, text_anchor="middle", class_="tick")
        )
    for trial in trials:
        place = operators.index(trial.operator)
        x = LEFT + step * (parts.index(trial.part) + (place + 1) / (len(operators) + 1))
        title = element("title", f"{trial.operator}, {trial.part}: {trial.value:.5f}")
        marks.append(
            element(
                "circle", title, cx=x, cy=y(trial.value), r=4, fill=COLOURS[place % len(COLOURS)], opacity=0.8
            )
        )
    legend = join(
        fill("{} {}  ", element("span", "●", style=f"color:{COLOURS[place % len(COLOURS)]}"), operator)
        for place, operator in enumerate(operators)
    )
    drawn = element(
        "svg", *marks, viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", width="100%", role="img", fill="currentColor"
    )
    return join([element("p", legend), drawn])
