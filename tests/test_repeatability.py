"""Gauge R&R: a published example, known components of variance, and rendered parts measured again and again."""

import json
import sys
from collections.abc import Iterator
from math import nan
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
from rendered_parts import Look, bar, render

from edge.cli.main import app
from edge.errors import ConfigError
from edge.gauge.repeatability import Study, Trial, chance_of, study

# Three appraisers, three trials each, ten parts: AIAG, Measurement Systems Analysis, 4th edition, table III-B 15.
PUBLISHED = """
A  0.29 -0.56 1.34 0.47 -0.80  0.02 0.59 -0.31 2.26 -1.36
A  0.41 -0.68 1.17 0.50 -0.92 -0.11 0.75 -0.20 1.99 -1.25
A  0.64 -0.58 1.27 0.64 -0.84 -0.21 0.66 -0.17 2.01 -1.31
B  0.08 -0.47 1.19 0.01 -0.56 -0.20 0.47 -0.63 1.80 -1.68
B  0.25 -1.22 0.94 1.03 -1.20  0.22 0.55  0.08 2.12 -1.62
B  0.07 -0.68 1.34 0.20 -1.28  0.06 0.83 -0.34 2.19 -1.50
C  0.04 -1.38 0.88 0.14 -1.46 -0.29 0.02 -0.46 1.77 -1.49
C -0.11 -1.13 1.09 0.20 -1.07 -0.67 0.01 -0.56 1.45 -1.77
C -0.15 -0.96 0.67 0.11 -1.45 -0.49 0.21 -0.49 1.87 -2.16
"""


def published() -> Iterator[Trial]:
    for line in PUBLISHED.split("\n")[1:-1]:
        operator, *values = line.split()
        yield from (Trial(operator, f"{part}", float(value)) for part, value in enumerate(values))


def made(
    rng: np.random.Generator, repeat: float, operator: float, both: float, part: float
) -> Iterator[Trial]:
    """Twenty parts, six operators, four trials."""
    of_part, of_operator = rng.normal(0, part, 20), rng.normal(0, operator, 6)
    together = rng.normal(0, both, (6, 20))
    for o in range(6):
        for p in range(20):
            for _ in range(4):
                value = 10 + of_part[p] + of_operator[o] + together[o, p] + rng.normal(0, repeat)
                yield Trial(f"o{o}", f"p{p}", value)


def components(found: Study) -> list[float]:
    return [found.repeatability, found.operator, found.interaction, found.part]


def test_the_published_example_comes_out_as_published() -> None:
    found = study(published())
    assert found.pooled
    assert found.repeatability == pytest.approx(0.1999, abs=2e-4)
    assert found.reproducibility == pytest.approx(0.2268, abs=2e-4)
    assert found.gauge == pytest.approx(0.3024, abs=2e-4)
    assert found.part == pytest.approx(1.0423, abs=2e-4)
    assert found.share == pytest.approx(0.279, abs=1e-3)
    assert found.categories == 4


@pytest.mark.parametrize("truth", [(0.1, 0.05, 0.05, 1.0), (0.2, 0.3, 0.0, 0.5), (0.05, 0.0, 0.1, 0.3)])
def test_known_components_are_found_on_average(truth: tuple[float, float, float, float]) -> None:
    rng = np.random.default_rng(3)
    squares = np.mean([np.square(components(study(made(rng, *truth)))) for _ in range(60)], axis=0)
    # 60 studies of six operators: the mean square of theirs has a standard deviation of 8 %.
    assert np.sqrt(squares) == pytest.approx(np.array(truth), rel=0.2, abs=0.025)


def test_the_tail_of_f_is_that_of_the_tables() -> None:
    for ratio, free, error in (
        (4.103, 2, 10),
        (161.448, 1, 1),
        (2.711, 5, 20),
        (4.351, 1, 20),
    ):  # their 5 % points
        assert chance_of(ratio, free, error) == pytest.approx(0.05, abs=1e-4)
    assert chance_of(0.0, 3, 9) == 1


def test_one_operator_has_repeatability_alone() -> None:
    found = study(Trial("it", f"{part}", part + trial / 100) for part in range(5) for trial in range(3))
    assert (found.operator, found.interaction, found.chance) == (0, 0, None)
    assert found.repeatability == pytest.approx(0.01)


def test_a_gauge_without_any_scatter_is_no_division_by_zero() -> None:
    found = study(Trial(o, p, float(p)) for o in "ab" for p in "123" for _ in range(2))
    assert found.gauge == 0
    assert found.categories == 999


