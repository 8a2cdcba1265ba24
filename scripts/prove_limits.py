"""Proof of the limits: parts that are taught at random, and how many of the unseen good ones are then rejected.

Each split is a lesson: held-out scores of the taught parts, fold by fold as `edge teach` does, limits learned from
these, and a bank of all of them, which scores the unseen parts. A lesson keeps its promise where no larger share
of the unseen good parts fails than was promised; that must be so in the stated share of the lessons.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from accuracy_sets import Absent
from limit_pools import POOLS, Nearness, nearness, pool

from edge.cli.progress import bar
from edge.judge.anomaly import TOP_CELLS
from edge.teach.limits import FEWEST_PROMISED, folds, learn

Scores = npt.NDArray[np.float64]

CONTRASTS = ("none", "stretch")
PARTS = (10, 20, 30, 60, 200, 240)
PROMISES = (0.01, 0.05)
CONFIDENCE = 0.9
UNSEEN = 100
"""Unseen parts come in so many, 300 at most: of 260, 2 would be less and 3 more than 1 %."""
MOST_UNSEEN = 300
FEWEST_ALLOWED = 2
"""Unseen parts that the promise lets fail, for a verdict: of fewer, one part more or less decides."""

WORDS = """\
Each split is a lesson. Parts drawn at random are taught; each is scored by a bank that its fold is not in (one
or two of up to 20 parts, a fifth of more than 30), limits are learned from these scores alone, and a bank of
all taught parts scores those that were not drawn. Contrast is left alone, or stretched. The columns:

- unseen: good parts of each split that were not taught, in hundreds, so that 1 % is a number of parts.
- kept: splits in which no larger share of the unseen good parts failed than was promised. In brackets: no
  promise is made (under 30 parts), or it lets fewer than 2 of the unseen parts fail, so that one part
  decides. Bold: broken.
- proven kept: splits in which no larger share failed than the bound that the count of the taught parts alone
  proves, which every limit states.
- false rejects: share of the unseen good parts that failed, on average; then its 90th percentile over the
  splits, and what the limits expected of themselves.
- good inconclusive: share of the unseen good parts between `pass_below` and the limit.
- bad: shares of the bad parts, on average. What is inconclusive goes to a person; only what passes escapes.

The promise is of `fail` alone. `pass_below` has no confidence on top: it lies where 5 % of the good parts are
expected over it (10 % where 5 % may fail), so that a wide limit, which few parts have, makes defects
inconclusive and lets none of them pass.

Pools: `elpv-mono` and `elpv-poly`, 540 solar cells each of defect probability 0 and 150 of probability 1, from
the package elpv-dataset; `magnetic-tile`, 499 of `free`, one of each group of near duplicates, and 150 of the
five kinds of defect; `bottle`, all 229 good ones and 63 bad ones.

Simplified against `edge teach`: one setting (224×224, stride 16, int8 features, memory bank); features are
standardised over the whole pool, not over the taught parts; and the bank is 49 patches of each taught picture
at random, instead of 1,024 chosen from all. So distances between pictures are computed once, and a split is a
minimum over them. The sets are hard or easy for this one setting; how well a lesson tells bad from good is in
accuracy.md.

How to read a share near 90 %: the error of 200 splits is 2 %, and whole parts make the count stricter than the
bound: proven by 240 parts are 0.96 %, of which 300 unseen parts can show 2 (0.67 %) or 3 (1 %, counted as
broken). If a limit is just over the highest of 240 scores and 300 of 540 parts are unseen, then 3 or more of
these lie over it in 17 of 100 splits, and 4 or more in 9, whatever the distribution.

