"""`edge models`: the bundles that come with the program."""

import json
from typing import Annotated

import typer


def models(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the models that come with the program: what each does, and the folder to name in a recipe."""
    from edge.model.bundle import read_manifest
    from edge.model.shipped import bundles

    found = [(read_manifest(folder), folder) for folder in bundles()]
    facts = [
        {"name": manifest.name, "task": manifest.task, "labels": list(manifest.labels), "folder": str(folder)}
        for manifest, folder in found
    ]
    if as_json:
        typer.echo(json.dumps(facts))
        return
    for manifest, folder in found:
        typer.echo(f"{manifest.name:<22}{manifest.task:<16}{folder}  {', '.join(manifest.labels)}".rstrip())