@pytest.mark.parametrize(
    ("trials", "why"),
    [
        ([Trial("a", "1", 1.0), Trial("a", "1", 1.1)], "two parts or more"),
        ([Trial("a", "1", 1.0), Trial("a", "2", 1.1)], "two trials of each part"),
        ([Trial("a", p, 1.0) for p in "112"], "part 2: 1 trials, and others have 2"),
        ([Trial("a", "1", 1.0), Trial("b", "2", 1.0)], "operator a, part 2: 0 trials"),
        ([Trial("a", p, nan) for p in "1122"], "nan is not a number"),
        ([], "two parts or more"),
    ],
)
def test_an_incomplete_study_is_refused(trials: list[Trial], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        study(trials)


TOOLS = '[[tools]]\ntype = "caliper"\nname = "width"\nstart = [10, 60]\nend = [110, 60]\n'
PART_PX, FIXTURE_PX = 2.0, 0.5


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six parts in three fixtures that press them by a known amount, three pictures each."""
    folder, rng = tmp_path_factory.mktemp("study"), np.random.default_rng(11)
    widths = 60 + np.linspace(-1.5, 1.5, 6) * PART_PX
    for fixture, pressed in (("one", -FIXTURE_PX), ("two", 0.0), ("three", FIXTURE_PX)):
        for part, width in enumerate(widths):
            (folder / fixture / f"{part}").mkdir(parents=True)
            for trial in range(3):
                x, turn = 60 + rng.uniform(-1, 1), rng.uniform(-2, 2)
                look = Look(noise=3, seed=int(rng.integers(1 << 30)))
                picture = render(bar((x, 60), width + pressed, 300, turn), 120, 120, look)
                PIL.Image.fromarray(picture).save(folder / fixture / f"{part}" / f"{trial}.png")
    (folder.parent / "tools.toml").write_text(TOOLS)
    return folder


def gauge(*words: str) -> tuple[int, str]:
    told = CliRunner().invoke(app, ["gauge", *words])
    return (
        (78, str(told.exception))
        if isinstance(told.exception, ConfigError)
        else (told.exit_code, told.stdout)
    )


def test_pictures_of_parts_in_fixtures_give_the_variance_that_was_rendered(pictures: Path) -> None:
    code, told = gauge(str(pictures), "--bundle", str(pictures.parent / "tools.toml"), "--json")
    assert code == 0, told
    found = json.loads(told)["width"]
    assert found["repeatability"] < 0.03  # pixels; the noise, and where and how the part lies
    assert found["operator"] == pytest.approx(FIXTURE_PX, rel=0.05)
    assert found["part"] == pytest.approx(np.std(np.linspace(-1.5, 1.5, 6) * PART_PX, ddof=1), rel=0.05)
    assert found["interaction_pooled"] or found["interaction"] < 0.02


def test_the_table_and_the_page_say_what_the_gauge_is_worth(pictures: Path, tmp_path: Path) -> None:
    page = tmp_path / "gauge.html"
    words = [
        "--bundle",
        str(pictures.parent / "tools.toml"),
        "--tolerance",
        "width=40",
        "--report",
        str(page),
    ]
    code, told = gauge(str(pictures), *words)
    assert code == 0, told
    assert "gauge R&R" in told
    assert "the gauge is good" in told
    assert page.read_text().count("<circle") == 54


def test_a_table_of_values_needs_no_pictures(tmp_path: Path) -> None:
    rows = [f"bore,mm,{trial.operator},{trial.part},{trial.value}" for trial in published()]
    (tmp_path / "study.csv").write_text("\n".join(["name,unit,operator,part,value", *rows]))
    code, told = gauge(str(tmp_path / "study.csv"))
    assert code == 0, told
    assert "bore: 3 operators × 10 parts × 3 trials" in told
    assert "27.9%" in told
    assert "(ndc) 4; the gauge is conditional" in told


@pytest.mark.parametrize(
    ("text", "words", "why"),
    [
        ("operator,part\na,1\n", [], "has no column 'value'"),
        ("operator,part,value\na,1,x\n", [], "line 2: value: 'x' is not a number"),
        ("operator,part,value\n", [], "has no rows"),
        ("operator,part,value\na,1,2\n", ["--tolerance", "bore=1"], "nothing is called 'bore'"),
        ("operator,part,value\na,1,2\n", ["--tolerance", "value=0"], "the width must be over 0"),
        ("operator,part,value\na,1,2\n", ["--tolerance", "value"], "is not a name and a width"),
    ],
)
def test_a_study_that_cannot_be_read_says_what_is_wrong(
    text: str, words: list[str], why: str, tmp_path: Path
) -> None:
    (tmp_path / "study.csv").write_text(text)
    code, told = gauge(str(tmp_path / "study.csv"), *words)
    assert code == 78
    assert why in told


def test_a_picture_that_cannot_be_measured_ends_the_study(pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "one" / "1"
    folder.mkdir(parents=True)
    PIL.Image.new("RGB", (120, 120)).save(folder / "black.png")
    code, told = gauge(str(tmp_path), "--bundle", str(pictures.parent / "tools.toml"))
    assert code == 78
    assert "black.png" in told


def test_pictures_that_lie_elsewhere_are_refused(pictures: Path) -> None:
    code, told = gauge(str(pictures / "one"), "--bundle", str(pictures.parent / "tools.toml"))
    assert code == 78
    assert "does not lie in" in told
