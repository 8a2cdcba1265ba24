"""Opens the outbox's file: the one that is there, a new one, or one that takes the place of a damaged one."""

import secrets
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from edge.durable import sync_folder
from edge.store import salvage
from edge.store.cursor import Cursor
from edge.store.journal import Journal
from edge.store.table import Damaged, Unusable


class Opened(NamedTuple):
    """A file at work: the connection, the place of each sink, and how many records were lost on the way."""

    journal: Journal
    cursors: dict[str, Cursor]
    lost: int = 0


def open_file(path: Path, mark: str | None, readers: Collection[str], tell: salvage.Tell) -> Opened:
    """The outbox at that path, made where there is none. `mark` is the epoch that should be there.

    Raises `Unusable`.
    """
    try:
        salvage.settle(path)
        try:
            opened = _opened(path, mark, readers)
        except Damaged as err:
            wreck = salvage.read_wreck(path, err, mark, readers)
            opened = open_anew(wreck, new_epoch(), readers, tell, 0.0)
        sync_folder(path.parent)
    except OSError as err:
        raise Unusable(f"{path}: {err.strerror}") from err
    return opened


def open_anew(
    wreck: salvage.Wreck, epoch: str, readers: Collection[str], tell: salvage.Tell, ran_s: float
) -> Opened:
    """A new file in the place of a damaged one. Raises `Unusable`; it can then be called again."""
    try:
        lost = salvage.exchange(wreck, epoch, readers, tell, ran_s)
    except OSError as err:
        raise Unusable(f"{wreck.path}: {err.strerror}") from err
    return _opened(wreck.path, epoch, readers)._replace(lost=lost)


def new_epoch() -> str:
    """A name for a new sequence of numbers that has not been used before."""
    return secrets.token_hex(4)


def _opened(path: Path, mark: str | None, readers: Collection[str]) -> Opened:
    if mark is not None and salvage.is_empty(path):
        raise Damaged(f"{path}: is gone, or empty")
    journal = Journal(path, new_epoch())
    try:
        return Opened(journal, _cursors(journal, readers))
    except (Damaged, Unusable):
        journal.close()
        raise


def _cursors(journal: Journal, readers: Collection[str]) -> dict[str, Cursor]:
    """The places as they are stored; a sink that is not among them begins now. Raises `Damaged`."""
    stored = journal.state.get("lanes", {})
    cursors = {name: Cursor(journal.head) for name in readers}
    try:
        for name in cursors.keys() & stored.keys():
            newer = journal.count_from(stored[name]["seen"] + 1)
            cursors[name] = Cursor.restored(stored[name], journal.head, newer)
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise Damaged(f"what the sinks have cannot be read ({err})") from err
    return cursors
