"""The training of a segmenter, from pictures with masks to a bundle that has been scored."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from segmenter_bundle import convert, in_float, in_int8, pack, worth
from segmenter_network import CELL_PX, STRIDES, SegmenterHead, segmentation_loss
from segmenter_pictures import Lesson, batches, epoch_size, read_lessons, read_split, weights_of
from torch import Tensor, nn
from training.loop import Plan, TrainingError, fit, settle
from training.network import Network, Trunk, normalise

from edge.durable import replace_file
from edge.errors import EdgeError
from edge.judge.overlap import AreaScores
from edge.model.bundle import write
from edge.preprocess.tensor import InputSpec

ROOT = Path(__file__).resolve().parent.parent
BATCH = 8
BAD_WEIGHT = 3.0
"""Of a pixel with a defect in the cross entropy: nine of ten are good even in pictures with one."""
TRUNK_SHARE = 0.1
"""Of the learning rate, for the backbone's last stage: what ImageNet taught is to be bent, not forgotten."""


def main(about: str) -> None:
    """Read, train, convert, score, write."""
    options = read_options(about)
    try:
        train(options)
    except (TrainingError, EdgeError, OSError) as trouble:
        sys.exit(f"train_segmenter: {trouble}")


def read_options(about: str) -> argparse.Namespace:
    """The command line's options."""
    asked = argparse.ArgumentParser(
        prog="train_segmenter", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    asked.add_argument("pictures", type=Path, metavar="PICTURES", help="The folder of pictures and masks.")
    asked.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="Where the bundle goes.")
    asked.add_argument("--good", default="good", metavar="LABEL", help="The label without a defect.")
    asked.add_argument("--size", type=int, default=256, metavar="PIXELS", help="Side of the model's input.")
    asked.add_argument("--epochs", type=int, default=16, metavar="N", help="Default: 16.")
    asked.add_argument("--rare-epochs", type=int, default=0, metavar="N", help="Then, for rare classes: 0.")
    asked.add_argument("--rate", type=float, default=3e-3, help="Highest learning rate.")
    asked.add_argument("--contrast", choices=("none", "stretch"), default="stretch", help="Default: stretch.")
    asked.add_argument("--seed", type=int, default=0, metavar="N", help="Another one, another training.")
    asked.add_argument(
        "--work", type=Path, default=ROOT / "build" / "training" / "segmenter", metavar="FOLDER",
        help="Checkpoints and curves.",
    )  # fmt: skip
    return asked.parse_args()


def train(options: argparse.Namespace) -> None:
    """From pictures to a bundle. Raises `TrainingError`, and `EdgeError` where a picture cannot be read."""
    settle(options.seed)
    parts, labels = read_split(options.pictures, options.good)
    spec = InputSpec(width=options.size, height=options.size, contrast=options.contrast)
    taught, held = (read_lessons(parts[part], labels, spec) for part in ("train", "val"))
    network = learn(taught, held, labels, options)
    model, int8 = convert(network, spec, taught)
    replace_file(options.work / "float.tflite", model)
    golden = [next(lesson for lesson in held if bool(lesson.label) is bad) for bad in (False, True)]
    bundle = pack(options.out.name, int8, spec, labels, golden, options.out)
    for name, segment in (("float32", in_float(network, spec, labels)), ("int8", in_int8(bundle))):
        print(name, json.dumps(worth(segment, parts["test"], labels)), flush=True)
    write(options.out, bundle.manifest, bundle.files)
    print(f"{options.out}: {len(int8):,} bytes")


def learn(
    taught: Sequence[Lesson], held: Sequence[Lesson], labels: Sequence[str], options: argparse.Namespace
) -> Network:
    """First the head, and the last stage of the trunk with it; then perhaps the head alone, for rare classes.

    Large defects are most of the pixels and shape the trunk. Where rare classes weigh more they are found better,
    and the large ones a little worse (docs/segmentation.md). `held` is looked at after every epoch.
    """
    trunk = Trunk(strides=STRIDES)
    trunk.thaw(1)
    # Channels last, a depthwise convolution on the CPU takes half the time.
    network = Network(trunk, SegmenterHead(len(labels))).to(memory_format=torch.channels_last)
    plan = Plan(
        options.epochs,
        epoch_size(taught) // BATCH,
        options.rate,
        decay=1e-3,
        seed=options.seed,
        shares={"trunk.": TRUNK_SHARE},
    )

    def lesson(plan: Plan, weights: Tensor, folder: Path) -> None:
        fit(
            network,
            lambda chance: batches(taught, len(labels), CELL_PX, BATCH, chance),
            lambda learner, batch: segmentation_loss(learner(batch[0]), batch[1], weights),
            partial(_judge, lessons=held, labels=labels),
            plan,
            folder,
        )

    lesson(plan, torch.tensor([1.0] + [BAD_WEIGHT] * (len(labels) - 1)), options.work)
    if not options.rare_epochs:
        return network
    trunk.requires_grad_(requires_grad=False)
    rare = replace(plan, epochs=options.rare_epochs, rate=options.rate / 2, shares={})
    lesson(rare, weights_of(taught, len(labels)), options.work / "rare")
    return network


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
    return {name: told[name] or 0.0 for name in ("defect_iou", "mean_iou")}
