"""The training loop: the same numbers every time, also when it was interrupted and goes on from its last epoch."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edge.cli.progress import bar
from edge.durable import make_folder, replace_file
from training.curves import draw

CHECKPOINT, HISTORY, CURVES = "checkpoint.pt", "history.json", "curves.png"
"""What is in the folder of a training."""
WARM_UP = 0.05
"""Share of all steps in which the learning rate rises to its peak; from there it falls to 0 along a cosine."""
EPOCH_SEEDS = 1_000_003
"""Far enough apart that the epochs of neighbouring seeds share none."""

History = list[dict[str, float]]
Batch = Any


class TrainingError(Exception):
    """A training cannot go on, and why, for the person at the terminal."""


@dataclass(frozen=True)
class Plan:
    """What makes one training what it is: a folder goes on only with the plan that it was begun with.

    `shares` are the shares of `rate` with which the parameters learn whose names begin so; all others learn at 1.
    """

    epochs: int
    steps: int
    rate: float = 2e-3
    decay: float = 1e-4
    clip: float = 5.0
    seed: int = 0
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Stale:
    """A figure has not risen for so many epochs: what is still to be won is not in it."""

    figure: str
    epochs: int

    def reached(self, history: History) -> bool:
        """Whether it was at its best, for the first time, so many epochs ago."""
        values = [row[self.figure] for row in history]
        return len(values) > self.epochs and len(values) - 1 - values.index(max(values)) >= self.epochs


def device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def settle(seed: int, threads: int = 1) -> None:
    """The same seed gives the same numbers: sums in another order would round differently, so one thread."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True, warn_only=torch.cuda.is_available())
    torch.manual_seed(seed)


def fit(
    network: nn.Module,
    batches: Callable[[np.random.Generator], Iterable[Batch]],
    loss: Callable[[nn.Module, Batch], Tensor],
    judge: Callable[[nn.Module], Mapping[str, float]],
    plan: Plan,
    folder: Path,
    until_stale: Stale | None = None,
) -> History:
    """Train with AdamW; after every epoch the folder holds a checkpoint, the figures so far and their curves.

    `batches` gives the `plan.steps` batches of an epoch, shuffled with the generator that it gets; `judge` what is
    known of the network after it; with `until_stale` it may end before the plan does. Raises `TrainingError` where
    the folder holds another training, or the loss is no number.
    """
    make_folder(folder)
    optimiser = torch.optim.AdamW(_groups(network, plan), lr=plan.rate, weight_decay=plan.decay)
    history = _resume(folder / CHECKPOINT, plan, network, optimiser)
    with bar() as progress:
        for epoch in range(len(history), plan.epochs):
            if until_stale is not None and until_stale.reached(history):
                break
            started = perf_counter()
            torch.manual_seed(plan.seed * EPOCH_SEEDS + epoch)
            network.train()
            total = 0.0
            for step, batch in enumerate(batches(np.random.default_rng((plan.seed, epoch)))):
                total += _step(network, optimiser, loss(network, batch), plan, epoch * plan.steps + step)
                progress("training", epoch * plan.steps + step + 1, plan.epochs * plan.steps)
            network.eval()
            with torch.no_grad():
                figures = judge(network)
            row = {"epoch": epoch + 1, "loss": total / plan.steps, **figures}
            history.append(row | {"seconds": perf_counter() - started})
            _keep(folder, plan, network, optimiser, history)
    network.eval()
    return history


def rate_at(plan: Plan, step: int) -> float:
    """The learning rate of a step."""
    steps = plan.epochs * plan.steps
    rising = max(1, round(WARM_UP * steps))
    if step < rising:
        return plan.rate * (step + 1) / rising
    return plan.rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def _groups(network: nn.Module, plan: Plan) -> list[dict[str, Any]]:
    groups: dict[float, list[nn.Parameter]] = {}
    for name, weight in network.named_parameters():
        if weight.requires_grad:
            share = next((share for start, share in plan.shares.items() if name.startswith(start)), 1.0)
            groups.setdefault(share, []).append(weight)
    return [{"params": weights, "share": share} for share, weights in groups.items()]


def _step(network: nn.Module, optimiser: torch.optim.Optimizer, lost: Tensor, plan: Plan, step: int) -> float:
    value = float(lost.detach())
    if not math.isfinite(value):
        raise TrainingError(
            f"the loss of step {step + 1} is {value}; lower the learning rate ({plan.rate:g})"
        )
    for group in optimiser.param_groups:
        group["lr"] = rate_at(plan, step) * group["share"]
    optimiser.zero_grad(set_to_none=True)
    lost.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
    optimiser.step()
    return value


def _resume(path: Path, plan: Plan, network: nn.Module, optimiser: torch.optim.Optimizer) -> History:
    if not path.exists():
        return []
    kept = torch.load(path, weights_only=True)
    if kept["plan"] != asdict(plan):
        raise TrainingError(
            f"{path.parent}: holds a training with another plan ({kept['plan']});"
            " name another folder, or remove it"
        )
    network.load_state_dict(kept["network"])
    optimiser.load_state_dict(kept["optimiser"])
    history: History = kept["history"]
    return history


def _keep(
    folder: Path, plan: Plan, network: nn.Module, optimiser: torch.optim.Optimizer, history: History
) -> None:
    fresh = folder / f"{CHECKPOINT}.unfinished"
    torch.save(
        {
            "plan": asdict(plan),
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "history": history,
        },
        fresh,
    )
    fresh.replace(folder / CHECKPOINT)
    replace_file(folder / HISTORY, json.dumps(history, indent=1).encode())
    draw(history, folder / CURVES)
