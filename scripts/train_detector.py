"""The two trainings of a detector: bottles and caps, which is shipped, and circuit boards, which is a proof."""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from accuracy_sets import Absent
from detection_sets import CAPS_LABELS, PCB_LABELS, Boxed, caps, pcb, pcb_groups
from training import boxes, convert
from training.boxes import Lessons, Seen, mirrored, seen
from training.detector import OUTPUTS, Detector, DetectorHead
from training.features import Features
from training.loop import Plan, TrainingError, fit, settle
from training.network import Trunk
from training.uncapped import without_caps

from edge.cli.progress import bar
from edge.durable import make_folder, replace_file
from edge.preprocess.picture import read

ROOT = Path(__file__).resolve().parent.parent
CAPS_PX, PCB_PX = 320, 640
CAPS_STRIDES, PCB_STRIDES = (8, 16), (4, 8, 16)
CALIBRATION_PICTURES = 96
UNCAPPED_SHARE = 0.6
"""Of the caps in a picture that are painted out of its copy."""


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
    asked.add_argument("--epochs", type=int, default=12, metavar="N", help="Default: 12.")
    asked.add_argument("--every", type=int, default=2, metavar="N", help="Learn from every Nth picture.")
    asked.add_argument("--seed", type=int, default=0, metavar="N", help="Another one, another training.")
    asked.add_argument(
        "--work", type=Path, default=ROOT / "build" / "training", metavar="FOLDER", help="Checkpoints."
    )
    asked.add_argument("--out", type=Path, default=ROOT / "models" / "cap-detector", metavar="FOLDER")
    return asked.parse_args()


def train_caps(options: argparse.Namespace) -> None:
    """From pictures to the float and the int8 model, which `cap_detector.py` makes a bundle of."""
    lesson = list(_capped(caps("train")[:: options.every], options.seed))
    checked = [_look(boxed, CAPS_PX) for boxed in caps("valid")]
    head = DetectorHead(len(CAPS_LABELS), CAPS_STRIDES)
    trunk = Trunk("lite0", CAPS_STRIDES)
    plan = Plan(options.epochs, len(lesson) // 16, seed=options.seed)
    learn(trunk, head, lesson, checked, CAPS_LABELS, plan, options.work / "caps", at_once=16)
    model = convert.to_float(Detector(trunk, head), CAPS_PX, CAPS_PX, OUTPUTS)
    spread = np.linspace(0, len(lesson) - 1, CALIBRATION_PICTURES).astype(int)
    int8 = convert.to_int8(model, [lesson[place][0] for place in spread])
    replace_file(options.work / "caps" / "float.tflite", model)
    replace_file(options.work / "caps" / "int8.tflite", int8)
    tested = [_look(boxed, CAPS_PX) for boxed in caps("test")]
    for name, content in (("float32", model), ("int8", int8)):
        print(name, json.dumps(worth(content, tested, CAPS_LABELS, CAPS_PX)))


def train_boards(options: argparse.Namespace) -> None:
    """Leave each group out in turn, and print how well its defects are found by what learned from the others."""
    groups = pcb_groups()
    left_out = [options.leave_out] if options.leave_out else groups
    if set(left_out) - set(groups):
        raise TrainingError(f"--leave-out {options.leave_out}: the groups are {', '.join(groups)}")
    rows = [leave_out(group, groups, options) for group in left_out]
    names = ("map50", "map50_95", *(f"ap50 {label}" for label in PCB_LABELS))
    print(f"| left out | pictures | {' | '.join(names)} |")
    print("| --- " * (len(names) + 2) + "|")
    for group, row in zip(left_out, rows, strict=True):
        print(f"| {group} | {row['pictures']:.0f} | {' | '.join(f'{row[name]:.3f}' for name in names)} |")
    print(f"mean mAP50 {statistics.fmean(row['map50'] for row in rows):.3f}")


def leave_out(group: str, groups: Sequence[str], options: argparse.Namespace) -> dict[str, float]:
    """Learn from all other groups; the int8 model's figures on every picture of this one."""
    folder = options.work / f"pcb-{group}"
    others = [boxed for other in groups if other != group for boxed in pcb([other])[:: options.every]]
    lesson = [_look(boxed, PCB_PX) for boxed in others]
    head, trunk = DetectorHead(len(PCB_LABELS), PCB_STRIDES), Trunk("lite0", PCB_STRIDES)
    plan = Plan(options.epochs, len(lesson) // 4, seed=options.seed)
    # What is left out is not looked at on the way: there is nothing to choose by.
    learn(trunk, head, lesson, lesson[:: max(1, len(lesson) // 16)], PCB_LABELS, plan, folder, at_once=4)
    model = convert.to_float(Detector(trunk, head), PCB_PX, PCB_PX, OUTPUTS)
    int8 = convert.to_int8(model, [image for image, _ in lesson[:: max(1, len(lesson) // 32)]])
    tested = [_look(boxed, PCB_PX) for boxed in pcb([group])]
    found = worth(int8, tested, PCB_LABELS, PCB_PX) | {"pictures": float(len(tested))}
    replace_file(folder / "figures.json", json.dumps(found, indent=1).encode())
    print(group, json.dumps(found), file=sys.stderr)
    return found


def learn(
    trunk: Trunk,
    head: DetectorHead,
    lesson: Sequence[Seen],
    checked: Sequence[Seen],
    labels: tuple[str, ...],
    plan: Plan,
    folder: Path,
    at_once: int,
) -> None:
    """Train the head on the frozen trunk's features; `checked` is looked at after every epoch."""
    make_folder(folder)
    with bar() as progress:
        lessons, checks = (
            Lessons(
                Features(trunk, _picture(pictures), len(pictures), progress),
                [things for _, things in pictures],
                labels,
                pictures[0][0].shape[0],
            )
            for pictures in (lesson, checked)
        )
    fit(
        head,
        lambda random: lessons.batches(random, at_once, plan.steps),
        boxes.loss,
        boxes.judge(checks, at_once),
        plan,
        folder,
    )


def worth(model: bytes, tested: Sequence[Seen], labels: tuple[str, ...], size_px: int) -> dict[str, float]:
    """How well a .tflite finds what is in these pictures."""
    rows = [
        boxes.boxes_of(outputs[OUTPUTS[0]], outputs[OUTPUTS[1]], len(labels), size_px)
        for outputs in convert.run(model, [image for image, _ in tested])
    ]
    return boxes.figures(rows, [things for _, things in tested], labels, size_px)


def _capped(pictures: Sequence[Boxed], seed: int) -> Iterator[Seen]:
    """Each picture, its mirror image, and, where there are caps, a copy that misses some."""
    for number, boxed in enumerate(pictures):
        image = read(boxed.path)
        plain = seen(image, boxed.things, CAPS_PX)
        yield plain
        yield mirrored(plain)
        if boxed.things:
            random = np.random.default_rng((seed, number))
            yield seen(*without_caps(image, boxed.things, random, UNCAPPED_SHARE), CAPS_PX)


def _look(boxed: Boxed, size_px: int) -> Seen:
    return seen(read(boxed.path), boxed.things, size_px)


def _picture(pictures: Sequence[Seen]) -> Callable[[int], np.ndarray]:
    return lambda number: pictures[number][0]
