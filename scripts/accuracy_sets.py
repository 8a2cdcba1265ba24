"""The picture sets of the accuracy figures and how each is split: what is taught, what is scored, the bars."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
MOST_MS = 10.0
"""Bar for one run of the model, p50, on every row."""


class Absent(Exception):
    """The pictures are not on this machine; says what to do."""


@dataclass(frozen=True)
class Split:
    """What is taught and what is scored. `masks` is the folder of the masks, `masked` who has one there.

    `bars` are the least values of figures of `edge eval`.
    """

    name: str
    words: str
    taught: Sequence[Path]
    good: Sequence[Path]
    bad: Sequence[Path]
    bars: Mapping[str, float]
    masks: Path | None = None
    masked: frozenset[Path] = field(default_factory=frozenset)


def bottle_few() -> Split:
    """Nearly saturated, but with few pictures."""
    return _bottle(20, 0.995)


def bottle_all() -> Split:
    """All the good pictures that there are."""
    return _bottle(209, 0.998)


def magnetic_tile() -> Split:
    """By near-duplicate group: a random split would score what it was taught."""
    root = folder_of("magnetic_tile")
    parts = json.loads((root / "split.json").read_text())
    scored = [root / name for name in parts["test"]]
    good = [path for path in scored if path.parent.name == "free"]
    bad = [path for path in scored if path.parent.name != "free"]
    return Split(
        "magnetic-tile",
        "`split.json` (by near-duplicate group): taught is free of its train part; scored, all of its test part",
        [root / name for name in parts["train"] if name.startswith("free/")],
        good,
        bad,
        {"auroc": 0.95, "pixel_auroc": 0.90},
        root,
        frozenset(bad),
    )


def elpv_mono() -> Split:
    """Monocrystalline solar cells."""
    return _elpv("mono", 60, 0.995)


def elpv_poly() -> Split:
    """Polycrystalline solar cells: each looks different."""
    return _elpv("poly", 200, 0.92)


def cookies() -> Split:
    """Biscuits; only some of the bad ones have masks."""
    root = folder_of("cookies")
    training, test = root / "dataset-files" / "training-images", root / "test-images"
    normal = sorted(training.glob("normal-*.jpg"), key=lambda path: int(path.stem.split("-")[-1]))
    bad = sorted(training.glob("anomaly-*.jpg"))
    return Split(
        "cookies",
        "taught are training-images/normal-1…20; scored, all others of training-images and test-images",
        normal[:20],
        normal[20:] + sorted(test.glob("test-normal-*.jpg")),
        bad + sorted(test.glob("test-anomaly-*.jpg")),
        {"auroc": 0.97},
        root / "dataset-files" / "mask-images",
        frozenset(bad),
    )


def screws() -> Split:
    """A board with four places: `NAME_abcd.jpg` has a 1 for each that holds a screw."""
    pictures = sorted(folder_of("screws").joinpath("train_val_set").glob("*_[01][01][01][01].jpg"))
    full = [path for path in pictures if path.stem.endswith("_1111")]
    taught = _some(full, len(full) // 2)
    return Split(
        "screws",
        "train_val_set: taught is half of the full boards (seed 0); scored, the other half against every board"
        " that misses a screw",
        taught,
        [path for path in full if path not in taught],
        [path for path in pictures if path not in full],
        {"auroc": 0.995},
    )


SPLITS = {
    "bottle-20": bottle_few,
    "bottle-209": bottle_all,
    "magnetic-tile": magnetic_tile,
    "elpv-mono": elpv_mono,
    "elpv-poly": elpv_poly,
    "cookies": cookies,
    "screws": screws,
}


def _bottle(count: int, least: float) -> Split:
    root = folder_of("bottle")
    good = sorted(root.glob("train/good/*"))
    bad = [path for path in sorted(root.glob("test/*/*")) if path.parent.name != "good"]
    words = f"{count} of train/good (seed 0)" if count < len(good) else f"all {len(good)} of train/good"
    return Split(
        f"bottle-{count}",
        f"taught are {words}; scored, all of test",
        _some(good, count),
        sorted(root.glob("test/good/*")),
        bad,
        {"auroc": least, "au_pro": 0.90},
        root / "ground_truth",
        frozenset(bad),
    )


def _elpv(kind: str, count: int, least: float) -> Split:
    found = find_spec("elpv_dataset")
    if found is None or found.origin is None:
        raise Absent("elpv: is not installed; 'pip install elpv-dataset' brings it")
    folder = Path(found.origin).parent / "data"
    rows = [line.split() for line in (folder / "labels.csv").read_text().splitlines()]
    cells = {folder / name: float(defect) for name, defect, made in rows if made == kind}
    good, bad = ([path for path, defect in cells.items() if defect == certain] for certain in (0, 1))
    taught = _some(good, count)
    return Split(
        f"elpv-{kind}",
        f"{kind}crystalline cells of defect probability 0 or 1: taught are {count} of the good (seed 0);"
        " scored, all others",
        taught,
        [path for path in good if path not in taught],
        bad,
        {"auroc": least},
    )


def folder_of(name: str) -> Path:
    """Where the pictures of a set lie. Raises `Absent`."""
    if not (SHARED / name).is_dir():
        raise Absent(f"{name}: there is no folder {name} in ../shared/data")
    return SHARED / name


def _some(paths: Sequence[Path], count: int) -> list[Path]:
    return sorted(random.Random(0).sample(paths, count))  # noqa: S311 - a split, not a secret