What it does not show: parts of one pool are exchangeable, those of a line that drifts are not. And a kind of
good part that no taught picture shows is rejected wherever the limit lies: the monocrystalline cells are of 18
modules, one cell in nine is of a kind that 20 cells lack in one lesson of ten, and fewer than 30 parts get no
promise.
"""


class Lesson(NamedTuple):
    """Scores of one split: of the taught, each held out; of the unseen and the bad, by a bank of all taught."""

    held: Scores
    unseen: Scores
    bad: Scores


@dataclass(frozen=True)
class Row:
    """What came of many splits. Shares are 0…1, means over splits but where told otherwise."""

    pool: str
    contrast: str
    parts: int
    unseen: int
    promise: float
    promised: bool
    """Whether the limit makes the promise: with few parts it does not."""
    kept: float
    proven_kept: float
    """The share of splits with no more false rejects than the limit calls proven."""
    rejected: float
    rejected_p90: float
    expected: float
    """What the limits expected of themselves."""
    inconclusive: float
    bad_failed: float
    bad_inconclusive: float
    bad_passed: float

    @property
    def judged(self) -> bool:
        """Whether there is a promise, and unseen parts enough to see it broken."""
        return self.promised and self.unseen * self.promise >= FEWEST_ALLOWED

    @property
    def holds(self) -> bool:
        """Whether the promises were kept in the stated share of splits."""
        return (self.kept >= CONFIDENCE or not self.judged) and self.proven_kept >= CONFIDENCE


def main() -> None:
    """Run the proof; exit code 1 where a promise does not hold."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument(
        "--splits", type=int, default=200, help="random splits of each set and number of parts"
    )
    asked.add_argument("--only", nargs="+", metavar="SET", choices=POOLS, help=f"of {', '.join(POOLS)}")
    asked.add_argument("--seed", type=int, default=1, help="which splits")
    asked.add_argument("--json", action="store_true", help="print JSON")
    asked.add_argument("--write", type=Path, metavar="FILE", help="write the tables, as Markdown, too")
    asked.add_argument("--machine", default="", metavar="TEXT", help="machine and date, for that page")
    options = asked.parse_args()
    began = monotonic()
    rows: list[Row] = []
    absent: list[str] = []
    for name in options.only or POOLS:
        try:
            rows += proved(name, options.splits, options.seed)
        except Absent as err:
            absent.append(str(err))
            print(f"skipped: {err}", file=sys.stderr)
    if options.json:
        print(json.dumps({"rows": [asdict(row) | {"holds": row.holds} for row in rows], "skipped": absent}))
    else:
        print("\n".join(tables(rows)))
    if options.write is not None:
        seconds = round(monotonic() - began)
        options.write.write_text(page(rows, absent, options.splits, options.machine, seconds))
    if not rows or not all(row.holds for row in rows):
        raise SystemExit(1)


def proved(name: str, splits: int, seed: int) -> Iterator[Row]:
    """Every contrast, number of parts and promise of one set."""
    parts = pool(name)
    for contrast in CONTRASTS:
        with bar() as progress:
            near = nearness(parts, contrast, partial(progress, f"{name}, {contrast}"))
            for count in PARTS:
                if near.good - count < UNSEEN:
                    continue
                rng = np.random.default_rng(seed)
                lessons = []
                for number in range(splits):
                    lessons.append(lesson(near, count, rng))
                    progress(f"{name}, {contrast}, {count} parts", number + 1, splits)
                yield from (row(name, contrast, lessons, promise) for promise in PROMISES)


