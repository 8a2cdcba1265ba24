"""A board's files: how they are, how they should be, and the way from one to the other.

Nothing is written before everything has been looked at. Each file is replaced at once and its old content kept, so
that a run that is interrupted is finished by the next one. What was written is noted in a record, so that what is
no longer wanted can be taken away again, and nothing else.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from board_boot_files import block, found_block, with_block, with_words, words_of
from board_refusal import Refusal
from board_table import RASPBERRY_PI, Board, Wanted, Wishes

RECORD = "etc/edge-inspect/board.json"
CONFIG_TXT = "boot/firmware/config.txt"
CMDLINE_TXT = "boot/firmware/cmdline.txt"
BACKUPS = "var/backups/edge-inspect"
_NEW = ".edge-new"
_BACKUP = ".before-edge-inspect"


@dataclass(frozen=True)
class Record:
    """What configure-board has done to a board: digests of what it wrote, and the words it added."""

    board: str = ""
    wishes: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    block: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """One file that is not as it should be. None: it is not there, or should not be."""

    path: str
    before: bytes | None
    after: bytes | None
    note: str = ""

    @property
    def verb(self) -> str:
        """What has to be done to it."""
        if self.after is None:
            return "remove"
        return "write" if self.before is None else "change"


def read_record(root: Path) -> Record:
    """Return the record of that board; an empty one where there is none."""
    content = _read(root, RECORD)
    if content is None:
        return Record()
    try:
        found = json.loads(content)
        return Record(found["board"], found["wishes"], found["files"], found["block"], tuple(found["words"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(
            f"{root / RECORD}: not a record of configure-board ({error!r}); move it away, and say again what "
            "the board has (--camera …)"
        ) from error


def next_record(board: Board, wishes: Wishes, wanted: Wanted) -> Record:
    """Return the record of a board that is as it should be."""
    asked = {name: getattr(wishes, name) for name in wishes.asked()}
    if wishes.camera:
        asked["connector"] = wishes.connector
    files = {path: _digest(content) for path, content in wanted.files.items()}
    return Record(board.name, asked, files, _digest(_block(wanted).encode()), wanted.words)


def compare(root: Path, board: Board, wanted: Wanted, record: Record) -> tuple[Change, ...]:
    """Return what has to be changed, in the order in which it is done.

    A read-only root must never start without the mount of the state: files come first, then what the firmware
    reads, and what has to go goes last.
    """
    boot = _compare_boot(root, wanted, record) if board.family == RASPBERRY_PI else []
    changes: list[Change] = []
    for path, content in wanted.files.items():
        before = _read(root, path)
        if before != content:
            by_hand = before is not None and path in record.files and _digest(before) != record.files[path]
            changes.append(Change(path, before, content, "was changed by hand" if by_hand else ""))
    changes += boot
    for path in record.files:
        if path not in wanted.files and (before := _read(root, path)) is not None:
            changes.append(Change(path, before, None))
    return tuple(changes)


def _compare_boot(root: Path, wanted: Wanted, record: Record) -> list[Change]:
    config, cmdline = _read(root, CONFIG_TXT), _read(root, CMDLINE_TXT)
    for path, content in ((CONFIG_TXT, config), (CMDLINE_TXT, cmdline)):
        if content is None:
            raise Refusal(
                f"{root / path}: not there. Is the boot partition mounted? Without it nothing is changed"
            )
    assert config is not None  # noqa: S101 - refused above
    assert cmdline is not None  # noqa: S101
    found = found_block(config)
    by_hand = bool(found and record.block) and _digest(found.encode()) != record.block
    obsolete = set(record.words) - set(wanted.words)
    changes = (
        Change(
            CONFIG_TXT,
            config,
            with_block(config, _block(wanted)),
            "the block was changed by hand" if by_hand else "",
        ),
        Change(CMDLINE_TXT, cmdline, with_words(cmdline, wanted.words, obsolete)),
    )
    return [change for change in changes if change.before != change.after]


def unsafe(root: Path, board: Board, wishes: Wishes, changes: Sequence[Change]) -> str:
    """Say why this board, changed like that, would lose what waits; empty where it would not."""
    if board.family != RASPBERRY_PI or wishes.data:
        return ""
    changed = [change.after for change in changes if change.path == CMDLINE_TXT]
    cmdline = changed[0] if changed else _read(root, CMDLINE_TXT)
    if any(word.startswith("overlayroot=") for word in words_of(cmdline or b"")):
        return (
            f"{CMDLINE_TXT} makes the root read-only (overlayroot), and there is no partition for the state: "
            "every result that waits is lost at a restart. Add --read-only --data LABEL=…, or take overlayroot out"
        )
    return ""


def apply(root: Path, changes: tuple[Change, ...], old: Record, new: Record) -> tuple[Change, ...]:
    """Make the changes; returns them with the record's own.

    The record is written first with all that may be there from now on, and last with what is: a run that is
    interrupted in between leaves nothing behind that the next one would not know of.
    """
    last = _encode(new) if new.board else None
    recorded = _read(root, RECORD)
    done = changes if recorded == last else (*changes, Change(RECORD, recorded, last))
    _must_be_writable(root, done)
    if changes:
        words = tuple(dict.fromkeys((*old.words, *new.words)))
        wishes = new.wishes if new.board else old.wishes
        both = Record(new.board or old.board, wishes, {**old.files, **new.files}, new.block, words)
        if recorded != _encode(both):
            _replace(root, RECORD, _encode(both))
    for change in changes:
        if change.before is not None:
            _keep(root, change.path, change.before)
        if change.after is None:
            (root / change.path).unlink()
        else:
            _replace(root, change.path, change.after)
    if last is None:
        (root / RECORD).unlink(missing_ok=True)
    elif _read(root, RECORD) != last:
        _replace(root, RECORD, last)
    return done


def _must_be_writable(root: Path, changes: tuple[Change, ...]) -> None:
    for change in changes:
        folder = (root / change.path).parent
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise Refusal(
                f"{folder}: cannot be written to, so nothing is changed. Run it as root; where the root file "
                "system is read-only: sudo overlayroot-chroot, then again"
            )


def _keep(root: Path, path: str, content: bytes) -> None:
    """Keep the old content; once only, however often a run is interrupted.

    Files of the boot partition stay beside their place: where the board does not start any more, another computer
    reads that partition and no other.
    """
    place = root / path if path.startswith("boot/") else root / BACKUPS / path
    number = 1
    while True:
        backup = place.with_name(f"{place.name}{_BACKUP}.{number}")
        if not backup.exists():
            backup.parent.mkdir(parents=True, exist_ok=True)
            _write(backup, content)
            return
        if backup.read_bytes() == content:
            return
        number += 1


def _replace(root: Path, path: str, content: bytes) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(target.name + _NEW)
    _write(new, content)
    new.replace(target)
    _sync(target.parent)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(root: Path, path: str) -> bytes | None:
    try:
        return (root / path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _block(wanted: Wanted) -> str:
    return block(wanted.config_txt) if wanted.config_txt else ""


def _encode(record: Record) -> bytes:
    return (json.dumps(asdict(record), indent=2, ensure_ascii=False) + "\n").encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
