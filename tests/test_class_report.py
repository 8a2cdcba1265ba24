"""The report of a lesson about classes: what it says, and that it is in the bundle."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from math import nan
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from test_report import LARGEST, Page

from edge.model.bundle import load
from edge.teach.classes.lesson import TaughtClasses, teach_classes
from edge.teach.classes.record import (
    ClassRecord,
    Confusion,
    ShownConfusion,
    confusions,
    measure_sureness,
    to_json,
)
from edge.teach.classes.trust import Trust, measure_trust
from edge.teach.report.classes import attention, class_html
from edge.teach.report.confusion import likely

LABELS = ("dent", "good", "scratch", "unknown")
CLASSES = np.array([0] * 10 + [1] * 10 + [2] * 10)


def answers(*places: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Probabilities of these answers: the later the picture, the surer."""
    sure = np.linspace(0.55, 0.97, len(places))
    found = np.repeat(((1 - sure) / 3)[:, None], 4, axis=1)
    found[np.arange(len(places)), places] = sure
    return found.astype(np.float32)


HELD = answers(*[0] * 10, *[1] * 9, 3, *[2] * 5, *[0] * 4, 3)
FILES = [f"{place:02}.png" for place in range(30)]


def record() -> ClassRecord:
    """Of 30 pictures: dents are all right, one good part is unknown, half of the scratches are wrong."""
    found = tuple(confusion for _, confusion in confusions(LABELS, CLASSES, HELD, FILES))
    return ClassRecord(
        name="plate",
        version=3,
        created=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        pictures={"dent": 10, "good": 10, "scratch": 10},
        skipped=("good/7.png: is the same picture as good/6.png",),
        trust=measure_trust(LABELS[:-1], CLASSES, HELD),
        sureness=measure_sureness(CLASSES, HELD),
        confusions=found,
        shown=tuple(ShownConfusion(one, np.full((60, 90, 3), 128, np.uint8)) for one in found[:4]),
        taught_s=12.3,
        model_ms=21.5,
        backbone_ms=20.7,
        head_mb=0.52,
        bundle_mb=2.59,
        peak_mb=140.0,
    )


def test_the_headline_says_how_many_are_named_right_and_how_many_are_unknown() -> None:
    text = Page(class_html(record())).text
    assert (
        "Taught plate v3 to tell 3 classes apart on 30 pictures: of pictures that were held out it names 80 %"
        " right, every class counting the same, and calls 6.7 % unknown." in text
    )


def test_the_table_has_every_answer_of_every_class_with_counts_and_a_range() -> None:
    text = spaced(class_html(record()))
    assert "is … called dent good scratch unknown right likely range" in text
    assert "scratch 4 · 5 1 5 of 10, 50 % 27 % to 73 %" in text


def test_a_class_that_is_often_called_another_is_named_with_it() -> None:
    text = Page(class_html(record())).text
    assert "5 of 10 of scratch are named right, 4 are called dent." in text


def spaced(content: str) -> str:
    """The text with a space between all cells."""
    return Page(content.replace("</th>", " </th>").replace("</td>", " </td>")).text


@pytest.mark.parametrize(("right", "of"), [(0, 10), (8, 10), (10, 10), (1, 1)])
def test_the_likely_range_holds_the_share_and_narrows_with_more_pictures(right: int, of: int) -> None:
    low, high = likely(right, of)
    assert 0 <= low <= right / of <= high <= 1
    more = likely(10 * right, 10 * of)
    assert more[1] - more[0] < high - low


def test_confused_pictures_are_shown_with_what_they_are_and_were_called() -> None:
    page = Page(class_html(record()))
    assert len(page.values("img", "src")) == 4
    assert "28.pngis scratch, 1.5 % for that" in page.text
    assert "called dent 96 %" in page.text
    assert "2 more in report.json." in page.text


def test_the_surest_mistake_comes_first() -> None:
    found = record().confusions
    assert [(one.file, one.answer) for one in found[:2]] == [("29.png", "unknown"), ("28.png", "dent")]
    assert [one.probability for one in found] == sorted((one.probability for one in found), reverse=True)


def test_pictures_of_earlier_lessons_are_counted_instead_of_shown() -> None:
    lost = tuple(Confusion(None, "good", "dent", 0.5, 0.4) for _ in range(3))
    text = Page(class_html(replace(record(), confusions=lost, shown=()))).text
    assert "3 more in report.json. 3 of them in earlier lessons, whose pictures are not kept." in text


