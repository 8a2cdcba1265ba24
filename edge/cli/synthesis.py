"""`edge synthesize`: made-up defects on good parts, to train with, and to test what a bundle finds."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.bundles import pictures_in
from edge.cli.teaching import NAME, rectangle
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.teach.grafts import Donor
    from edge.teach.synthesis import Made, Order


def synthesize(
    good: Annotated[
        Path, typer.Argument(metavar="GOOD", help="Pictures of good parts, or a folder of them.")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write pictures, masks, boxes and a sheet here.")
    ] = None,
    recall: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="Test how many of them this bundle finds.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="So many pictures.")] = 100,
    kinds: Annotated[
        str | None,
        typer.Option(metavar="KIND,…", help="Some of the kinds, in turn; otherwise all that can be drawn."),
    ] = None,
    severity: Annotated[
        str, typer.Option(metavar="HOW", help="mild, medium or severe: size and strength; any: all of them.")
    ] = "any",
    donors: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Bad parts with NAME_mask.png: for 'graft', which moves real defects."
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="NAME", help="Call all defects so; otherwise each as its kind.")
    ] = None,
    roi: Annotated[
        str | None,
        typer.Option(metavar="X_MIN,Y_MIN,X_MAX,Y_MAX", help="Only inside this rectangle, in pixels."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another number, other defects.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make up defects on pictures of good parts, with masks and boxes; the same seed gives the same ones."""
    from edge.cli.synthetic_trial import Trial
    from edge.teach.defects import KINDS, SEVERITIES
    from edge.teach.synthesis import Order, check
    from edge.teach.synthetic_folder import SHEET, SyntheticFolder

    _check_places(good, out, recall)
    if severity not in SEVERITIES:
        raise ConfigError(f"--severity: there is no '{severity}'; use {', '.join(SEVERITIES)}")
    if label is not None and not NAME.fullmatch(label):
        raise ConfigError(f"--label: '{label}' cannot be the name of a folder; use letters, digits, - and _")
    trial = None if recall is None else Trial(recall)
    area = rectangle(roi) if roi is not None else None if trial is None else trial.area
    chosen = tuple(kinds.split(",")) if kinds is not None else KINDS
    given = _donors(donors) if donors is not None else ()
    order = Order(count, chosen, SEVERITIES[severity], seed, area, given)
    check(order)
    folder = None if out is None else SyntheticFolder(out, order, label)
    skipped = _make(good, order, [one.add for one in (folder, trial) if one is not None])
    lines = [f"not used: {line}" for line in skipped]
    facts: dict[str, Any] = {"made": count, "skipped": skipped}
    if folder is not None and out is not None:
        folder.close(skipped)
        lines.append(f"{count} made-up defects in {out}; look at {out / SHEET}")
        facts["folder"] = str(out)
    if trial is not None:
        facts["recall"] = trial.recall.figures()
        lines += trial.lines(out)
    typer.echo(json.dumps(facts) if as_json else "\n".join(lines))


def _check_places(good: Path, out: Path | None, recall: Path | None) -> None:
    """Raises `ConfigError` where there is nothing to do, or made-up defects would lie among good parts."""
    if out is None and recall is None:
        raise ConfigError(
            "say what to do with them: write them to --out DIR, or test a bundle with --recall BUNDLE"
        )
    if out is not None and good.resolve() in (out.resolve(), *out.resolve().parents):
        raise ConfigError(f"--out: {out} lies in {good}, where made-up defects would be taken for good parts")


def _make(good: Path, order: "Order", takers: "Sequence[Callable[[Made], None]]") -> list[str]:
    """Hand every picture of the order to all takers; says why good pictures were not used."""
    from edge.cli.progress import bar
    from edge.teach.synthesis import made_up, readable

    with bar() as progress:
        usable, skipped = readable(_parts_in(good), progress)
        for made in made_up(usable, order):
            for take in takers:
                take(made)
            progress("making up defects", made.number + 1, order.count)
    return skipped


def _parts_in(folder: Path) -> list[Path]:
    """The pictures of a folder without the masks that may lie beside them. Raises `ConfigError`."""
    return [path for path in pictures_in(folder) if not path.stem.endswith("_mask")]


def _donors(folder: Path) -> "tuple[Donor, ...]":
    """The defects of all pictures in a folder that have a mask. Raises `ConfigError`."""
    from edge.cli.evaluation import mask_of, read_mask
    from edge.preprocess.picture import read
    from edge.teach.grafts import donors_of

    found: list[Donor] = []
    for path in _parts_in(folder):
        picture = read(path)
        height, width = picture.shape[:2]
        found += donors_of(picture, read_mask(mask_of(path, folder), width, height))
    if not found:
        raise ConfigError(f"{folder}: no mask shows a defect; expected pictures, each with NAME_mask.png")
    return tuple(found)
