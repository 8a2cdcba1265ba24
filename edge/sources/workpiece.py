"""What the conveyor's parts and their surroundings look like: a turned flange on a belt, painted once.

Layers are grey, 0…255, and are multiplied: what keeps its place under the lamps is apart from what turns with
the part, so that each part is put together from them in milliseconds.
"""

import math
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from edge.geometry import Image

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Pixel = TypeVar("Pixel", bound=np.generic)

NEUTRAL = 128
"""In a layer that multiplies: no change."""
NOISE_MEAN = 12
"""What the noise tile adds on average; the tone curve takes it off again."""
TILE_PX = 384
"""Grain and noise repeat after so many pixels, which nobody sees."""
SLACK_PX = 64
"""How much larger tiles are than what is cut out of them: random offsets are below it."""
GROOVE_STEPS_PX = 2
"""Entries of a groove profile for each pixel of radius."""

LAMP = math.radians(-128)
SECOND_LAMP = math.radians(-35)
HOLES = 6
PITCH, HOLE, CHAMFER = 0.69, 0.074, 0.095  # of the bolt holes, in radii of the part
BORE, HUB, GROOVE = 0.19, 0.46, 0.875


@dataclass(frozen=True, eq=False)
class Workpiece:
    """The painted layers. Those that are `size` by `size` have the part in their middle.

    Attributes:
        radius: Of the part, in pixels.
        lit: The bare part under the lamps; 0 around it.
        turning: What rotates with the part: holes and engraving; multiplies.
        backdrop: The part's shadow on the belt; 0 under the part.
        rings: Index into a groove profile of `profile_length` entries.
        stains: Cloudy finish, `SLACK_PX` larger; multiplies.
        belt: `SLACK_PX` larger than a frame.
        lamps: How light falls off, for the whole frame.
        noise: The sensor's, `SLACK_PX` larger than a frame, RGB.
    """

    width: int
    height: int
    size: int
    radius: float
    lit: Grey
    turning: Grey
    backdrop: Grey
    rings: npt.NDArray[np.uint16]
    profile_length: int
    stains: Grey
    belt: Grey
    lamps: Grey
    noise: Image


def paint(width: int, height: int) -> Workpiece:
    """The layers for frames of that size: the same each time."""
    rng = np.random.default_rng(0)
    unit = min(width, height)
    size, radius = 2 * int(0.4 * unit), 0.36 * unit
    y, x = (np.mgrid[0:size, 0:size].astype(np.float32) - (size - 1) / 2) / np.float32(radius)
    r, towards = np.hypot(x, y), np.arctan2(y, x)
    edge_px = np.float32(radius)
    inside = np.clip((1 - r) * edge_px + 0.5, 0, 1)
    return Workpiece(
        width=width,
        height=height,
        size=size,
        radius=radius,
        lit=_to_grey(255 * inside * _face(r, towards, edge_px)),
        turning=_to_grey(NEUTRAL * _holes_and_engraving(size, edge_px)),
        backdrop=_to_grey(255 * (1 - inside) * _shadow(x, y)),
        rings=(r * edge_px * GROOVE_STEPS_PX).astype(np.uint16),
        profile_length=int(math.sqrt(2) * size / 2 * GROOVE_STEPS_PX) + 2,
        stains=_stains(size, unit, rng),
        belt=_belt(width, height, unit, rng),
        lamps=_lamps(width, height),
        noise=_noise(width, height, rng),
    )


def groove_profile(length: int, rng: np.random.Generator) -> Grey:
    """How the tool has turned this one part: brightness by radius."""
    fine = cv2.GaussianBlur(rng.standard_normal((1, length), np.float32), (0, 0), 1.4)
    coarse = cv2.GaussianBlur(rng.standard_normal((1, length), np.float32), (9 * 8 + 1, 1), 9)
    return np.ravel(_to_grey(NEUTRAL + 13 * fine + 18 * coarse))


def hole_position(number: int, turned: float) -> tuple[float, float]:
    """Middle of a bolt hole from that of the part, in its radii, where the part is turned so far (radians)."""
    angle = 2 * math.pi * (number + 0.5) / HOLES + turned
    return PITCH * math.cos(angle), PITCH * math.sin(angle)


