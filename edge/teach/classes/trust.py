"""How far a bundle's classes can be trusted: what it says of pictures that it had not been taught."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.model.arrays import Floats


@dataclass(frozen=True, eq=False)
class Trust:
    """`confusion` classes×(classes + 1): how many pictures of a class (row) were called what; last: unknown.

    `stated` is the mean probability of the answers that were no 'unknown', `right` how many of these were right.
    """

    labels: tuple[str, ...]
    confusion: npt.NDArray[np.intp]
    stated: float
    right: float

    @property
    def balanced_accuracy(self) -> float:
        """The mean over the classes of the share that is named right, 0…1; 'unknown' is not right."""
        return float(np.mean(np.diagonal(self.confusion) / self.confusion.sum(axis=1)))

    @property
    def unknown(self) -> float:
        """The share of all pictures that is called unknown although its class was taught."""
        return float(self.confusion[:, -1].sum() / self.confusion.sum())

    def lines(self) -> list[str]:
        """For a person: the figures, and the table of what was called what."""
        answers = (*self.labels, "unknown")
        width = max(map(len, answers))
        rows = [
            f"{label:>{width}}  "
            + "  ".join(f"{count:>{len(answer)}}" for answer, count in zip(answers, row, strict=True))
            for label, row in zip(self.labels, self.confusion.tolist(), strict=True)
        ]
        return [
            f"held out: balanced accuracy {self.balanced_accuracy:.3f}, {self.unknown:.1%} called unknown",
            f"answers say {self.stated:.0%} on average, and {self.right:.0%} of them are right",
            f"{'is':>{width}}  " + "  ".join(answers),
            *rows,
        ]

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "labels": list(self.labels),
            "confusion": self.confusion.tolist(),
            "balanced_accuracy": self.balanced_accuracy,
            "unknown": self.unknown,
            "stated": self.stated,
            "right": self.right,
        }


def measure_trust(labels: Sequence[str], classes: npt.NDArray[np.intp], probabilities: Floats) -> Trust:
    """From held-out probabilities, pictures×(classes + 1)."""
    answers = probabilities.argmax(axis=1)
    confusion = np.zeros((len(labels), len(labels) + 1), np.intp)
    np.add.at(confusion, (classes, answers), 1)
    named = answers < len(labels)
    stated = float(probabilities.max(axis=1)[named].mean()) if named.any() else float("nan")
    right = float((answers == classes)[named].mean()) if named.any() else float("nan")
    return Trust(tuple(labels), confusion, stated, right)
