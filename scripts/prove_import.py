"""Proof of `edge import`: models of others, fetched, imported, run on pictures, and refused if need be."""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from import_faces import faces, privacy, reach
from import_look import SURE, Line, look, model, run_ms
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
    SHARED,
    WINNERS,
    Import,
    Refusal,
)
from import_speed import CANDIDATES, cases, measured

from edge.model.runner import Model
from edge.model.runtime import open_interpreter, runtime
from edge.prediction import Classification, Detections, Segmentation
from edge.preprocess.picture import read
from edge.preprocess.tensor import prepare

WHEEL = "mediapipe==0.10.21"
PLATFORM = ("--python-version", "3.11", "--only-binary=:all:", "--platform", "manylinux_2_28_x86_64")

MOST_DECODE_MS = 1.0
LEAST_MASK_IOU = 0.9
BIRD = 3
EXIT_CONFIG = 78


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
    yield from speeds()
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
        yield from reach(folder, name)
    yield from others(folder)
    yield from privacy(folder, keep)


def speeds() -> Iterator[Line]:
    """From outputs to boxes, beside the network."""
    for case in cases():
        there, ms = measured(case)
        yield Line(
            ms <= MOST_DECODE_MS and there == CANDIDATES,
            f"decode {case.name}",
            f"{ms:.2f} ms for {there} candidates, suppression included (≤ {MOST_DECODE_MS:g} ms)",
        )


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
    for one in models:
        bundle = folder / Path(one.file).stem
        done = edge("import", root / one.file, *given(root, one.options), "--out", bundle)
        told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if len(line.split()) > 1)
        words = told.get("layout", "")
        holds = done.returncode == 0 and words.startswith(one.layout)
        figure = f"{told['input']} → {told['outputs']}: {words}" if holds else done.stderr.strip()
        yield Line(holds, f"import {Path(one.file).name}", figure)


def refusals(root: Path, models: Sequence[Refusal], folder: Path) -> Iterator[Line]:
    """Each is refused with a sentence, the exit code of a wrong setting, and nothing left behind."""
    for one in models:
        bundle = folder / "refused"
        done = edge("import", root / one.file, *given(root, one.options), "--out", bundle)
        said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        holds = done.returncode == EXIT_CONFIG and one.sentence in said[0] and not bundle.exists()
        sentence = said[0].removeprefix(f"edge: {root / one.file}: ")
        yield Line(holds, f"refuse {Path(one.file).name} as {one.options[1]}", sentence[:160])


def classes(folder: Path) -> Iterator[Line]:
    """What the classifiers call the pictures; the bare runtime must say the same of the same pixels."""
    for imported in CORAL[:3]:
        name = Path(imported.file).stem
        opened, found, same, resized = model(folder, name), [], 0, 0
        bare = open_interpreter((SHARED / imported.file).read_bytes(), 1, None)
        for picture, wanted in WINNERS.items():
            pixels = read(SHARED / picture)
            seen = look(opened, pixels, Classification)
            score, label = max(zip(seen.scores, seen.labels, strict=True))
            found.append((label.split(",")[0] == wanted, f"{picture} {label.split(',')[0]} {score:.2f}"))
            (tensor,) = prepare(pixels, opened.spec).tensors
            same += seen.labels[winner(bare, tensor.view(np.uint8) ^ np.uint8(0x80))] == label
            resized += seen.labels[winner(bare, by_pillow(SHARED / picture, opened))] == label
        right, pictures = sum(fits for fits, _ in found), len(found)
        yield Line(
            right >= LEAST_RIGHT.get(name, pictures) and same == pictures,
            f"top-1 of {name}",
            f"{right} of {pictures}: {', '.join(words for _, words in found)}; the bare runtime says the same of"
            f" {same} (after Pillow's resizing, of {resized}); {run_ms(opened, read(SHARED / 'cat.bmp')):.1f} ms",
        )


def winner(bare: Any, tensor: np.ndarray) -> int:
    """The winning number of a quantized classifier."""
    bare.set_tensor(bare.get_input_details()[0]["index"], tensor)
    bare.invoke()
    return int(bare.get_tensor(bare.get_output_details()[0]["index"]).argmax())


def by_pillow(path: Path, opened: Model) -> np.ndarray:
    """A picture as another program would prepare it."""
    with PIL.Image.open(path) as picture:
        size = opened.spec.width, opened.spec.height
        return np.asarray(picture.convert("RGB").resize(size, PIL.Image.Resampling.BILINEAR))[np.newaxis]


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


if __name__ == "__main__":
    sys.exit(main())
