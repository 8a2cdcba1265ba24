"""The two trainings of a detector: bottles and caps, which is shipped, and circuit boards, which is a proof."""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from accuracy_sets import Absent
from cap_detector import publish
from detection_sets import CAPS_LABELS, PCB_LABELS, Boxed, caps, pcb, pcb_groups
from numpy.typing import NDArray
from torch import nn
from training import boxes, convert
from training.boxes import Lessons, Seen, cut_out, mirrored, relit, seen, turned
from training.detector import OUTPUTS, SCORE_RANGE, DetectorHead
from training.frozen import Frozen
from training.loop import Plan, Stale, TrainingError, fit, settle
from training.network import Network, Trunk
from training.uncapped import without_caps

from edge.durable import make_folder, replace_file
from edge.preprocess.picture import read

Pixels = NDArray[np.uint8]

ROOT = Path(__file__).resolve().parent.parent
CAPS_PX, PCB_PX, CUT_OUT_PX = 320, 640, 320
CAPS_STRIDES, PCB_STRIDES = (8, 16), (4, 8, 16)
CALIBRATION_PICTURES = 64
AT_ONCE, EPOCH_STEPS = 16, 100
NOT_RISEN = Stale("map50", 3)
"""When the cap detector has learned enough."""
UNCAPPED_PICTURES, UNCAPPED_SHARE = 0.4, 0.6
"""Share of the pictures that lose caps, and of their caps."""


def main(about: str) -> None:
    """Train what is asked for."""
    options = read_options(about)
    settle(options.seed)
    try:
        train_caps(options) if options.set == "caps" else train_boards(options)
    except (Absent, TrainingError, OSError) as trouble:
        sys.exit(f"train_detector: {trouble}")


def read_options(about: str) -> argparse.Namespace:
    """The command line's options."""
    asked = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--set", choices=("caps", "pcb"), required=True, help="Which pictures.")
    asked.add_argument("--leave-out", metavar="GROUP", help="For pcb: only this group is left out.")
    asked.add_argument(
        "--halves", action="store_true", help="For pcb: learn from three groups, test on the others."
    )
    asked.add_argument(
        "--epochs",
        type=int,
        default=16,
        metavar="N",
        help=f"Of {EPOCH_STEPS} batches of {AT_ONCE}; default: 16.",
    )
    asked.add_argument(
        "--epochs-on",
        type=int,
        default=2,
        metavar="N",
        help="For pcb: from half of the groups to all; default: 2.",
    )
    asked.add_argument("--seed", type=int, default=0, metavar="N", help="Another one, another training.")
    asked.add_argument(
        "--work",
        type=Path,
        default=ROOT / "build" / "training",
        metavar="FOLDER",
        help="Checkpoints and curves.",
    )
    asked.add_argument(
        "--out",
        type=Path,
        default=ROOT / "models" / "cap-detector",
        metavar="FOLDER",
        help="For caps: the bundle.",
    )
    return asked.parse_args()


def train_caps(options: argparse.Namespace) -> None:
    """From pictures to the float and the int8 model, and what both are worth."""
    folder = options.work / "caps"
    pictures = caps("train")
    spread = np.linspace(0, len(pictures) - 1, CALIBRATION_PICTURES).astype(int)
    calibration = [_look(pictures[place], CAPS_PX)[0] for place in spread]
    trunk, head = Trunk("lite0", CAPS_STRIDES), DetectorHead(len(CAPS_LABELS), CAPS_STRIDES)
    frozen = Frozen(trunk, calibration)
    lessons = Lessons(frozen, CAPS_LABELS, len(pictures), _caps_look(pictures))
    checked = [_look(boxed, CAPS_PX) for boxed in caps("valid")]
    learn(
        head, lessons, boxes.judge(frozen, checked, CAPS_LABELS), options.epochs, options, folder, NOT_RISEN
    )
    models = converted(trunk, head, calibration, folder)
    test = caps("test")
    tested = [_look(boxed, CAPS_PX) for boxed in test]
    worths = {name: worth(model, tested, CAPS_LABELS) for name, model in models.items()}
    publish(models, test, worths, options.out)


def train_boards(options: argparse.Namespace) -> None:
    """Print how well the defects of groups are found by what has learned from other groups."""
    groups = pcb_groups()
    if options.leave_out and options.leave_out not in groups:
        raise TrainingError(f"--leave-out {options.leave_out}: the groups are {', '.join(groups)}")
    if options.halves:
        rows = {
            **half_out(groups[1::2], groups[::2], options),
            **half_out(groups[::2], groups[1::2], options),
        }
    else:
        left_out = [options.leave_out] if options.leave_out else groups
        rows = {group: leave_out(group, groups, options) for group in left_out}
    names = ("map50", "map50_95", *(f"ap50 {label}" for label in PCB_LABELS))
    print(f"| left out | pictures | {' | '.join(names)} |")
    print("| --- " * (len(names) + 2) + "|")
    for group, row in rows.items():
        print(f"| {group} | {row['pictures']:.0f} | {' | '.join(f'{row[name]:.3f}' for name in names)} |")
    print(f"mean mAP50 {statistics.fmean(row['map50'] for row in rows.values()):.3f}")


