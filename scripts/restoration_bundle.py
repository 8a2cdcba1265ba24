"""A trained restoration as a bundle: golden pictures, its card, and what int8 costs."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from calibration_pictures import render_pictures
from picture_quality import psnr_db, ssim
from restoration_network import CELL_PX, CHANNELS, HIDDEN_LAYERS
from restoration_patches import label
from restoration_pictures import Pixels, enlarged, held_out, photograph, read, shrunk
from training import convert
from training.card import Card, text

from edge.durable import replace_file
from edge.model.bundle import assemble, described, write
from edge.model.manifest import Golden, Input, Manifest
from edge.model.manifest import text as manifest_text
from edge.model.restoration import change_levels, open_restorer, spread
from edge.model.tables.restoration import RestorationHead
from edge.teach.packing import as_png

NAMES = {"denoise": "denoiser", "x2": "super-resolution-x2"}
FACTORS: Mapping[str, int] = {"denoise": 1, "x2": 2}
TILE_PX = {"denoise": 256, "x2": 128}
CARD_GAIN = 8.0
CARD_PICTURES = 8
TITLES = {"denoise": "Denoiser", "x2": "Super resolution ×2"}
WORDS = {
    "denoise": """Takes the noise of a small sensor at high gain out of a picture, without being told how
much there is.""",
    "x2": """Makes a picture twice as wide and high, sharper than cubic interpolation does.""",
}
GRAPH = """Plain convolutions, int8 throughout, {channels} channels, {layers} layers; no padding, so that tiles
of {tile}×{tile} pixels lie side by side without a seam. The network sees `pixel - 128` and says
what is to be added to {start}, in steps of half a grey level; a cell of its output holds 2×2 pixels
of three colours.

It was trained with the roundings of int8 in it, on fixed ranges (hidden 0…6, output ±64 grey
levels): there is no calibration. What it shows in more detail was not seen by the camera. It judges
nothing: `docs/restoration.md` says where it belongs."""
DATA = """Trained on 8,000 patches of: 200 frames of "Bottle cap v5" (its validation part, resized; the
training part has salt and pepper strewn over it), 100 photographs of screws
(aaronzink/tensorflow-visual-inspection, train_val_set), and rendered surfaces, parts and labels
(`scripts/calibration_pictures.py`, `scripts/restoration_patches.py`). {spoilt}"""
SPOILT = {
    "denoise": """Noise, in linear light: shot noise of a full well of 5,000 electrons over the gain, and 3
electrons of read noise; gain 1 to 32, drawn evenly on a logarithmic scale; half of the patches through a
Bayer mosaic and edge-aware demosaicing. One in twenty has no noise. That is a model of a sensor,
not one that was measured.""",
    "x2": """Small pictures are means of 2×2 pixels, without noise: enlarge what is clean, or take the noise out
first.""",
}
LICENCE = """The weights are under the Apache License 2.0. Attribution for the caps: "Bottle cap v5" by
lobachevsky-university on Roboflow Universe, [CC BY
4.0](https://creativecommons.org/licenses/by/4.0/), resized; for the screws:
aaronzink/tensorflow-visual-inspection, Apache License 2.0. The golden pictures are rendered."""
LIMITS = {
    "denoise": """Fine texture that is as weak as the noise goes with it. It has not seen noise of JPEG, nor fixed
patterns of hot pixels. Measure what it does to the scores before a model judges what it made.""",
    "x2": """Trained on clean pictures that were reduced by averaging: blur of a lens that is out of focus stays.
JPEG's blocks and noise are enlarged, too.""",
}


def publish(task: str, models: Mapping[str, bytes], out: Path) -> None:
    """Write the bundle and its card to the folder, in the place of one that is there."""
    name = NAMES[task]
    file = f"{name}-int8.tflite"
    golden = {f"golden-{number}.png": as_png(picture) for number, picture in enumerate(golden_pictures(task))}
    files = {file: models["int8"], **golden}
    manifest = Manifest(
        schema="edge.bundle/2",
        name=name,
        task="restoration",
        created=datetime(2026, 11, 28, tzinfo=UTC),  # the same weights make the same bundle
        model=file,
        input=Input(width=TILE_PX[task], height=TILE_PX[task]),
        files=described(files),
        restoration=RestorationHead(factor=FACTORS[task]),
        golden=[Golden(file=picture, score=0.0) for picture in golden],
    )
    restorer = open_restorer(assemble(out, manifest_text(manifest).encode(), files))
    scores = [change_levels(restorer, picture) for picture in golden_pictures(task)]
    proven = [
        Golden(file=picture, score=round(score, 4)) for picture, score in zip(golden, scores, strict=True)
    ]
    shutil.rmtree(out, ignore_errors=True)
    write(out, manifest.model_copy(update={"golden": proven}), files)
    replace_file(out / "README.md", card(task, models, file).encode())


