"""Proof of `edge import`: models of others, fetched, imported, run on pictures, and refused if need be."""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple, TypeVar

import numpy as np
import PIL.Image
from import_models import (
    CORAL,
    CORAL_REFUSED,
    FACES,
    FAR,
    LEAST_RIGHT,
    MEDIAPIPE,
    MEDIAPIPE_REFUSED,
    NEAR,
    PASCAL,
    WINNERS,
    Import,
    Refusal,
)

from edge import config
from edge.model.bundle import load
from edge.model.faces import open_faces
from edge.model.runner import Model, open_model
from edge.model.runtime import open_interpreter, runtime
from edge.preprocess.picture import read
from edge.preprocess.tensor import prepare
from edge.store.overlay import encode_jpeg
from edge.store.privacy import GREY, covered
from edge.types import Box, Classification, Detections, Image, Segmentation

SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"
WHEEL = "mediapipe==0.10.21"
PLATFORM = ("--python-version", "3.11", "--only-binary=:all:", "--platform", "manylinux_2_28_x86_64")
RUNS = 20
Said = TypeVar("Said")

LEAST_IOU = 0.85
LEAST_MASK_IOU = 0.9
SURE = 0.5
HIDDEN = 0.99
"""Of each face's box."""
BIRD = 3
EXIT_CONFIG = 78


class Line(NamedTuple):
    """One thing that was looked at."""

    holds: bool
    what: str
    figure: str


def main() -> int:
    """All of it, line by line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path, help="Folder for the covered pictures, to look at.")
    keep = parser.parse_args().keep
    print(f"{runtime()}, Python {sys.version.split()[0]}", flush=True)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="edge-import-") as scratch:
        for line in proof(Path(scratch), keep):
            failed += not line.holds
            print(f"{'ok  ' if line.holds else 'FAIL'} {line.what}: {line.figure}", flush=True)
    print("all of it holds" if not failed else f"{failed} did not hold", flush=True)
    return 1 if failed else 0


def proof(folder: Path, keep: Path | None) -> Iterator[Line]:
    """What can be looked at on this machine."""
    modules = fetched(folder)
    yield from imports(modules, MEDIAPIPE, folder)
    yield from refusals(modules, MEDIAPIPE_REFUSED, folder)
    if not SHARED.is_dir():
        print(f"not looked at, since {SHARED} is absent: the models there, and all pictures", flush=True)
        return
    yield from imports(SHARED, CORAL, folder)
    yield from refusals(SHARED, CORAL_REFUSED, folder)
    yield from classes(folder)
    yield from masks(folder)
    yield from selfies(folder)
    for name in (NEAR, FAR):
        yield from faces(folder, name)
    yield from others(folder)
    yield from privacy(folder, keep)


def fetched(folder: Path) -> Path:
    """The modules of the wheel, from PyPI; nothing of it is installed."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        *PLATFORM,
        "-d",
        str(folder),
        WHEEL,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{WHEEL} cannot be fetched: {done.stderr.strip().splitlines()[-1]}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.endswith(".tflite")])
    return folder / "mediapipe" / "modules"


