"""A strange model becomes a bundle: from what it says of itself, what it does, and what a person says of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge.errors import BundleError, ConfigError
from edge.model import metadata
from edge.model.arrays import pack
from edge.model.bundle import MAX_BUNDLE_BYTES, Bundle, assemble, described
from edge.model.layouts.detector import ANCHORS
from edge.model.layouts.shapes import told
from edge.model.manifest import Input, Manifest, text
from edge.model.pixels import Pixels
from edge.model.runner import open_model
from edge.teach.adopt import labels as lists
from edge.teach.adopt import taken
from edge.teach.adopt.goldens import golden
from edge.teach.adopt.heads import choose
from edge.teach.adopt.proposals import ANCHORS_FILE
from edge.teach.adopt.survey import Survey, survey
from edge.teach.adopt.wishes import Wishes
from edge.teach.packing import as_png, proven, shown

MODEL = "model.tflite"
NAMED = 5
"""Labels that are told by name."""
Look = Callable[[bytes, Path, Pixels], Survey]
"""What a model of these bytes, which lie at that path, does with such pixels. Raises `BundleError`."""


@dataclass(frozen=True, eq=False)
class Adopted:
    """The bundle in memory, and what was found out of the model: a word and what it says, each."""

    bundle: Bundle
    told: tuple[tuple[str, str], ...]


def adopt(model: Path, wishes: Wishes, folder: Path, look: Look = survey) -> Adopted:
    """A bundle in memory, of the model in that file, that is to be written to `folder`.

    The model runs first in a child process: `look` sees to it. Raises `BundleError`, and `ConfigError` where a
    person must say more.
    """
    content = _content(model)
    found = metadata.read(content, str(model))
    said = taken.said(found, str(model))
    seen = look(content, model, wishes.pixels or said or Pixels())
    labels = wishes.labels or lists.tidy(found.labels)
    if not labels:
        raise ConfigError(f"{model}: names no labels itself; give them with --labels FILE, or --label NAME")
    chosen = choose(seen, labels, wishes, str(model))
    try:
        pixels = taken.settle(seen.taken, wishes.pixels, said, yolo=chosen.is_yolo, bgr=wishes.bgr)
    except ConfigError as err:
        raise ConfigError(f"{model}: {err}") from err
    files = {MODEL: content}
    if chosen.anchors is not None:
        files[ANCHORS_FILE] = pack({ANCHORS: chosen.anchors})
    width, height = seen.size
    manifest = Manifest(
        schema="edge.bundle/2",
        name=wishes.name,
        task=wishes.task,
        created=datetime.now(UTC).replace(microsecond=0),
        model=MODEL,
        input=Input(width=width, height=height, fit=wishes.fit or chosen.fit),
        pixels=pixels.pixels,
        files=described(files),
        **{wishes.task: chosen.head},
    )
    bundle = _proven(manifest, files, wishes, folder)
    facts = (
        (
            "model",
            f"{model.name}, {len(content) / 1e6:.2f} MB" + (f", “{found.title}”" if found.title else ""),
        ),
        ("input", f"{pixels.words}; pictures: {bundle.manifest.seen.fit}"),
        ("outputs", told([output.spec.shape for output in seen.outputs])),
        ("layout", chosen.words),
        ("labels", f"{_listed(bundle.manifest.labels)} ({_whose(wishes, found)})"),
    )
    return Adopted(bundle, facts)


def _content(model: Path) -> bytes:
    try:
        if model.stat().st_size > MAX_BUNDLE_BYTES:
            raise BundleError(f"{model}: is larger than {MAX_BUNDLE_BYTES / 1e6:.0f} MB; use a smaller model")
        return model.read_bytes()
    except OSError as err:
        raise BundleError(f"{model}: cannot be read: {err.strerror or err}") from err


def _proven(manifest: Manifest, files: dict[str, bytes], wishes: Wishes, folder: Path) -> Bundle:
    """The bundle with its golden pictures, and what the model says of them. Raises `BundleError`."""
    bare = assemble(folder, text(manifest).encode(), files)
    opened = open_model(bare)
    pictures = {name: shown(picture, opened.spec) for name, picture in wishes.golden}
    entries = [golden(opened, name, picture) for name, picture in pictures.items()]
    files = {**files, **{name: as_png(picture) for name, picture in pictures.items()}}
    return proven(manifest.model_copy(update={"golden": entries, "files": described(files)}), files, folder)


def _listed(labels: tuple[str, ...]) -> str:
    names = ", ".join(labels[:NAMED])
    return f"{len(labels)}: {names}" + (", …" if len(labels) > NAMED else "")


def _whose(wishes: Wishes, found: metadata.Metadata) -> str:
    return "as given" if wishes.labels else f"from {found.labels_file} inside the model"
