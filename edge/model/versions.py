"""A product's shelf: numbered bundles, and which of them is active.

    bundles/bracket/
        0001/  0002/  0003/    bundles; each appears whole or not at all
        active                 a number a line: the active one, then what was active before it

Whoever loads the shelf as a bundle gets the active one. Changes are made by one process at a time, which holds the
lock; readers need none, because `active` is replaced at once.
"""

import fcntl
import logging
import os
import re
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from edge.durable import make_folder, remove_folder, replace_file, sweep
from edge.errors import BundleError, DeviceError
from edge.model.tables import MANIFEST

ACTIVE = "active"
LOCK = ".lock"
KEPT = 5
"""So many of the newest versions are kept."""
log = logging.getLogger(__name__)

_NUMBER = re.compile(r"[0-9]{4,9}")


class Version(NamedTuple):
    """A bundle on a shelf."""

    number: int
    folder: Path
    active: bool


def resolve(folder: Path) -> Path:
    """The folder of the bundle that is meant: the active one of a shelf; everything else as it is.

    Raises `BundleError` where a shelf has no active bundle.
    """
    if (folder / MANIFEST).exists():
        return folder
    numbers, active = _numbers(folder), _actives(folder)
    if active and active[0] in numbers:
        return _place(folder, active[0])
    if not numbers and not active and not (folder / LOCK).exists():
        return folder
    trouble = f"version {_named(active[0])} is missing" if active else "no version is active"
    raise BundleError(f"{folder}: {trouble}; {_advice(numbers)}")


def versions(folder: Path) -> tuple[Version, ...]:
    """The bundles of a shelf, the oldest first; none where there is no shelf. Raises `BundleError`."""
    active = _actives(folder)[:1]
    return tuple(
        Version(number, _place(folder, number), number in active) for number in sorted(_numbers(folder))
    )


class Shelf:
    """A shelf that this process alone may change: taken with `with`. For one thread.

    `number` is that of the next version, never used before, and `next` its folder: a bundle is written there, and
    then activated. What killed processes left is swept when the shelf is taken; versions that are too many go when
    it is let go.
    """

    def __init__(self, folder: Path) -> None:
        """Takes it; makes it where there is none.

        Raises `BundleError` where it cannot be written or is no shelf, and `DeviceError` where another process
        has it.
        """
        if (folder / MANIFEST).exists():
            raise BundleError(f"{folder}: is a single bundle, not a shelf of versions; name another folder")
        try:
            make_folder(folder)
            self._lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as err:
            raise _unwritable(folder, err) from err
        try:
            _take(folder, self._lock)
            self.folder = folder
            self.number = max((0, *_numbers(folder), *_actives(folder))) + 1
            self.next = _place(folder, self.number)
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        """Is taken already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next process have it."""
        try:
            if kind is None:
                self._prune()
            self._leave_no_empty_one()
        finally:
            os.close(self._lock)

    def activate(self, number: int) -> Path:
        """Make a version the active one: on return it is, whatever happens. Gives its folder.

        Raises `BundleError` where there is none of that number, or the disk does not take it.
        """
        numbers = _numbers(self.folder)
        if number not in numbers:
            raise BundleError(f"{self.folder}: there is no version {_named(number)}; {_advice(numbers)}")
        earlier = [other for other in _actives(self.folder) if other != number and other in numbers]
        return self._write([number, *earlier])

    def undo(self) -> Path:
        """Make the version active that was it before the active one. Gives its folder. Raises `BundleError`."""
        numbers = _numbers(self.folder)
        earlier = [number for number in _actives(self.folder)[1:] if number in numbers]
        if not earlier:
            raise BundleError(f"{self.folder}: there is no version to go back to; {_advice(numbers)}")
        return self._write(earlier)

    def _write(self, numbers: list[int]) -> Path:
        try:
            content = "".join(f"{_named(number)}\n" for number in numbers)
            replace_file(self.folder / ACTIVE, content.encode())
        except OSError as err:
            raise _unwritable(self.folder, err) from err
        return _place(self.folder, numbers[0])

    def _leave_no_empty_one(self) -> None:
        """A first lesson that came to nothing leaves nothing."""
        if not _numbers(self.folder) and not (self.folder / ACTIVE).exists():
            with suppress(OSError):
                (self.folder / LOCK).unlink()
                self.folder.rmdir()

    def _prune(self) -> None:
        """Remove all but the newest, the active one, and the one that undo goes back to."""
        numbers = _numbers(self.folder)
        kept = {*sorted(numbers)[-KEPT:], *_actives(self.folder)[:2]}
        try:
            for number in numbers - kept:
                remove_folder(_place(self.folder, number))
        except OSError as err:
            log.warning("%s: an old version cannot be removed: %s", self.folder, err.strerror or err)


def _take(folder: Path, lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who had it before may have removed it, and another one may have made it anew.
        if not os.path.samestat(os.fstat(lock), (folder / LOCK).stat()):
            raise BlockingIOError  # noqa: TRY301 - the same as if it were locked
        sweep(folder)
    except (BlockingIOError, FileNotFoundError) as err:
        raise DeviceError(f"{folder}: is being taught right now; wait until that has ended") from err
    except OSError as err:
        raise _unwritable(folder, err) from err


def _numbers(folder: Path) -> set[int]:
    """The versions that are there."""
    try:
        return {
            int(entry.name) for entry in folder.iterdir() if _NUMBER.fullmatch(entry.name) and entry.is_dir()
        }
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as err:
        raise BundleError(f"{folder}: cannot be read: {err.strerror or err}") from err


def _actives(folder: Path) -> list[int]:
    """The active version, then what was active before it; empty where none is."""
    path = folder / ACTIVE
    try:
        lines = path.read_text("ascii").split()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as err:
        raise BundleError(f"{path}: cannot be read: {err.strerror or err}") from err
    except UnicodeDecodeError:
        lines = [""]
    if not all(_NUMBER.fullmatch(line) for line in lines):
        raise BundleError(f"{path}: is damaged; write the number of the version to use into it, 0001 say")
    return list(map(int, lines))


def _place(folder: Path, number: int) -> Path:
    return folder / _named(number)


def _named(number: int) -> str:
    return f"{number:04}"


def _advice(numbers: set[int]) -> str:
    if not numbers:
        return "there is none; teach one with 'edge teach'"
    there = ", ".join(map(_named, sorted(numbers)))
    return f"there is {there}: choose with 'edge teach NAME --activate NUMBER'"


def _unwritable(folder: Path, err: OSError) -> BundleError:
    return BundleError(f"{folder}: cannot be written: {err.strerror or err}")
