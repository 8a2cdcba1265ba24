"""How `scripts/prove-import` runs an imported model, and what it says of what it has seen."""

from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple, TypeVar

from edge.geometry import Image
from edge.model.bundle import load
from edge.model.runner import Model, open_model
from edge.preprocess.tensor import prepare

RUNS = 20
SURE = 0.5
"""The least score of a detection that counts here."""
Said = TypeVar("Said")


class Line(NamedTuple):
    """One thing that was looked at."""

    holds: bool
    what: str
    figure: str


def model(folder: Path, name: str) -> Model:
    """An imported model, ready to run."""
    return open_model(load(folder / name))


def look(opened: Model, picture: Image, kind: type[Said]) -> Said:
    """What it says of a picture."""
    prepared = prepare(picture, opened.spec)
    said = opened.decode(opened.run(prepared), prepared)
    if not isinstance(said, kind):
        raise TypeError(f"{opened.identity.name} gives {type(said)}")
    return said


def run_ms(opened: Model, picture: Image) -> float:
    """What a picture takes, from pixels to the prediction, median."""
    taken = []
    for _ in range(RUNS):
        start = perf_counter()
        look(opened, picture, object)
        taken.append((perf_counter() - start) * 1000)
    return median(taken)