def edge(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """The command, as a user types it."""
    command = [sys.executable, "-m", "edge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def given(root: Path, options: Sequence[str]) -> list[str]:
    """Options, with the path of the list of labels."""
    return [str(root / option) if option == PASCAL else option for option in options]


def imports(root: Path, models: Sequence[Import], folder: Path) -> Iterator[Line]:
    """Each is imported, recognised, loaded again and proven."""
    for model in models:
        bundle = folder / Path(model.file).stem
        done = edge("import", root / model.file, *given(root, model.options), "--out", bundle)
        told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if len(line.split()) > 1)
        words = told.get("layout", "")
        holds = done.returncode == 0 and words.startswith(model.layout)
        figure = f"{told['input']} → {told['outputs']}: {words}" if holds else done.stderr.strip()
        yield Line(holds, f"import {Path(model.file).name}", figure)


def refusals(root: Path, models: Sequence[Refusal], folder: Path) -> Iterator[Line]:
    """Each is refused with a sentence, the exit code of a wrong setting, and nothing left behind."""
    for model in models:
        bundle = folder / "refused"
        done = edge("import", root / model.file, *given(root, model.options), "--out", bundle)
        said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        holds = done.returncode == EXIT_CONFIG and model.sentence in said[0] and not bundle.exists()
        sentence = said[0].removeprefix(f"edge: {root / model.file}: ")
        yield Line(holds, f"refuse {Path(model.file).name} as {model.options[1]}", sentence[:160])


def model(folder: Path, name: str) -> Model:
    """An imported model, ready to run."""
    return open_model(load(folder / name))


def look(opened: Model, picture: Image, kind: type[Said]) -> Said:
    """What it says of a picture."""
    prepared = prepare(picture, opened.spec)
    said = opened.decode(opened.run(prepared), prepared)
    if not isinstance(said, kind):
        raise TypeError(f"{opened.identity.name} gives {type(said)}")
    return said


def run_ms(opened: Model, picture: Image) -> float:
    """What a picture takes, from pixels to the prediction, median."""
    taken = []
    for _ in range(RUNS):
        start = perf_counter()
        look(opened, picture, object)
        taken.append((perf_counter() - start) * 1000)
    return median(taken)


def classes(folder: Path) -> Iterator[Line]:
    """What the classifiers call the pictures; and what the runtime says of them after another resizing."""
    for imported in CORAL[:3]:
        name = Path(imported.file).stem
        opened, found, same = model(folder, name), [], 0
        for picture, wanted in WINNERS.items():
            seen = look(opened, read(SHARED / picture), Classification)
            score, label = max(zip(seen.scores, seen.labels, strict=True))
            found.append((label.split(",")[0] == wanted, f"{picture} {label.split(',')[0]} {score:.2f}"))
            same += seen.labels[bare_winner(SHARED / imported.file, SHARED / picture)] == label
        right, pictures = sum(fits for fits, _ in found), len(found)
        yield Line(
            right >= LEAST_RIGHT.get(name, pictures) and same == pictures,
            f"top-1 of {name}",
            f"{right} of {pictures}: {', '.join(words for _, words in found)}; the bare runtime, after Pillow's"
            f" resizing, says the same of {same}; {run_ms(opened, read(SHARED / 'cat.bmp')):.1f} ms",
        )


def bare_winner(path: Path, picture: Path) -> int:
    """The winning number of a quantized classifier, without any code of ours."""
    interpreter = open_interpreter(path.read_bytes(), 1, None)
    (taken,), (given_,) = interpreter.get_input_details(), interpreter.get_output_details()
    _, height, width, _ = taken["shape"]
    with PIL.Image.open(picture) as opened:
        pixels = opened.convert("RGB").resize((int(width), int(height)), PIL.Image.Resampling.BILINEAR)
    interpreter.set_tensor(taken["index"], np.asarray(pixels)[np.newaxis])
    interpreter.invoke()
    return int(interpreter.get_tensor(given_["index"]).argmax())


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return float((a & b).sum() / max(1, (a | b).sum()))


def masks(folder: Path) -> Iterator[Line]:
    """DeepLab against the mask that comes with the picture of the bird: the same label has the same number."""
    truth = read(SHARED / "bird_segmentation_mask.bmp")[..., 0]
    picture = read(SHARED / "bird_segmentation.bmp")
    for name, least in (("deeplabv3_mnv2_pascal_quant", 0.9), ("deeplabv3_mnv2_dm05_pascal_quant", 0.8)):
        opened = model(folder, name)
        seen = look(opened, picture, Segmentation)
        bird, anything = iou(seen.classes == BIRD, truth == BIRD), iou(seen.classes > 0, truth > 0)
        agree = float((seen.classes == truth).mean())
        yield Line(
            bird >= least and seen.labels[BIRD] == "bird",
            f"mask of {name}",
            f"bird IoU {bird:.3f} (≥ {least}), anything against background {anything:.3f}, same label in"
            f" {agree:.1%} of the pixels; {run_ms(opened, picture):.0f} ms",
        )


def selfies(folder: Path) -> Iterator[Line]:
    """The mask of a person: all of the face, and not the corner of the sky."""
    picture = read(SHARED / "grace_hopper.bmp")
    (face,) = FACES[NEAR]["grace_hopper.bmp"]
    for name in ("selfie_segmentation", "selfie_segmentation_landscape"):
        opened = model(folder, name)
        classes = look(opened, picture, Segmentation).classes
        rows, columns = classes.shape
        height, width = picture.shape[:2]
        top, bottom = (round(y * rows / height) for y in (face.y_min, face.y_max))
        left, right = (round(x * columns / width) for x in (face.x_min, face.x_max))
        inside = float(classes[top:bottom, left:right].mean())
        corner = float(classes[: rows // 8, -columns // 8 :].mean())
        yield Line(
            inside >= LEAST_MASK_IOU and corner == 0,
            f"mask of {name}",
            f"person in {inside:.1%} of the face's box, in {corner:.1%} of the sky's corner;"
            f" {run_ms(opened, picture):.1f} ms",
        )


def faces(folder: Path, name: str) -> Iterator[Line]:
    """Boxes of faces, against those of mediapipe itself."""
    opened = model(folder, name)
    for picture, wanted in FACES[name].items():
        pixels = read(SHARED / picture)
        found = [thing for thing in look(opened, pixels, Detections).found if thing.score >= SURE]
        best = [max((thing.box.iou(box) for thing in found), default=0.0) for box in wanted]
        boxes = "; ".join(f"{thing.score:.2f} at {tuple(map(round, thing.box))}" for thing in found)
        yield Line(
            min(best) >= LEAST_IOU and len(found) == len(wanted),
            f"{name} on {picture}",
            f"{len(found)} of {len(wanted)} faces, IoU with mediapipe's own"
            f" {', '.join(f'{each:.2f}' for each in best)} (≥ {LEAST_IOU}): {boxes};"
            f" {run_ms(opened, pixels):.1f} ms",
        )
    found = list(look(opened, read(SHARED / "cat.bmp"), Detections).found)
    most = max((thing.score for thing in found), default=0.0)
    yield Line(most < SURE, f"{name} on cat.bmp", f"no face; the best score is {most:.2f}")


def others(folder: Path) -> Iterator[Line]:
    """A palm and a body where there is none, and one."""
    picture = read(SHARED / "face.jpg")
    for name in ("palm_detection_full", "palm_detection_lite", "pose_detection"):
        opened, there = model(folder, name), name.startswith("pose")
        most = max((thing.score for thing in look(opened, picture, Detections).found), default=0.0)
        words = "a person" if there else "no palm"
        yield Line(
            (most >= SURE) == there,
            f"{name} on face.jpg",
            f"{words}: the best score is {most:.2f}; {run_ms(opened, picture):.1f} ms",
        )


def privacy(folder: Path, keep: Path | None) -> Iterator[Line]:
    """Faces that one model has covered are all covered, and another model finds none of them again."""
    wanted = config.Privacy(faces=folder / NEAR)
    finder = open_faces(wanted, None)
    if finder is None:
        raise TypeError("no face model")
    another = model(folder, FAR)
    for picture, there in FACES[FAR].items():
        pixels = read(SHARED / picture)
        boxes = finder.find(pixels)
        hidden = covered(pixels, boxes, wanted.margin)
        gone = [float((hidden[part(box)] == GREY).all(axis=2).mean()) for box in there]
        left = [thing for thing in look(another, hidden, Detections).found if thing.score >= SURE]
        again = sum(any(thing.box.iou(box) > 0 for thing in left) for box in there)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"covered-{Path(picture).stem}.jpg").write_bytes(encode_jpeg(hidden, 90))
        yield Line(
            min(gone) >= HIDDEN and not again,
            f"privacy on {picture}",
            f"{len(boxes)} boxes covered; of each of {len(there)} faces at least {min(gone):.1%} is one grey;"
            f" the other model finds {again} of them again",
        )


def part(box: Box) -> tuple[slice, slice]:
    """A box as rows and columns."""
    return slice(int(box.y_min), int(box.y_max)), slice(int(box.x_min), int(box.x_max))


if __name__ == "__main__":
    sys.exit(main())
