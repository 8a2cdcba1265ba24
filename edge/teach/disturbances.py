"""What can go wrong between a part and its picture: light, focus, place, something in the way, dirt on the lens.

Each disturbance has a strength with a unit; lengths are shares of the shorter side of the area that is looked at,
so that they mean the same on every camera. The same picture is always disturbed in the same way.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge.geometry import Box, Image

SPOTS = 7
SPOT_RADIUS = (0.04, 0.11)
"""Of a speck of dirt, in shorter sides: it is out of focus, so it is large and soft."""
PATCH_CELLS = 6
COVER: tuple[int, int, int] = (72, 66, 60)
"""Of what covers a part: a glove, a cable."""

Matrix = npt.NDArray[np.float64]


class Scene(NamedTuple):
    """A picture, the area of it that is looked at, and where random numbers come from."""

    picture: Image
    area: Box
    rng: np.random.Generator

    @property
    def side_px(self) -> float:
        """The shorter side of the area."""
        return min(self.area.width, self.area.height)


Strong = Callable[[Scene, float], Image]


class Disturbed(NamedTuple):
    """A disturbed copy of a picture, and how its pixels have moved, if they have."""

    picture: Image
    matrix: Matrix | None = None

    def place(self, box: Box) -> Box | None:
        """Where a box of the picture is now, as far as it is in view; None where most of it is not."""
        if self.matrix is None:
            return box
        corners = np.array([[x, y, 1] for x in (box.x_min, box.x_max) for y in (box.y_min, box.y_max)])
        places = corners @ self.matrix.T
        whole = Box(*places.min(axis=0).tolist(), *places.max(axis=0).tolist())
        seen = whole.intersection(Box(0, 0, self.picture.shape[1], self.picture.shape[0]))
        return seen if seen.area > whole.area / 2 else None


@dataclass(frozen=True)
class Disturbance:
    """One thing that goes wrong. `strengths` go up in steps; `none` is the strength that changes nothing.

    It changes pixels (`apply`) or moves them (`move`, as OpenCV's affine matrices do). `lasting` says that it is
    the same for every picture, as dirt is that sticks to the lens.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    apply: Strong | None = None
    move: Callable[[Scene, float], Matrix] | None = None
    none: float = 0.0
    lasting: bool = False

    def disturbed(self, picture: Image, strength: float, number: int, area: Box | None = None) -> Disturbed:
        """Picture `number`, disturbed so much. `area` in frame pixels is looked at; None: all of it."""
        height, width = picture.shape[:2]
        seed = [*self.name.encode(), 0 if self.lasting else number]
        scene = Scene(picture, area or Box(0, 0, width, height), np.random.default_rng(seed))
        if self.move is not None:
            matrix = self.move(scene, strength)
            return Disturbed(_moved(picture, matrix), matrix)
        assert self.apply is not None  # noqa: S101 - it has one of the two
        return Disturbed(self.apply(scene, strength))


def _dimmed(scene: Scene, times: float) -> Image:
    levels = np.clip(np.rint(np.arange(256) * times), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(scene.picture, levels), np.uint8)


def _blurred(scene: Scene, per_mille: float) -> Image:
    sigma = max(0.01, per_mille / 1000 * scene.side_px)
    return np.asarray(cv2.GaussianBlur(scene.picture, (0, 0), sigma), np.uint8)


def _noisy(scene: Scene, levels: float) -> Image:
    noise = scene.rng.standard_normal(scene.picture.shape, np.float32) * np.float32(levels)
    return np.clip(np.rint(scene.picture + noise), 0, 255).astype(np.uint8)


def _shift(scene: Scene, percent: float) -> Matrix:
    towards = scene.rng.uniform(0, 2 * np.pi)
    length = percent / 100 * scene.side_px
    return np.array([[1, 0, length * np.cos(towards)], [0, 1, length * np.sin(towards)]], np.float64)


def _turn(scene: Scene, degrees: float) -> Matrix:
    middle = (scene.area.x_min + scene.area.x_max - 1) / 2, (scene.area.y_min + scene.area.y_max - 1) / 2
    turned = degrees if scene.rng.random() < 0.5 else -degrees  # noqa: PLR2004 - heads or tails
    return np.asarray(cv2.getRotationMatrix2D(middle, turned, 1.0), np.float64)


def _moved(picture: Image, matrix: Matrix) -> Image:
    """What comes into view mirrors what was there: a black wedge would be a defect of its own."""
    size = picture.shape[1], picture.shape[0]
    moved = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, np.uint8)


