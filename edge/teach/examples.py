"""What a bundle keeps of the taught pictures, so that a defect can be compared with how the place should look."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.geometry import Box, Image
from edge.model.arrays import Floats, pack, unpack
from edge.model.examples import MOST_BYTES, STEPS, Examples
from edge.preprocess.layout import Layout
from edge.preprocess.picture import decode
from edge.teach.coreset import choose
from edge.teach.evenly import evenly

PICTURES = 12
"""Of how many pictures a lesson should `look`: the more, the likelier one is like the part."""
PLACES = 512
LONGEST_PX = 512
SHORTEST_PX = 64
CELLS_OF_A_PICTURE = 2000
"""To choose places from: tiles may give a picture ten thousand."""
BUDGET_BYTES = 400_000


@dataclass(frozen=True, eq=False)
class Look:
    """One taught picture. `boxes` (n×4) are where its `cells` (n×channels, real features) lie, in its pixels.

    `thumbnail` is RGB and shows the area `shown` of the picture.
    """

    name: str
    thumbnail: Image
    shown: Box
    cells: Floats
    boxes: Floats


def look(
    name: str, picture: Image, layout: Layout, tiles: Sequence[Floats], rng: np.random.Generator
) -> Look:
    """What is kept of a picture, of which every tile has rows×columns×channels real features.

    `name` is what people call the picture, its file's name say.
    """
    left, top, right, bottom = (int(edge) for edge in layout.box)
    cells = np.concatenate([tile[layout.shown(*tile.shape[:2])].reshape(-1, tile.shape[2]) for tile in tiles])
    boxes = np.concatenate([_boxes(layout, number, *tile.shape[:2]) for number, tile in enumerate(tiles)])
    if len(cells) > CELLS_OF_A_PICTURE:
        some = rng.choice(len(cells), CELLS_OF_A_PICTURE, replace=False)
        cells, boxes = cells[some], boxes[some]
    thumbnail = _reduced(picture[top:bottom, left:right], LONGEST_PX)
    return Look(name, thumbnail, layout.box, cells.astype(np.float32), boxes)


def make_examples(looks: Sequence[Look], rng: np.random.Generator, budget_bytes: int = BUDGET_BYTES) -> bytes:
    """The content of `edge.model.examples.FILE`; there must be a look. Of those there are, up to 12 are used.

    Thumbnails get smaller until all of it keeps to the budget, which they can for 150 kB or more. The same looks
    and the same random numbers give the same bytes.
    """
    used = [looks[number] for number in evenly(len(looks), PICTURES)]
    cells, boxes = (
        np.concatenate([each.cells for each in used]),
        np.concatenate([each.boxes for each in used]),
    )
    picture = np.repeat(np.arange(len(used)), [len(each.cells) for each in used])
    mean, spread = cells.mean(axis=0), np.maximum(cells.std(axis=0), 1e-6)
    standardised = (cells - mean) / spread
    kept = choose(standardised, PLACES, rng)
    shown = np.array([each.shown for each in used], np.float32)
    arrays = {
        "mean": mean,
        "spread": spread,
        "cells": np.clip(np.rint(standardised[kept] * STEPS), -127, 127).astype(np.int8),
        "box": boxes[kept],
        "place": _places(boxes[kept], shown[picture[kept]]),
        "picture": picture[kept].astype(np.uint16),
        "shown": shown,
        "names": np.frombuffer(json.dumps([each.name for each in used]).encode(), np.uint8),
    }
    longest_px = LONGEST_PX
    while True:
        jpegs = [_jpeg(_reduced(each.thumbnail, longest_px)) for each in used]
        arrays["jpeg"] = np.frombuffer(b"".join(jpegs), np.uint8)
        arrays["ends"] = np.cumsum([len(jpeg) for jpeg in jpegs]).astype(np.int64)
        content = pack(arrays)
        if len(content) <= budget_bytes or longest_px <= SHORTEST_PX:
            return content
        longest_px = longest_px * 4 // 5


def recall(content: bytes, name: str, channels: int) -> list[Look]:
    """The looks of an earlier lesson, out of what `make_examples` made of them: with the cells that it kept.

    `name` is the file, `channels` those of its cells. A picture of which no place was kept is not among them.
    Raises `BundleError`.
    """
    Examples(content, name, channels)  # complains of whatever does not fit the rest
    arrays = unpack(content, name, MOST_BYTES)
    cells = arrays["cells"].astype(np.float32) / STEPS * arrays["spread"] + arrays["mean"]
    names = json.loads(arrays["names"].tobytes())
    jpegs = np.split(arrays["jpeg"], arrays["ends"][:-1])
    found = []
    for number, (called, jpeg) in enumerate(zip(names, jpegs, strict=True)):
        mine = arrays["picture"] == number
        if mine.any():
            thumbnail = decode(jpeg.tobytes(), name)
            shown = Box(*(float(edge) for edge in arrays["shown"][number]))
            found.append(Look(called, thumbnail, shown, cells[mine], arrays["box"][mine]))
    return found


def shares(old: int, new: int, taught: int) -> tuple[list[int], list[int]]:
    """Which to use of `old` looks, and which of `new` pictures, where `taught` are all pictures, old and new.

    As many of each as there are pictures behind them, evenly from first to last, and `PICTURES` together; where
    there are few of one kind, more of the other.
    """
    fair = max(1, round(PICTURES * new / taught)) if new else 0
    of_old = min(old, PICTURES - min(new, fair))
    return evenly(old, of_old), evenly(new, PICTURES - of_old)


def _boxes(layout: Layout, tile: int, rows: int, columns: int) -> Floats:
    """Where each cell of a tile that shows the frame lies, row by row: as much of it as is looked at."""
    shown_rows, shown_columns = layout.shown(rows, columns)
    wide, tall = layout.spec.width / columns, layout.spec.height / rows
    geometry = layout.tiles[tile].geometry
    found = [
        geometry.to_frame(Box(column * wide, row * tall, (column + 1) * wide, (row + 1) * tall))
        for row in range(rows)[shown_rows]
        for column in range(columns)[shown_columns]
    ]
    box = np.array(layout.box, np.float32)
    return np.clip(np.array(found, np.float32), np.tile(box[:2], 2), np.tile(box[2:], 2))


def _places(boxes: Floats, shown: Floats) -> Floats:
    """The middles of boxes, as shares of what is shown."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    places: Floats = (middles - shown[:, :2]) / (shown[:, 2:] - shown[:, :2])
    return places.astype(np.float32)


def _reduced(picture: Image, longest_px: int) -> Image:
    height, width = picture.shape[:2]
    scale = longest_px / max(height, width)
    if scale >= 1:
        return picture.copy()
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(picture: Image) -> bytes:
    return cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