def test_answers_are_counted_by_what_they_say_of_themselves() -> None:
    bins = measure_sureness(CLASSES, HELD)
    assert sum(one.answers for one in bins) == 28
    assert [(one.low, one.high) for one in bins] == [(0.5, 0.7), (0.7, 0.9), (0.9, 1.0)]
    assert all(one.low < one.stated <= one.high for one in bins)
    assert bins[0].right == 1
    assert bins[-1].right == 0


def test_what_is_unknown_is_said_and_how_to_measure_the_rest() -> None:
    text = Page(class_html(record())).text
    assert "it is inconclusive, and never passes" in text
    assert "edge eval bundles/plate --classes DIR" in text


def test_a_lesson_without_trouble_warns_of_nothing() -> None:
    fine = Trust(LABELS[:-1], np.diag([10, 10, 10, 0])[:3], stated=0.97, right=1.0)
    assert attention(replace(record(), trust=fine)) == []


def test_few_pictures_and_answers_that_are_too_sure_are_warned_of() -> None:
    sure = Trust(LABELS[:-1], np.diag([8, 10, 10, 0])[:3], stated=0.97, right=0.8)
    said = " ".join(attention(replace(record(), trust=sure, pictures={"dent": 8, "good": 10, "scratch": 10})))
    assert "Fewer than" in said
    assert "<strong>dent</strong>" in said
    assert "It is surer than it should be" in said


def test_a_lesson_that_calls_everything_unknown_still_has_a_page() -> None:
    nothing = Trust(LABELS[:-1], np.eye(4, dtype=np.intp)[[3, 3, 3]], nan, nan)
    text = Page(class_html(replace(record(), trust=nothing, sureness=(), confusions=(), shown=()))).text
    assert "Every picture was called unknown" in text
    assert json.loads(json.dumps(to_json(replace(record(), trust=nothing)), allow_nan=False))["right"] is None


def test_names_of_classes_and_files_cannot_break_the_page() -> None:
    bad = ("<script>alert(1)</script>", 'a"b', "c&d")
    trust = Trust(bad, np.diag([10, 10, 10, 0])[:3], 0.9, 0.9)
    mistake = Confusion("<img src=x>.png", bad[0], bad[1], 0.9, 0.1)
    shown = ShownConfusion(mistake, np.zeros((9, 9, 3), np.uint8))
    page = Page(class_html(replace(record(), trust=trust, confusions=(mistake,), shown=(shown,))))
    assert "script" not in page.tags
    assert "<img src=x>.png" in page.text


def test_many_noisy_pictures_still_make_a_small_page() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (480, 480, 3)).astype(np.uint8)
    shown = tuple(ShownConfusion(record().confusions[0], noise) for _ in range(8))
    assert len(class_html(replace(record(), shown=shown)).encode()) < LARGEST


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> TaughtClasses:
    """Five dark plates, and five that are hardly lighter: some are confused."""
    folder = tmp_path_factory.mktemp("plates")
    rng = np.random.default_rng(3)
    given: dict[str, list[Path]] = {"dark": [], "light": []}
    for label, level in (("dark", 100), ("light", 101)):
        for number in range(5):
            path = folder / f"{label}-{number}.png"
            pixels = np.clip(level + rng.normal(0, 20, (64, 64, 3)), 0, 255).astype(np.uint8)
            PIL.Image.fromarray(pixels).save(path)
            given[label].append(path)
    return teach_classes("plate", given, folder / "shelf", side_px=64)


def test_the_bundle_holds_its_report_and_the_same_as_json(taught: TaughtClasses) -> None:
    files = load(taught.bundle.folder).files
    assert Page(files["report.html"].decode()).text.startswith("plate v1")
    facts = json.loads(files["report.json"])
    assert facts["schema"] == "edge.class-lesson/1"
    assert facts["confusion"] == taught.to_json()["confusion"]
    assert facts["model_ms"] > facts["backbone_ms"] > 0


def test_the_summary_names_the_report(taught: TaughtClasses) -> None:
    assert taught.summary()[-1] == f"report {taught.report}"
    assert Path(taught.to_json()["report"]).is_file()


def test_confused_pictures_of_a_lesson_are_those_that_the_table_counts(taught: TaughtClasses) -> None:
    confusion = taught.record.trust.confusion
    assert len(taught.record.confusions) == confusion.sum() - np.trace(confusion) > 0
    one = taught.record.confusions[0]
    assert one.file is not None
    assert one.file.startswith(f"{one.label}-")
