"""From taught classes to a bundle that can prove itself: golden pictures have the probability they got here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge.model.bundle import Bundle, described
from edge.model.manifest import Golden, Input, Manifest, Quality
from edge.model.tables.classification import ClassificationHead
from edge.preprocess.quality import QualityLimits
from edge.preprocess.tensor import InputSpec
from edge.teach.packing import proven

HEAD = "classes.npz"
LESSON = "lesson.npz"
"""What later lessons need; the daemon does not look at it."""


@dataclass(frozen=True)
class Draft:
    """What a lesson found out. `golden` are the file names of the golden pictures, and their classes."""

    name: str
    version: int
    model: str
    seen: InputSpec
    head: ClassificationHead
    quality: QualityLimits
    golden: Mapping[str, str]


def assembled(draft: Draft, files: Mapping[str, bytes], folder: Path) -> Bundle:
    """A bundle in memory, that is to be written to `folder`. Raises `BundleError`."""
    manifest = Manifest(
        schema="edge.bundle/2",
        name=draft.name,
        version=draft.version,
        task="classification",
        created=datetime.now(UTC).replace(microsecond=0),
        model=draft.model,
        input=Input(**vars(draft.seen)),
        files=described(files),
        classification=draft.head,
        quality=Quality(**draft.quality.to_table()),
        golden=[Golden(file=name, score=0.0, label=label) for name, label in draft.golden.items()],
    )
    return proven(manifest, files, folder)
