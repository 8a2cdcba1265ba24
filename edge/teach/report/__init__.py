"""The report of a lesson: one HTML file that says what was learned, what it promises, and what it cannot do."""

from math import isfinite

import numpy as np

from edge.judge.metrics import auroc
from edge.teach.record import Record
from edge.teach.report.attention import attention, summary, unused
from edge.teach.report.comparison import agreement_table, candidates_table, cost, tiles
from edge.teach.report.gallery import encoded, gallery, legend
from edge.teach.report.markup import Markup, element, fill, join
from edge.teach.report.page import Section, page
from edge.teach.report.promise import more_parts, promise
from edge.teach.report.scores import beyond, lanes, score_plot
from edge.teach.report.wording import count, fixed, one_in, percent, percent_text, rounded

__all__ = ["Section", "html", "page"]


def html(record: Record) -> str:
    """The report as a self-contained page: 600 kB at most, most of it pictures."""
    sections = [
        _overview(record),
        _scores(record),
        Section("How many good parts it will fail", promise(record.limit)),
        *_pictures(record),
        *_comparison(record),
        _float(record),
        Section("Time and room", cost(record, join([count(record.pictures), " pictures used"]))),
        *_unused(record),
    ]
    note = f"edge-inspect, {record.created:%Y-%m-%d %H:%M %Z}".strip()
    return page(f"{record.name} v{record.version}", summary(record), sections, note=note)


def _overview(record: Record) -> Section:
    limit, chosen = record.limit, record.chosen
    more = more_parts(limit)
    figures: list[tuple[str, str, str]] = [
        ("false rejects expected", percent(limit.expected), one_in(limit.expected)),
        ("false rejects proven", join(["≤ ", percent(limit.proven)]),
         f"{more:,} more parts prove {percent_text(limit.false_reject)}" if more else "as promised"),
        ("one picture", rounded(record.model_ms, "ms"), "one thread"),
        ("bundle", rounded(record.bundle_mb, "MB"), ""),
    ]  # fmt: skip
    if chosen is not None and (record.bad or record.damaged):
        figures.insert(
            2, (f"AUROC, {_told_from(record)}s", fixed(chosen.auroc, 3), "1: all told from good parts")
        )
    warnings = attention(record)
    notes = (
        element("ul", *(element("li", warning) for warning in warnings), class_="warnings")
        if warnings
        else ""
    )
    return Section("", join([notes, tiles(figures)]))


def _scores(record: Record) -> Section:
    lead = (
        "A score says how unlike the good parts a picture is. The scores here are of parts that were held"
        " out: whatever scored them had not seen them."
    )
    if not lanes(record):
        return Section("What it decides", element("p", "There are no scores."), lead)
    limit = record.limit
    words = fill(
        "Under {} a part passes; at 1 (distance {}) and over it, it fails. Between the two it is"
        " inconclusive: a person should look.",
        fixed(limit.pass_below, 3),
        fixed(limit.limit_distance, 2),
    )
    figure = element(
        "figure", score_plot(record), element("figcaption", words, beyond(record), _separated(record))
    )
    return Section("What it decides", figure, lead)


def _told_from(record: Record) -> str:
    """What good parts were compared with: known-bad parts where there are some."""
    return "known-bad part" if record.bad else "made-up defect"


def _separated(record: Record) -> Markup:
    """How well the scores above tell each kind from the good parts."""
    good = np.array([score for _, score in record.good if isfinite(score)])
    found = []
    for words, scores in (("made-up defects", record.damaged), ("known-bad parts", record.bad)):
        known = np.array([score for score in scores if isfinite(score)])
        if len(good) and len(known):
            found.append(fill("{} for {}", fixed(auroc(good, known), 3), words))
    return fill(" AUROC against the good parts: {}.", join(found, ", ")) if found else Markup()


def _pictures(record: Record) -> list[Section]:
    ask = (
        "Is there a defect? Then it should not have been taught. Is it light, dirt or position? Then teach"
        " more parts that have it."
    )
    look = (
        "From plain to faint. The warm colours should be where the defect is; elsewhere, they say that the part"
        " differs in something else. A defect that stays cold may be too small: try --tiles or --roi."
    )
    compare = "Drawn into good parts, and outlined in blue. The warm colours should be where the outline is."
    kinds = [
        ("Good parts with the highest scores", record.worst_good, ask),
        ("Known-bad parts", record.bad_shown, look),
        ("Made-up defects", record.damaged_shown, compare),
    ]
    files = iter(encoded([shown for _, exhibits, _ in kinds for shown in exhibits]))
    pass_below = record.limit.pass_below
    return [
        Section(title, join([legend(), gallery(exhibits, [next(files) for _ in exhibits], pass_below)]), lead)
        for title, exhibits, lead in kinds
        if exhibits
    ]


def _comparison(record: Record) -> list[Section]:
    if not record.candidates:
        return []
    lead = (
        f"Each was taught and scored with the same held-out parts. AUROC: how often a {_told_from(record)}"
        " scores higher than a good part (1: always, 0.5: by chance). Separation: how far apart the two are, in"
        " standard deviations of the good parts."
    )
    return [Section("What was compared", candidates_table(record.candidates), lead)]


def _float(record: Record) -> Section:
    lead = (
        "The device computes with whole numbers of 8 bits (int8): that is fast, and must not cost accuracy."
    )
    if record.agreement is None:
        body = element("p", "Not compared: the float model is not installed, or there are too few pictures.")
    else:
        body = agreement_table(record.agreement)
    return Section("Float against int8", body, lead)


def _unused(record: Record) -> list[Section]:
    if not record.skipped and not record.outliers:
        return []
    return [Section("Pictures to look at", unused(record))]
