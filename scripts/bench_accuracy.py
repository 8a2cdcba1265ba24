"""How well taught bundles tell good from bad: taught and judged as `edge teach` and `edge eval` do."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from accuracy_classes import NAME as CLASSES
from accuracy_classes import measured_classes, table_of_classes
from accuracy_sets import MOST_MS, SPLITS, Absent, Split

from edge.cli.bench import machine
from edge.cli.bundles import inspections, open_bundle
from edge.cli.evaluation import Evaluation
from edge.cli.progress import bar
from edge.model.bundle import Bundle
from edge.model.interpreter import Interpreter
from edge.model.runner import open_model
from edge.preprocess.picture import read
from edge.preprocess.tensor import prepare
from edge.teach.lesson import Taught, teach

TIMED = 40
"""Runs of the model that are timed, in turn with as many of the bare backbone."""

Figures = dict[str, Any]

FIGURES = {
    "auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "au_pro": "AU-PRO (0.3)",
    "model_ms_p50": "model run, ms p50",
}


def main() -> None:
    """Teach and score the sets that are there, and print, or write, what came of it."""
    asked = argparse.ArgumentParser(description=__doc__)
    sets = (*SPLITS, CLASSES)
    asked.add_argument("--only", nargs="+", metavar="SET", choices=sets, help=f"Of {', '.join(sets)}.")
    asked.add_argument("--json", action="store_true", help="Print JSON.")
    asked.add_argument("--write", type=Path, metavar="FILE", help="Write the tables, as Markdown, too.")
    options = asked.parse_args()
    rows: list[Figures] = []
    absent: list[str] = []
    for name in options.only or sets:
        try:
            rows.append(measured_classes() if name == CLASSES else measured(SPLITS[name]()))
        except Absent as err:
            absent.append(str(err))
            print(f"skipped: {err}", file=sys.stderr)
            continue
        if not options.json:
            print("\n".join(tables(rows[-1])), flush=True)
    if options.json:
        print(json.dumps({"rows": rows, "skipped": absent}, indent=1))
    if options.write is not None:
        options.write.write_text(document(rows, absent))


def measured(split: Split) -> Figures:
    """Teach a set and score it."""
    with tempfile.TemporaryDirectory() as folder:
        taught, taught_s = lesson(split, Path(folder) / split.name)
        bundle = taught.bundle
        check = open_bundle(bundle.folder)
        evaluation = Evaluation()
        paths = [*split.good, *split.bad]
        bad = frozenset(split.bad)
        with bar() as progress:
            for number, (path, part) in enumerate(inspections(check, paths)):
                # Of the bad ones, only those with a mask say where.
                known = split.masks if path in split.masked or path not in bad else None
                evaluation.add(path, part, is_bad=path in bad, masks=known)
                progress(f"scoring {split.name}", number + 1, len(paths))
        figures = {
            "set": split.name,
            "split": split.words,
            "taught": len(split.taught),
            **evaluation.figures(),
            **timed(bundle, paths[:: max(1, len(paths) // 8)]),
            **of_lesson(taught),
            "setting": setting(bundle),
            "taught_s": round(taught_s, 1),
        }
    bars = {key: (least, figures.get(key, 0.0) >= least) for key, least in split.bars.items()}
    bars["model_ms_p50"] = (MOST_MS, figures["model_ms_p50"] <= MOST_MS)
    return {**figures, "bars": bars}


def lesson(split: Split, folder: Path) -> tuple[Taught, float]:
    """What `edge teach` makes of the taught pictures, and the seconds that it takes."""
    with bar() as progress:
        started = perf_counter()
        taught = teach(split.name, split.taught, folder, progress=progress)
        return taught, perf_counter() - started


def of_lesson(taught: Taught) -> Figures:
    """What the lesson itself found out."""
    record, agreement = taught.record, taught.record.agreement
    compared = {} if agreement is None else {**vars(agreement), "accepted": agreement.accepted}
    return {"bundle_mb": round(record.bundle_mb, 2), "agreement": compared, "activated": taught.activated}


def timed(bundle: Bundle, paths: Sequence[Path]) -> Figures:
    """Milliseconds of a run of the model, and of the bare backbone on the same tensors, in turn."""
    model = open_model(bundle)
    size = (model.spec.height, model.spec.width) if bundle.manifest.resizable else None
    bare = Interpreter(bundle.files[bundle.manifest.network], name=str(bundle.model_path), size=size)
    views = [prepare(read(path), model.spec) for path in paths]
    whole_ms, bare_ms = [], []
    for number in range(TIMED + 5):
        view = views[number % len(views)]
        times = [perf_counter()]
        model.run(view)
        times.append(perf_counter())
        for tensor in view.tensors:
            bare.invoke(tensor)
        times.append(perf_counter())
        if number >= 5:
            whole_ms.append((times[1] - times[0]) * 1000)
            bare_ms.append((times[2] - times[1]) * 1000)
    whole, backbone = float(np.median(whole_ms)), float(np.median(bare_ms))
    return {
        "model_ms_p50": round(whole, 2),
        "backbone_ms_p50": round(backbone, 2),
        "ratio": round(whole / backbone, 3),
    }


def setting(bundle: Bundle) -> str:
    """How the bundle looks at a picture, and by which method it judges."""
    seen, head = bundle.manifest.seen, bundle.manifest.anomaly
    words = [f"{seen.width}×{seen.height}"]
    words += [f"{seen.tiles_x}×{seen.tiles_y} tiles"] if seen.tiles_x * seen.tiles_y > 1 else []
    words += [f"contrast {seen.contrast}"]
    if head is not None:
        words += [f"stride {' and '.join(map(str, head.strides_px))}", head.method.replace("_", " ")]
    return ", ".join(words)


def tables(row: Figures) -> Iterator[str]:
    """What the page says of one set."""
    return table_of_classes(row) if row["set"] == CLASSES else table(row)


def table(row: Figures) -> Iterator[str]:
    """One set: its split, its figures against their bars, and what else was measured."""
    yield f"### {row['set']}"
    yield ""
    yield f"{row['split']}: {row['taught']} taught, {row['good']} good and {row['bad']} bad ones scored."
    yield ""
    yield "| figure | measured | bar | holds |"
    yield "| --- | --- | --- | --- |"
    for key, words in FIGURES.items():
        if row.get(key) is not None:
            limit, holds = row["bars"].get(key, (None, None))
            sign = "≤" if key == "model_ms_p50" else "≥"
            asked = f"{sign} {limit:g}" if limit is not None else ""
            yield f"| {words} | {row[key]:g} | {asked} | {_holds(holds)} |"
    yield f"| its ratio to the raw backbone invoke ({row['backbone_ms_p50']:g} ms) | {row['ratio']:g} | | |"
    yield f"| escapes (bad ones that passed) | {row['escapes']} of {row['bad']} | | |"
    yield f"| overkill (good ones that failed) | {row['overkill']} of {row['good']} | | |"
    yield f"| inconclusive, good / bad | {row['undecided_good']} / {row['undecided_bad']} | | |"
    if row["unscored"]:
        yield f"| unfit to be scored, and not in the AUROC | {row['unscored']} | | |"
    yield f"| chosen | {row['setting']} | | |"
    if compared := row["agreement"]:
        delta, correlation = compared["auroc_int8"] - compared["auroc_float"], compared["correlation"]
        words = f"AUROC {delta:+.4f}, correlation of maps {correlation:.4f}"
        holds = _holds(compared["accepted"])
        allowed = "±0.005, ≥ 0.99, give or take chance"
        yield f"| int8 against float, on taught pictures | {words} | {allowed} | {holds} |"
    yield f"| bundle | {row['bundle_mb']} MB | | |"
    yield f"| teaching | {row['taught_s']} s | | |"
    yield ""


def document(rows: Sequence[Mapping[str, Any]], absent: Sequence[str]) -> str:
    """The page docs/accuracy.md."""
    held = sum(all(holds for _, holds in row["bars"].values()) for row in rows)
    lines = [
        "# Accuracy",
        "",
        "Written by `scripts/bench_accuracy`. Every set is taught as `edge teach` does, with its defaults, and",
        "judged as `edge eval` does: with the int8 model as deployed, on one thread. How a set is split stands",
        "with its figures.",
        "",
        f"Machine: {machine()}.",
        f"Of {len(rows)} sets, {held} hold all their bars.",
        "",
        "| set | image AUROC | bar | pixel AUROC | AU-PRO | escapes | overkill | model ms | ratio | holds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_line(row) for row in rows if row["set"] != CLASSES),
        "",
        *(f"Not measured: {line}" for line in absent),
        *(line for row in rows for line in tables(dict(row))),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _line(row: Mapping[str, Any]) -> str:
    cells = (
        row["set"],
        f"{row['auroc']:.4f}",
        f"≥ {row['bars']['auroc'][0]:g}",
        *("" if row.get(key) is None else f"{row[key]:.3f}" for key in ("pixel_auroc", "au_pro")),
        f"{row['escapes']}/{row['bad']}",
        f"{row['overkill']}/{row['good']}",
        f"{row['model_ms_p50']:.1f}",
        f"{row['ratio']:.2f}",
        _holds(all(holds for _, holds in row["bars"].values())),
    )
    return f"| {' | '.join(cells)} |"


def _holds(holds: bool | None) -> str:  # noqa: FBT001 - a cell of a table
    return "" if holds is None else "yes" if holds else "**no**"


if __name__ == "__main__":
    main()
