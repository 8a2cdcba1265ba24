"""Pictures of parts on the disk, under a byte budget and a free-space floor; `layout` says how they lie."""

import errno
import logging
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import MappingProxyType

from edge.config import Evidence
from edge.errors import DeliveryError
from edge.message import Report, encode
from edge.store import atomic, layout
from edge.store.layout import MAP, PICTURE, REPORT, RESTORED, Part
from edge.store.overlay import MAP_QUALITY, encode_jpeg, has_marks, overlay, thumbnail
from edge.store.restored import Darkroom
from edge.store.shelf import Entry, Shelf
from edge.types import Frame, Inspection, Verdict

log = logging.getLogger(__name__)

MB = 1_000_000


@dataclass(frozen=True)
class Kept:
    """What became of a part's evidence.

    `files` is empty for a pass that found no room: no other part's evidence goes for its sake.
    """

    files: tuple[Path, ...]
    removed: Mapping[Verdict, int]
    """Parts whose evidence had to go for it."""

    @property
    def lost(self) -> int:
        """Parts that did not pass, and whose evidence is gone: people should hear of it."""
        return sum(count for verdict, count in self.removed.items() if verdict is not Verdict.PASS)


class EvidenceStore:
    """The evidence of a station. Any thread may call any method; `keep` is work for the keep thread.

    Building it costs nothing: the first `keep` makes the folder and looks through it.

    Args:
        folder: Where the epochs' folders are.
        config: Budget, floor, share of passes and JPEG quality.
        fail_at: The anomaly limit of each check, by its name; 1.0 for those that are not named.
        darkroom: Makes a restored picture beside the original, where that is wanted.
        draw: Gives a random number, 0 ≤ number < 1; a pass is kept when it is under the configured share.
    """

    def __init__(
        self,
        folder: Path,
        config: Evidence,
        fail_at: Mapping[str, float] = MappingProxyType({}),
        draw: Callable[[], float] = random.random,
        darkroom: Darkroom | None = None,
    ) -> None:
        self.removed: Counter[Verdict] = Counter()
        """Parts whose evidence has had to go since the start, by verdict."""
        self._folder = folder
        self._config = config
        self._fail_at = fail_at
        self._draw = draw
        self._darkroom = darkroom
        self._shelf: Shelf | None = None
        self._lock = Lock()

    @property
    def size_bytes(self) -> int:
        """What the evidence uses of the disk; 0 before the first `keep`."""
        shelf = self._shelf
        return 0 if shelf is None else shelf.size_bytes

    def wants(self, verdict: Verdict) -> bool:
        """Whether a part with this verdict is to be kept: a random share of the passes, and all others."""
        if not self._config.enabled:
            return False
        return verdict is not Verdict.PASS or self._draw() < self._config.pass_rate

    def keep(self, report: Report, inspection: Inspection) -> Kept:
        """Put a part's pictures and report on the disk, making room first. Keeping one again replaces it.

        Raises `DeliveryError` where the disk does not take it; nothing of this part is there then.
        """
        part = Part(report.stamp.seq, report.verdict)
        files = self._files(part, report, inspection)
        needed = sum(layout.size_on_disk(len(content)) for content in files.values())
        folder = self._folder / report.stamp.epoch
        with self._lock:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                shelf = self._open()
                shelf.open(report.stamp.epoch)
                self._replace(shelf, report.stamp.epoch, part)
                going = self._make_room(shelf, needed, part.verdict)
                if going is None:
                    return Kept((), {})
                atomic.write(folder, files)
            except OSError as err:
                raise DeliveryError(f"evidence {folder}: {err.strerror or err}; {_advice(err)}") from err
            shelf.add(report.stamp.epoch, part, needed)
        return Kept(tuple(folder / name for name in files), Counter(entry.part.verdict for entry in going))

    def forget_after(self, epoch: str, head: int) -> int:
        """Remove the files of reports of `epoch` after `head`, and say how many.

        They were never committed, and their numbers will be given again. Call it before the first `keep`.
        """
        files: list[Path] = []
        with self._lock:
            try:
                files = layout.names_after(self._folder / epoch, head)
                for file in files:
                    file.unlink(missing_ok=True)
            except FileNotFoundError:
                pass  # nothing was kept in this epoch
            except OSError as err:
                log.warning(
                    "evidence %s: of reports that were never sent stays: %s", self._folder, err.strerror
                )
            if self._shelf is not None:
                self._shelf.discard(self._shelf.since(epoch, head + 1))
        return len(files)

    def find(self, record_id: str, kind: str = PICTURE) -> Path | None:
        """A record's file by its id (device/epoch/seq), of the kind `layout.PICTURE` …; None: not there."""
        return layout.find(self._folder, record_id, kind)

    def thumbnail(self, inspection: Inspection, max_bytes: int = 100_000) -> bytes:
        """A small JPEG with the heat map, of at most `max_bytes`; nothing is kept."""
        return thumbnail(inspection, self._fail_at, max_bytes)

    def _files(self, part: Part, report: Report, inspection: Inspection) -> dict[str, bytes]:
        files, record = {}, report.to_json()
        if isinstance(inspection.frame, Frame):
            files[part.file(PICTURE)] = encode_jpeg(inspection.frame.shown, self._config.jpeg_quality)
            if has_marks(inspection):
                files[part.file(MAP)] = encode_jpeg(overlay(inspection, self._fail_at), MAP_QUALITY)
            if self._darkroom is not None:
                restored = self._darkroom.restore(inspection.frame.shown)
                record["restored"] = restored.says
                if restored.picture is not None:
                    jpeg = encode_jpeg(restored.picture, self._config.jpeg_quality)
                    files[part.file(RESTORED)] = self._darkroom.sign(jpeg)
        files[part.file(REPORT)] = encode(record)
        return files

    def _open(self) -> Shelf:
        if self._shelf is None:
            shelf = Shelf()
            for epoch in layout.look_through(self._folder):
                for file in epoch.remains:
                    file.unlink(missing_ok=True)
                for part, size_bytes in sorted(epoch.size_bytes.items()):
                    shelf.add(epoch.folder.name, part, size_bytes)
            self._shelf = shelf
        return self._shelf

    def _replace(self, shelf: Shelf, epoch: str, part: Part) -> None:
        """Whatever has the number of this part goes."""
        before = [entry for entry in shelf.since(epoch, part.seq) if entry.part.seq == part.seq]
        shelf.discard(before)
        self._remove(shelf, before)

    def _make_room(self, shelf: Shelf, needed: int, verdict: Verdict) -> list[Entry] | None:
        """Remove the oldest passes, then the oldest of the rest; None for a pass that the rest would go for.

        For the free-space floor alone, the rest is only replaced, byte by byte: a stranger's file that fills
        the disk does not wipe it.
        """
        budget, floor = int(self._config.budget_mb * MB), int(self._config.min_free_mb * MB)
        if needed > budget:
            raise DeliveryError(
                f"evidence: a part needs {needed / MB:.1f} MB; raise evidence.budget_mb over that"
            )
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        excess, short = shelf.size_bytes + needed - budget, floor + needed - free
        going = _take(shelf.pop_pass, max(excess, short))
        freed = sum(entry.size_bytes for entry in going)
        wanted = max(excess, short)
        if verdict is not Verdict.PASS:
            wanted = max(excess, min(short, needed))
            going += _take(shelf.pop_other, wanted - freed)
            freed = sum(entry.size_bytes for entry in going)
        self._remove(shelf, going)
        self._announce(going)
        if freed >= wanted:
            return going
        if verdict is Verdict.PASS:
            return None
        raise DeliveryError(
            f"evidence {self._folder}: {free / MB:.0f} MB of the disk are free, evidence.min_free_mb is "
            f"{self._config.min_free_mb:.0f}: make room"
        )

    def _announce(self, gone: Sequence[Entry]) -> None:
        known = self.removed.total() - self.removed[Verdict.PASS]
        self.removed.update(entry.part.verdict for entry in gone)
        if known == 0 and any(entry.part.verdict is not Verdict.PASS for entry in gone):
            log.warning(
                "evidence %s: no passes are left to go, so that others go, the oldest first; "
                "raise evidence.budget_mb, or make room on the disk",
                self._folder,
            )

    def _remove(self, shelf: Shelf, entries: Sequence[Entry]) -> None:
        try:
            for entry in entries:
                folder = self._folder / shelf.epoch(entry)
                # The report first: what a crash leaves then never looks whole.
                for kind in (REPORT, MAP, RESTORED, PICTURE):
                    with suppress(FileNotFoundError):
                        (folder / entry.part.file(kind)).unlink()
        except OSError:
            self._shelf = None  # what is there is no longer known: look again
            raise


def _take(pop: Callable[[], Entry | None], wanted_bytes: int) -> list[Entry]:
    taken: list[Entry] = []
    while wanted_bytes > 0 and (entry := pop()) is not None:
        taken.append(entry)
        wanted_bytes -= entry.size_bytes
    return taken


def _advice(error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return "make room on the disk, or lower evidence.budget_mb"
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return "the folder must be writable for the user that runs edge"
    return "check the disk"
