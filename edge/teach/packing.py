"""From what was learned to a bundle that can prove itself: its golden pictures have the scores they got here."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from edge.geometry import Image
from edge.model.bundle import Bundle, assemble, described
from edge.model.golden import replay
from edge.model.manifest import Golden, Input, Limits, Manifest, Quality, text
from edge.model.restoration import Restorer
from edge.model.runner import open_model
from edge.model.tables.anomaly import AnomalyHead
from edge.preprocess.layout import lay_out
from edge.preprocess.quality import QualityLimits
from edge.preprocess.tensor import InputSpec

RESTORER = "restore.tflite"
"""The restoration that a bundle was taught with: it goes wherever the bundle goes."""
GOLDEN_SIDE_PX = 512
"""Longer side of a golden picture, for each tile. Where a part of the frame is looked at, it keeps its size."""


@dataclass(frozen=True)
class Draft:
    """What a lesson found out."""

    name: str
    version: int
    seen: InputSpec
    head: AnomalyHead
    pass_below: float
    quality: QualityLimits


def pack(
    draft: Draft, model: str, files: Mapping[str, bytes], golden: Mapping[str, Image], folder: Path
) -> Bundle:
    """A bundle in memory, that is to be written to `folder`. `model` is the .tflite file among `files`.

    Raises `BundleError`.
    """
    restorer = draft.seen.restore
    restores = {RESTORER: restorer.content} if isinstance(restorer, Restorer) else {}
    files = {
        **files,
        **restores,
        **{name: as_png(shown(picture, draft.seen)) for name, picture in golden.items()},
    }
    manifest = Manifest(
        schema="edge.bundle/2",
        name=draft.name,
        version=draft.version,
        task="anomaly",
        created=datetime.now(UTC).replace(microsecond=0),
        model=model,
        input=Input(**{**vars(draft.seen), "restore": next(iter(restores), None)}),
        files=described(files),
        anomaly=draft.head,
        limits=Limits(pass_below=draft.pass_below),
        quality=Quality(**draft.quality.to_table()),
        golden=[Golden(file=name, score=0.0) for name in golden],
    )
    return proven(manifest, files, folder)


def proven(manifest: Manifest, files: Mapping[str, bytes], folder: Path) -> Bundle:
    """The bundle whose golden pictures have the scores that it gives them here. Raises `BundleError`."""
    unproven = assemble(folder, text(manifest).encode(), files)
    scores = replay(unproven, open_model(unproven))
    expected = [
        golden.model_copy(update={"score": round(score, 6)})
        for golden, score in zip(manifest.golden, scores, strict=True)
    ]
    return assemble(folder, text(manifest.model_copy(update={"golden": expected})).encode(), files)


def shown(picture: Image, seen: InputSpec) -> Image:
    """The picture, as small as may be: reduced or, where only a part is looked at, black around it."""
    height, width = picture.shape[:2]
    if seen.roi is not None:
        left, top, right, bottom = (int(edge) for edge in lay_out(width, height, seen).box)
        bare = np.zeros_like(picture)
        bare[top:bottom, left:right] = picture[top:bottom, left:right]
        return bare
    scale = min(1.0, GOLDEN_SIDE_PX * max(seen.tiles_x, seen.tiles_y) / max(height, width))
    if scale == 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def as_png(picture: Image) -> bytes:
    """The picture as a PNG file."""
    file = io.BytesIO()
    PIL.Image.fromarray(picture).save(file, "PNG", compress_level=1)  # 6 takes 0.3 s a picture
    return file.getvalue()
