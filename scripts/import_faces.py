"""Faces with models of others: where mediapipe finds them, how small they may be, and that they are covered."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from import_look import SURE, Line, look, model, run_ms
from import_models import FACES, FAR, NEAR, SHARED

from edge import config
from edge.geometry import Box, Image
from edge.model.faces import open_faces
from edge.prediction import Detections
from edge.preprocess.picture import read
from edge.store.overlay import encode_jpeg
from edge.store.privacy import GREY, covered

LEAST_IOU = 0.85
HIDDEN = 0.99
"""Of each face's box."""
WIDTH, HEIGHT = 1280, 960
SIDES_PX = (300, 200, 160, 130, 100, 80, 60, 50, 40)
PLACES = ((0.2, 0.2), (0.5, 0.5), (0.75, 0.6), (0.4, 0.7), (0.65, 0.3))
SMALLEST_PX = {NEAR: 100, FAR: 60}
"""Faces of this size have to be found at every place of a picture of 1280×960."""


def faces(folder: Path, name: str) -> Iterator[Line]:
    """Boxes of faces, against those of mediapipe itself."""
    opened = model(folder, name)
    for picture, wanted in FACES[name].items():
        pixels = read(SHARED / picture)
        found = [thing for thing in look(opened, pixels, Detections).found if thing.score >= SURE]
        best = [max((thing.box.iou(box) for thing in found), default=0.0) for box in wanted]
        boxes = "; ".join(f"{thing.score:.2f} at {tuple(map(round, thing.box))}" for thing in found)
        yield Line(
            min(best) >= LEAST_IOU and len(found) == len(wanted),
            f"{name} on {picture}",
            f"{len(found)} of {len(wanted)} faces, IoU with mediapipe's own"
            f" {', '.join(f'{each:.2f}' for each in best)} (≥ {LEAST_IOU}): {boxes};"
            f" {run_ms(opened, pixels):.1f} ms",
        )
    found = list(look(opened, read(SHARED / "cat.bmp"), Detections).found)
    most = max((thing.score for thing in found), default=0.0)
    yield Line(most < SURE, f"{name} on cat.bmp", f"no face; the best score is {most:.2f}")


def reach(folder: Path, name: str) -> Iterator[Line]:
    """How small a face may be that is covered with the default settings: one face, scaled, at five places."""
    finder = open_faces(config.Privacy(faces=folder / name), None)
    if finder is None:
        raise TypeError("no face model")
    found = {}
    for side_px in SIDES_PX:
        scenes = [scene(side_px, *place) for place in PLACES]
        hits = [any(box.iou(face) > 0.3 for box in finder.find(picture)) for picture, face in scenes]
        found[side_px] = sum(hits)
    told = ", ".join(f"{side_px} px {hits}" for side_px, hits in found.items())
    wanted = [hits for side_px, hits in found.items() if side_px >= SMALLEST_PX[name]]
    yield Line(
        min(wanted) == len(PLACES),
        f"how small a face {name} covers",
        f"of {len(PLACES)} faces in {WIDTH}×{HEIGHT}, found at a width of {told}"
        f" (all of them from {SMALLEST_PX[name]} px on)",
    )


def scene(side_px: int, x: float, y: float) -> tuple[Image, Box]:
    """A grey picture with the one face, so wide, its middle at these shares of it; and where it is."""
    source, (face,) = read(SHARED / "grace_hopper.bmp"), FACES[NEAR]["grace_hopper.bmp"]
    scale = side_px / face.width
    small = cv2.resize(source, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    left, top = round(x * WIDTH - face.middle[0] * scale), round(y * HEIGHT - face.middle[1] * scale)
    # Pasted into a larger one, so that what hangs over the edge is cut off.
    canvas = np.full((3 * HEIGHT, 3 * WIDTH, 3), 90, np.uint8)
    canvas[top + HEIGHT : top + HEIGHT + small.shape[0], left + WIDTH : left + WIDTH + small.shape[1]] = small
    picture = np.ascontiguousarray(canvas[HEIGHT : 2 * HEIGHT, WIDTH : 2 * WIDTH])
    corners = (face.x_min, left), (face.y_min, top), (face.x_max, left), (face.y_max, top)
    return picture, Box(*(edge * scale + offset for edge, offset in corners))


def privacy(folder: Path, keep: Path | None) -> Iterator[Line]:
    """Faces that one model has covered are all covered, and another model finds none of them again."""
    wanted = config.Privacy(faces=folder / NEAR)
    finder = open_faces(wanted, None)
    if finder is None:
        raise TypeError("no face model")
    another = model(folder, FAR)
    for picture, there in FACES[FAR].items():
        pixels = read(SHARED / picture)
        boxes = finder.find(pixels)
        hidden = covered(pixels, boxes, wanted.margin)
        gone = [float((hidden[part(box)] == GREY).all(axis=2).mean()) for box in there]
        left = [thing for thing in look(another, hidden, Detections).found if thing.score >= SURE]
        again = sum(any(thing.box.iou(box) > 0 for thing in left) for box in there)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"covered-{Path(picture).stem}.jpg").write_bytes(encode_jpeg(hidden, 90))
        yield Line(
            min(gone) >= HIDDEN and not again,
            f"privacy on {picture}",
            f"{len(boxes)} boxes covered; of each of {len(there)} faces at least {min(gone):.1%} is one grey;"
            f" the other model finds {again} of them again",
        )


def part(box: Box) -> tuple[slice, slice]:
    """A box as rows and columns."""
    return slice(int(box.y_min), int(box.y_max)), slice(int(box.x_min), int(box.x_max))
