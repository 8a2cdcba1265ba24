"""Several files of one folder that appear together, in order, each whole or not at all."""

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from edge.durable import UNFINISHED, sync_folder


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into one folder; on return they are on the disk.

    They appear in the order of the mapping: after a crash, the last one is there only if all of them are,
    and whole. After an `OSError` none of them is there.
    """
    try:
        _write_unfinished(folder, files)
        for name in files:
            (folder / (name + UNFINISHED)).replace(folder / name)
        # File systems with a journal commit the renames of one folder in order, so that one sync covers them all.
        sync_folder(folder)
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
