"""The figures of `edge eval --classes`: what a bundle calls pictures whose classes are known."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import ConfigError
from edge.judge.classification import UNKNOWN
from edge.types import Inspection

NOT_JUDGED = "not judged"
"""The answer for a picture that cannot be read, or is not fit to be looked at."""
NAMED = 5
"""So many of them are named to a person."""


class ClassEvaluation:
    """Collects inspections of pictures of known classes: some of the model's, or 'unknown' for none of them."""

    def __init__(self, labels: Sequence[str], classes: Sequence[str], folder: Path) -> None:
        """`labels` are the model's, `classes` those of the pictures in `folder`. Raises `ConfigError`."""
        for label in classes:
            if label not in labels:
                raise ConfigError(f"{folder / label}: {_no_class(label, labels)}")
        self._taught = [label for label in classes if label != UNKNOWN]
        if not self._taught:
            raise ConfigError(f"{folder}: has no folder of a class that was taught: {_told(labels)}")
        self._classes = [*self._taught, *(label for label in classes if label == UNKNOWN)]
        self._answers = [*labels, NOT_JUDGED]
        self._confusion = np.zeros((len(self._classes), len(self._answers)), np.intp)
        self._ms: list[float] = []
        self._not_judged: list[dict[str, str]] = []

    def add(self, label: str, path: Path, part: Inspection) -> None:
        """Count one picture of that class."""
        answer = part.decision.label
        column = self._answers.index(NOT_JUDGED if answer is None else answer)
        self._confusion[self._classes.index(label), column] += 1
        if answer is None:
            self._not_judged.append({"file": str(path), "reason": "; ".join(part.decision.reasons)})
        else:
            self._ms.append(part.stage_ms["inference"])

    def figures(self) -> dict[str, Any]:
        """The figures, JSON-able: shares are 0…1, rounded; milliseconds.

        `confusion` has a row for each of `classes` and a column for each of `answers`. Balanced accuracy and
        `called_unknown` are of the classes that were taught; what is `not_judged` is not right.
        """
        rows = zip(self._classes, self._confusion.tolist(), strict=True)
        counts = self._confusion.sum(axis=1)
        right = [row[self._answers.index(label)] for label, row in rows]
        recall = [_share(found, number) for found, number in zip(right, counts.tolist(), strict=True)]
        taught = self._confusion[: len(self._taught)]
        unknown = int(taught[:, self._answers.index(UNKNOWN)].sum()) if UNKNOWN in self._answers else 0
        return {
            "pictures": dict(zip(self._classes, counts.tolist(), strict=True)),
            "balanced_accuracy": round(float(np.mean(recall[: len(self._taught)])), 4),
            "recall": dict(zip(self._classes, recall, strict=True)),
            "called_unknown": _share(unknown, int(taught.sum())),
            "not_judged": self._not_judged,
            "classes": self._classes,
            "answers": self._answers,
            "confusion": self._confusion.tolist(),
            "inference_ms_p50": round(float(np.median(self._ms)), 4) if self._ms else None,
        }


def lines(figures: dict[str, Any]) -> list[str]:
    """The figures for a person."""
    answers: list[str] = figures["answers"]
    if not figures["not_judged"]:
        answers = answers[:-1]
    width = max(len("inference_ms_p50"), *map(len, figures["classes"]))
    skipped: list[dict[str, str]] = figures["not_judged"]
    told = [
        f"{key:>{width}}  {len(skipped) if key == 'not_judged' else figures[key]}"
        for key in ("balanced_accuracy", "called_unknown", "not_judged", "inference_ms_p50")
    ]
    why = [f"not judged: {one['file']}: {one['reason']}" for one in skipped[:NAMED]]
    if len(skipped) > NAMED:
        why.append(f"{len(skipped) - NAMED} more with --json")
    rows = zip(figures["classes"], figures["confusion"], strict=True)
    table = [
        f"{label:>{width}}  {figures['recall'][label]:>6.1%}  "
        + "  ".join(f"{count:>{len(answer)}}" for answer, count in zip(answers, row, strict=False))
        for label, row in rows
    ]
    return [*told, f"{'is':>{width}}  recall  " + "  ".join(answers), *table, *why]


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4)


def _no_class(label: str, labels: Collection[str]) -> str:
    near = get_close_matches(label, labels, 1)
    meant = f"did you mean '{near[0]}'?" if near else f"expected a folder for each of {_told(labels)}"
    return f"the model has no class '{label}'; {meant}"


def _told(labels: Collection[str]) -> str:
    return ", ".join(label for label in labels if label != UNKNOWN)
