"""The figures of `edge eval --boxes`: what a bundle finds in pictures in which every thing is marked."""

from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import ConfigError
from edge.geometry import Box
from edge.judge.precision import mean_average_precision
from edge.judge.words import unknown_label
from edge.prediction import Detections
from edge.preprocess.picture import size
from edge.table import read_text
from edge.types import Defect, Inspection

NAMES = "classes.txt"
"""A label a line, where the numbers in the files are not in the model's order."""
FIELDS = 5
NAMED = 5
"""So many pictures that were not judged are named to a person."""


def names(folder: Path, labels: Sequence[str]) -> list[str]:
    """What the numbers in a folder's files stand for. Raises `ConfigError` where the model does not know one."""
    path = folder / NAMES
    if not path.is_file():
        return list(labels)
    told = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    for place, name in enumerate(told):
        if name not in labels:
            raise ConfigError(unknown_label(f"{path}: line {place + 1}", name, labels))
    return told


def marked(picture: Path, numbered: Sequence[str]) -> list[Defect]:
    """What is in a picture, from the file of the same name beside it, as YOLO has it; no file: nothing is there.

    A thing a line: `number x y width height`, its middle and size as shares of the picture. Raises `ConfigError`
    that names file and line.
    """
    path = picture.with_suffix(".txt")
    if not path.is_file():
        return []
    wide_tall = size(picture)
    if wide_tall is None:
        return []  # whoever judges the picture says why it cannot be read
    lines = enumerate(read_text(path).splitlines(), 1)
    return [
        _thing(line, wide_tall, numbered, f"{path}: line {number}") for number, line in lines if line.strip()
    ]


def _thing(line: str, wide_tall: tuple[int, int], numbered: Sequence[str], where: str) -> Defect:
    try:
        numbers = [float(field) for field in line.split()]
    except ValueError:
        numbers = []
    if len(numbers) != FIELDS or not all(0 <= number <= 1 for number in numbers[1:]):
        raise ConfigError(
            f"{where}: '{line.strip()}' is not a thing as YOLO marks it; expected a number and four shares of the"
            " picture: middle x and y, width and height"
        )
    if not numbers[0].is_integer() or not 0 <= numbers[0] < len(numbered):
        raise ConfigError(
            f"{where}: there is no label {numbers[0]:g}; they are 0…{len(numbered) - 1}: {', '.join(numbered)}"
        )
    x, y, width, height = np.array(numbers[1:]) * (wide_tall * 2)
    return Defect(
        numbered[int(numbers[0])], Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    )


class BoxEvaluation:
    """Collects inspections of pictures in which every thing is marked."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = list(labels)
        self._found: list[Detections] = []
        self._true: list[list[Defect]] = []
        self._ms: list[float] = []
        self._not_judged: list[dict[str, str]] = []

    def add(self, path: Path, part: Inspection, things: list[Defect]) -> None:
        """Count one picture. In one that was not judged nothing was found, and what is there counts as missed."""
        prediction = part.findings[0].prediction if part.findings else None
        self._true.append(things)
        if isinstance(prediction, Detections):
            self._found.append(prediction)
            self._ms.append(part.stage_ms["inference"])
        else:
            self._found.append(Detections(()))
            self._not_judged.append({"file": str(path), "reason": "; ".join(part.decision.reasons)})

    def figures(self) -> dict[str, Any]:
        """The figures, JSON-able: precisions are 0…1, or null where no thing is marked; milliseconds."""
        true = {
            label: [[thing.box for thing in things if thing.label == label] for things in self._true]
            for label in self._labels
        }
        found = {
            label: [
                [(thing.score, thing.box) for thing in seen.found if thing.label == label]
                for seen in self._found
            ]
            for label in self._labels
        }
        precision = {key: _figure(value) for key, value in mean_average_precision(found, true).items()}
        return {
            "pictures": len(self._true),
            "things": {label: sum(map(len, boxes)) for label, boxes in true.items()},
            **precision,
            "not_judged": self._not_judged,
            "inference_ms_p50": round(float(np.median(self._ms)), 4) if self._ms else None,
        }


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """The figures for a person."""
    width = max(map(len, figures))
    for key, figure in figures.items():
        yield f"{key:>{width}}  {len(figure) if key == 'not_judged' else figure}"
    skipped: list[dict[str, str]] = figures["not_judged"]
    for one in skipped[:NAMED]:
        yield f"not judged: {one['file']}: {one['reason']}"
    if len(skipped) > NAMED:
        yield f"{len(skipped) - NAMED} more with --json"


def _figure(value: float) -> float | None:
    return None if isnan(value) else round(value, 4)
