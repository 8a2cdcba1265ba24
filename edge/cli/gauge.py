"""`edge gauge`: how far a bundle's measurements repeat, by a study of parts that are measured again and again."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.gauge.repeatability import Study, Trial

COLUMNS = ("operator", "part", "value")


def gauge(
    study: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY",
            help="A folder OPERATOR/PART/PICTURE, a picture for each trial; or a CSV: operator, part, value.",
        ),
    ],
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="What measures the pictures: a bundle, or a file of tools."),
    ] = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=WIDTH", help="A value's tolerance, upper less lower limit; may be repeated."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A page with plots, too (.html).")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Study how well measurements repeat: gauge R&R by analysis of variance (AIAG MSA).

    Each operator (or fixture, camera, shift) measures each part several times. Ten parts, three operators and
    three trials are usual.
    """
    from edge.gauge.repeatability import study as analyse

    widths = _widths(tolerance or [])
    found = _from_csv(study) if study.is_file() else _from_pictures(study, bundle)
    unknown = sorted(widths.keys() - found.keys())
    if unknown:
        raise ConfigError(
            f"--tolerance: nothing is called '{unknown[0]}'; there is {', '.join(sorted(found))}"
        )
    studies = {name: _named(name, analyse, trials) for name, (_, trials) in found.items()}
    if as_json:
        typer.echo(json.dumps({name: facts(each, widths.get(name)) for name, each in studies.items()}))
    else:
        for name, each in studies.items():
            typer.echo("\n".join(lines(name, found[name][0], each, widths.get(name))))
    if report is not None:
        from edge.cli.gauge_page import page

        trials = {name: each for name, (_, each) in found.items()}
        units = {name: unit for name, (unit, _) in found.items()}
        _write(report, page(studies, trials, units, widths))


def _named(name: str, analyse: Any, trials: "list[Trial]") -> "Study":
    try:
        found: Study = analyse(trials)
    except ConfigError as err:
        raise ConfigError(f"{name}: {err}") from err
    return found


def _widths(words: Iterable[str]) -> dict[str, float]:
    widths = {}
    for word in words:
        name, _, text = word.partition("=")
        try:
            widths[name] = float(text)
        except ValueError as err:
            raise ConfigError(f"--tolerance: '{word}' is not a name and a width, such as bore=0.2") from err
        if not widths[name] > 0:
            raise ConfigError(f"--tolerance: {word}: the width must be over 0")
    return widths


def _from_csv(path: Path) -> "dict[str, tuple[str, list[Trial]]]":
    """The trials of each value. Raises `ConfigError`."""
    from edge.gauge.repeatability import Trial
    from edge.table import read_text

    rows = csv.DictReader(read_text(path).splitlines())
    missing = [column for column in COLUMNS if column not in (rows.fieldnames or [])]
    if missing:
        raise ConfigError(
            f"{path}: has no column '{missing[0]}'; it needs {', '.join(COLUMNS)}, and may have name"
        )
    found: dict[str, tuple[str, list[Trial]]] = {}
    for row in rows:
        try:
            value = float(row["value"])
        except (TypeError, ValueError) as err:
            raise ConfigError(
                f"{path}: line {rows.line_num}: value: '{row['value']}' is not a number"
            ) from err
        _, trials = found.setdefault(row.get("name") or "value", (row.get("unit") or "", []))
        trials.append(Trial(row["operator"], row["part"], value))
    if not found:
        raise ConfigError(f"{path}: has no rows")
    return found


