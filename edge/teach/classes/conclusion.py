"""The end of a lesson about classes: from pictures' vectors to a bundle that proves itself, and a report."""

import json
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import numpy as np

from edge.judge.classification import UNKNOWN
from edge.model.arrays import Floats, pack
from edge.model.bundle import Bundle, write
from edge.model.few_shot import FewShot
from edge.model.interpreter import Interpreter
from edge.model.manifest import Input
from edge.model.prototypes import to_arrays
from edge.model.tables.classification import ClassificationHead
from edge.model.versions import Shelf
from edge.preprocess.picture import read
from edge.preprocess.quality import QualityLimits
from edge.teach.classes.discriminant import calibrate, choose_ridge, fit, held_out_probabilities
from edge.teach.classes.exhibits import show_confused
from edge.teach.classes.keepsakes import Keepsakes
from edge.teach.classes.packing import HEAD, LESSON, Draft, assembled
from edge.teach.classes.portraits import STRIDES_PX, Look
from edge.teach.classes.record import ClassRecord, confusions, measure_sureness, to_json
from edge.teach.classes.specimens import Specimens
from edge.teach.classes.trust import measure_trust
from edge.teach.conclusion import FIGURES, MB, REPORT
from edge.teach.folds import folds
from edge.teach.gather import Progress
from edge.teach.pace import pace_ms
from edge.teach.packing import as_png, shown
from edge.teach.report.classes import class_html

MOST_GOLDEN = 20


@dataclass(frozen=True, eq=False)
class Lesson:
    """All that a bundle is made of. `golden` are pictures (PNG) that it has already, by label.

    `start_s` is when the lesson began, by the monotonic clock.
    """

    name: str
    look: Look
    kept: Keepsakes
    quality: QualityLimits
    specimens: Specimens
    golden: Mapping[str, bytes]
    start_s: float


def conclude(lesson: Lesson, shelf: Path, progress: Progress) -> tuple[Bundle, ClassRecord]:
    """Find out what tells the classes apart, and put a bundle that does on the shelf as the active one."""
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
        record = _record(lesson, place.number, head, files, held_out_probabilities(held))
        files[REPORT] = class_html(record).encode()
        files[FIGURES] = json.dumps(to_json(record), indent=1).encode()
        draft = Draft(
            lesson.name, place.number, lesson.look.model, lesson.look.spec, head, lesson.quality, names
        )
        bundle = assembled(draft, files, place.next)
        write(place.next, bundle.manifest, bundle.files)
        place.activate(place.number)
    return bundle, record


def _record(
    lesson: Lesson, version: int, head: ClassificationHead, files: Mapping[str, bytes], held: Floats
) -> ClassRecord:
    """What is to be told. `held` are the probabilities of held-out pictures, pictures×(classes + 1)."""
    kept, used = lesson.kept, lesson.specimens.used
    paths = [None] * (len(held) - len(used)) + [specimen.path for specimen in used]
    names = [None if path is None else path.name for path in paths]
    confused = list(confusions(head.labels, kept.classes, held, names))
    exhibits = [(paths[place], confusion) for place, confusion in confused]
    backbone_ms, head_ms = _pace_ms(lesson.look, head, files[HEAD])
    return ClassRecord(
        name=lesson.name,
        version=version,
        created=datetime.now(UTC).replace(microsecond=0),
        pictures=kept.counts(),
        skipped=tuple(lesson.specimens.skipped),
        trust=measure_trust(kept.labels, kept.classes, held),
        sureness=measure_sureness(kept.classes, held),
        confusions=tuple(confusion for _, confusion in confused),
        shown=show_confused(exhibits, lesson.look.spec.roi),
        taught_s=monotonic() - lesson.start_s,
        model_ms=backbone_ms + head_ms,
        backbone_ms=backbone_ms,
        head_mb=len(files[HEAD]) / MB,
        bundle_mb=sum(map(len, files.values())) / MB,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB,
    )


def _pace_ms(look: Look, head: ClassificationHead, content: bytes) -> tuple[float, float]:
    """How long backbone and head take for a picture, on one thread."""
    size = look.spec.height, look.spec.width
    interpreter = Interpreter(look.content, name=look.model, size=size)
    few_shot = FewShot(head, Input(**vars(look.spec)), content, interpreter.outputs, HEAD)
    nothing = np.zeros((1, *size, 3), np.int8)
    outputs = interpreter.invoke(nothing)
    return pace_ms(lambda: interpreter.invoke(nothing)), pace_ms(lambda: few_shot.score(outputs))


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
