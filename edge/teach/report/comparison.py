"""What was compared: settings and methods with each other, int8 with float, milliseconds and megabytes."""

from collections.abc import Sequence
from math import isfinite

from edge.teach.classes.record import ClassRecord
from edge.teach.record import AUROC_TOLERANCE, LEAST_CORRELATION, Agreement, Candidate, Record
from edge.teach.report.markup import Markup, element, join
from edge.teach.report.wording import fixed, method, rounded

MOST_ROWS = 16
"""The best of them; the others are counted."""


def table(head: Sequence[str], rows: Sequence[Markup], kind: str = "") -> Markup:
    """A table that scrolls by itself on a slim page. A row is what `row` gives."""
    top = element("tr", *(element("th", words, scope="col") for words in head))
    inner = element("table", element("thead", top), element("tbody", *rows), class_=kind or None)
    return element("div", inner, class_="scroll")


def row(cells: Sequence[str], kind: str = "") -> Markup:
    """A row; its first cell is its name."""
    first, *others = cells
    return element("tr", element("th", first, scope="row"), *(element("td", cell) for cell in others),
                   class_=kind or None)  # fmt: skip


def candidates_table(candidates: Sequence[Candidate]) -> Markup:
    """Every candidate, the chosen one first, then the best."""
    ranked = sorted(
        candidates, key=lambda one: (not one.chosen, -_or_least(one.auroc), -_or_least(one.separation))
    )
    rows = [_candidate(one) for one in ranked[:MOST_ROWS]]
    head = ("setting", "method", "AUROC", "separation", "ms", "kB")
    left = len(ranked) - len(rows)
    note = (
        element("p", f"{left} more came after these; all are in report.json.", class_="note") if left else ""
    )
    return join([table(head, rows, "candidates"), note])


def setting(one: Candidate) -> str:
    """`320×320, contrast stretched, strides 8 and 16`."""
    strides = " and ".join(f"{stride}" for stride in one.strides_px)
    parts = [f"{one.width}×{one.height}", f"stride {strides}"]
    if one.contrast != "none":
        parts.append("contrast stretched" if one.contrast == "stretch" else f"contrast {one.contrast}")
    if one.registered:
        parts.append("aligned")
    return ", ".join(parts)


def agreement_table(agreement: Agreement) -> Markup:
    """Float against int8, with what is allowed."""
    change, allowed = agreement.auroc_int8 - agreement.auroc_float, f"±{agreement.tolerance:.3g} allowed"
    rows = [
        row(["AUROC, float", fixed(agreement.auroc_float, 4), ""]),
        row(["AUROC, int8", fixed(agreement.auroc_int8, 4), ""]),
        row(["difference", fixed(change, 4), _kept(allowed, kept=agreement.same_rank)]),
        row(["correlation of the maps", fixed(agreement.correlation, 4),
             _kept(f"{agreement.least_correlation:.4g} or more", kept=agreement.same_maps)]),
    ]  # fmt: skip
    note = (
        f"Allowed are ±{AUROC_TOLERANCE:g} and {LEAST_CORRELATION:g}, and two standard errors of what so few"
        " pictures can tell."
    )
    return join([table(("", "", ""), rows, "agreement"), element("p", note)])


def cost(record: Record | ClassRecord, pictures: Markup) -> Markup:
    """Time and room, as a list of figures; `pictures` says of how many."""
    head_ms = record.model_ms - record.backbone_ms
    figures = [
        ("one picture, one thread", rounded(record.model_ms, "ms"),
         join([rounded(record.backbone_ms, "ms"), " of it backbone, ", rounded(head_ms, "ms"), " head"])),
        ("bundle", rounded(record.bundle_mb, "MB"), join([rounded(record.head_mb, "MB"), " of it learned here"])),
        ("teaching took", rounded(record.taught_s, "s"), pictures),
        ("most memory", rounded(record.peak_mb, "MB"), "while teaching"),
    ]  # fmt: skip
    return tiles(figures)


def tiles(figures: Sequence[tuple[str, str, str]]) -> Markup:
    """Figures side by side: what it is, the figure, and what to add."""
    return element(
        "dl",
        *(
            element("div", element("dt", words), element("dd", value, class_="figure"), element("dd", added))
            for words, value, added in figures
        ),
        class_="tiles",
    )


def _candidate(one: Candidate) -> Markup:
    mark = element("span", "✓ chosen", class_="chosen") if one.chosen else ""
    name = join([setting(one), " ", mark] if mark else [setting(one)])
    cells = [
        name,
        method(one.method),
        fixed(one.auroc, 4),
        fixed(one.separation, 1),
        fixed(one.model_ms, 1),
        fixed(one.head_bytes / 1000, 0),
    ]
    return row(cells, "chosen" if one.chosen else "")


def _kept(words: str, *, kept: bool) -> Markup:
    return element("span", f"{'✓' if kept else '✗'} {words}", class_="kept" if kept else "broken")


def _or_least(value: float) -> float:
    return value if isfinite(value) else float("-inf")