def _from_pictures(folder: Path, bundle: Path | None) -> "dict[str, tuple[str, list[Trial]]]":
    """Measures every picture. One that cannot be measured ends the study: a hole in it would flatter."""
    from edge.cli.bundles import inspections, pictures_in
    from edge.cli.instruments import opened
    from edge.cli.progress import bar
    from edge.gauge.repeatability import Trial
    from edge.prediction import Measurements

    if bundle is None:
        raise ConfigError("--bundle: is missing; name what measures the pictures")
    check, _ = opened("measurement", bundle)
    paths = pictures_in(folder)
    odd = [
        path for path in paths if len(path.relative_to(folder).parts) != len(("operator", "part", "picture"))
    ]
    if odd:
        raise ConfigError(f"{odd[0]}: does not lie in {folder}/OPERATOR/PART; sort the pictures so")
    found: dict[str, tuple[str, list[Trial]]] = {}
    with bar() as progress:
        for number, (path, part) in enumerate(inspections(check, paths), 1):
            prediction = part.findings[0].prediction if part.findings else None
            if not isinstance(prediction, Measurements):
                raise ConfigError(f"{path}: {'; '.join(part.decision.reasons)}")
            operator, name = path.relative_to(folder).parts[:2]
            for one in prediction.found:
                if one.value is None:
                    raise ConfigError(f"{path}: {one.name}: {one.reason}; take the picture again")
                found.setdefault(one.name, (one.unit, []))[1].append(Trial(operator, name, one.value))
            progress("measuring", number, len(paths))
    return found


def facts(found: "Study", width: float | None) -> dict[str, Any]:
    """The figures of a study, for programs: standard deviations in the value's unit, shares 0…1."""
    return {
        "operators": found.operators,
        "parts": found.parts,
        "trials": found.trials,
        "repeatability": found.repeatability,
        "reproducibility": found.reproducibility,
        "operator": found.operator,
        "interaction": found.interaction,
        "interaction_chance": found.chance,
        "interaction_pooled": found.pooled,
        "gauge": found.gauge,
        "part": found.part,
        "total": found.total,
        "share_of_variation": found.share,
        "share_of_tolerance": None if width is None else found.of_tolerance(width),
        "distinct_categories": found.categories,
        "verdict": verdict(found, width),
    }


def verdict(found: "Study", width: float | None) -> str:
    """What AIAG says of such a measuring system: good, conditional or unfit."""
    from edge.gauge.repeatability import FAIR_SHARE, FEWEST_CATEGORIES, GOOD_SHARE

    share = found.share if width is None else found.of_tolerance(width)
    if share > FAIR_SHARE:
        return "unfit"
    # Parts that are all alike cannot be told apart by any gauge: with a tolerance, that is what counts.
    few = width is None and found.categories < FEWEST_CATEGORIES
    return "conditional" if share > GOOD_SHARE or few else "good"


def lines(name: str, unit: str, found: "Study", width: float | None) -> list[str]:
    """The table of a study, for people."""
    head = f"{name}: {found.operators} operators × {found.parts} parts × {found.trials} trials"
    told = [
        head,
        f"{'':<20}{'s.d. ' + unit:>14}{'6 s.d.':>12}{'% of variation':>16}"
        + ("% of tolerance" if width else "").rjust(16),
    ]
    for label, sigma in (
        ("repeatability", found.repeatability),
        ("reproducibility", found.reproducibility),
        ("  operator", found.operator),
        ("  operator × part", found.interaction),
        ("gauge R&R", found.gauge),
        ("parts", found.part),
        ("total", found.total),
    ):
        share = sigma / found.total if found.total else 0.0
        against = f"{6 * sigma / width:>16.1%}" if width else ""
        told.append(f"{label:<20}{sigma:>14.6f}{6 * sigma:>12.6f}{share:>16.1%}{against}")
    if found.operators == 1:
        told.append("  one operator: reproducibility is not known")
    elif found.chance is not None:
        counted = "counted as repeatability" if found.pooled else "counted on its own"
        told.append(f"  operator × part: as large by chance in {found.chance:.1%} of studies; {counted}")
    told += [
        f"  distinct categories (ndc) {found.categories}; the gauge is {verdict(found, width)}",
        f"  in the tool, for parts that are put in anew: repeatability = {found.gauge:.3g}",
    ]
    return told


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as err:
        raise ConfigError(f"{path}: cannot be written: {err.strerror or err}") from err
