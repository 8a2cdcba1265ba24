"""The picture sets with boxes: which pictures there are, what is in them, and who may be learned from."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from accuracy_sets import folder_of
from PIL import Image

from edge.geometry import Box
from edge.types import Defect

CAPS_LABELS = ("Bottle", "Cap")
PCB_LABELS = ("open", "short", "mousebite", "spur", "copper", "pin-hole")


@dataclass(frozen=True)
class Boxed:
    """A picture and what is in it, in its pixels."""

    path: Path
    things: tuple[Defect, ...]


def caps(part: str) -> list[Boxed]:
    """Bottles and caps on a conveyor; `part` is train, valid or test. Raises `Absent`."""
    return [Boxed(path, tuple(_yolo(path))) for path in sorted((folder_of("caps") / part).glob("*.jpg"))]


def pcb_groups() -> list[str]:
    """The groups of boards that look alike. Raises `Absent`."""
    return sorted(path.name for path in folder_of("pcb").iterdir() if path.is_dir())


def pcb(groups: Sequence[str]) -> list[Boxed]:
    """Binarised circuit boards of these groups. Raises `Absent`."""
    root = folder_of("pcb")
    return [
        Boxed(path, tuple(_deep_pcb(path)))
        for group in groups
        for path in sorted((root / group).glob("*.jpg"))
    ]


def _yolo(picture: Path) -> Iterator[Defect]:
    """`class cx cy w h`, in shares of the picture; no file: nothing is there."""
    with Image.open(picture) as opened:
        width, height = opened.size
    for kind, *place in _rows(picture.with_suffix(".txt")):
        x, y, w, h = (float(number) for number in place)
        box = Box((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height)
        yield Defect(CAPS_LABELS[int(kind)], box)


def _deep_pcb(picture: Path) -> Iterator[Defect]:
    """`x1 y1 x2 y2 class`, in pixels; classes count from 1."""
    for *place, kind in _rows(picture.with_suffix(".txt")):
        yield Defect(PCB_LABELS[int(kind) - 1], Box(*(float(number) for number in place)))


def _rows(labels: Path) -> list[list[str]]:
    if not labels.exists():
        return []
    with labels.open(newline="") as file:
        return [row for row in csv.reader(file, delimiter=" ") if row]
