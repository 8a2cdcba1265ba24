"""From patches to a trained restoration, its int8 .tflite and its bundle."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accuracy_sets import Absent
from numpy.typing import NDArray
from restoration_bundle import NAMES, TILE_PX, publish
from restoration_int8 import to_int8
from restoration_network import TASKS, Restoration, folded, to_pixels
from restoration_patches import noisy_patches, small_patches
from restoration_pictures import Pixels
from torch import Tensor, nn
from training import convert
from training.loop import Plan, TrainingError, fit, settle
from training.network import normalise

from edge.durable import replace_file

ROOT = Path(__file__).resolve().parent.parent
PATCHES, CHECKED = 8000, 256
PATCH_PX = {"denoise": 64, "x2": 40}
BATCH, EPOCH_STEPS = 16, 500
EPOCHS = {"denoise": 12, "x2": 8}


@dataclass(frozen=True, eq=False)
class Patches:
    """What is seen, what the residual is added to, and what should come out: uint8, N×h×w×3."""

    seen: Pixels
    start: Pixels
    wanted: Pixels


def main(about: str) -> None:
    """Train, convert, write the bundle."""
    options = read_options(about)
    settle(options.seed)
    try:
        train(options)
    except (Absent, TrainingError, OSError) as trouble:
        sys.exit(f"train_restorer: {trouble}")


def read_options(about: str) -> argparse.Namespace:
    """The command line's options."""
    asked = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--task", choices=TASKS, required=True, help="What is to be restored.")
    asked.add_argument(
        "--epochs", type=int, metavar="N", help=f"Of {EPOCH_STEPS} batches of {BATCH}; default: {EPOCHS}."
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
        "--out", type=Path, default=ROOT / "models", metavar="FOLDER", help="The bundle goes below it."
    )
    return asked.parse_args()


def train(options: argparse.Namespace) -> None:
    """The whole way, for one task."""
    task, folder = options.task, options.work / NAMES[options.task]
    learned = patches(task, PATCHES, seed=1 + 2 * options.seed)
    checked = patches(task, CHECKED, seed=2 + 2 * options.seed)
    network = Restoration(task).to(memory_format=torch.channels_last)
    plan = Plan(
        options.epochs or EPOCHS[task], EPOCH_STEPS, rate=2e-3, decay=0.0, clip=1.0, seed=options.seed
    )

    def batches(random: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(plan.steps):
            yield batch(learned, random.integers(len(learned.seen), size=BATCH), random, network.margin_px)

    fit(network, batches, loss, lambda net: judged(net, checked, network.margin_px), plan, folder)
    float_model = convert.to_float(folded(network), TILE_PX[task], TILE_PX[task], ["residual"])
    models = {"float32": float_model, "int8": to_int8(float_model)}
    for name, content in models.items():
        replace_file(folder / f"{name}.tflite", content)
    publish(task, models, options.out / NAMES[task])


def patches(task: str, count: int, seed: int) -> Patches:
    """Training patches for a task."""
    if task == "denoise":
        seen, wanted = noisy_patches(count, PATCH_PX[task], seed)
        return Patches(seen, seen, wanted)
    seen, wanted, start = small_patches(count, PATCH_PX[task], seed)
    return Patches(seen, start, wanted)


def batch(
    from_: Patches, chosen: NDArray[np.integer], random: np.random.Generator, margin_px: int
) -> tuple[Tensor, Tensor]:
    """Pictures and the residuals that they should get; turned and mirrored at random."""
    turns, mirrored = int(random.integers(4)), bool(random.integers(2))

    def turned(pictures: Pixels) -> Pixels:
        turned = np.rot90(pictures[chosen], turns, (1, 2))
        return np.ascontiguousarray(turned[:, :, ::-1] if mirrored else turned)

    seen, start, wanted = (turned(pictures) for pictures in (from_.seen, from_.start, from_.wanted))
    scale = start.shape[1] // seen.shape[1]
    inner = slice(margin_px * scale, -margin_px * scale)
    residual = wanted[:, inner, inner].astype(np.float32) - start[:, inner, inner]
    pictures = normalise(seen).contiguous(memory_format=torch.channels_last)
    return pictures, torch.from_numpy(residual / 128).permute(0, 3, 1, 2)


def loss(network: nn.Module, pair: tuple[Tensor, Tensor]) -> Tensor:
    """Mean absolute error, in units of 128 grey levels."""
    pictures, residual = pair
    return (to_pixels(network(pictures)) - residual).abs().mean()


def judged(network: nn.Module, checked: Patches, margin_px: int) -> Mapping[str, float]:
    """PSNR on the patches that were put aside, before and after."""
    random = np.random.default_rng(0)
    before, after = [], []
    for first in range(0, len(checked.seen), BATCH):
        chosen = np.arange(first, first + BATCH)
        pictures, residual = batch(checked, chosen, random, margin_px)
        left = residual - to_pixels(network(pictures))
        before.append(_psnr_db(residual))
        after.append(_psnr_db(left))
    gain = float(np.mean(np.concatenate(after) - np.concatenate(before)))
    return {"psnr_db": float(np.mean(np.concatenate(after))), "gain_db": gain}


def _psnr_db(left: Tensor) -> NDArray[np.float32]:
    error = (left * (128 / 255)).square().mean((1, 2, 3)).clamp_min(1e-6)
    return (-10 * error.log10()).numpy()