def lesson(near: Nearness, parts: int, rng: np.random.Generator) -> Lesson:
    """Teach so many parts, drawn at random."""
    order = rng.permutation(near.good)
    taught, unseen = order[:parts], order[parts:][:MOST_UNSEEN]
    unseen = unseen[: len(unseen) // UNSEEN * UNSEEN]
    held_out = list(folds(parts))
    nearest = [near.distances[taught[places]].min(axis=0) for places in held_out]
    held = np.empty(parts)
    for fold, places in enumerate(held_out):
        others = [those[taught[places]] for number, those in enumerate(nearest) if number != fold]
        held[places] = scores(np.minimum.reduce(others))
    whole = scores(np.minimum.reduce(nearest))
    return Lesson(held, whole[unseen], whole[near.good :])


def scores(cells: npt.NDArray[np.float32]) -> Scores:
    """Of pictures×cells, as `edge.judge.anomaly.score` has it for one."""
    highest = np.partition(cells, -TOP_CELLS, axis=-1)[..., -TOP_CELLS:]
    return np.asarray(highest.mean(axis=-1, dtype=np.float64))


def row(name: str, contrast: str, lessons: Sequence[Lesson], promise: float) -> Row:
    """Learn the limits of every lesson, and count what they do to the unseen parts."""
    limits = [learn(held, false_reject=promise, confidence=CONFIDENCE) for held, _, _ in lessons]
    good, bad = (
        np.array(
            [
                shares(seen / limit.limit_distance, limit.pass_below)
                for limit, seen in zip(limits, of, strict=True)
            ]
        )
        for of in ([each.unseen for each in lessons], [each.bad for each in lessons])
    )
    rejected = good[:, 2]
    return Row(
        pool=name,
        contrast=contrast,
        parts=len(lessons[0].held),
        unseen=len(lessons[0].unseen),
        promise=promise,
        promised=len(lessons[0].held) >= FEWEST_PROMISED,
        kept=float((rejected <= promise).mean()),
        proven_kept=float((rejected <= [limit.proven for limit in limits]).mean()),
        rejected=float(rejected.mean()),
        rejected_p90=float(np.quantile(rejected, 0.9)),
        expected=float(np.mean([limit.expected for limit in limits])),
        inconclusive=float(good[:, 1].mean()),
        bad_failed=float(bad[:, 2].mean()),
        bad_inconclusive=float(bad[:, 1].mean()),
        bad_passed=float(bad[:, 0].mean()),
    )


def shares(relative: Scores, pass_below: float) -> tuple[float, float, float]:
    """Of scores over the limit: how many pass, are inconclusive, fail."""
    passed, failed = float((relative < pass_below).mean()), float((relative >= 1).mean())
    return passed, 1 - passed - failed, failed


def tables(rows: Sequence[Row]) -> Iterator[str]:
    """One table a promise, as Markdown."""
    for promise in PROMISES:
        yield f"### Promise: at most {percent(promise)} false rejects, with {percent(CONFIDENCE)} confidence"
        yield ""
        yield (
            "| set | contrast | parts | unseen | kept | proven kept | false rejects | 90th percentile | expected"
            " | good inconclusive | bad: fail | inconclusive | pass |"
        )
        yield "| --- | --- " + "| ---: " * 11 + "|"
        yield from (line(row) for row in rows if row.promise == promise)
        yield ""


def line(row: Row) -> str:
    """Of a table. In brackets: what is not promised, or cannot be judged. Bold: a promise that was broken."""
    kept = f"{100 * row.kept:.0f} %"
    if not row.judged:
        kept = f"({kept})"
    elif row.kept < CONFIDENCE:
        kept = f"**{kept}**"
    proven = f"{100 * row.proven_kept:.0f} %"
    figures = (row.rejected, row.rejected_p90, row.expected, row.inconclusive)
    of_bad = (row.bad_failed, row.bad_inconclusive, row.bad_passed)
    cells = (
        row.pool,
        row.contrast,
        row.parts,
        row.unseen,
        kept,
        proven if row.proven_kept >= CONFIDENCE else f"**{proven}**",
        *(percent(share) for share in figures),
        *(f"{100 * share:.0f} %" for share in of_bad),
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def percent(share: float) -> str:
    """With one decimal under 10 %."""
    return f"{100 * share:.1f} %" if share < 0.0995 and round(1000 * share) % 10 else f"{100 * share:.0f} %"


def page(rows: Sequence[Row], absent: Sequence[str], splits: int, machine: str, seconds: int) -> str:
    """The page docs/limits-proof.md."""
    judged = [row for row in rows if row.judged]
    held = sum(row.kept >= CONFIDENCE for row in judged)
    proven = sum(row.proven_kept >= CONFIDENCE for row in rows)
    lines = [
        "# The proof of the limits, last output",
        "",
        f"`scripts/prove-limits --splits {splits}`{', ' + machine if machine else ''}: {seconds} s.",
        "",
        f"Of {len(judged)} promises that can be judged, {held} were kept in at least {percent(CONFIDENCE)} of the",
        f"splits; so were the bounds that are called proven, in {proven} of {len(rows)} rows.",
        "",
        *(f"Not checked: {reason}." for reason in absent),
        WORDS,
        *tables(rows),
    ]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    main()