def _to_grey(values: npt.ArrayLike) -> Grey:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _step(distance: Floats, at: float, px: np.float32) -> Floats:
    """0 below `at`, 1 above, over one pixel."""
    return np.asarray(np.clip((distance - np.float32(at)) * px + np.float32(0.5), 0, 1), np.float32)


def _band(distance: Floats, start: float, end: float, px: np.float32) -> Floats:
    return _step(distance, start, px) * (1 - _step(distance, end, px))


def _fan(towards: Floats, lamp: float, width: float) -> Floats:
    """A turned face shines where its grooves lie across the light: two opposite fans."""
    across = np.sin(towards - np.float32(lamp))
    return np.asarray(np.exp(-(across**2) / np.float32(2 * width**2)), np.float32)


def _face(r: Floats, towards: Floats, px: np.float32) -> Floats:
    facing = np.cos(towards - np.float32(LAMP))
    shine = 0.52 * _fan(towards, LAMP, 0.27) + 0.20 * _fan(towards, SECOND_LAMP, 0.20)
    flange = 0.40 + shine * (0.72 + 0.28 * np.cos(7 * (r - 0.68)))
    hub = 0.50 + 0.85 * shine
    face = np.where(r < HUB, hub, flange)
    # A raised hub: its flank is lit on the lamp's side and throws a soft shadow on the other.
    face *= 1 - 0.45 * np.exp(-(((r - HUB - 0.012) / 0.02) ** 2)) * (0.45 - 0.55 * facing)
    face = _blend(face, 0.52 + 0.42 * facing, _band(r, HUB - 0.018, HUB, px))
    # A groove near the rim: its outer wall faces the lamp where the rim itself is turned away.
    face = _blend(face, 0.20 + 0.05 * facing, _band(r, GROOVE - 0.012, GROOVE, px))
    face = _blend(face, 0.55 - 0.38 * facing, _band(r, GROOVE, GROOVE + 0.010, px))
    face = _blend(face, 0.56 + 0.40 * facing, _band(r, 0.972, 1.1, px))
    # The bore: a chamfer, then a wall that goes dark with depth.
    depth = np.clip(r / BORE, 0, 1)
    face = _blend(face, 0.05 + 0.16 * depth**6 * (1.2 - facing), 1 - _step(r, BORE, px))
    return _blend(face, 0.50 - 0.40 * facing, _band(r, BORE, BORE + 0.022, px))


def _blend(below: Floats, above: Floats, share: Floats) -> Floats:
    return below + (above - below) * share


def _holes_and_engraving(size: int, px: np.float32) -> Floats:
    turning = np.ones((size, size), np.float32)
    for number in range(HOLES):
        _drill(turning, hole_position(number, 0.0), HOLE, CHAMFER, px)
    _drill(turning, (0.765, 0.155), 0.026, 0.036, px)
    return turning * (1 - 0.30 * _engraving(size, float(px)))


def _drill(turning: Floats, middle: tuple[float, float], hole: float, chamfer: float, px: np.float32) -> None:
    """A chamfered hole; lengths are in radii of the part, which has `px` pixels."""
    size, reach = turning.shape[0], math.ceil(chamfer * px) + 2
    centre_x, centre_y = (float((size - 1) / 2 + at * px) for at in middle)
    left, top = round(centre_x) - reach, round(centre_y) - reach
    under = turning[top : top + 2 * reach + 1, left : left + 2 * reach + 1]
    y, x = np.mgrid[top : top + under.shape[0], left : left + under.shape[1]].astype(np.float32)
    x, y = (x - np.float32(centre_x)) / px, (y - np.float32(centre_y)) / px
    near, facing = np.hypot(x, y), np.cos(np.arctan2(y, x) - np.float32(LAMP))
    wall = np.clip(near / hole, 0, 1) ** 5
    drilled = _blend(under, 1.0 - 0.62 * facing, _band(near, hole, chamfer, px))
    under[:] = _blend(drilled, 0.07 + 0.30 * wall * (1 - facing), 1 - _step(near, hole, px))


