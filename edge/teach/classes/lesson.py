"""Teaching classes: from a few pictures of each to a bundle that names them, and knows what it does not know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from edge.config import Rectangle
from edge.errors import BundleError
from edge.model.bundle import Bundle, load
from edge.preprocess.quality import QualityLimits, learn_limits
from edge.preprocess.tensor import InputSpec
from edge.teach.album import FEWEST
from edge.teach.classes.conclusion import Lesson, conclude
from edge.teach.classes.keepsakes import Keepsakes
from edge.teach.classes.packing import LESSON
from edge.teach.classes.portraits import learn_look, portray, recall
from edge.teach.classes.record import ClassRecord, to_json
from edge.teach.classes.specimens import Specimens, check_labels
from edge.teach.conclusion import REPORT
from edge.teach.gather import Progress

SIDE_PX = 320
"""Magnetic tile, 10 of each class: 0.63 at 224, 0.66 at 320, 0.60 at 448 (balanced accuracy)."""


@dataclass(frozen=True, eq=False)
class TaughtClasses:
    """What a lesson came to. All figures are of held-out pictures."""

    bundle: Bundle
    record: ClassRecord

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.bundle.folder / REPORT

    def summary(self) -> list[str]:
        """Lines for a person."""
        record = self.record
        counts = ", ".join(f"{label} {count}" for label, count in record.pictures.items())
        total = sum(record.pictures.values())
        return [
            f"taught {record.name} {len(record.pictures)} classes on {total} pictures: {counts}",
            *(f"not used: {line}" for line in record.skipped),
            *record.trust.lines(),
            f"bundle {self.bundle.folder} ({self.bundle.digest[:12]})",
            "say in the recipe which of these classes pass: good_labels, in the rules of the check",
            f"report {self.report}",
        ]

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            **to_json(self.record),
            "folder": str(self.bundle.folder),
            "digest": self.bundle.digest,
            "report": str(self.report),
        }


def teach_classes(
    name: str,
    folders: Mapping[str, Sequence[Path]],
    shelf: Path,
    *,
    roi: Rectangle | None = None,
    side_px: int = SIDE_PX,
    progress: Progress = lambda *_: None,
) -> TaughtClasses:
    """Teach a product from pictures of each class, by label, and put its bundle on the shelf as the active one.

    The same pictures give the same model. Pictures that look nearly alike are taken for pictures of one part, and
    are held out together. `side_px` is that of the square that pictures are stretched to.

    Raises `ConfigError` where classes or pictures will not do, `BundleError` where the bundle cannot be written,
    and `DeviceError` where the shelf is being taught already.
    """
    start_s = monotonic()
    check_labels(folders)
    specimens = _read(folders, {}, progress)
    look = learn_look(specimens.used, InputSpec(side_px, side_px, roi=roi), progress)
    kept = Keepsakes.of(specimens.used, portray(look, specimens.used, progress), tuple(folders))
    quality = learn_limits([specimen.quality for specimen in specimens.used])
    return TaughtClasses(
        *conclude(Lesson(name, look, kept, quality, specimens, {}, start_s), shelf, progress)
    )


def add_class(
    shelf: Path, folders: Mapping[str, Sequence[Path]], *, progress: Progress = lambda *_: None
) -> TaughtClasses:
    """Teach the active bundle of the shelf more classes, or more pictures of its own; without the old pictures.

    What the old ones looked like to the backbone is kept in the bundle. Raises as `teach_classes`.
    """
    start_s = monotonic()
    bundle = load(shelf)
    table = bundle.manifest.classification
    if table is None or table.head is None or LESSON not in bundle.files:
        raise BundleError(f"{bundle.folder}: was not taught classes; teach with --classes first")
    lesson = str(bundle.folder / LESSON)
    old = Keepsakes.read(bundle.files[LESSON], lesson, table.labels[:-1])
    check_labels(folders, old.labels)
    specimens = _read(folders, old.labels_by_digest(), progress)
    look = recall(bundle)
    kept = old.extended(specimens.used, portray(look, specimens.used, progress), tuple(folders))
    measured = learn_limits([specimen.quality for specimen in specimens.used])
    quality = _widened(QualityLimits.from_table(bundle.manifest.quality.model_dump()), measured)
    golden = {
        golden.label: bundle.files[golden.file]
        for golden in bundle.manifest.golden
        if golden.label is not None
    }
    return TaughtClasses(
        *conclude(
            Lesson(bundle.manifest.name, look, kept, quality, specimens, golden, start_s), shelf, progress
        )
    )


def _read(folders: Mapping[str, Sequence[Path]], known: Mapping[bytes, str], progress: Progress) -> Specimens:
    total = sum(map(len, folders.values()))
    specimens, before = Specimens(known), 0
    for label, paths in folders.items():
        fewest = 1 if label in known.values() else FEWEST
        for done in specimens.read(label, paths, fewest):
            progress("reading pictures", before + done, total)
        before += len(paths)
    return specimens


def _widened(old: QualityLimits, new: QualityLimits) -> QualityLimits:
    """Limits that let through what either of them does."""
    one_size = (old.width, old.height) == (new.width, new.height)
    return QualityLimits(
        old.width if one_size else 0,
        old.height if one_size else 0,
        min(old.min_brightness, new.min_brightness),
        max(old.max_brightness, new.max_brightness),
        min(old.min_contrast, new.min_contrast),
        min(old.min_sharpness, new.min_sharpness),
    )