def _covered(scene: Scene, percent: float) -> Image:
    """Something dark before it."""
    return _laid_on(scene, np.sqrt(percent / 100), lambda height, width: np.full((height, width, 3), COVER))


def _patched(scene: Scene, percent: float) -> Image:
    """A printed sticker of coloured squares, of that side."""
    cells = scene.rng.integers(0, 256, (PATCH_CELLS, PATCH_CELLS, 3), np.uint8)
    return _laid_on(
        scene,
        percent / 100,
        lambda height, width: cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST),
    )


def _laid_on(scene: Scene, share: float, draw: Callable[[int, int], npt.NDArray[np.generic]]) -> Image:
    """Something of that share of both sides of the area, anywhere in it."""
    area, picture = scene.area, scene.picture.copy()
    width, height = max(1, round(share * area.width)), max(1, round(share * area.height))
    left = round(scene.rng.uniform(area.x_min, max(area.x_min, area.x_max - width)))
    top = round(scene.rng.uniform(area.y_min, max(area.y_min, area.y_max - height)))
    under = picture[top : top + height, left : left + width]
    under[:] = draw(height, width)[: under.shape[0], : under.shape[1]]
    return picture


def _compressed(scene: Scene, quality: float) -> Image:
    bgr = scene.picture[:, :, ::-1]
    content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, round(quality)])[1]
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1].copy()


def _dirty(scene: Scene, percent: float) -> Image:
    """Soft specks that swallow so much of the light."""
    height, width = scene.picture.shape[:2]
    # Specks are soft: at a quarter of the size they are as good, in a sixteenth of the time.
    light = np.ones((-(-height // 4), -(-width // 4)), np.float32)
    y, x = np.mgrid[: light.shape[0], : light.shape[1]].astype(np.float32) * 4
    for _ in range(SPOTS):
        at_x = scene.rng.uniform(scene.area.x_min, scene.area.x_max)
        at_y = scene.rng.uniform(scene.area.y_min, scene.area.y_max)
        radius = scene.rng.uniform(*SPOT_RADIUS) * scene.side_px
        away = np.hypot(x - at_x, y - at_y) / radius
        light *= 1 - np.float32(percent / 100) / (1 + np.exp(8 * np.minimum(away - 1, 4)))
    shade = cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR)[..., np.newaxis]
    shaded: Image = np.rint(scene.picture * shade).astype(np.uint8)
    return shaded


DISTURBANCES = (
    Disturbance("brightness", "times the light", (0.25, 0.5, 0.75, 1.25, 1.6, 2.2), _dimmed, none=1.0),
    Disturbance("blur", "sigma, ‰ of the shorter side", (1, 2, 4, 8, 16), _blurred),
    Disturbance("noise", "sigma, grey levels", (4, 8, 16, 32, 64), _noisy),
    Disturbance("shift", "% of the shorter side", (1, 2, 4, 8, 16), move=_shift),
    Disturbance("rotation", "degrees", (1, 2, 5, 10, 20), move=_turn),
    Disturbance("occlusion", "% of the area", (0.5, 1, 2, 5, 10, 20), _covered),
    Disturbance("JPEG", "quality", (90, 70, 50, 30, 15, 5), _compressed, none=100),
    Disturbance("lens dirt", "% of the light lost", (10, 20, 40, 60, 80), _dirty, lasting=True),
    Disturbance("printed patch", "side, % of the area's", (2, 5, 10, 20, 30), _patched),
)
