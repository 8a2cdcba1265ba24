"""What each step of enhancement is worth on pictures of a bad camera: noisy, out of focus, or badly lit.

Every picture of a set, taught and judged, is spoilt in the same way, since a station's camera is; or only those
that are judged, where something has changed since the lesson. A product is taught with no step, and anew with each
step; flat-field stands for correcting shade by a picture of an even white surface. The sets are those of
`scripts/bench_accuracy`, in ../shared/data or from PyPI; of each, so many good and bad parts are judged (seed 0).

    scripts/bench_enhancement [--only WORD] [SET …]

`--only` leaves out the conditions that do not have this word in their name.
"""

import random
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import PIL.Image
from accuracy_sets import SPLITS, Absent

from edge.cli.ablation import EVERY, Outcome, Variant, name_of, outcome, row
from edge.cli.bundles import open_bundle
from edge.geometry import Image
from edge.preprocess.flat_field import in_bytes, read_flat_field
from edge.preprocess.picture import read
from edge.teach.disturbances import DISTURBANCES
from edge.teach.lesson import Wishes, teach, teach_again

SETS = ("bottle-20", "elpv-mono")
MOST = 200
"""Good parts that are judged, and bad ones."""
SHADE = 0.7
"""Share of the light that is lost at the right edge."""
NOISE, BLUR = 24.0, 8.0
"""Grey levels; sigma in ‰ of the shorter side."""
LATER_NOISE, LATER_BLUR = 8.0, 2.0
"""Likewise, of what has changed since the lesson."""
WHITE = 230

Spoil = Callable[[Image, int], Image]


def main() -> None:
    """A table for each set."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    for name in asked.sets:
        try:
            split = SPLITS[name]()
        except Absent as err:
            print(f"{name}: {err}")
            continue
        good, bad = _some(split.good), _some(split.bad)
        print(f"\n### {name}: {split.words}; of these, {len(good)} good and {len(bad)} bad\n")
        print("| pictures | steps | AUROC | against none | separation | from frame to tensor |")
        print("| --- | --- | ---: | ---: | ---: | ---: |")
        for condition in _conditions():
            if asked.only in condition.name:
                for line in compare(condition, split.taught, good, bad):
                    print(line, flush=True)


class Condition(NamedTuple):
    """What is done to the pictures that are judged, and to those that are taught."""

    name: str
    judged: Spoil
    taught: Spoil


def compare(
    condition: Condition, taught: Sequence[Path], good: Sequence[Path], bad: Sequence[Path]
) -> Iterator[str]:
    """A row of the table for each step."""
    with tempfile.TemporaryDirectory() as folder:
        spoilt = {
            "taught": _copies(taught, Path(folder) / "taught", condition.taught),
            "good": _copies(good, Path(folder) / "good", condition.judged),
            "bad": _copies(bad, Path(folder) / "bad", condition.judged),
        }
        first = teach("part", spoilt["taught"], Path(folder) / "shelf", wishes=Wishes(force=True)).bundle
        none: Outcome | None = None
        for step in (None, *EVERY):
            variant = Variant("none", ()) if step is None else Variant(name_of(step), (step,))
            lesson = teach_again(first, spoilt["taught"], Path(folder) / variant.name, variant.steps)
            found = outcome(open_bundle(lesson.bundle.folder), variant, spoilt["good"], spoilt["bad"])
            none = none or found
            yield _line(condition.name, found, none)
        if condition.taught is _shaded:
            yield _line(condition.name, _flat(Path(folder), spoilt), none)


def _flat(folder: Path, spoilt: dict[str, list[Path]]) -> Outcome:
    """The same pictures, corrected by one of a white surface."""
    picture = read(spoilt["good"][0])
    white = np.full_like(picture, WHITE)
    PIL.Image.fromarray(_shaded(white, 0)).save(folder / "white.png")
    gains = in_bytes(read_flat_field(folder / "white.png"), (1, 1, 1), picture.shape[1], picture.shape[0])
    even = {
        kind: _copies(paths, folder / f"even-{kind}", lambda seen, _: gains.apply(seen))
        for kind, paths in spoilt.items()
    }
    lesson = teach("part", even["taught"], folder / "even", wishes=Wishes(force=True))
    return outcome(open_bundle(lesson.bundle.folder), Variant("flat-field", ()), even["good"], even["bad"])


def _line(condition: str, found: Outcome, none: Outcome) -> str:
    one = row(found, none)
    cells = [condition, one.name, f"{one.auroc:.4f}"]
    cells += ["" if found is none else f"{one.gain:+.4f} ± {one.doubt:.4f}"]
    cells += [f"{one.separation:.2f}", f"{one.prepare_ms:.2f} ms"]
    return f"| {' | '.join(cells)} |"


def _some(paths: Sequence[Path]) -> list[Path]:
    return sorted(random.Random(0).sample(list(paths), min(MOST, len(paths))))  # noqa: S311 - no secret


def _copies(paths: Sequence[Path], folder: Path, change: Spoil) -> list[Path]:
    """The pictures as PNG files, spoilt."""
    folder.mkdir()
    copies = []
    for number, path in enumerate(paths):
        copies.append(folder / f"{number:04}.png")
        PIL.Image.fromarray(change(read(path), number)).save(copies[-1], compress_level=1)
    return copies


def _disturbed(name: str, strength: float, salt: int = 0) -> Spoil:
    (one,) = (one for one in DISTURBANCES if one.name == name)
    return lambda picture, number: one.disturbed(picture, strength, number + salt).picture


def _as_is(picture: Image, _number: int) -> Image:
    return picture


def _shaded(picture: Image, _number: int) -> Image:
    light = 1 - SHADE * np.linspace(0, 1, picture.shape[1], dtype=np.float32)
    return np.rint(picture * light[np.newaxis, :, np.newaxis]).astype(np.uint8)


def _changing(picture: Image, number: int) -> Image:
    """The lamp is not the same for two parts."""
    times = float(np.random.default_rng(number).uniform(0.5, 1.3))
    return np.clip(np.rint(picture * np.float32(times)), 0, 255).astype(np.uint8)


def _conditions() -> Iterator[Condition]:
    lasting = {
        f"noise, sigma {NOISE:g} grey levels": _disturbed("noise", NOISE),
        f"blur, sigma {BLUR:g} ‰ of the side": _disturbed("blur", BLUR),
        f"shade, {SHADE:.0%} lost at the right": _shaded,
        "light that changes, ×0.5 to ×1.3": _changing,
    }
    for name, spoil in lasting.items():
        yield Condition(name, spoil, spoil)
    since = {
        f"noise, sigma {LATER_NOISE:g}": _disturbed("noise", LATER_NOISE),
        f"blur, {LATER_BLUR:g} ‰": _disturbed("blur", LATER_BLUR),
        "1.3 times the light": _disturbed("brightness", 1.3),
    }
    for name, spoil in since.items():
        yield Condition(f"since the lesson: {name}", spoil, _as_is)


if __name__ == "__main__":
    main()
