"""A detector of defects that learns from few real ones, with and without made-up ones."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch
from accuracy_sets import Absent, folder_of
from torch import Tensor, nn
from training.boxes import boxes_of, figures, loss
from training.detector import STRIDE, DetectorHead, targets
from training.loop import Plan, fit, settle

from edge.cli.evaluation import read_mask
from edge.cli.progress import bar
from edge.geometry import Box, Image, Mask
from edge.judge.metrics import auroc
from edge.model import shipped
from edge.model.nms import SCORE
from edge.preprocess.picture import read
from edge.preprocess.tensor import InputSpec
from edge.teach.eye import Eye, Seen
from edge.teach.folds import alike, difference_hash
from edge.teach.grafts import GRAFT, donors_of
from edge.teach.synthesis import Order, made_up
from edge.types import Defect

SIDE_PX, STRIDES, LABELS = 256, (8, 16), ("defect",)
GOOD, MADE = 120, 240
"""Good pictures in every lesson, and made-up ones of each sort, where there are any."""
REAL_SHARE = 120
"""Pictures of real defects come again until they are about so many, whatever else is learned from."""
AT_ONCE = 8
"""Pictures in a batch."""
NEAR_PX = 9
"""Parts of a mask that are nearer to each other are one defect."""
ARMS: Mapping[str, tuple[str, ...]] = {
    "real alone": (),
    "with drawn ones": ("drawn",),
    "with grafted ones": ("grafted",),
    "with both": ("drawn", "grafted"),
}


@dataclass(frozen=True)
class Pool:
    """Pictures of bad and good parts to learn from, and those that are scored if they were not learned from."""

    bad: tuple[Path, ...]
    good: tuple[Path, ...]
    tested: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture, and the boxes of its defects in pixels of the network's input."""

    pixels: Image
    things: tuple[Defect, ...]


@dataclass(frozen=True, eq=False)
class Looked:
    """What the backbone sees, stride by stride (pictures×channels×rows×columns), and what is in the pictures."""

    features: tuple[np.ndarray, ...]
    things: Sequence[tuple[Defect, ...]]

    def some(self, numbers: Sequence[int]) -> "Looked":
        """These of the pictures."""
        places = list(numbers)
        return Looked(tuple(kept[places] for kept in self.features), [self.things[place] for place in places])

    def of(self, numbers: Sequence[int]) -> tuple[Tensor, ...]:
        """The features of these pictures, as the head takes them."""
        return tuple(torch.from_numpy(kept[list(numbers)]).float() for kept in self.features)


def main(about: str) -> None:
    """Train every arm, and print what each finds."""
    asked = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--set", choices=POOLS, default="bottle", help="Which pictures; default: bottle.")
    asked.add_argument("--real", type=int, nargs="+", default=[10], metavar="N", help="Default: 10.")
    asked.add_argument("--seeds", type=int, default=3, metavar="N", help="Draws of each; default: 3.")
    asked.add_argument(
        "--steps", type=int, default=600, metavar="N", help="Batches of each training; default: 600."
    )
    asked.add_argument("--json", action="store_true", help="Print JSON.")
    options = asked.parse_args()
    try:
        rows = measured(POOLS[options.set](), options.real, options.seeds, options.steps)
    except Absent as err:
        sys.exit(f"bench_synthetic: {err}")
    print(json.dumps(rows, indent=1) if options.json else "\n".join(table(rows)))


def bottle() -> Pool:
    """Bottle mouths: there are few bad ones, so that those that were not drawn are scored."""
    root = folder_of("bottle")
    tested = tuple(sorted(root.glob("test/*/*")))
    bad = tuple(path for path in tested if path.parent.name != "good")
    return Pool(bad, tuple(sorted(root.glob("train/good/*"))), tested)


def magnetic_tile() -> Pool:
    """Magnetic tiles: what is scored is of other groups of near duplicates than what is learned from."""
    root = folder_of("magnetic_tile")
    split = json.loads((root / "split.json").read_text())
    bad, good, tested = [], [], [root / name for name in split["test"]]
    for name in split["train"]:
        (good if name.startswith("free/") else bad).append(root / name)
    return Pool(tuple(bad), tuple(sorted(good)), tuple(tested))


POOLS: Mapping[str, Callable[[], Pool]] = {"bottle": bottle, "magnetic-tile": magnetic_tile}


