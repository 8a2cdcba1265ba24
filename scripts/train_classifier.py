"""The training of a classifier, from pictures in folders, or of screws on boards, to a scored bundle."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accuracy_sets import Absent
from classifier_bundle import convert, in_float, in_int8, pack, worth
from classifier_network import STRIDES, ClassifierHead
from classifier_pictures import Course, Pixels, batches, classes_in, look, screws
from screw_card import card
from torch import nn
from torch.nn import functional
from training.loop import Plan, TrainingError, fit, settle
from training.network import Network, Trunk, normalise

from edge.cli.progress import bar
from edge.durable import replace_file
from edge.errors import EdgeError
from edge.model.bundle import write
from edge.preprocess.tensor import InputSpec

ROOT = Path(__file__).resolve().parent.parent
BATCH = 16
SMOOTHING = 0.05
"""Of the truth: a model that is to say how sure it is must not be taught to be certain."""
TRUNK_SHARE = 0.1
"""Of the learning rate, for the backbone: what ImageNet taught is to be bent, not forgotten."""
WHEN = datetime(2026, 11, 28, tzinfo=UTC)
"""When the shipped bundle was made: a second making has the same bytes."""
GOLDEN = 3
"""Of each label, as many golden pictures."""


def main(about: str) -> None:
    """Read, train, convert, score, write."""
    options = read_options(about)
    settle(options.seed)
    try:
        if options.screws:
            train(screws(options.seed), InputSpec(128, 128), options)
        else:
            spec = InputSpec(options.size, options.size, contrast="stretch")
            train(classes_in(options.pictures, options.good), spec, options)
    except (Absent, TrainingError, EdgeError, OSError) as trouble:
        sys.exit(f"train_classifier: {trouble}")


def read_options(about: str) -> argparse.Namespace:
    """The command line's options."""
    asked = argparse.ArgumentParser(
        prog="train_classifier", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = asked.add_mutually_exclusive_group(required=True)
    what.add_argument("--screws", action="store_true", help="The shipped classifier.")
    what.add_argument("--pictures", type=Path, metavar="FOLDER", help="A folder for each label.")
    asked.add_argument("--good", default="good", metavar="LABEL", help="The first of the labels.")
    asked.add_argument("--out", type=Path, metavar="FOLDER", help="Default: models/screw-classifier.")
    asked.add_argument("--size", type=int, default=256, metavar="PIXELS", help="Side of the model's input.")
    asked.add_argument("--epochs", type=int, default=8, metavar="N", help="Default: 8.")
    asked.add_argument("--steps", type=int, default=20, metavar="N", help="Of 16 pictures; default: 20.")
    asked.add_argument(
        "--thaw", type=int, choices=(0, 1, 2), default=1, help="Stages of the backbone that learn."
    )
    asked.add_argument("--rate", type=float, default=2e-3, help="Highest learning rate.")
    asked.add_argument("--seed", type=int, default=0, metavar="N", help="Another one, another training.")
    asked.add_argument("--work", type=Path, metavar="FOLDER", help="Checkpoints and curves.")
    options = asked.parse_args()
    if options.out is None and not options.screws:
        asked.error("--out FOLDER: say where the bundle goes")
    options.out = options.out or ROOT / "models" / "screw-classifier"
    options.work = options.work or ROOT / "build" / "training" / options.out.name
    return options


def train(course: Course, spec: InputSpec, options: argparse.Namespace) -> None:
    """From pictures to a bundle. Raises `TrainingError`, and `EdgeError` where a picture cannot be read."""
    with bar() as progress:
        seen = []
        for number, each in enumerate(course.train):
            seen.append((look(each, spec), each.label))
            progress("pictures", number + 1, len(course.train))
    held = [(look(each, spec), each.label) for each in course.held]
    network = learn(seen, held, course.labels, options)
    model, int8 = convert(network, spec, [picture for picture, _ in seen])
    replace_file(options.work / "float.tflite", model)
    golden = [
        each
        for label in range(len(course.labels))
        for each in [each for each in course.held if each.label == label][:GOLDEN]
    ]
    created = WHEN if options.screws else datetime.now(UTC).replace(microsecond=0)
    bundle = pack(options.out.name, int8, spec, course.labels, golden, created, options.out)
    figures = {
        name: worth(naming, course.test, course.labels)
        for name, naming in (("float32", in_float(network, spec)), ("int8", in_int8(bundle)))
    }
    for name, told in figures.items():
        print(name, json.dumps(told), flush=True)
    write(options.out, bundle.manifest, bundle.files)
    if options.screws:
        replace_file(options.out / "README.md", card(figures, bundle.files).encode())
    print(f"{options.out}: {len(int8):,} bytes")


def learn(
    seen: Sequence[tuple[Pixels, int]],
    held: Sequence[tuple[Pixels, int]],
    labels: Sequence[str],
    options: argparse.Namespace,
) -> Network:
    """Train the head, and the last stages of the trunk with it; `held` is looked at after every epoch."""
    trunk = Trunk(strides=STRIDES)
    trunk.thaw(options.thaw)
    # Channels last, a depthwise convolution on the CPU takes half the time.
    network = Network(trunk, ClassifierHead(len(labels))).to(memory_format=torch.channels_last)
    plan = Plan(
        options.epochs,
        options.steps,
        options.rate,
        decay=1e-2,
        seed=options.seed,
        shares={"trunk.": TRUNK_SHARE},
    )
    fit(
        network,
        lambda chance: batches(seen, BATCH, options.steps, chance),
        lambda learner, batch: functional.cross_entropy(
            learner(batch[0]), batch[1], label_smoothing=SMOOTHING
        ),
        partial(_judge, held=held),
        plan,
        options.work,
    )
    return network


@torch.no_grad()
def _judge(network: nn.Module, held: Sequence[tuple[Pixels, int]]) -> Mapping[str, float]:
    true = np.array([label for _, label in held])
    said = np.concatenate(
        [
            network(normalise(np.stack([picture for picture, _ in held[first : first + BATCH]]))).argmax(1)
            for first in range(0, len(held), BATCH)
        ]
    )
    recalls = [np.mean(said[true == label] == label) for label in np.unique(true)]
    return {"accuracy": float(np.mean(said == true)), "balanced accuracy": float(np.mean(recalls))}
