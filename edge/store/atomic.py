"""Files that appear whole or not at all, also after a power cut."""

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

UNFINISHED = ".unfinished"
"""Ending of a file that is being written; what is left of it after a crash may be removed."""


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into one folder; on return they are on the disk.

    They appear in the order of the mapping: after a crash, the last one is there only if all of them are,
    and whole. After an `OSError` none of them is there.
    """
    try:
        _write_unfinished(folder, files)
        for name in files:
            (folder / (name + UNFINISHED)).replace(folder / name)
        _sync_folder(folder)
    except OSError:
        for name in files:
            for path in (folder / (name + UNFINISHED), folder / name):
                with suppress(OSError):
                    path.unlink()
        raise


def _write_unfinished(folder: Path, files: Mapping[str, bytes]) -> None:
    with ExitStack() as stack:
        opened = []
        for name, content in files.items():
            file = stack.enter_context((folder / (name + UNFINISHED)).open("wb", buffering=0))
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
            opened.append(file)
        # All are written before the first is synced: its journal commit then does most of the others' work.
        for file in opened:
            os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # File systems with a journal commit the renames of one folder in order, so that one sync covers them all.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
