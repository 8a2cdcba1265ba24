"""Teaching classes: from a few pictures of each to a bundle that names them, and knows what it does not know."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.config import Rectangle
from edge.errors import BundleError
from edge.judge.rules import UNKNOWN
from edge.model.arrays import Floats, pack
from edge.model.bundle import Bundle, load, write
from edge.model.manifest import ClassificationHead
from edge.model.prototypes import to_arrays
from edge.model.versions import Shelf
from edge.preprocess.picture import read
from edge.preprocess.quality import QualityLimits, learn_limits
from edge.preprocess.tensor import InputSpec
from edge.teach.class_packing import HEAD, LESSON, Draft, assembled
from edge.teach.discriminant import calibrate, choose_ridge, fit, held_out_probabilities
from edge.teach.folds import folds
from edge.teach.keepsakes import Keepsakes
from edge.teach.packing import as_png, shown
from edge.teach.portraits import STRIDES_PX, Look, learn_look, portray, recall
from edge.teach.specimens import FEWEST, Specimens, check_labels
from edge.teach.trust import Trust, measure_trust

Progress = Callable[[str, int, int], None]
"""Stage, how much is done, and of how much."""

MOST_GOLDEN = 20
SIDE_PX = 320
"""Magnetic tile, 10 of each class: 0.63 at 224, 0.66 at 320, 0.60 at 448 (balanced accuracy)."""


@dataclass(frozen=True)
class TaughtClasses:
    """What a lesson came to. All figures are of held-out pictures."""

    bundle: Bundle
    pictures: Mapping[str, int]
    skipped: tuple[str, ...]
    trust: Trust

    def summary(self) -> list[str]:
        """Lines for a person."""
        name, folder = self.bundle.manifest.name, self.bundle.folder
        counts = ", ".join(f"{label} {count}" for label, count in self.pictures.items())
        return [
            f"taught {name} {len(self.pictures)} classes on {sum(self.pictures.values())} pictures: {counts}",
            *(f"not used: {line}" for line in self.skipped),
            *self.trust.lines(),
            f"bundle {folder} ({self.bundle.digest[:12]})",
            "say in the recipe which of these classes pass: good_labels, in the rules of the check",
        ]

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "folder": str(self.bundle.folder),
            "digest": self.bundle.digest,
            "pictures": dict(self.pictures),
            "skipped": list(self.skipped),
            **self.trust.to_json(),
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
    check_labels(folders)
    specimens = _read(folders, {}, progress)
    look = learn_look(specimens.used, InputSpec(side_px, side_px, roi=roi), progress)
    kept = Keepsakes.of(specimens.used, portray(look, specimens.used, progress), tuple(folders))
    quality = learn_limits([specimen.quality for specimen in specimens.used])
    return _finish(Lesson(name, look, kept, quality, specimens, {}), shelf, progress)


def add_class(
    shelf: Path, folders: Mapping[str, Sequence[Path]], *, progress: Progress = lambda *_: None
) -> TaughtClasses:
    """Teach the active bundle of the shelf more classes, or more pictures of its own; without the old pictures.

    What the old ones looked like to the backbone is kept in the bundle. Raises as `teach_classes`.
    """
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
    return _finish(Lesson(bundle.manifest.name, look, kept, quality, specimens, golden), shelf, progress)


@dataclass(frozen=True, eq=False)
class Lesson:
    """All that a bundle is made of. `golden` are pictures (PNG) that it has already, by label."""

    name: str
    look: Look
    kept: Keepsakes
    quality: QualityLimits
    specimens: Specimens
    golden: Mapping[str, bytes]


def _read(folders: Mapping[str, Sequence[Path]], known: Mapping[bytes, str], progress: Progress) -> Specimens:
    total = sum(map(len, folders.values()))
    specimens, before = Specimens(known), 0
    for label, paths in folders.items():
        fewest = 1 if label in known.values() else FEWEST
        for done in specimens.read(label, paths, fewest):
            progress("reading pictures", before + done, total)
        before += len(paths)
    return specimens


def _finish(lesson: Lesson, shelf: Path, progress: Progress) -> TaughtClasses:
    kept = lesson.kept
    progress("telling classes apart", 0, 1)
    ridge, held = choose_ridge(kept.vectors, kept.classes, folds(kept.looks, kept.classes))
    classes, calibration = fit(kept.vectors, kept.classes, ridge), calibrate(held)
    progress("telling classes apart", 1, 1)
    golden = _golden(lesson, classes.probabilities(kept.vectors, calibration))
    arrays = {**lesson.look.arrays, **to_arrays(classes, calibration)}
    files = {lesson.look.model: lesson.look.content, HEAD: pack(arrays), LESSON: kept.write()}
    names = {f"class-{place:02}.png": label for place, label in enumerate(golden)}
    files |= {name: golden[label] for name, label in names.items()}
    head = ClassificationHead(labels=[*kept.labels, UNKNOWN], head=HEAD, strides_px=list(STRIDES_PX))
    with Shelf(shelf) as place:
        draft = Draft(
            lesson.name, place.number, lesson.look.model, lesson.look.spec, head, lesson.quality, names
        )
        bundle = assembled(draft, files, place.next)
        write(place.next, bundle.manifest, bundle.files)
        place.activate(place.number)
    trust = measure_trust(kept.labels, kept.classes, held_out_probabilities(held))
    return TaughtClasses(bundle, kept.counts(), tuple(lesson.specimens.skipped), trust)


def _golden(lesson: Lesson, probabilities: Floats) -> dict[str, bytes]:
    """For each class the picture (PNG) that is named most surely, by label; those of before are kept."""
    used, kept = lesson.specimens.used, lesson.kept
    new = probabilities[len(probabilities) - len(used) :]
    found = dict(lesson.golden)
    for place, label in enumerate(kept.labels):
        mine = [number for number, specimen in enumerate(used) if specimen.label == label]
        if label not in found and mine:
            best = max(mine, key=lambda number: float(new[number, place]))
            found[label] = as_png(shown(read(used[best].path), lesson.look.spec))
    return dict(list(found.items())[:MOST_GOLDEN])


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
