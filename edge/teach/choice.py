"""What a product is taught with: first the setting is chosen, then the method."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from edge.model.methods import Method
from edge.teach.contest import Sample, Trial, fitted, looker, merit, nearest
from edge.teach.eye import Eye
from edge.teach.gather import Gathered, Progress
from edge.teach.pace import pace_ms
from edge.teach.parallel import counter
from edge.teach.record import Candidate
from edge.teach.setting import STRIDES_PX, Setting
from edge.teach.wishes import Wishes

log = logging.getLogger(__name__)

METHODS: tuple[Method, ...] = get_args(Method)
FOLDS = 2
"""Of the comparison of methods: each half teaches, and the other is tried."""
ALL_CELLS = "all cells"
"""What settings are compared with: a memory bank from which nothing was left out."""


@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen, and all that it was compared with."""

    eye: Eye
    strides_px: tuple[int, ...]
    method: Method
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, eq=False)
class _Tried:
    eye: Eye
    strides_px: tuple[int, ...]
    method: Method
    sample: Sample
    trial: Trial
    told: Candidate

    @property
    def merit(self) -> float:
        return merit(Setting(self.eye.spec, self.strides_px), self.method, self.trial)


def choose(gathered: Gathered, eyes: Sequence[Eye], wishes: Wishes, progress: Progress) -> Choice:
    """Compare settings by the quickest method, then methods in the best setting. The last eye is the quickest."""
    methods = _methods(wishes)
    steps = len(eyes) * len(STRIDES_PX) + FOLDS * len(methods)
    step = counter(lambda done: progress("comparing", done, steps))
    compared = gathered.compared()
    pace = {eye: eye.pace_ms() for eye in eyes}
    settings = []
    for eye in eyes:
        for strides_px in STRIDES_PX:
            sample = gathered.sample(eye, strides_px, compared)
            settings.append(_tried(eye, strides_px, sample, pace[eye]))
            step()
    best = _best(settings, wishes)
    rivals = [_rival(best, method, wishes, step) for method in methods]
    winner = _best(rivals, wishes)
    told = [one.told for one in (*settings, *rivals) if one is not winner]
    for one in (*told, winner.told):
        log.info("%s", one)
    candidates = (replace(winner.told, chosen=True), *told)
    return Choice(winner.eye, winner.strides_px, winner.method, candidates)


def _methods(wishes: Wishes) -> tuple[Method, ...]:
    if wishes.method is not None:
        return (wishes.method,)
    # Places are told apart only where a tile is the whole.
    return tuple(method for method in METHODS if wishes.tiles == 1 or method != "position_gaussian")


def _tried(eye: Eye, strides_px: tuple[int, ...], sample: Sample, backbone_ms: float) -> _Tried:
    trial = nearest(sample)
    told = _told(eye, strides_px, ALL_CELLS, trial, backbone_ms, sample.good.nbytes)
    return _Tried(eye, strides_px, "memory_bank", sample, trial, told)


def _rival(best: _Tried, method: Method, wishes: Wishes, step: Callable[[], None]) -> _Tried:
    parts = np.array_split(np.arange(len(best.sample.good)), FOLDS)
    trial, arrays = fitted(method, best.sample, parts, wishes.head_bytes, wishes.seed, step)
    look, picture = looker(method, arrays, best.sample), best.sample.good[0]
    model_ms = best.told.model_ms + pace_ms(lambda: look(picture))
    size_bytes = sum(array.nbytes for array in arrays.values())
    told = _told(best.eye, best.strides_px, method, trial, model_ms, size_bytes)
    return replace(best, method=method, trial=trial, told=told)


def _told(
    eye: Eye, strides_px: tuple[int, ...], method: str, trial: Trial, model_ms: float, head_bytes: int
) -> Candidate:
    spec = eye.spec
    return Candidate(
        width=spec.width,
        height=spec.height,
        contrast=spec.contrast,
        strides_px=strides_px,
        method=method,
        auroc=trial.auroc,
        separation=trial.separation,
        model_ms=model_ms,
        head_bytes=head_bytes,
        chosen=False,
    )


def _best(tried: Sequence[_Tried], wishes: Wishes) -> _Tried:
    """The one of most merit among those that are fast enough; where none is, among those of the quickest eye."""
    if wishes.budget_ms is not None:
        fast = [one for one in tried if one.told.model_ms <= wishes.budget_ms]
        tried = fast or [one for one in tried if one.eye is tried[-1].eye]
    return max(tried, key=lambda one: one.merit)
