"""Files and folders that appear whole or not at all, also after a power cut."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

UNFINISHED = ".unfinished"
"""Ending of what is being written, or removed; what is left of it after a crash may be removed."""


def sync_folder(folder: Path) -> None:
    """The names in a folder are then as durable as what is in its files. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder, and those that it lies in, where they are missing. Raises `OSError`."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file, in the place of the one that may be there. For one writer at a time. Raises `OSError`."""
    fresh = path.with_name(path.name + UNFINISHED)
    with fresh.open("wb") as file:
        _write(file.fileno(), content)
    fresh.replace(path)
    sync_folder(path.parent)


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a new folder with these files, by name; a folder that holds something is never replaced.

    Raises `OSError`; nothing is left behind then.
    """
    make_folder(folder.parent)
    # Beside its place, so that the last step is one rename.
    fresh = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=UNFINISHED, dir=folder.parent))
    try:
        for name, content in files.items():
            with (fresh / name).open("xb") as file:
                _write(file.fileno(), content)
        fresh.chmod(0o755)
        sync_folder(fresh)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    sync_folder(folder.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder and all that is in it: at every moment it is whole, or has the ending `UNFINISHED`.

    Raises `OSError`.
    """
    doomed = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=UNFINISHED, dir=folder.parent))
    folder.rename(doomed)
    shutil.rmtree(doomed)


def sweep(folder: Path) -> None:
    """Remove what a crash has left in a folder that nobody else writes to now. Raises `OSError`."""
    for left in folder.glob(f"*{UNFINISHED}"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink()


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)
