"""Pictures of labels with codes, and of print in dots: for the tests and benchmarks of reading."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from edge.geometry import Image

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """How a label is printed and taken: pixels a module, angle, blur (standard deviation in pixels), noise."""

    module_px: float = 4.0
    angle_deg: float = 0.0
    blur_px: float = 0.6
    noise: float = 2.0
    ink: float = 40.0
    paper: float = 200.0
    seed: int = 0


def label(text: str, symbology: str, look: Look, size: int = 400) -> Image:
    """A label with one code, in the middle of a picture of `size` pixels."""
    kind = zxingcpp.barcode_format_from_str(symbology)
    options = {"force_square": True} if symbology == "DataMatrix" else {}
    code = np.array(zxingcpp.create_barcode(text, kind, **options).to_image(scale=1), np.uint8)
    if code.shape[0] < code.shape[1] // 4:  # a barcode as it comes is a few rows high
        code = np.repeat(code, max(1, code.shape[1] // 3 // code.shape[0]), axis=0)
    modules = (code < 128).astype(np.float32)
    return taken(modules, look, size)


def dotted(text: str, look: Look, size: int = 400) -> Image:
    """Print of an ink-jet: a dot for each cell of letters that are nine cells high."""
    drawn = Pillow.new("L", (8 * len(text) + 8, 14), 0)
    ImageDraw.Draw(drawn).text((4, 0), text, fill=255, font=ImageFont.load_default(11))
    cells = np.asarray(drawn) > 96
    fine = 8
    y, x = np.mgrid[0:fine, 0:fine] - (fine - 1) / 2
    dot = (np.hypot(x, y) < 0.42 * fine).astype(np.float32)
    return taken(np.kron(cells, dot).astype(np.float32), look, size, fine=fine)


def taken(ink: Floats, look: Look, size: int, fine: int = 1) -> Image:
    """What a camera sees of a pattern (1 is ink), of which `fine` cells are a module."""
    scale, turn = look.module_px / fine, np.deg2rad(look.angle_deg)
    rows, columns = ink.shape
    rotate = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shift = size / 2 - rotate @ (columns / 2, rows / 2)
    # Four times finer and reduced: edges cover their pixels in part.
    large = cv2.warpAffine(
        ink,
        4 * np.column_stack([rotate, shift]),
        (4 * size, 4 * size),
        flags=cv2.INTER_NEAREST,
        borderValue=0,
    )
    covered = cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
    if look.blur_px > 0:
        covered = cv2.GaussianBlur(covered, (0, 0), look.blur_px)
    light = look.paper + (look.ink - look.paper) * covered
    light += np.random.default_rng(look.seed).normal(0, look.noise, light.shape)
    grey = np.clip(np.rint(light), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
