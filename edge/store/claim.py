"""The mark beside the outbox: one process at a time, and which epoch the file there should have."""

import fcntl
import os
from pathlib import Path

from edge.errors import DeviceError


class Claim:
    """A small file, `{outbox}.epoch`, locked for as long as the outbox is open.

    It names the epoch, so that a damaged or missing database can still be told of by name.
    Raises `DeviceError` where the folder is missing or read-only, or another process has the outbox.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".epoch")
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as err:
            raise DeviceError(
                f"{path.parent}: the outbox cannot be written ({err.strerror}); make it a folder on a disk that"
                " is not read-only, owned by the user that the daemon runs as"
            ) from err
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            os.close(self._file)
            raise DeviceError(
                f"{path}: another process has it open; stop that one, or give this station its own state_dir"
            ) from err

    @property
    def epoch(self) -> str | None:
        """The epoch of the file that lies, or lay, there; None where there never was one."""
        return os.pread(self._file, 64, 0).decode("ascii", errors="replace").strip() or None

    @epoch.setter
    def epoch(self, epoch: str) -> None:
        text = f"{epoch}\n".encode()
        os.pwrite(self._file, text, 0)
        os.ftruncate(self._file, len(text))
        os.fsync(self._file)

    def close(self) -> None:
        """Let the next process have it."""
        os.close(self._file)
