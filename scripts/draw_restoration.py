"""Before and after, side by side: noise on a picture of bottles, and a rendered label at half its size."""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from accuracy_sets import Absent, folder_of
from PIL import Image, ImageDraw, ImageFont
from restoration_patches import label
from restoration_pictures import Pixels, enlarged, photograph, read, shrunk

from edge.model.restorations import load_restorer

ROOT = Path(__file__).resolve().parent.parent
PICTURE, GAIN = "test/IMG_4821_MOV-0002.jpg", 16.0
SHOWN_PX, TEXT_PX = 300, 16
QUALITY = 88


def main() -> None:
    """Write the picture."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "restoration.jpg")
    options = asked.parse_args()
    try:
        scene = read(folder_of("caps") / PICTURE)
    except Absent as absent:
        sys.exit(f"draw_restoration: {absent}")
    rows = np.vstack([noise(scene), twice(label(np.random.default_rng(77)))])
    Image.fromarray(rows).save(options.out, quality=QUALITY, optimize=True)


def noise(scene: Pixels) -> Pixels:
    """Noisy, non-local means, the denoiser, and without noise."""
    noisy, clean = photograph(scene, GAIN, np.random.default_rng(3), bayer=True)
    means = np.asarray(cv2.fastNlMeansDenoisingColored(noisy, None, 8, 8, 7, 21), np.uint8)
    ours = load_restorer(ROOT / "models" / "denoiser").restore(noisy)
    place = np.s_[190:310, 350:470]
    names = (f"sensor noise, gain {GAIN:g}", "non-local means, h = 8", "denoiser", "without noise")
    return strip(
        {name: picture[place] for name, picture in zip(names, (noisy, means, ours, clean), strict=True)}
    )


def twice(scene: Pixels) -> Pixels:
    """What was given, cubic interpolation, the network, and the original."""
    small = shrunk(scene)
    ours = load_restorer(ROOT / "models" / "super-resolution-x2").restore(small)
    coarse = np.repeat(np.repeat(small, 2, 0), 2, 1)
    place = np.s_[130:250, 110:230]
    names = ("half the size", "cubic interpolation", "super-resolution-x2", "original")
    pictures = (coarse, enlarged(small), ours, scene)
    return strip({name: picture[place] for name, picture in zip(names, pictures, strict=True)})


def strip(pictures: dict[str, Pixels]) -> Pixels:
    """Side by side, enlarged pixel by pixel, each with its name below."""
    return np.hstack([named(name, picture) for name, picture in pictures.items()])


def named(name: str, picture: Pixels) -> Pixels:
    """One picture with a thin white edge and its name."""
    shown = cv2.resize(picture, (SHOWN_PX, SHOWN_PX), interpolation=cv2.INTER_NEAREST)
    sheet = Image.new("RGB", (SHOWN_PX + 4, SHOWN_PX + 30), "white")
    sheet.paste(Image.fromarray(np.asarray(shown, np.uint8)), (2, 2))
    font = ImageFont.load_default(TEXT_PX)
    ImageDraw.Draw(sheet).text((6, SHOWN_PX + 6), name, (22, 24, 29), font)
    return np.asarray(sheet)


if __name__ == "__main__":
    main()
