"""Pictures from files, one a part."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from edge.config import FolderSource
from edge.errors import CaptureError, ConfigError, DeviceError
from edge.preprocess import picture
from edge.sources.naming import part_id, part_name
from edge.sources.pacing import Pace
from edge.types import EndOfFrames, Frame


class Folder:
    """The pictures of a folder, or those that a file name with * and ? fits.

    Of a folder it takes the files whose endings are those of pictures; subfolders and dot files are left out.
    Opening raises `ConfigError` where there are none.
    """

    triggered = True

    def __init__(self, config: FolderSource) -> None:
        self.name = f"folder {config.path.name}"
        self.sequence = 0
        """Number of the part that was attempted last; the first is 1."""
        self._config = config
        self._pattern = part_name(config.part_id_pattern)
        self._pace = Pace(config.rate_hz)
        self._files: list[Path] = []
        self._ahead: Iterator[Path] = iter(())

    def __enter__(self) -> Self:
        path = self._config.path
        try:
            self._files = _files(self._config)
        except OSError as err:
            raise ConfigError(
                f"source.path: {path}: {err.strerror or err}; create it, or name another"
            ) from err
        if not self._files:
            raise ConfigError(f"source.path: {path}: no pictures there; add some, or name another folder")
        self._ahead = iter(self._files)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ahead = iter(())

    def __len__(self) -> int:
        """How many pictures one round has."""
        return len(self._files)

    def read(self) -> Frame:
        """The next picture; `captured_at` is when it was read.

        Raises `CaptureError` with the part's id where the file cannot be read or decoded, `EndOfFrames` after
        the last one, and `DeviceError` where a new round finds no pictures any more.
        """
        self._pace.wait()
        path = self._next()
        self.sequence += 1
        captured_ns, captured_at = time.monotonic_ns(), datetime.now(UTC)
        name = part_id(path, self._pattern)
        try:
            image = picture.read(path)
        except CaptureError as err:
            raise CaptureError(str(err), name) from err
        return Frame(image, self.sequence, captured_ns, captured_at, self.name, part_id=name)

    def interrupt(self) -> None:
        """See `Source`."""
        self._pace.interrupt()

    def _next(self) -> Path:
        path = next(self._ahead, None)
        if path is None:
            if not self._config.loop:
                raise EndOfFrames
            try:
                self._files = _files(self._config)
            except OSError as err:
                raise DeviceError(f"{self._config.path}: {err.strerror or err}; is it still there?") from err
            self._ahead = iter(self._files)
            path = next(self._ahead, None)
        if path is None:
            raise DeviceError(f"{self._config.path}: all pictures are gone; put some back")
        return path


def _files(config: FolderSource) -> list[Path]:
    """The files in their order. Raises `OSError`."""
    folder, wanted = config.path, None
    if not folder.is_dir() and any(sign in folder.name for sign in "*?["):
        folder, wanted = config.path.parent, config.path.name
    if wanted is None and folder.is_file():
        return [folder]
    files = sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".")
        and (fnmatch(path.name, wanted) if wanted else path.suffix.lower() in picture.ENDINGS)
        and path.is_file()
    )
    match config.order:
        case "name":
            return files
        case "modified":
            return sorted(files, key=lambda path: path.stat().st_mtime_ns)
        case "shuffled":
            return [files[at] for at in np.random.default_rng(0).permutation(len(files))]
