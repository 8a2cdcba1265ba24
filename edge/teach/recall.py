"""How many made-up defects a bundle finds: by kind, by size and by contrast."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from edge.geometry import Mask
from edge.teach.synthesis import Made
from edge.types import Inspection, Verdict

SIZES = (0.05, 0.1, 0.2)
"""Limits between rows: square root of the area, as a share of the picture's shorter side."""
CONTRASTS = (10.0, 20.0, 40.0)
"""Limits between rows: mean change, in grey levels."""
FEW = 10
"""Under so many defects a share says little."""


@dataclass(frozen=True)
class Trial:
    """A made-up defect that was judged; `in_place` says that a failing region lies on it."""

    kind: str
    size: float
    contrast: float
    verdict: Verdict
    in_place: bool


class Recall:
    """Collects trials, on good parts that pass without a defect: of others, a `fail` would say nothing."""

    def __init__(self) -> None:
        self._trials: list[Trial] = []
        self._left_out = 0

    def add(self, made: Made, without: Verdict, bad: Inspection) -> None:
        """Count a defect; `without` is the verdict on its part without it, `bad` what was said of it then."""
        if without is not Verdict.PASS:
            self._left_out += 1
            return
        verdict = bad.decision.verdict
        self._trials.append(
            Trial(made.kind, made.size, made.contrast, verdict, _in_place(bad, made.damaged.mask))
        )

    def figures(self) -> dict[str, Any]:
        """JSON-able: shares are 0…1, rounded; None where there is nothing to share.

        `recall` is the share that fails, `caught` the share that does not pass, and `in_place` the share that
        fails because of a region on the defect. `left_out` were made on parts that do not pass as they are.
        """
        kinds = list(dict.fromkeys(trial.kind for trial in self._trials))
        return {
            "left_out": self._left_out,
            "all": _row(self._trials),
            "kinds": {
                kind: _row([trial for trial in self._trials if trial.kind == kind]) for kind in sorted(kinds)
            },
            "sizes": _binned(self._trials, [trial.size for trial in self._trials], SIZES, ""),
            "contrasts": _binned(
                self._trials, [trial.contrast for trial in self._trials], CONTRASTS, " levels"
            ),
        }


def lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """The figures for a person."""
    tables: list[tuple[str, Mapping[str, Any]]] = [
        ("kind", figures["kinds"]),
        ("size, share of the shorter side", figures["sizes"]),
        ("contrast, mean change", figures["contrasts"]),
        ("", {"all": figures["all"]}),
    ]
    width = max(len(name) for title, rows in tables for name in (title, *rows))
    yield f"{'':<{width}}  made  fail  recall  in place  inconclusive  pass  error"
    for title, rows in tables:
        if title:
            yield title
        for name, row in rows.items():
            yield (
                f"{name:>{width}}  {row['made']:>4}  {row['fail']:>4}  {_told(row['recall']):>6}"
                f"  {_told(row['in_place']):>8}  {row['inconclusive']:>12}  {row['pass']:>4}  {row['error']:>5}"
            )
    if figures["left_out"]:
        yield f"left out: {figures['left_out']} made on parts that do not pass as they are"
    if any(0 < row["made"] < FEW for _, rows in tables for row in rows.values()):
        yield f"rows of fewer than {FEW} say little: raise --count"


def _row(trials: Sequence[Trial]) -> dict[str, Any]:
    verdicts = [trial.verdict for trial in trials]
    counts = {verdict.value: verdicts.count(verdict) for verdict in Verdict}
    found = counts[Verdict.FAIL.value]
    return {
        "made": len(trials),
        **counts,
        "recall": _share(found, len(trials)),
        "caught": _share(len(trials) - counts[Verdict.PASS.value], len(trials)),
        "in_place": _share(sum(trial.in_place for trial in trials), len(trials)),
    }


def _binned(
    trials: Sequence[Trial], values: Sequence[float], limits: Sequence[float], unit: str
) -> dict[str, Any]:
    edges = (0.0, *limits, float("inf"))
    rows = {}
    for low, high in pairwise(edges):
        name = f"under {high:g}{unit}" if low == 0 else f"{low:g}…{high:g}{unit}"
        name = name if high < float("inf") else f"{low:g} or more{unit}"
        rows[name] = _row([trial for trial, value in zip(trials, values, strict=True) if low <= value < high])
    return rows


def _in_place(inspection: Inspection, mask: Mask) -> bool:
    """Whether it fails because of a region that touches the defect."""
    regions = [region for finding in inspection.findings for region in finding.decision.regions]
    boxes = [tuple(int(edge) for edge in region.box) for region in regions]
    return inspection.decision.verdict is Verdict.FAIL and any(
        mask[max(0, top) : bottom + 1, max(0, left) : right + 1].any() for left, top, right, bottom in boxes
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _told(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
