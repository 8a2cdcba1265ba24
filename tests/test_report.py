import base64
import io
from dataclasses import replace
from html.parser import HTMLParser
from math import inf, nan
from typing import Any

import numpy as np
import PIL.Image
import pytest
from lessons import CHOSEN, OTHER, record, shown

from edge.teach.limits import learn
from edge.teach.record import Agreement, Record, Shown
from edge.teach.report import Section, html, page
from edge.teach.report.gallery import MOST_BYTES, encoded
from edge.teach.report.markup import Markup, element, fill
from edge.teach.report.plot import LogAxis, ticks
from edge.teach.report.promise import bound
from edge.teach.report.scores import fates, said
from edge.teach.report.wording import one_in, percent_text, significant

VOID = {"meta", "img", "br"}
LARGEST = 600_000


class Page(HTMLParser):
    """What a browser would find: text, figures, pictures, circles; complains of tags that do not close."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.figures: list[float] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "data":
            self.figures.append(float(dict(attrs)["value"] or ""))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).replace("\N{NO-BREAK SPACE}", " ").split())

    def values(self, tag: str, name: str) -> list[str]:
        return [value for one, attribute, value in self.attributes if (one, attribute) == (tag, name)]


@pytest.fixture(scope="module")
def lesson() -> Record:
    return record()


@pytest.fixture(scope="module")
def report(lesson: Record) -> Page:
    return Page(html(lesson))


def test_a_report_needs_nothing_but_itself(lesson: Record, report: Page) -> None:
    content = html(lesson)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(report.tags)
    for _, name, value in report.attributes:
        assert name not in {"href", "xlink:href", "srcset", "action", "background", "poster"}
        assert not name.startswith("on")
        assert name != "src" or value.startswith("data:image/jpeg;base64,")
    assert "url(" not in content
    assert "@import" not in content
    assert "http" not in content.replace("http-equiv", "")


def test_a_browser_is_told_to_load_and_run_nothing(report: Page) -> None:
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in report.values("meta", "content")


def test_every_figure_of_the_record_is_in_the_report(lesson: Record, report: Page) -> None:
    limit, agreement = lesson.limit, lesson.agreement
    assert agreement is not None
    expected = [
        *(lesson.version, lesson.pictures, lesson.taught_s, lesson.model_ms, lesson.backbone_ms),
        *(lesson.head_mb, lesson.bundle_mb, lesson.peak_mb),
        *(limit.limit_distance, limit.pass_below, limit.false_reject, limit.confidence, limit.expected),
        *(limit.doubtful, limit.proven, limit.over, limit.between, limit.parts_needed - limit.parts),
        *(agreement.auroc_float, agreement.auroc_int8, agreement.correlation),
        *(one.score for one in (*lesson.worst_good, *lesson.damaged_shown)),
    ]
    for one in lesson.candidates:
        expected += [one.auroc, one.separation, one.model_ms, one.head_bytes / 1000]
    missing = [
        figure for figure in expected if not np.isclose(report.figures, figure, rtol=1e-9, atol=0).any()
    ]
    assert missing == []


def test_the_headline_says_what_was_taught_and_what_that_promises() -> None:
    assert (
        "Taught washer v3 on 40 good parts: it fails at most 1 % of good parts by mistake (90 % confidence)"
        " and stops 19 of 20 made-up defects."
    ) in Page(html(record(parts=40))).text


def test_few_parts_promise_nothing() -> None:
    limit = learn(np.array([5.0, 5.5, 6.0, 5.2, 5.1]))
    assert not limit.promised
    found = Page(html(record(parts=5, limit=limit)))
    assert "not enough to promise" in found.text
    assert "it fails at most" not in found.text
    assert "--add DIR" in found.text


def test_every_part_is_a_dot_that_tells_its_name_and_score(lesson: Record, report: Page) -> None:
    file, score = lesson.good[4]
    assert f"{file}: {score:.3f}" in report.text
    parts = len(lesson.good) + len(lesson.damaged) + len(lesson.bad)
    assert sum(float(radius) == 4 for radius in report.values("circle", "r")) == parts


def test_dots_lie_where_their_scores_are(report: Page) -> None:
    places = [float(place.rstrip("%")) for place in report.values("circle", "cx")]
    limit = float(report.values("rect", "x")[1].rstrip("%"))
    dots = [
        place for place, radius in zip(places, report.values("circle", "r"), strict=True) if radius == "4"
    ]
    assert sum(place >= limit for place in dots) == 18 + 2  # made-up defects and known-bad parts that fail


def test_scores_beyond_the_axis_are_drawn_at_its_end_and_counted() -> None:
    found = Page(html(record(damaged=(0.001, 40.0, 99.0))))
    assert "2 scores over 32 drawn at the right end." in found.text
    assert "1 score under 0.0625 drawn at the left end." in found.text
    assert "drawn at the" not in Page(html(record())).text


def test_many_parts_are_columns_that_count_them() -> None:
    scores = tuple((f"{place}.png", 0.5 + place / 1000) for place in range(300))
    found = Page(html(record(good=scores, damaged=(), bad=())))
    tips = [words for words in found.words if " to " in words and words.endswith(("part", "parts"))]
    assert sum(int(words.split(": ")[1].split()[0]) for words in tips) == 300


def test_the_candidates_are_ranked_and_the_chosen_one_is_marked(report: Page) -> None:
    text = report.text
    assert "224×224, stride 16 ✓ chosen memory bank" in text.replace("chosenmemory", "chosen memory")
    assert "320×256, stride 8 and 16, contrast stretched, aligned" in text
    assert text.index("224×224") < text.index("320×256")
    assert text.count("✓ chosen") == 1
    assert CHOSEN.auroc > OTHER.auroc


def test_the_auroc_is_named_after_the_parts_that_it_is_of() -> None:
    with_bad, without = Page(html(record(bad=(2.0,)))).text, Page(html(record(bad=()))).text
    assert "AUROC, known-bad parts" in with_bad
    assert "how often a known-bad part scores higher" in with_bad
    assert "AUROC, made-up defects" in without
    assert "how often a made-up defect scores higher" in without


def test_the_plot_tells_how_well_it_separates_each_kind() -> None:
    good = (("a.png", 0.2), ("b.png", 0.4))
    found = Page(html(record(good=good, damaged=(0.3, 0.5), bad=(nan, 0.5))))
    assert "AUROC against the good parts: 0.750 for made-up defects, 1.000 for known-bad parts." in found.text


def test_int8_that_disagrees_is_told_and_what_to_do() -> None:
    found = Page(html(record(agreement=Agreement(0.99, 0.95, 0.9))))
    assert "so it is not activated by itself" in found.text
    assert "edge teach washer --activate 3" in found.text
    assert "✗ ±0.005 allowed" in found.text
    assert "✗ 0.99 or more" in found.text
    assert "not activated" not in Page(html(record())).text


def test_outliers_and_skipped_pictures_are_named(report: Page) -> None:
    assert "b.png is unlike the other good parts" in report.text
    assert "--drop FILE" in report.text
    assert "c.png: cannot be decoded" in report.text


def test_bad_parts_that_pass_are_told() -> None:
    assert "1 of 2 known-bad parts would pass" in Page(html(record(bad=(0.01, 3.0)))).text


def test_made_up_defects_that_pass_are_told_where_they_are_many() -> None:
    assert "would pass" not in Page(html(record())).text
    assert "2 of 3 made-up defects would pass" in Page(html(record(damaged=(0.01, 0.01, 2.0)))).text


def test_text_cannot_become_markup() -> None:
    evil = "<script>alert('&\"{0}')</script>"
    found = record(
        name=evil,
        skipped=(evil,),
        outliers=(evil,),
        good=((evil, 0.5), (evil, 0.6)),
        candidates=(replace(CHOSEN, method=evil, contrast=evil),),
        worst_good=(shown(evil, 0.5),),
    )
    content = html(found)
    assert "<script" not in content
    assert Page(content).text.count(evil) >= 6
    assert any(evil in value for value in Page(content).values("img", "alt"))


def test_a_file_name_that_is_no_text_is_shown_as_such() -> None:
    content = html(record(outliers=("scan\udcff\x00.png",)))
    assert "scan\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}.png" in content
    content.encode()


def test_a_lesson_without_anything_to_show_still_reports() -> None:
    empty = record(
        skipped=(), outliers=(), candidates=(), good=(), damaged=(), bad=(), worst_good=(), damaged_shown=(),
        agreement=None,
    )  # fmt: skip
    found = Page(html(empty))
    assert "There are no scores." in found.text
    assert "Not compared: the float model is not installed" in found.text
    assert "made-up defects" not in found.text
    assert "img" not in found.tags


def test_a_lesson_that_was_not_tried_on_defects_shows_no_figure_for_them() -> None:
    plain = Page(html(record(damaged=(), bad=(), damaged_shown=(), candidates=(replace(CHOSEN, auroc=nan),))))
    assert "AUROC, made-up defects" not in plain.text
    assert "AUROC, known-bad parts" in Page(html(record())).text


def test_what_is_no_number_is_unknown_and_drawn_nowhere() -> None:
    odd = record(
        good=(("a.png", nan), ("b.png", 0.5)), damaged=(nan, inf), bad=(nan,), taught_s=nan, peak_mb=nan,
        agreement=Agreement(nan, 0.9, nan), candidates=(replace(CHOSEN, auroc=nan),),
        worst_good=(replace(shown("a", nan), anomaly_map=np.full((5, 7), np.nan, np.float32)),),
        limit=replace(record().limit, proven=nan, expected=nan),
    )  # fmt: skip
    content = html(odd)
    found = Page(content)
    assert "unknown" in found.text
    assert "4 pictures without a score" in found.text
    coordinates = [value for _, name, value in found.attributes if name in {"x", "y", "cx", "cy", "points"}]
    assert not any("nan" in value or "inf" in value for value in coordinates)


def picture(url: str) -> np.ndarray[Any, Any]:
    content = base64.b64decode(url.split(",", 1)[1])
    return np.asarray(PIL.Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def test_a_heat_map_is_warm_where_the_cells_are_over_the_limit() -> None:
    found = Page(html(record(worst_good=(shown("warm", 1.0),), damaged_shown=())))
    plain, hot = (picture(url) for url in found.values("img", "src")[-2:])
    assert plain.shape == hot.shape
    changed = np.abs(hot - plain).max(axis=2) > 30
    rows, columns = changed.shape
    assert changed[: rows // 8, : columns // 10].mean() > 0.9
    assert not changed[rows // 2 :].any()
    red, _, blue = hot[rows // 16, columns // 20]
    assert red > blue


def test_the_outline_of_a_defect_is_around_it() -> None:
    found = Page(html(record(worst_good=(), damaged_shown=(shown("scratch", 0.1, damaged=True),))))
    plain = picture(found.values("img", "src")[-2])
    scale = plain.shape[1] / 120
    blue = plain[..., 2] - plain[..., 0] > 60
    y, x = np.nonzero(blue)
    assert len(y)
    assert y.max() < (9 + 5) * scale
    assert x.max() < (20 + 5) * scale
    assert not blue[round(5 * scale) : round(8 * scale), round(5 * scale) : round(18 * scale)].any()


def test_known_bad_parts_are_shown_as_they_are() -> None:
    found = Page(html(record(bad_shown=(shown("crack.png", 2.2), shown("faint.png", 0.4)))))
    titles = found.text
    assert titles.index("Good parts with the highest") < titles.index("crack.png") < titles.index("faint.png")
    assert titles.index("faint.png") < titles.index("Drawn into good parts")
    (plain,) = [
        picture(source)
        for source, name in zip(found.values("img", "src"), found.values("img", "alt"), strict=True)
        if name == "crack.png, as it is"
    ]
    assert (plain.max(axis=2) - plain.min(axis=2)).max() < 10  # grey as it came: no outline
    assert "crack.png" not in Page(html(record())).text


def test_pictures_shrink_until_the_report_is_small_enough() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (480, 480, 3)).astype(np.uint8)
    exhibits = tuple(Shown(f"{place}", noise, np.full((14, 14), 0.5, np.float32), 0.5) for place in range(12))
    content = html(record(worst_good=exhibits))
    assert len(content.encode()) < LARGEST
    assert sum(len(one) + len(other) for one, other in encoded(exhibits)) <= MOST_BYTES


@pytest.mark.parametrize("size", [(8, 480), (480, 8), (1, 1), (40, 40)])
def test_a_picture_of_any_shape_is_shown(size: tuple[int, int]) -> None:
    odd = Shown(
        "odd", np.zeros((*size, 3), np.uint8), np.ones((3, 3), np.float32), 1.0, np.ones(size, np.bool_)
    )
    assert len(Page(html(record(damaged_shown=(odd,)))).values("img", "src")) == 6


def test_other_lessons_may_use_the_page() -> None:
    content = page(
        "screws", "Taught <3 classes>.", [Section("Confusion", element("p", "a & b"), "How to read it")]
    )
    found = Page(content)
    assert "screws Taught <3 classes>. Confusion How to read it a & b" in " ".join(found.words)


def test_markup_in_a_sentence_stays_and_text_is_escaped() -> None:
    assert fill("{} of {}", element("b", "1"), "<2>{}") == "<b>1</b> of &lt;2&gt;{}"
    assert isinstance(fill("a"), Markup)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0, "0 %"), (0.01, "1 %"), (0.0061, "0.61 %"), (0.00021, "0.021 %"), (0.109, "11 %"), (0.05, "5 %"),
        (0.9, "90 %"), (0.996, "99.6 %"), (0.9999, "99.9 %"), (1, "100 %"), (nan, "unknown"),
    ],
)  # fmt: skip
def test_a_share_has_two_digits(share: float, words: str) -> None:
    assert percent_text(share).replace("\N{NO-BREAK SPACE}", " ") == words


def test_large_and_small_figures_read_well() -> None:
    assert [significant(value, 3) for value in (0, 0.4591, 4.867, 388.4, 12345.6)] == [
        "0", "0.459", "4.87", "388", "12346",
    ]  # fmt: skip
    assert [one_in(share) for share in (0.0061, 0.5, 0, 1, nan)] == ["1 in 160", "1 in 2", "", "", ""]


def test_the_fate_of_a_part_is_that_of_the_judge() -> None:
    found = fates([0.1, 0.7, 0.999, 1.0, 5.0, nan], 0.7)
    assert said(found) == "1 passes, 2 inconclusive, 2 fail, 1 without a score"


def test_the_bound_by_count_is_that_of_no_failures() -> None:
    assert (1 - bound(230, 0.9)) ** 230 == pytest.approx(0.1)


def test_ticks_are_round_and_few() -> None:
    for low, high in [(0.9, 1.5), (0.01, 90), (0.5, 2), (1 / 64, 64), (5, 300_000), (0.7, 1.41)]:
        found = ticks(LogAxis(low, high))
        assert 2 <= len(found) <= 9
        assert low <= found[0]
        assert found[-1] <= high