def _engraving(size: int, radius: float) -> Floats:
    """Laser marking on the hub, 0…1."""
    mark = np.zeros((size, size), np.uint8)
    scale, thick = radius / 640, max(1, round(radius / 230))
    for text, below in (("EI-2047", -0.335), ("6xM8  C45", 0.30)):
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
        start = (round(size / 2 - width / 2), round(size / 2 + below * radius + height / 2))
        cv2.putText(mark, text, start, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(mark, (0, 0), 0.7), np.float32) / np.float32(255)


def _shadow(x: Floats, y: Floats) -> Floats:
    away_x, away_y = 0.035 * math.cos(LAMP), 0.035 * math.sin(LAMP)
    beyond = np.hypot(x + np.float32(away_x), y + np.float32(away_y)) - np.float32(1)
    return np.asarray(1 - 0.72 / (1 + np.exp(np.clip(55 * beyond, -40, 40))), np.float32)


def _stains(size: int, unit: int, rng: np.random.Generator) -> Grey:
    side = size + SLACK_PX
    cloud = np.zeros((side, side), np.float32)
    for share, strength in ((0.08, 3.0), (0.02, 2.0)):
        cells = max(3, round(side / max(2.0, share * unit)))
        small = rng.standard_normal((cells, cells), np.float32)
        cloud += strength * cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    return _to_grey(NEUTRAL + cloud)


def _belt(width: int, height: int, unit: int, rng: np.random.Generator) -> Grey:
    """Black rubber with a woven grain, streaks along its run, and dust."""
    shape = (height + SLACK_PX, width + SLACK_PX)
    y, x = np.ogrid[0 : shape[0], 0 : shape[1]]
    pitch = max(4.0, 0.006 * unit)
    # sin(x + y) sin(x - y), which needs no sine of each pixel.
    weave = (np.cos(4 * math.pi * y / pitch) - np.cos(4 * math.pi * x / pitch)).astype(np.float32)
    grain = _repeated(
        cv2.GaussianBlur(rng.standard_normal((TILE_PX, TILE_PX), np.float32), (0, 0), 1.1), shape
    )
    runs = cv2.GaussianBlur(rng.standard_normal((shape[0], 1), np.float32), (0, 0), 2.2)
    belt = 46 + 2.2 * weave + 9 * grain + 7 * runs
    dust = np.zeros(shape, np.uint8)
    for _ in range(90):
        at = (int(rng.integers(shape[1])), int(rng.integers(shape[0])))
        cv2.circle(dust, at, int(rng.integers(1, 3)), int(rng.integers(20, 70)), -1, cv2.LINE_AA)
    return np.asarray(cv2.add(_to_grey(belt), cv2.GaussianBlur(dust, (0, 0), 0.8)), np.uint8)


def _lamps(width: int, height: int) -> Grey:
    """Brightest towards the upper left, and darker in the corners as lenses have it."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)
    across, along = 0.14 * (x + 0.25) ** 2 + 0.05 * x, 0.14 * (y + 0.30) ** 2 + 0.05 * y
    return _to_grey(np.clip(247 - 247 * (across + along), 0, 255))


def _noise(width: int, height: int, rng: np.random.Generator) -> Image:
    """As a colour sensor has it: mostly alike in the three channels, softened by the debayering."""
    shape = (TILE_PX, TILE_PX)
    alike = rng.standard_normal(shape, np.float32)
    own = cv2.GaussianBlur(rng.standard_normal((*shape, 3), np.float32), (0, 0), 0.8)
    noise = _to_grey(NOISE_MEAN + 1.5 * alike[..., None] + 2.4 * own)
    return _repeated(noise, (height + SLACK_PX, width + SLACK_PX))


def _repeated(tile: npt.NDArray[Pixel], shape: tuple[int, int]) -> npt.NDArray[Pixel]:
    times = [math.ceil(wanted / side) for wanted, side in zip(shape, tile.shape, strict=False)]
    return np.tile(tile, [*times, *[1] * (tile.ndim - 2)])[: shape[0], : shape[1]]