def golden_pictures(task: str) -> Sequence[Pixels]:
    """A rendered label and a rendered part, spoilt as in training; the same each time."""
    random = np.random.default_rng(2026)
    pictures = [label(random)[100:220, 100:260], render_pictures(4, 160, seed=2026)[3][:120]]
    if task == "x2":
        return [shrunk(picture) for picture in pictures]
    return [
        photograph(np.ascontiguousarray(picture), CARD_GAIN, random, bayer=True)[0] for picture in pictures
    ]


def card(task: str, models: Mapping[str, bytes], file: str) -> str:
    """The model card: where it comes from, and its figures, float and int8, on pictures that it has not seen."""
    start = "the picture" if task == "denoise" else "its cubic enlargement"
    graph = GRAPH.format(channels=CHANNELS[task], layers=HIDDEN_LAYERS + 2, tile=TILE_PX[task], start=start)
    return text(
        Card(
            TITLES[task],
            f"{WORDS[task]}\n\n{graph}",
            DATA.format(spoilt=SPOILT[task]),
            LICENCE,
            f"scripts/train_restorer --task {task}",
            dict(figures(task, models)),
            LIMITS[task],
        ),
        {file: models["int8"]},
    )


def figures(task: str, models: Mapping[str, bytes]) -> Iterator[tuple[str, Sequence[str]]]:
    """PSNR and SSIM on the middles of held-out pictures, beside what was given."""
    given = f"noisy, gain {CARD_GAIN:g}" if task == "denoise" else "cubic"
    for held in held_out(CARD_PICTURES):
        tiles = [spoilt_tile(task, path, seed) for seed, path in enumerate(held.paths)]
        before = _worth([start for _, start, _ in tiles], [wanted for _, _, wanted in tiles])
        cells = [_restored(models[name], tiles) for name in ("float32", "int8")]
        yield (
            f"{held.words}{'' if held.kin else ' (a set it never saw)'}: PSNR, SSIM ({given}: {before})",
            [_worth(pictures, [wanted for _, _, wanted in tiles]) for pictures in cells],
        )


def spoilt_tile(task: str, path: Path, seed: int) -> tuple[Pixels, Pixels, Pixels]:
    """A tile from the middle of a picture; of what a result covers, what it is added to and what it should be."""
    tile, factor = TILE_PX[task], FACTORS[task]
    scene = _middle(read(path), tile * factor)
    margin = 1 + CELL_PX[task] * (HIDDEN_LAYERS + 1)
    covered = slice(margin * factor, (tile - margin) * factor)
    if task == "denoise":
        seen, wanted = photograph(scene, CARD_GAIN, np.random.default_rng(seed), bayer=bool(seed % 2))
        return seen, seen[covered, covered], wanted[covered, covered]
    seen = shrunk(scene)
    return seen, enlarged(seen)[covered, covered], scene[covered, covered]


def _restored(model: bytes, tiles: Sequence[tuple[Pixels, Pixels, Pixels]]) -> list[Pixels]:
    outputs = convert.run(model, [seen for seen, _, _ in tiles])
    pictures = []
    for (_, start, _), output in zip(tiles, outputs, strict=True):
        added = spread(output["residual"], 2) * 128
        pictures.append(np.clip(np.rint(start + added), 0, 255).astype(np.uint8))
    return pictures


def _worth(pictures: Sequence[Pixels], wanted: Sequence[Pixels]) -> str:
    decibels = np.mean([psnr_db(*pair) for pair in zip(pictures, wanted, strict=True)])
    alike = np.mean([ssim(*pair) for pair in zip(pictures, wanted, strict=True)])
    return f"{decibels:.2f} dB, {alike:.4f}"


def _middle(picture: Pixels, side_px: int) -> Pixels:
    """Its middle; a picture that is too small is mirrored at its edges first."""
    height, width = picture.shape[:2]
    short_y, short_x = max(0, side_px - height), max(0, side_px - width)
    padded = cv2.copyMakeBorder(picture, 0, short_y, 0, short_x, cv2.BORDER_REFLECT_101)
    top, left = (padded.shape[0] - side_px) // 2, (padded.shape[1] - side_px) // 2
    return np.ascontiguousarray(padded[top : top + side_px, left : left + side_px])
