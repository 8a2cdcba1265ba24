"""From a trained classifier to a bundle, and what that is worth on pictures that it has never seen."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from classifier_network import OUTPUTS, with_probabilities
from classifier_pictures import Labelled, look
from torch.nn import functional
from training.convert import to_float, to_int8
from training.network import Network, normalise

from edge.geometry import Image
from edge.model.bundle import Bundle, described
from edge.model.manifest import Golden, Input, Manifest
from edge.model.runner import open_model
from edge.model.tables.classification import ClassificationHead
from edge.prediction import Classification
from edge.preprocess.picture import read
from edge.preprocess.tensor import InputSpec, prepare
from edge.teach.packing import as_png, proven

Naming = Callable[[Labelled], int]
"""Which label a picture is given, by number."""
MODEL = "classifier.tflite"
CALIBRATION_PICTURES = 64


def convert(network: Network, spec: InputSpec, pictures: Sequence[Image]) -> tuple[bytes, bytes]:
    """The float and the int8 model; the ranges are those of pictures spread evenly over all of them."""
    places = np.linspace(0, len(pictures) - 1, min(CALIBRATION_PICTURES, len(pictures))).astype(int)
    model = to_float(with_probabilities(network), spec.height, spec.width, OUTPUTS)
    return model, to_int8(model, [pictures[place] for place in places])


def pack(
    name: str,
    model: bytes,
    spec: InputSpec,
    labels: Sequence[str],
    golden: Sequence[Labelled],
    created: datetime,
    folder: Path,
) -> Bundle:
    """The bundle in memory; golden pictures are what the model looks at of them. Raises `BundleError`."""
    pictures = {f"golden-{labels[each.label]}-{number}.png": each for number, each in enumerate(golden)}
    files = {MODEL: model} | {file: as_png(_shown(each)) for file, each in pictures.items()}
    manifest = Manifest(
        schema="edge.bundle/2",
        name=name,
        task="classification",
        created=created,
        model=MODEL,
        input=Input(**vars(spec)),
        files=described(files),
        classification=ClassificationHead(labels=list(labels)),
        golden=[Golden(file=file, score=0.0, label=labels[each.label]) for file, each in pictures.items()],
    )
    return proven(manifest, files, folder)


def in_float(network: Network, spec: InputSpec) -> Naming:
    """What the network says before it is int8."""

    @torch.no_grad()
    def name(each: Labelled) -> int:
        numbers = network(normalise(look(each, spec)[None]))
        return int(functional.softmax(numbers, 1).argmax())

    return name


def in_int8(bundle: Bundle) -> Naming:
    """What the bundle says, as in the daemon."""
    model = open_model(bundle)

    def name(each: Labelled) -> int:
        prepared = prepare(read(each.path), replace(model.spec, roi=each.roi))
        said = model.decode(model.run(prepared), prepared)
        assert isinstance(said, Classification)  # noqa: S101 - what the bundle is for
        return int(np.argmax(said.scores))

    return name


def worth(name: Naming, pictures: Sequence[Labelled], labels: Sequence[str]) -> dict[str, Any]:
    """Accuracy, balanced accuracy (the mean of the recalls), and the recall of each label, 0…1."""
    said = np.array([name(each) for each in pictures])
    true = np.array([each.label for each in pictures])
    recalls = {
        label: float(np.mean(said[true == place] == place))
        for place, label in enumerate(labels)
        if (true == place).any()
    }
    return {
        "pictures": len(pictures),
        "accuracy": round(float(np.mean(said == true)), 4),
        "balanced_accuracy": round(fmean(recalls.values()), 4),
        "recall": {label: round(recall, 4) for label, recall in recalls.items()},
    }


def _shown(each: Labelled) -> Image:
    picture = read(each.path)
    if each.roi is None:
        return picture
    return np.ascontiguousarray(picture[each.roi.y_min : each.roi.y_max, each.roi.x_min : each.roi.x_max])
