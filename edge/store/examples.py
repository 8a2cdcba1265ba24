"""Pictures of good parts that wait to be taught from: without loss, and on the disk before anybody is told."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2

from edge.durable import UNFINISHED, make_folder, replace_file, sweep, sync_folder
from edge.errors import DeliveryError
from edge.geometry import Image

ENDING = ".png"
FAST = (cv2.IMWRITE_PNG_COMPRESSION, 1)
"""1280×960 takes 20 ms; the usual compression takes six times as long and saves a tenth."""


class Examples:
    """The pictures of one product, in a folder of its own. For one writer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> list[Path]:
        """All pictures, in the order in which they were taken."""
        return sorted(self.folder.glob(f"*{ENDING}"))

    def add(self, picture: Image) -> Path:
        """Keep a picture; on return it is on the disk. Raises `DeliveryError`."""
        encoded, content = cv2.imencode(ENDING, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), FAST)
        if not encoded:
            raise DeliveryError(f"{self.folder}: a picture of {picture.shape} cannot be written as PNG")
        number = int(taken[-1].stem) + 1 if (taken := self.paths()) else 1
        path = self.folder / f"{number:04}{ENDING}"
        try:
            make_folder(self.folder)
            replace_file(path, content.tobytes())
        except OSError as err:
            raise DeliveryError(
                f"{path}: cannot be written: {err.strerror or err}; make room on the disk"
            ) from err
        return path

    def sweep(self) -> None:
        """Remove what a power cut left unfinished. Raises `DeliveryError`."""
        try:
            sweep(self.folder)
        except OSError as err:
            raise DeliveryError(f"{self.folder}: cannot be written: {err.strerror or err}") from err

    def clear(self) -> None:
        """Remove all pictures, and the folder. Raises `DeliveryError`."""
        try:
            if self.folder.exists():
                shutil.rmtree(self.folder)
                sync_folder(self.folder.parent)
        except OSError as err:
            raise DeliveryError(f"{self.folder}: cannot be removed: {err.strerror or err}") from err


def waiting(folder: Path) -> Iterator[Examples]:
    """Every product below a folder of which there are pictures, by name."""
    for product in sorted(folder.iterdir()) if folder.is_dir() else ():
        examples = Examples(product)
        if product.is_dir() and not product.name.endswith(UNFINISHED) and examples.paths():
            yield examples
