"""Made-up defects as files: pictures, masks and boxes side by side, as training scripts read them.

folder/scratch/000007-scratch.png        the picture, in a folder with the name of its class
folder/scratch/000007-scratch_mask.png   white where the defect can be seen
folder/scratch/000007-scratch.txt        its box, as YOLO has it: class, middle x and y, width, height, as shares
folder/classes.txt                       the names of the classes, a line each, from 0
folder/sheet.jpg                         some of them, to look at
folder/synthetic.json                    how they were made: the last to be written, so that where it is, all is
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.durable import make_folder, replace_file
from edge.errors import ConfigError
from edge.geometry import Image
from edge.store.overlay import encode_jpeg
from edge.store.sheet import Exhibit, contact_sheet
from edge.teach.report.gallery import outline
from edge.teach.synthesis import Made, Order

CLASSES, SHEET, RECORD = "classes.txt", "sheet.jpg", "synthetic.json"
SHOWN, COLUMNS = 24, 3
"""Exhibits on the sheet, and how many side by side."""


class SyntheticFolder:
    """A folder that is being filled. Raises `ConfigError` where it holds something else already.

    `label` is what all defects are called; None: each as its kind.
    """

    def __init__(self, folder: Path, order: Order, label: str | None) -> None:
        self._folder, self._order, self._label = folder, order, label
        self._classes = [label] if label is not None else list(dict.fromkeys(order.kinds))
        self._rows: list[dict[str, Any]] = []
        self._shown: list[Exhibit] = []
        try:
            if folder.exists() and any(folder.iterdir()):
                raise ConfigError(f"{folder}: is not empty; give --out a new folder, or remove this one")
            for name in self._classes:
                make_folder(folder / name)
        except OSError as err:
            raise ConfigError(f"{folder}: cannot be written: {err.strerror or err}") from err

    def add(self, made: Made) -> None:
        """Write a picture, its mask and its box. Raises `ConfigError`."""
        mask = made.damaged.mask
        height, width = mask.shape
        box = made.box
        label = self._label or made.kind
        number = self._classes.index(label)
        middle = ((box.x_min + box.x_max) / 2 / width, (box.y_min + box.y_max) / 2 / height)
        line = f"{number} {middle[0]:.6f} {middle[1]:.6f} {box.width / width:.6f} {box.height / height:.6f}\n"
        self._write(f"{label}/{made.name}.png", png(made.damaged.picture))
        self._write(f"{label}/{made.name}_mask.png", png(mask.astype(np.uint8) * 255))
        self._write(f"{label}/{made.name}.txt", line.encode())
        self._rows.append(_row(made, label))
        if len(self._shown) < SHOWN:
            self._shown.append(exhibit(made))

    def close(self, skipped: Sequence[str]) -> None:
        """Write the sheet and the record. Raises `ConfigError`."""
        sheet = contact_sheet(
            self._shown, COLUMNS, "made-up defects", "each as it is, and with a line around the defect"
        )
        self._write(CLASSES, "".join(f"{name}\n" for name in self._classes).encode())
        self._write(SHEET, encode_jpeg(sheet, 90))
        record = {
            "count": self._order.count,
            "kinds": list(self._order.kinds),
            "severity": list(self._order.severity),
            "seed": self._order.seed,
            "roi": None if self._order.roi is None else self._order.roi.model_dump(),
            "classes": self._classes,
            "skipped": list(skipped),
            "pictures": self._rows,
        }
        try:
            replace_file(self._folder / RECORD, json.dumps(record, indent=1).encode())
        except OSError as err:
            raise ConfigError(f"{self._folder}: cannot be written: {err.strerror or err}") from err

    def _write(self, name: str, content: bytes) -> None:
        try:
            (self._folder / name).write_bytes(content)
        except OSError as err:
            raise ConfigError(f"{self._folder / name}: cannot be written: {err.strerror or err}") from err


def exhibit(made: Made) -> Exhibit:
    """The picture, and beside it the same with a line around the defect."""
    marked = made.damaged.picture.copy()
    outline(marked, made.damaged.mask)
    words = f"size {made.size:.2f}, change {made.contrast:.0f}"
    return Exhibit(made.damaged.picture, marked, None, made.name, words, None, made.box)


def png(picture: Image) -> bytes:
    """Without loss: what is faint must not drown in JPEG's blocks."""
    shown = picture[:, :, ::-1] if picture.ndim == 3 else picture  # noqa: PLR2004 - OpenCV's BGR
    return cv2.imencode(".png", np.ascontiguousarray(shown))[1].tobytes()


def _row(made: Made, label: str) -> dict[str, Any]:
    return {
        "name": f"{label}/{made.name}",
        "kind": made.kind,
        "parent": made.parent.name,
        "box": [int(edge) for edge in made.box],
        "size": round(made.size, 4),
        "contrast": round(made.contrast, 1),
    }
