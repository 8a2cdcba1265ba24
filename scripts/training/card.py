"""The card of a model that was trained here: what it is, on whose pictures, how good it is, float and int8."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

PACKAGES = ("torch", "litert-torch", "ai-edge-quantizer", "numpy")


@dataclass(frozen=True)
class Card:
    """Words are Markdown. `figures` has a row for each measure: its name to its value in float32 and in int8."""

    title: str
    words: str
    data: str
    licence: str
    command: str
    figures: Mapping[str, Sequence[str]]
    limits: str


def text(card: Card, files: Mapping[str, bytes]) -> str:
    """The card as Markdown; the `files` get a table of sizes and digests."""
    rows = "\n".join(
        f"| `{name}` | {len(content):,} | `{hashlib.sha256(content).hexdigest()}` |"
        for name, content in files.items()
    )
    figures = "\n".join(f"| {name} | {' | '.join(values)} |" for name, values in card.figures.items())
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"""# {card.title}

| file | bytes | sha256 |
| --- | --- | --- |
{rows}

{card.words}

## Data and licence

{card.data}

{card.licence}

## How it is made

`{card.command}` makes it; the same packages on the same machine give the same bytes ({packages}).

## Figures

| measure | float32 | int8, this file |
| --- | ---: | ---: |
{figures}

## Limits

{card.limits}
"""