def measured(pool: Pool, counts: Sequence[int], seeds: int, steps: int) -> list[dict[str, Any]]:
    """For each number of real pictures and each arm: AP50 and AUROC of each draw."""
    eye = Eye.of(shipped.backbone(shipped.QUICK), InputSpec(SIDE_PX, SIDE_PX, contrast="stretch"))
    tested = looked(eye, [shown(read(path), mask_of(path)) for path in pool.tested])
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for count in counts:
        for seed in range(seeds):
            for arm, found in trial(pool, eye, tested, count, seed, steps).items():
                row = rows.setdefault((count, arm), {"real": count, "arm": arm, "ap50": [], "auroc": []})
                for key, value in found.items():
                    row[key].append(round(value, 4))
                print(f"{count} real, seed {seed}, {arm}: {found}", file=sys.stderr, flush=True)
    return list(rows.values())


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rows as Markdown: means and standard deviations over the draws."""
    yield "| real defects | learns from | AP50 | against real alone | AUROC of the best score |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows:
        alone = next(one for one in rows if one["real"] == row["real"])
        gains = [ap - base for ap, base in zip(row["ap50"], alone["ap50"], strict=True)]
        gain = "" if row is alone else f"{fmean(gains):+.3f} ({min(gains):+.3f} to {max(gains):+.3f})"
        yield (
            f"| {row['real']} | {row['arm']} | {fmean(row['ap50']):.3f} ± {pstdev(row['ap50']):.3f} | {gain}"
            f" | {fmean(row['auroc']):.3f} ± {pstdev(row['auroc']):.3f} |"
        )


def trial(
    pool: Pool, eye: Eye, tested: Looked, count: int, seed: int, steps: int
) -> dict[str, dict[str, float]]:
    """Draw so many real defects of different parts, and train every arm with them, equally long."""
    rng = np.random.default_rng(seed)
    good = [pool.good[place] for place in rng.permutation(len(pool.good))[:GOOD]]
    # One tile's mask is empty.
    real = drawn([path for path in pool.bad if known(mask_of(path)).any()], count, rng)
    sorts = {"real": [turned for path in real for turned in turns(shown(read(path), mask_of(path)))]}
    sorts["good"] = [shown(read(path), None) for path in good]
    donors = tuple(donor for path in real for donor in donors_of(read(path), known(mask_of(path))))
    sorts["drawn"] = synthetic(good, Order(MADE, seed=seed))
    sorts["grafted"] = synthetic(good, Order(MADE, (GRAFT,), seed=seed, donors=donors))
    everything = looked(eye, [one for each in sorts.values() for one in each])
    places = dict(zip(sorts, np.split(np.arange(len(everything.things)), ends(sorts)), strict=True))
    again = max(1, round(REAL_SHARE / len(sorts["real"])))
    fresh = tested.some([place for place, path in enumerate(pool.tested) if path not in real])
    found = {}
    for arm, more in ARMS.items():
        chosen = [np.repeat(places["real"], again), places["good"], *(places[sort] for sort in more)]
        found[arm] = worth(trained(everything, np.concatenate(chosen), Plan(1, steps, seed=seed)), fresh)
    return found


def drawn(paths: Sequence[Path], count: int, rng: np.random.Generator) -> list[Path]:
    """So many pictures, no two of which are nearly alike."""
    groups = alike(np.stack([difference_hash(read(path)) for path in paths]))
    firsts = [int(rng.choice(np.flatnonzero(groups == group))) for group in range(groups.max() + 1)]
    return [paths[place] for place in rng.permutation(firsts)[:count]]


def synthetic(good: Sequence[Path], order: Order) -> list[Shown]:
    """Made-up defects on these good parts."""
    return [shown(made.damaged.picture, made.damaged.mask) for made in made_up(good, order)]


def shown(picture: Image, mask: Mask | None) -> Shown:
    """The picture, and a box around each part of its mask."""
    height, width = picture.shape[:2]
    boxes = [] if mask is None else list(boxes_around(mask))
    x, y = SIDE_PX / width, SIDE_PX / height
    things = tuple(
        Defect(LABELS[0], Box(box.x_min * x, box.y_min * y, box.x_max * x, box.y_max * y)) for box in boxes
    )
    return Shown(picture, things)


def boxes_around(mask: Mask) -> Iterator[Box]:
    """A box around each defect: parts of the mask that all but touch are one."""
    near = cv2.dilate(mask.astype(np.uint8), np.ones((NEAR_PX, NEAR_PX), np.uint8))
    count, areas = cv2.connectedComponents(near)
    for number in range(1, count):
        left, top, wide, tall = cv2.boundingRect(((areas == number) & mask).astype(np.uint8))
        yield Box(left, top, left + wide, top + tall)


def turns(one: Shown) -> Iterator[Shown]:
    """As it is, mirrored, upside down, and both."""
    for across in (False, True):
        for over in (False, True):
            pixels = one.pixels[:: -1 if over else 1, :: -1 if across else 1]
            things = tuple(Defect(thing.label, _mirrored(thing.box, across, over)) for thing in one.things)
            yield Shown(np.ascontiguousarray(pixels), things)


def mask_of(path: Path) -> Mask | None:
    """Where its defects are; None for a good part."""
    if path.parent.name in {"free", "good"}:
        return None
    height, width = read(path).shape[:2]
    beside = path.with_name(f"{path.stem}_mask.png")
    apart = path.parents[2] / "ground_truth" / path.parent.name / beside.name
    return read_mask(beside if beside.exists() else apart, width, height)


def known(mask: Mask | None) -> Mask:
    """The mask of a picture that has one."""
    assert mask is not None  # noqa: S101 - only bad parts are asked for
    return mask


def looked(eye: Eye, pictures: Sequence[Shown]) -> Looked:
    """What the shipped int8 backbone sees of all of them."""
    found: list[list[np.ndarray]] = [[] for _ in STRIDES]
    with bar() as progress:
        for number, one in enumerate(pictures):
            seen: Seen = eye.look(one.pixels)
            for kept, stride_px in zip(found, STRIDES, strict=True):
                kept.append(seen.cells(eye.taps((stride_px,)))[0].transpose(2, 0, 1).astype(np.float16))
            progress("looking", number + 1, len(pictures))
    return Looked(tuple(np.stack(kept) for kept in found), [one.things for one in pictures])


def trained(lesson: Looked, chosen: np.ndarray, plan: Plan) -> nn.Module:
    """A head that has learned from these of the pictures."""
    settle(plan.seed)
    head = DetectorHead(len(LABELS), STRIDES)

    def batches(rng: np.random.Generator) -> Iterator[tuple[tuple[Tensor, ...], Tensor, Tensor, Tensor]]:
        for _ in range(plan.steps):
            numbers = rng.choice(chosen, AT_ONCE, replace=False)
            wanted = [wanted_of(lesson.things[number]) for number in numbers]
            heat, reach, counts = (torch.stack(tensors) for tensors in zip(*wanted, strict=True))
            yield lesson.of(numbers), heat, reach, counts

    with TemporaryDirectory() as folder:
        fit(head, batches, loss, lambda _: {}, plan, Path(folder))
    return head


def wanted_of(things: Sequence[Defect]) -> tuple[Tensor, Tensor, Tensor]:
    """What the head should say of a picture."""
    boxes = torch.tensor([thing.box for thing in things], dtype=torch.float32).reshape(-1, 4) / STRIDE
    kinds = torch.zeros(len(things), dtype=torch.int64)
    return targets(boxes, kinds, SIDE_PX // STRIDE, SIDE_PX // STRIDE, len(LABELS))


def worth(head: nn.Module, tested: Looked) -> dict[str, float]:
    """`ap50` of its boxes, and how well its best score tells bad parts from good ones."""
    rows = []
    with torch.no_grad():
        for first in range(0, len(tested.things), AT_ONCE):
            numbers = range(first, min(len(tested.things), first + AT_ONCE))
            said = (y.permute(0, 2, 3, 1).numpy() for y in head(tested.of(numbers)))
            rows += [
                boxes_of(scores[None], reach[None], SIDE_PX) for scores, reach in zip(*said, strict=True)
            ]
    best: dict[bool, list[float]] = {False: [], True: []}
    for row, things in zip(rows, tested.things, strict=True):
        best[bool(things)].append(float(row[:, SCORE].max(initial=0.0)))
    found = figures(rows, tested.things, LABELS)
    return {"ap50": found["map50"], "auroc": auroc(best[False], best[True])}


def ends(sorts: Mapping[str, Sequence[Shown]]) -> list[int]:
    """Where one sort ends and the next begins."""
    return np.cumsum([len(each) for each in sorts.values()])[:-1].tolist()


def _mirrored(box: Box, across: bool, over: bool) -> Box:  # noqa: FBT001 - as in `turns`
    left, top, right, bottom = box
    if across:
        left, right = SIDE_PX - right, SIDE_PX - left
    if over:
        top, bottom = SIDE_PX - bottom, SIDE_PX - top
    return Box(left, top, right, bottom)
