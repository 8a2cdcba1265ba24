"""Pictures to calibrate on, rendered here: textures, gradients, shapes, parts; no licence comes along."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Random = np.random.Generator

HALF = 0.5


def render_pictures(count: int, size: int, seed: int = 0) -> tuple[Pixels, ...]:
    """Return `count` RGB pictures of `size` x `size`; the same seed gives the same pixels."""
    random = np.random.default_rng(seed)
    motifs = (_clouds, _grating, _shapes, _brushed_part, _grains, _weave)
    return tuple(_expose(motifs[i % len(motifs)](random, size), random, i) for i in range(count))


def read_pictures(folder: Path, count: int, size: int) -> tuple[Pixels, ...]:
    """Return `count` pictures spread evenly over those in a folder and below it, squeezed to `size` x `size`."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    if not paths:
        raise FileNotFoundError(f"{folder}: there are no .jpg or .png pictures here to calibrate on")
    chosen = [paths[i * len(paths) // count] for i in range(count)] if len(paths) > count else paths
    return tuple(fit_picture(Image.open(path), size) for path in chosen)


def fit_picture(image: Image.Image, size: int) -> Pixels:
    """Return an image as RGB, squeezed to `size` x `size`."""
    return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))


def _expose(picture: Floats, random: Random, index: int) -> Pixels:
    """Give a picture (any values) a brightness, a contrast, a tint, a vignette and sensor noise."""
    size = picture.shape[0]
    picture = (picture - picture.mean()) / (picture.std() + 1e-6)
    # A third each: flat as a grey tile, as most pictures are, and burnt out at both ends.
    spread = (random.uniform(6, 20), random.uniform(25, 55), random.uniform(70, 130))[index // 6 % 3]
    middle = random.uniform(40, 215)
    across = np.linspace(-1, 1, size)
    vignette = 1 - random.uniform(0, 0.35) * (across[:, None] ** 2 + across**2) / 2
    pixels = (middle + spread * picture) * vignette[..., None]
    if (index + index // 6) % 2:
        pixels = pixels * random.uniform(0.75, 1.15, 3)
    else:
        pixels = np.repeat(pixels.mean(-1, keepdims=True), 3, -1)
    pixels += random.normal(0, random.uniform(0, 4), pixels.shape)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _noise(random: Random, size: int, cells: tuple[int, int]) -> Floats:
    """Return smooth noise of that many cells down and across, `size` x `size`."""
    coarse = random.normal(size=cells).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC), np.float64)


def _clouds(random: Random, size: int) -> Floats:
    fall = random.uniform(0.3, 1.0)
    octaves = [(cells, fall**step) for step, cells in enumerate((2, 4, 8, 16, 32, 64, 128))]
    layers = [
        sum((weight * _noise(random, size, (cells, cells)) for cells, weight in octaves), np.zeros(()))
        for _ in range(3)
    ]
    return np.stack(layers, -1)


def _grating(random: Random, size: int) -> Floats:
    down, across = np.mgrid[:size, :size] / size
    angle, period = random.uniform(0, np.pi), random.uniform(0.02, 0.4)
    wave = np.sin(2 * np.pi * (across * np.cos(angle) + down * np.sin(angle)) / period)
    ramp = across * random.normal() + down * random.normal()
    if random.integers(2):
        wave = np.sign(wave)
    return _grey(wave * random.uniform(0.1, 1) + ramp * 2)


def _shapes(random: Random, size: int) -> Floats:
    big = 2 * size
    canvas = Image.new("RGB", (big, big), _colour(random))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(random.integers(3, 30))):
        x, y = random.uniform(-0.1, 1, 2) * big
        w, h = random.uniform(0.03, 0.5, 2) * big
        kind = int(random.integers(3))
        if kind == 0:
            draw.ellipse((x, y, x + w, y + h), fill=_colour(random))
        elif kind == 1:
            draw.rectangle((x, y, x + w, y + h), fill=_colour(random), outline=_colour(random))
        else:
            draw.line((x, y, x + w, y + h), fill=_colour(random), width=int(random.integers(1, 12)))
    return _shrink(canvas.filter(ImageFilter.GaussianBlur(random.uniform(0, 3))), size)


def _brushed_part(random: Random, size: int) -> Floats:
    """Draw a round or square part of brushed metal with holes, bevels, a scratch and a shadow."""
    big = 2 * size
    grain = _noise(random, big, (big, int(random.integers(2, 24))))
    sheen = _noise(random, big, (3, 3))
    metal = 150 + 12 * grain + 30 * sheen
    stencil = Image.new("L", (big, big), 0)
    draw = ImageDraw.Draw(stencil)
    edge = random.uniform(0.05, 0.25) * big
    outline = (edge, edge, big - edge, big - edge)
    if random.integers(2):
        draw.ellipse(outline, fill=255)
    else:
        draw.rounded_rectangle(outline, radius=int(edge), fill=255)
    for _ in range(int(random.integers(0, 7))):
        x, y, r = *random.uniform(0.25, 0.75, 2) * big, random.uniform(0.02, 0.1) * big
        draw.ellipse((x - r, y - r, x + r, y + r), fill=0)
    inside = np.asarray(stencil, np.float64) / 255
    soft = np.asarray(stencil.filter(ImageFilter.GaussianBlur(5)), np.float64) / 255
    bevel = 200 * (np.roll(soft, 3, (0, 1)) - np.roll(soft, -3, (0, 1)))
    ground = random.uniform(20, 230) + 8 * _noise(random, big, (64, 64)) - 40 * np.roll(soft, 12, (0, 1))
    plate = np.where(inside > HALF, metal - bevel, ground)
    scratched = Image.fromarray(np.clip(plate, 0, 255).astype(np.uint8))
    x, y, dx, dy = random.uniform(0.2, 0.6, 4) * big
    ImageDraw.Draw(scratched).line((x, y, x + dx, y + dy / 3), fill=int(random.integers(256)), width=2)
    return _shrink(scratched.convert("RGB"), size)


def _grains(random: Random, size: int) -> Floats:
    fine = random.normal(size=(size, size))
    cells = int(random.integers(size // 16, size // 2))
    specks = np.maximum(_noise(random, size, (cells, cells)) - random.uniform(0, 1.5), 0)
    return _grey(specks + random.uniform(0, 0.3) * fine + 0.3 * _noise(random, size, (3, 3)))


def _weave(random: Random, size: int) -> Floats:
    down, across = np.mgrid[:size, :size] * (2 * np.pi * random.uniform(4, 45) / size)
    threads = np.where(np.sin(down / 2) * np.sin(across / 2) > 0, np.sin(down) ** 2, np.sin(across) ** 2)
    return _grey(threads + 0.4 * _noise(random, size, (16, 16)) + 0.4 * _noise(random, size, (2, 2)))


def _grey(picture: Floats) -> Floats:
    return np.repeat(picture[..., None], 3, -1)


def _shrink(canvas: Image.Image, size: int) -> Floats:
    return np.asarray(canvas.resize((size, size), Image.Resampling.BOX), np.float64)


def _colour(random: Random) -> tuple[int, int, int]:
    grey = int(random.integers(256))
    red, green, blue = np.clip(grey + random.integers(-60, 61, 3), 0, 255)
    return int(red), int(green), int(blue)
