"""How well groups of failed parts agree with their true kinds: with true regions, and with those of a bundle.

Everything goes the way of a line: parts are judged, kept by the evidence store, and grouped from what it wrote.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic_ns, perf_counter
from typing import Any

import numpy as np
from accuracy_sets import Absent, folder_of

from edge.cli.bundles import judged, open_bundle
from edge.cli.evaluation import mask_of, read_mask
from edge.cli.progress import bar
from edge.config import Evidence
from edge.geometry import Box
from edge.message import Report, Stamp, describe
from edge.preprocess.picture import read
from edge.store.evidence import EvidenceStore
from edge.teach.groups.density import available
from edge.teach.groups.grouping import LOOSE, Grouping, group_evidence
from edge.teach.lesson import teach
from edge.types import Decision, Defect, Finding, Frame, Inspection, Region, Verdict

CLASSES = 5


def main() -> None:
    """Group the defects of a part of the split in each way, and print what came of it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--part", choices=("train", "val", "test"), default="test", help="Of split.json.")
    asked.add_argument("--json", action="store_true", help="Print JSON.")
    options = asked.parse_args()
    try:
        root = folder_of("magnetic_tile")
    except Absent as err:
        sys.exit(f"bench_cluster: {err}")
    split = json.loads((root / "split.json").read_text())
    bad = [root / name for name in split[options.part] if not name.startswith("free/")]
    with tempfile.TemporaryDirectory() as scratch, bar() as progress:
        folder = Path(scratch)
        shown = keep(folder / "true", map(as_masked, bad))
        good = [root / name for name in split["train"] if name.startswith("free/")]
        bundle = teach("tiles", good, folder / "bundle", progress=progress).bundle
        found = keep(folder / "found", judged(open_bundle(bundle.folder), map(frame_of, bad)))
        rows = [
            *rows_of("true regions, from the masks", folder / "true", shown),
            *rows_of("regions as a bundle fails them", folder / "found", found),
        ]
    told = {"set": "magnetic tile", "part": options.part, "pictures": len(bad), "rows": rows}
    print(json.dumps(told, indent=1) if options.json else "\n".join(table(told)))


def rows_of(regions: str, evidence: Path, parts: int) -> Iterator[dict[str, Any]]:
    """Every way to group this evidence."""
    ways: list[dict[str, Any]] = [{}, {"count": CLASSES}]
    ways += [{"method": "hdbscan"}] if available() else []
    for way in ways:
        started = perf_counter()
        found = group_evidence(evidence, lambda *_: None, **way)
        yield {
            "regions": regions,
            "way": named(way),
            "parts": parts,
            "groups": sum(group.name != LOOSE for group in found.groups),
            "loose": sum(len(group.suspects) for group in found.groups if group.name == LOOSE),
            "adjusted_rand": round(found.agreement or 0.0, 4),
            "purity": round(purity(found), 4),
            "seconds": round(perf_counter() - started, 1),
        }


def named(way: Mapping[str, Any]) -> str:
    """What a way to group is called in the table."""
    if "method" in way:
        return "HDBSCAN"
    return f"k-means, k = {way['count']} given" if way else "k-means, k chosen"


def purity(found: Grouping) -> float:
    """The share of parts that are of the most frequent kind of their group; loose parts are of none."""
    most = [max(group.known().values()) for group in found.groups if group.name != LOOSE]
    return sum(most) / found.parts


def table(told: Mapping[str, Any]) -> Iterator[str]:
    """As Markdown."""
    yield f"{told['set']}, {told['part']} part of split.json: {told['pictures']} pictures of {CLASSES} defects"
    yield ""
    yield "| regions | grouped by | parts | groups | fit nowhere | adjusted Rand index | purity | s |"
    yield f"|{' --- |' * 8}"
    for row in told["rows"]:
        yield (
            f"| {row['regions']} | {row['way']} | {row['parts']} | {row['groups']} | {row['loose']}"
            f" | **{row['adjusted_rand']:.3f}** | {row['purity']:.2f} | {row['seconds']} |"
        )


def keep(folder: Path, inspections: Iterator[Inspection]) -> int:
    """Keep those that fail, and say how many; the evidence store's own files."""
    store = EvidenceStore(folder, Evidence(min_free_mb=0, budget_mb=10_000))
    kept = 0
    for number, inspection in enumerate(inspections):
        if inspection.decision.verdict is Verdict.FAIL:
            stamp = Stamp("bench", "tiles", number + 1, datetime.now(UTC), monotonic_ns(), synced=True)
            store.keep(Report(stamp, describe(inspection, "tiles")), inspection)
            kept += 1
    return kept


def frame_of(path: Path) -> Frame:
    """The picture, whose folder is the truth."""
    truth = (Defect(path.parent.name, Box(0, 0, 1, 1)),)
    return Frame(
        read(path), 0, monotonic_ns(), datetime.now(UTC), "files", part_id=path.stem[:40], truth=truth
    )


def as_masked(path: Path) -> Inspection:
    """The part as if its mask had failed it: one region around all that is marked; none where nothing is."""
    frame = frame_of(path)
    height, width = frame.image.shape[:2]
    marked = read_mask(mask_of(path, path.parent), width, height)
    decision = Decision(Verdict.FAIL, ("its mask says so",), 1.0, regions=tuple(_regions(marked)))
    return Inspection(frame, (Finding("mask", decision),), decision, {})


def _regions(marked: np.ndarray) -> Sequence[Region]:
    if not marked.any():
        return ()
    rows, columns = np.nonzero(marked)
    box = Box(float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
    return (Region(box, float(marked.sum()), 1.0, (box.x_min, box.y_min)),)


main()
