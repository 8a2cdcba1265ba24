"""A head: from what the interpreter gives for each tensor to a prediction for the picture."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy.typing as npt

from edge.model.taps import Outputs
from edge.prediction import Prediction
from edge.preprocess.tensor import Prepared
from edge.types import Decision

Scores = tuple[npt.NDArray[Any], ...]
"""For each tensor what its head makes of it: a map of distances, a probability for each label, rows of boxes …"""


@dataclass(frozen=True, eq=False)
class Result:
    """What a model makes of a picture. `outputs` are the interpreter's own, tensor by tensor."""

    scores: Scores
    outputs: tuple[Outputs, ...]


Explain = Callable[[Decision, Result, Prepared], Decision]


def unexplained(decision: Decision, _result: Result, _prepared: Prepared) -> Decision:
    """The decision as it is: there is nothing to compare with."""
    return decision


class Head(NamedTuple):
    """`score` is called for each tensor, `decode` once for the picture; both raise `InferenceError`."""

    score: Callable[[Outputs], npt.NDArray[Any]]
    decode: Callable[[Scores, Prepared], Prediction]
    explain: Explain = unexplained
