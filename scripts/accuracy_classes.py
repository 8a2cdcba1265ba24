"""Few-shot classes: how well a few pictures of each kind of magnetic tile tell the kinds apart."""

import json
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from time import perf_counter
from typing import Any

from accuracy_sets import folder_of

from edge.cli.progress import bar
from edge.model.runner import Model, open_model
from edge.prediction import Classification
from edge.preprocess.picture import read
from edge.preprocess.tensor import prepare
from edge.teach.classes.lesson import teach_classes

NAME = "magnetic-tile-classes"
COUNTS = (5, 10, 20, 50)
DRAWS = 3
"""Which pictures are taught matters as much as how: figures are means over so many draws."""
BAR_COUNT, BAR = 10, 0.80

Figures = dict[str, Any]


def measured_classes() -> Figures:
    """Teach 5, 10, 20 and 50 pictures of each class of the train part, and name those of the test part."""
    root = folder_of("magnetic_tile")
    parts = json.loads((root / "split.json").read_text())
    train, test = (by_class(root / name for name in parts[part]) for part in ("train", "test"))
    rows = [_row(count, train, test) for count in COUNTS]
    reached = next(row["balanced"] for row in rows if row["count"] == BAR_COUNT)
    return {
        "set": NAME,
        "split": "`split.json` (by near-duplicate group): taught are pictures of each class of its train part"
        f" (seeds 0 to {DRAWS - 1}); scored, all of its test part",
        "scored": sum(map(len, test.values())),
        "rows": rows,
        "bars": {"balanced": (BAR, reached >= BAR)},
    }


def table_of_classes(row: Figures) -> Iterator[str]:
    """The tables of the page."""
    limit, holds = row["bars"]["balanced"]
    yield f"### {row['set']}"
    yield ""
    yield f"{row['split']} ({row['scored']} pictures of {len(row['rows'][0]['recalls'])} classes)."
    yield f"What is called unknown counts as wrong. Bar: {limit:.2f} with {BAR_COUNT} pictures of each."
    yield ""
    classes = list(row["rows"][0]["recalls"])
    yield f"| of each | balanced accuracy | holds | without unknown | unknown | {' | '.join(classes)} | teaching |"
    yield f"|{' --- |' * (6 + len(classes))}"
    for each in row["rows"]:
        said = ("yes" if holds else "**no**") if each["count"] == BAR_COUNT else ""
        balanced = f"{each['balanced']:.3f} ± {each['deviation']:.3f}"
        found = f"{balanced} | {said} | {each['named']:.3f} | {each['unknown']:.0%}"
        yield f"| {each['count']} | {found} | {recalls_of(each, classes)} | {each['taught_s']} s |"
    yield ""


def recalls_of(each: Figures, classes: Sequence[str]) -> str:
    """The share of each class that was named rightly, as cells of a table."""
    return " | ".join(f"{each['recalls'][label]:.2f}" for label in classes)


def by_class(paths: Iterator[Path]) -> dict[str, list[Path]]:
    """Paths by the name of their folder."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(path.parent.name, []).append(path)
    return dict(sorted(found.items()))


def _row(count: int, train: Mapping[str, list[Path]], test: Mapping[str, list[Path]]) -> Figures:
    draws = [_draw(count, seed, train, test) for seed in range(DRAWS)]
    balanced = [draw["balanced"] for draw in draws]
    return {
        "count": count,
        "balanced": round(fmean(balanced), 4),
        "deviation": round(pstdev(balanced), 4),
        "named": round(fmean(draw["named"] for draw in draws), 4),
        "unknown": round(fmean(draw["unknown"] for draw in draws), 4),
        "recalls": {label: round(fmean(draw["recalls"][label] for draw in draws), 4) for label in test},
        "taught_s": round(fmean(draw["taught_s"] for draw in draws), 1),
    }


def _draw(count: int, seed: int, train: Mapping[str, list[Path]], test: Mapping[str, list[Path]]) -> Figures:
    chance = random.Random(seed)  # noqa: S311 - a draw, not a secret
    taught = {label: sorted(chance.sample(paths, min(count, len(paths)))) for label, paths in train.items()}
    with tempfile.TemporaryDirectory() as folder, bar() as progress:
        started = perf_counter()
        bundle = teach_classes("tiles", taught, Path(folder) / "tiles", progress=progress).bundle
        taught_s = perf_counter() - started
        model = open_model(bundle)
        said = {label: _named(model, paths) for label, paths in test.items()}
    recalls = {label: fmean(first == label for first, _ in answers) for label, answers in said.items()}
    second = {label: fmean(known == label for _, known in answers) for label, answers in said.items()}
    answers = [first for each in said.values() for first, _ in each]
    return {
        "balanced": fmean(recalls.values()),
        "named": fmean(second.values()),
        "unknown": answers.count("unknown") / len(answers),
        "recalls": recalls,
        "taught_s": taught_s,
    }


def _named(model: Model, paths: Sequence[Path]) -> list[tuple[str, str]]:
    """For each picture the label that wins, and the one that would if there were no `unknown`."""
    answers = []
    for path in paths:
        prepared = prepare(read(path), model.spec)
        said = model.decode(model.run(prepared), prepared)
        assert isinstance(said, Classification)  # noqa: S101 - what classes are taught for
        ranked = sorted(zip(said.scores, said.labels, strict=True), reverse=True)
        answers.append((ranked[0][1], next(label for _, label in ranked if label != "unknown")))
    return answers
