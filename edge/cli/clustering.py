"""`edge cluster`: groups of failed parts that look alike, and how a group becomes a class."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.errors import ConfigError

GROUPS, CLASSES = Path("groups"), Path("classes")


def cluster(
    evidence: Annotated[
        Path | None,
        typer.Argument(metavar="EVIDENCE", help="The folder 'evidence' of a station's state_dir."),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the groups go, or are.")] = GROUPS,
    method: Annotated[
        str, typer.Option(metavar="METHOD", help="kmeans, or hdbscan, which leaves out what fits nowhere.")
    ] = "kmeans",
    groups: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="So many groups; otherwise as many as stand apart.")
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(min=1, max=5000, metavar="N", help="Look at the latest N failed parts. Default: 2000."),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP=CLASS",
            help="Make a group a class, 3=scratch say; 'pass' are the good parts. Can be given several times.",
        ),
    ] = None,
    classes: Annotated[
        Path,
        typer.Option(metavar="DIR", help="With --name: the folder of classes, for edge teach --classes."),
    ] = CLASSES,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Group failed parts by looks: a page and a contact sheet for each group; with --name, make groups classes."""
    if name:
        if evidence is not None or groups is not None:
            raise ConfigError(
                "--name goes with groups that are made: give --out DIR, and no EVIDENCE or --groups"
            )
        facts, lines = name_groups(out, name, classes)
    elif evidence is None:
        raise ConfigError("say what to do: group EVIDENCE, or make groups classes with --name GROUP=CLASS")
    else:
        facts, lines = group(evidence, out, method, groups, most)
    typer.echo(json.dumps(facts) if as_json else "\n".join(lines))


def group(
    evidence: Path, out: Path, method: str, count: int | None, most: int | None
) -> tuple[dict[str, Any], list[str]]:
    """Group the evidence and write what came of it. Raises `ConfigError`."""
    from edge.cli.progress import bar
    from edge.teach.groups.failed import MOST
    from edge.teach.groups.folder import PAGE, to_json, write_groups
    from edge.teach.groups.grouping import METHODS, group_evidence

    how = next((known for known in METHODS if known == method), None)
    if how is None:
        raise ConfigError(f"--method: there is no '{method}'; use {' or '.join(METHODS)}")
    with bar() as progress:
        found = group_evidence(evidence, progress, method=how, count=count, most=most or MOST)
    write_groups(found, out)
    lines = [
        *found.summary(),
        *(f"not looked at: {line}" for line in found.skipped),
        f"page {out / PAGE}",
    ]
    return to_json(found), lines


def name_groups(out: Path, names: Sequence[str], classes: Path) -> tuple[dict[str, Any], list[str]]:
    """Make each `GROUP=CLASS` a class. Raises `ConfigError`."""
    from edge.teach.groups.naming import make_class

    pairs = [one.partition("=") for one in names]
    for wanted, (group_name, equals, label) in zip(names, pairs, strict=True):
        if not (group_name and equals and label):
            raise ConfigError(f"--name: '{wanted}' says no group and class; give GROUP=CLASS, 3=scratch say")
    made = [make_class(out, group_name, label, classes) for group_name, _, label in pairs]
    lines = [line for one in made for line in one.lines()]
    if sum(path.is_dir() for path in classes.iterdir()) > 1:
        lines.append(f"teach them with: edge teach NAME --classes {classes}")
    else:
        lines.append(
            "name another group, too, or good parts with --name pass=good: one class alone says nothing"
        )
    facts = {one.label: {"folder": str(one.folder), "pictures": one.total, "new": one.fresh} for one in made}
    return {"classes": facts}, lines
