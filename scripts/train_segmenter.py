"""Train a segmenter on pictures with masks, and make it a bundle: see scripts/train_segmenter."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from segmenter_network import CELL_PX, STRIDES, Segmenter, SegmenterHead, segmentation_loss
from segmenter_pictures import Lesson, batches, epoch_size, read_lessons, read_split
from torch import Tensor, nn
from training.loop import Plan, TrainingError, fit, settle
from training.network import Trunk, normalise

from edge.judge.overlap import AreaScores
from edge.preprocess.tensor import InputSpec

BATCH = 8
GOOD_WEIGHT, BAD_WEIGHT = 1.0, 3.0
"""In the cross entropy: nine of ten cells are good even in pictures with a defect."""
TRUNK_SHARE = 0.1
"""Of the learning rate, for the backbone's last stage: what ImageNet taught is to be bent, not forgotten."""


def main() -> None:
    """Read, train, score, pack."""
    options = _options()
    try:
        _train(options)
    except TrainingError as trouble:
        sys.exit(f"train_segmenter: {trouble}.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train_segmenter", description=str(__doc__))
    parser.add_argument(
        "pictures", type=Path, help="folder with LABEL/NAME.jpg, NAME_mask.png and split.json"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the bundle goes")
    parser.add_argument("--good", default="free", metavar="LABEL", help="the label without a defect")
    parser.add_argument("--size", type=int, default=256, metavar="PIXELS", help="side of the model's input")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--contrast", choices=("none", "stretch"), default="stretch")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _train(options: argparse.Namespace) -> None:
    settle(options.seed)
    parts, labels = read_split(options.pictures, options.good)
    spec = InputSpec(width=options.size, height=options.size, contrast=options.contrast)
    taught, held = (read_lessons(parts[part], labels, spec) for part in ("train", "val"))
    trunk = Trunk(strides=STRIDES)
    trunk.thaw(1)
    network = Segmenter(trunk, SegmenterHead(len(labels))).to(memory_format=torch.channels_last)
    weights = torch.tensor([GOOD_WEIGHT] + [BAD_WEIGHT] * (len(labels) - 1))
    plan = Plan(
        options.epochs,
        epoch_size(taught) // BATCH,
        options.rate,
        decay=1e-3,
        seed=options.seed,
        shares={"trunk.": TRUNK_SHARE},
    )
    fit(
        network,
        lambda chance: batches(taught, len(labels), CELL_PX, BATCH, chance),
        lambda learner, batch: segmentation_loss(learner(batch[0]), batch[1], weights),
        partial(_judge, lessons=held, labels=labels),
        plan,
        options.out / "training",
    )
    print(_judge(network, read_lessons(parts["test"], labels, spec), labels))


@torch.no_grad()
def _judge(network: nn.Module, lessons: Sequence[Lesson], labels: Sequence[str]) -> Mapping[str, float]:
    scores = AreaScores(labels)
    for first in range(0, len(lessons), BATCH):
        seen = lessons[first : first + BATCH]
        pictures = normalise(np.stack([lesson.picture for lesson in seen]))
        said: Tensor = network(pictures.contiguous(memory_format=torch.channels_last)).argmax(1)
        for lesson, cells in zip(seen, said.numpy().astype(np.uint8), strict=True):
            scores.count(lesson.classes, cells.repeat(CELL_PX, 0).repeat(CELL_PX, 1))
    told = scores.figures()
    figures = {"defect iou": told["defect_iou"], "mean iou": told["mean_iou"]}
    figures |= {f"iou {label}": overlap for label, overlap in told["iou"].items()}
    return {name: figure for name, figure in figures.items() if figure is not None}


if __name__ == "__main__":
    main()
