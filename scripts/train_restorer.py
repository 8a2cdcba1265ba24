"""Train a restoration: patches, the training, its conversion to int8, and what both are worth.

Called by `scripts/train_restorer`; goes on where it was interrupted.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from restoration_int8 import to_int8
from restoration_network import TASKS, Restoration, to_pixels
from restoration_patches import noisy_patches, small_patches
from restoration_pictures import Pixels
from torch import Tensor, nn
from training import convert
from training.loop import Plan, TrainingError, fit, settle
from training.network import normalise

ROOT = Path(__file__).resolve().parent.parent
PATCHES, CHECKED = 8000, 256
PATCH_PX = {"denoise": 64, "x2": 40}
TILE_PX = {"denoise": 256, "x2": 128}
BATCH = 16


@dataclass(frozen=True, eq=False)
class Patches:
    """What is seen, what the residual is added to, and what should come out: uint8, N×h×w×3."""

    seen: Pixels
    start: Pixels
    wanted: Pixels


def main() -> None:
    """Train, convert, write."""
    options = read_options()
    settle(options.seed)
    try:
        train(options)
    except TrainingError as trouble:
        sys.exit(f"train_restorer: {trouble}")


def read_options() -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=TASKS, required=True, help="what is to be restored")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER", help="checkpoints and curves")
    parser.add_argument("--epochs", type=int, default=36, help="of 500 steps; default: 36")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def train(options: argparse.Namespace) -> None:
    """The whole way, for one task."""
    learned = patches(options.task, PATCHES, seed=1 + 2 * options.seed)
    checked = patches(options.task, CHECKED, seed=2 + 2 * options.seed)
    network = Restoration(options.task).to(memory_format=torch.channels_last)
    plan = Plan(options.epochs, 500, rate=2e-3, decay=0.0, clip=1.0, seed=options.seed)

    def batches(random: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(plan.steps):
            yield batch(learned, random.integers(len(learned.seen), size=BATCH), random, network.margin_px)

    fit(network, batches, loss, lambda net: judged(net, checked, network.margin_px), plan, options.work)
    network.eval()
    plain = folded(network)
    tile = TILE_PX[options.task]
    float_model = convert.to_float(plain, tile, tile, ["residual"])
    (options.work / "float.tflite").write_bytes(float_model)
    (options.work / "int8.tflite").write_bytes(to_int8(float_model))


def folded(network: Restoration) -> Restoration:
    """A copy without roundings, whose last layer has its gain in its weights: what is converted."""
    plain = deepcopy(network)
    plain.rounding, plain.gain = False, 1.0
    last = plain.layers[-1]
    with torch.no_grad():
        last.weight *= network.gain
        last.bias *= network.gain
    return plain


def patches(task: str, count: int, seed: int) -> Patches:
    """Training patches for a task."""
    if task == "denoise":
        seen, wanted = noisy_patches(count, PATCH_PX[task], seed)
        return Patches(seen, seen, wanted)
    seen, wanted, start = small_patches(count, PATCH_PX[task], seed)
    return Patches(seen, start, wanted)


def batch(
    from_: Patches, chosen: np.ndarray, random: np.random.Generator, margin_px: int
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


def _psnr_db(left: Tensor) -> np.ndarray:
    error = (left * (128 / 255)).square().mean((1, 2, 3)).clamp_min(1e-6)
    return (-10 * error.log10()).numpy()


if __name__ == "__main__":
    main()
