"""From a trained segmenter to a bundle, and what that is worth on pictures that it has never seen."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from segmenter_network import OUTPUTS
from segmenter_pictures import Lesson, read_mask
from torch import nn
from training.convert import to_float, to_int8
from training.network import normalise

from edge.geometry import Image
from edge.judge.overlap import AreaScores
from edge.model.bundle import Bundle, described
from edge.model.interpreter import TensorSpec
from edge.model.manifest import Golden, Input, Manifest
from edge.model.runner import open_model
from edge.model.segmentation import Segmenter
from edge.model.tables.segmentation import SegmentationHead
from edge.prediction import Segmentation
from edge.preprocess.picture import read
from edge.preprocess.stitch import stitch_classes
from edge.preprocess.tensor import InputSpec, prepare
from edge.teach.packing import proven

Segmenting = Callable[[Image], Segmentation]

MODEL = "segmenter.tflite"
CALIBRATION_PICTURES = 48


def convert(network: nn.Module, spec: InputSpec, lessons: Sequence[Lesson]) -> tuple[bytes, bytes]:
    """The float and the int8 model; the ranges are those of pictures spread evenly over the lessons."""
    places = np.linspace(0, len(lessons) - 1, min(CALIBRATION_PICTURES, len(lessons))).astype(int)
    model = to_float(network, spec.height, spec.width, OUTPUTS)
    return model, to_int8(model, [lessons[place].picture for place in places])


def pack(
    name: str,
    model: bytes,
    spec: InputSpec,
    labels: Sequence[str],
    golden: Sequence[Lesson],
    folder: Path,
) -> Bundle:
    """The bundle in memory; of each golden picture, the share that its label has here is what it must have.

    Raises `BundleError`.
    """
    pictures = {f"golden-{lesson.path.stem}.png": lesson for lesson in golden}
    files = {MODEL: model} | {file: _png(lesson.path) for file, lesson in pictures.items()}
    manifest = Manifest(
        schema="edge.bundle/2",
        name=name,
        task="segmentation",
        created=datetime.now(UTC).replace(microsecond=0),
        model=MODEL,
        input=Input(**vars(spec)),
        files=described(files),
        segmentation=SegmentationHead(labels=list(labels)),
        golden=[
            Golden(file=file, score=0.0, label=labels[lesson.label] if lesson.label else None)
            for file, lesson in pictures.items()
        ],
    )
    return proven(manifest, files, folder)


def in_float(network: nn.Module, spec: InputSpec, labels: tuple[str, ...]) -> Segmenting:
    """What the network says before it is int8, by the same head."""

    @torch.no_grad()
    def segment(picture: Image) -> Segmentation:
        prepared = prepare(picture, spec)
        seen = np.bitwise_xor(np.concatenate(prepared.tensors).view(np.uint8), np.uint8(128))
        numbers = network(normalise(seen)).permute(0, 2, 3, 1).numpy()
        output = TensorSpec(OUTPUTS[0], (1, *numbers.shape[1:]), numbers.dtype, 0.0, 0)
        head = Segmenter(labels, output, OUTPUTS[0])
        tiles = [head.score([each[None]]) for each in numbers]
        return stitch_classes(prepared.layout, tiles, labels)

    return segment


def in_int8(bundle: Bundle) -> Segmenting:
    """What the bundle says, as in the daemon."""
    model = open_model(bundle)

    def segment(picture: Image) -> Segmentation:
        prepared = prepare(picture, model.spec)
        said = model.decode(model.run(prepared), prepared)
        assert isinstance(said, Segmentation)  # noqa: S101 - what the bundle is for
        return said

    return segment


def worth(segment: Segmenting, paths: Sequence[Path], labels: Sequence[str]) -> dict[str, Any]:
    """The figures of `AreaScores` in the pictures' own pixels, as `edge eval` has them."""
    scores = AreaScores(labels)
    for path in paths:
        picture = read(path)
        true = np.zeros(picture.shape[:2], np.uint8)
        mask, label = read_mask(path), labels.index(path.parent.name)
        if mask is not None and label:
            true[mask] = label
        scores.add(segment(picture), true)
    return scores.figures()


def _png(path: Path) -> bytes:
    return bytes(cv2.imencode(".png", cv2.cvtColor(read(path), cv2.COLOR_RGB2BGR))[1])