def half_out(
    learned: Sequence[str], left_out: Sequence[str], options: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """Learn from half of the groups; the int8 model's figures on each of the others."""
    name = "pcb-" + "-".join(learned)
    head, trunk, pictures = _learned(learned, None, options.epochs, options, name)
    model = converted(trunk, head, pictures[::5], options.work / name)["int8"]
    return {group: _tested(model, group) for group in left_out}


def leave_out(group: str, groups: Sequence[str], options: argparse.Namespace) -> dict[str, float]:
    """Learn from all other groups; the int8 model's figures on every picture of this one.

    A head has first learned from half of the groups, of which this is none, and then from all others: so two
    beginnings serve six groups, and no network has ever seen what it is tested on.
    """
    begun = groups[1::2] if group in groups[::2] else groups[::2]
    half, _, _ = _learned(begun, None, options.epochs, options, "pcb-" + "-".join(begun))
    others = [other for other in groups if other != group]
    head, trunk, pictures = _learned(others, half, options.epochs_on, options, f"pcb-{group}")
    return _tested(converted(trunk, head, pictures[::5], options.work / f"pcb-{group}")["int8"], group)


def _tested(model: bytes, group: str) -> dict[str, float]:
    tested = [_look(boxed, PCB_PX) for boxed in pcb([group])]
    found = worth(model, tested, PCB_LABELS) | {"pictures": float(len(tested))}
    print(group, json.dumps(found), file=sys.stderr, flush=True)
    return found


def _learned(
    groups: Sequence[str],
    begun: DetectorHead | None,
    epochs: int,
    options: argparse.Namespace,
    name: str,
) -> tuple[DetectorHead, Trunk, list[Pixels]]:
    """A head that has learned from these groups, its trunk, and pictures to calibrate on."""
    pictures = [_look(boxed, PCB_PX) for boxed in pcb(groups)]
    spread = np.linspace(0, len(pictures) - 1, CALIBRATION_PICTURES).astype(int)
    calibration = [pictures[place] for place in spread]
    random = np.random.default_rng(options.seed)
    cuts = [cut_out(picture, random, CUT_OUT_PX) for picture in calibration]
    settle(options.seed)
    trunk, head = Trunk("lite0", PCB_STRIDES), DetectorHead(len(PCB_LABELS), PCB_STRIDES)
    if begun is not None:
        head.load_state_dict(begun.state_dict())
    frozen = Frozen(trunk, [image for image, _ in cuts[::4]])
    lessons = Lessons(frozen, PCB_LABELS, len(pictures), _board_look(pictures))
    # What is left out is not looked at on the way: there is nothing to choose by.
    learn(head, lessons, boxes.judge(frozen, cuts, PCB_LABELS), epochs, options, options.work / name)
    return head, trunk, [image for image, _ in calibration]


def learn(
    head: DetectorHead,
    lessons: Lessons,
    judge: Callable[[nn.Module], dict[str, float]],
    epochs: int,
    options: argparse.Namespace,
    folder: Path,
    until_stale: Stale | None = None,
) -> None:
    """Train the head on what the frozen trunk sees."""
    make_folder(folder)
    plan = Plan(epochs, EPOCH_STEPS, seed=options.seed)
    fit(
        head,
        lambda random: lessons.batches(random, AT_ONCE, EPOCH_STEPS),
        boxes.loss,
        judge,
        plan,
        folder,
        until_stale,
    )


def converted(trunk: Trunk, head: DetectorHead, pictures: Sequence[Pixels], folder: Path) -> dict[str, bytes]:
    """The whole network as .tflite files, float and int8; they are kept in the folder, too."""
    height, width = pictures[0].shape[:2]
    model = convert.to_float(Network(trunk, head), height, width, OUTPUTS)
    models = {"float32": model, "int8": convert.to_int8(model, pictures, {OUTPUTS[0]: SCORE_RANGE})}
    for name, content in models.items():
        replace_file(folder / f"{name}.tflite", content)
    return models


def worth(model: bytes, tested: Sequence[Seen], labels: tuple[str, ...]) -> dict[str, float]:
    """How well a .tflite finds what is in these pictures."""
    rows = [
        boxes.boxes_of(outputs[OUTPUTS[0]], outputs[OUTPUTS[1]], tested[0][0].shape[0])
        for outputs in convert.run(model, [image for image, _ in tested])
    ]
    return boxes.figures(rows, [things for _, things in tested], labels)


def _caps_look(pictures: Sequence[Boxed]) -> Callable[[int, np.random.Generator], Seen]:
    """Mirrored, in another light, and often without caps."""

    def look(number: int, random: np.random.Generator) -> Seen:
        image, things = read(pictures[number].path), pictures[number].things
        if random.random() < UNCAPPED_PICTURES:
            image, things = without_caps(image, things, random, UNCAPPED_SHARE)
        picture = relit(seen(image, things, CAPS_PX), random)
        return mirrored(picture) if random.random() < 0.5 else picture

    return look


def _board_look(pictures: Sequence[Seen]) -> Callable[[int, np.random.Generator], Seen]:
    """A square of the board, laid in one of eight ways."""

    def look(number: int, random: np.random.Generator) -> Seen:
        return turned(cut_out(pictures[number], random, CUT_OUT_PX), random)

    return look


def _look(boxed: Boxed, size_px: int) -> Seen:
    return seen(read(boxed.path), boxed.things, size_px)
