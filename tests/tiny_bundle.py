"""Tiny bundles, complete and sound; a test then breaks the one thing that it is about."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import tiny_model

from edge.model.arrays import pack
from edge.model.bundle import described, load, write
from edge.model.golden import score
from edge.model.manifest import Golden, Input, Manifest
from edge.model.runner import open_model
from edge.model.tables.anomaly import AnomalyHead
from edge.model.tables.classification import ClassificationHead
from edge.model.tables.detection import DetectionHead
from edge.model.tables.restoration import RestorationHead
from edge.model.tables.segmentation import SegmentationHead
from edge.preprocess.tensor import InputSpec, Prepared, prepare

COLOURS = ("red", "green", "blue")
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GREY_BANK = {
    "bank": np.zeros((1, 3), np.float32),
    "mean": np.zeros(3, np.float32),
    "spread": np.full(3, 0.5, np.float32),
}
"""Grey is good; a colour's distance is twice its length, in the model's units."""


def save(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    write(folder, manifest.model_copy(update={"files": described(files)}), files)
    return folder


def classification(
    folder: Path,
    model: bytes | None = None,
    labels: tuple[str, ...] = COLOURS,
    **changes: object,
) -> Path:
    files = {"model.tflite": tiny_model.classifier() if model is None else model}
    manifest = Manifest(
        schema="edge.bundle/2",
        name="colours",
        task="classification",
        created=WHEN,
        model="model.tflite",
        input=Input(width=8, height=8),
        files=described(files),
        classification=ClassificationHead(labels=list(labels)),
    )
    return save(folder, manifest.model_copy(update=changes), files)


def detection(
    folder: Path, labels: tuple[str, ...] = ("red", "green"), model: bytes | None = None, **changes: object
) -> Path:
    files = {"model.tflite": tiny_model.detector() if model is None else model}
    manifest = Manifest(
        schema="edge.bundle/2",
        name="blobs",
        task="detection",
        created=WHEN,
        model="model.tflite",
        input=Input(width=32, height=32),
        files=described(files),
        detection=DetectionHead(labels=list(labels)),
    )
    return save(folder, manifest.model_copy(update=changes), files)


def anomaly(folder: Path, bank: bytes | None = None, model: bytes | None = None, **changes: object) -> Path:
    files = {
        "model.tflite": tiny_model.backbone() if model is None else model,
        "bank.npz": pack(GREY_BANK) if bank is None else bank,
    }
    manifest = Manifest(
        schema="edge.bundle/2",
        name="grey",
        task="anomaly",
        created=WHEN,
        model="model.tflite",
        input=Input(width=32, height=32),
        files=described(files),
        anomaly=AnomalyHead(method="memory_bank", head="bank.npz", limit_distance=2.0),
    )
    return save(folder, manifest.model_copy(update=changes), files)


def restoration(
    folder: Path, model: bytes | None = None, factor: Literal[1, 2] = 1, size: int = 16, **changes: object
) -> Path:
    files = {"model.tflite": tiny_model.smoother(size) if model is None else model}
    manifest = Manifest(
        schema="edge.bundle/2",
        name="smoother",
        task="restoration",
        created=WHEN,
        model="model.tflite",
        input=Input(width=size, height=size),
        files=described(files),
        restoration=RestorationHead(factor=factor),
    )
    return save(folder, manifest.model_copy(update=changes), files)


def segmentation(
    folder: Path, model: bytes | None = None, labels: tuple[str, ...] = COLOURS, **changes: object
) -> Path:
    files = {"model.tflite": tiny_model.segmenter() if model is None else model}
    manifest = Manifest(
        schema="edge.bundle/2",
        name="colours",
        task="segmentation",
        created=WHEN,
        model="model.tflite",
        input=Input(width=32, height=32),
        files=described(files),
        segmentation=SegmentationHead(labels=list(labels)),
    )
    return save(folder, manifest.model_copy(update=changes), files)


def proven(folder: Path, model: bytes | None = None, more: Mapping[str, bytes] | None = None) -> Path:
    """The anomaly bundle with a golden picture, and the score that the CPU gives it; `more` files lie beside."""
    picture = np.full((32, 32, 3), 128, np.uint8)
    picture[16:, 16:] = (255, 0, 0)
    bare = load(anomaly(folder.parent / f"bare-{folder.name}", model=model))
    golden = Golden(file="golden.png", score=score(open_model(bare), picture))
    manifest = bare.manifest.model_copy(update={"golden": [golden]})
    coded = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
    return save(folder, manifest, {**bare.files, "golden.png": coded, **(more or {})})


def plain(colour: tuple[int, int, int], size: int = 32) -> Prepared:
    """A picture of one colour, prepared for the tiny models."""
    return prepare(np.full((size, size, 3), colour, np.uint8), InputSpec(size, size))
