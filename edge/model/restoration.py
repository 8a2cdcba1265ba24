"""A restoration: a network that gives a better picture, without noise or twice as large. It judges nothing.

The network says what is to be added to the picture, in fixed tiles. Its convolutions pad nothing, so a tile's
result is smaller than the tile and is the same wherever the tile begins: laid side by side, results have no seam.
"""

from math import ceil
from threading import Lock
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import BundleError, CaptureError, InferenceError
from edge.geometry import Box, Image
from edge.model.bundle import Bundle
from edge.model.delegates import CPU
from edge.model.interpreter import Engine, Interpreter, TensorSpec
from edge.model.tables import MANIFEST
from edge.preprocess.picture import decode
from edge.types import ModelIdentity

Number = TypeVar("Number", bound=np.generic)

TASK = "restoration"
LEVELS_PER_ONE = 128
"""Grey levels in 1.0 of the network's numbers: its input is (pixel - 127) / 128."""

BLOCKS = (1, 2, 4)
"""Sides of the blocks of pixels that a cell may hold."""

EVEN_PX = max(BLOCKS)
"""The grid that cells of any block begin on."""

Residual = npt.NDArray[np.uint8]
"""What is to be added, as the network's int8 numbers seen as uint8."""


class Tiling(NamedTuple):
    """How a tile and its result lie. Pixels of the given picture, but for `block_px`: pixels of the result.

    The tile is `width_px` × `height_px`; `margin_px` at each side are seen and get no result. A cell of the output
    holds `block_px` × `block_px` pixels of three colours as channels, row by row.
    """

    width_px: int
    height_px: int
    margin_px: int
    block_px: int

    @property
    def step_x_px(self) -> int:
        """From one tile to its neighbour."""
        return self.width_px - 2 * self.margin_px

    @property
    def step_y_px(self) -> int:
        """From one tile to the next below it."""
        return self.height_px - 2 * self.margin_px


class Restorer:
    """A restoration that is ready to run, on one thread of the CPU. Any thread may call it; others then wait."""

    def __init__(self, content: bytes, name: str, factor: int, identity: ModelIdentity) -> None:
        """`content` is that of the .tflite file `name`; the result is `factor` times as wide and high.

        Raises `BundleError` where the network's shapes are not those of that, and `DeviceError` where there is no
        TFLite runtime.
        """
        self.content, self.factor, self.identity = content, factor, identity
        self._engine = Interpreter(content, 1, name=name)
        self.tiling = _tiling(self._engine, name, factor)
        self._added = _added(self._engine.outputs[0])
        self._lock = Lock()

    def restore(self, image: Image) -> Image:
        """The picture, RGB of any size, restored: `factor` times as wide and high. Raises `InferenceError`."""
        with self._lock:
            residual = self._residual(np.ascontiguousarray(image))
        # cv2.add saturates: what leaves 0…255 stops there.
        added = cv2.LUT(residual, self._added)
        return np.asarray(cv2.add(enlarged(image, self.factor), added, dtype=cv2.CV_8U), np.uint8)

    def restore_within(self, image: Image, box: Box) -> Image:
        """A copy that is restored inside of the box, with the very pixels that `restore` would give there.

        For a restoration that keeps the size. Raises `InferenceError`.
        """
        height, width = image.shape[:2]
        left, top, right, bottom = (
            int(edge) for edge in (box.x_min, box.y_min, ceil(box.x_max), ceil(box.y_max))
        )
        # What the network sees around the box; from an even pixel on, where a cell of it may begin.
        around = self.tiling.margin_px + EVEN_PX
        from_x, from_y = (max(0, (edge - around) // EVEN_PX * EVEN_PX) for edge in (left, top))
        restored = self.restore(image[from_y : bottom + around, from_x : right + around])
        copy = image.copy()
        inside = restored[top - from_y : bottom - from_y, left - from_x : right - from_x]
        copy[top : min(bottom, height), left : min(right, width)] = inside
        return copy

    def _residual(self, image: Image) -> Residual:
        height, width = image.shape[:2]
        tiling, factor = self.tiling, self.factor
        down, across = range(0, height, tiling.step_y_px), range(0, width, tiling.step_x_px)
        margin, beyond_y = tiling.margin_px, len(down) * tiling.step_y_px - height
        beyond_x = len(across) * tiling.step_x_px - width
        seen = cv2.copyMakeBorder(
            image, margin, margin + beyond_y, margin, margin + beyond_x, cv2.BORDER_REFLECT_101
        )
        signed = np.bitwise_xor(seen, np.uint8(128)).view(np.int8)
        whole = np.empty((height * factor, width * factor, 3), np.uint8)
        for y in down:
            for x in across:
                tile = signed[y : y + tiling.height_px, x : x + tiling.width_px]
                (cells,) = self._engine.invoke(np.ascontiguousarray(tile)[np.newaxis])
                room = whole[y * factor : (y + tiling.step_y_px) * factor, x * factor :]
                room = room[:, : tiling.step_x_px * factor]
                room[:] = spread(cells, tiling.block_px).view(np.uint8)[: room.shape[0], : room.shape[1]]
        return whole


def open_restorer(bundle: Bundle) -> Restorer:
    """Make a restoration ready. Raises `BundleError`, and `DeviceError` without a TFLite runtime."""
    table = bundle.manifest.restoration
    if bundle.manifest.task != TASK or table is None:
        raise BundleError(
            f"{bundle.folder}: is for task '{bundle.manifest.task}', and restores no picture; give the folder of a"
            " restoration, such as models/denoiser"
        )
    manifest = bundle.manifest
    identity = ModelIdentity(manifest.name, manifest.version, bundle.digest, CPU.name, 1)
    restorer = Restorer(bundle.files[manifest.network], str(bundle.model_path), table.factor, identity)
    width, height = restorer.tiling.width_px, restorer.tiling.height_px
    if (width, height) != (manifest.seen.width, manifest.seen.height):
        raise BundleError(
            f"{bundle.model_path}: takes pictures of {width}×{height}, but [input] in"
            f" {bundle.folder / MANIFEST} says {manifest.seen.width}×{manifest.seen.height};"
            " correct width and height"
        )
    return restorer


def replay(bundle: Bundle, restorer: Restorer) -> tuple[float, ...]:
    """What the golden pictures' scores are here: `change_levels` of each. Raises `BundleError`."""
    # Also where there is none: a model that has never run is not sound.
    restorer.restore(np.zeros((restorer.tiling.height_px, restorer.tiling.width_px, 3), np.uint8))
    return tuple(_replay(bundle, restorer, golden.file) for golden in bundle.manifest.golden)


def change_levels(restorer: Restorer, picture: Image) -> float:
    """By how many grey levels a picture changes, on average: its golden score. Raises `InferenceError`."""
    restored = restorer.restore(picture)
    return float(np.mean(cv2.absdiff(restored, enlarged(picture, restorer.factor))))


def enlarged(image: Image, factor: int) -> Image:
    """What a restoration adds to: the picture itself, or its cubic enlargement."""
    if factor == 1:
        return image
    height, width = image.shape[:2]
    size = width * factor, height * factor
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def spread(cells: npt.NDArray[Number], block_px: int) -> npt.NDArray[Number]:
    """Cells of 1×rows×columns×(3·block²) as pixels, block·rows × block·columns × 3."""
    _, rows, columns, _ = cells.shape
    split = cells.reshape(rows, columns, block_px, block_px, 3).transpose(0, 2, 1, 3, 4)
    return split.reshape(rows * block_px, columns * block_px, 3)


def _replay(bundle: Bundle, restorer: Restorer, file: str) -> float:
    path = bundle.folder / file
    try:
        return change_levels(restorer, decode(bundle.files[file], str(path)))
    except CaptureError as err:
        raise BundleError(f"{err}; copy the bundle again") from err
    except InferenceError as err:
        raise BundleError(f"{path}: {err}") from err


def _tiling(engine: Engine, name: str, factor: int) -> Tiling:
    """How the network's output lies in its input. Raises `BundleError` where it lies in no such way."""
    _, height, width, _ = engine.inputs[0].shape
    if len(engine.outputs) != 1:
        raise BundleError(f"{name}: has {len(engine.outputs)} outputs; a restoration has one")
    (output,) = engine.outputs
    tiling = _laid_out(height, width, output, factor)
    if tiling is None or output.dtype != np.int8:
        raise BundleError(
            f"{name}: its output is {'×'.join(map(str, output.shape))} {output.dtype};"
            f" a restoration of {width}×{height} pixels, {factor} times as large, gives int8 cells of 3·n·n"
            " channels for n·n pixels each, and loses the same margin at all sides"
        )
    return tiling


def _laid_out(height: int, width: int, output: TensorSpec, factor: int) -> Tiling | None:
    """None where the shapes do not fit."""
    if len(output.shape) != 4 or output.shape[0] != 1:  # noqa: PLR2004 - 1×rows×columns×channels
        return None
    _, rows, columns, channels = output.shape
    block = next((n for n in BLOCKS if channels == 3 * n * n), 0)
    lost_y, lost_x = height * factor - rows * block, width * factor - columns * block
    margin, uneven = divmod(lost_y, 2 * factor)
    if not block or uneven or lost_y != lost_x or not 0 <= lost_y < min(height, width) * factor:
        return None
    return Tiling(width, height, margin, block)


def _added(output: TensorSpec) -> npt.NDArray[np.int16]:
    """Grey levels to be added, for each of the int8 numbers seen as uint8."""
    numbers = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float64)
    levels = (numbers - output.zero_point) * output.scale * LEVELS_PER_ONE
    return np.rint(np.clip(levels, -255, 255)).astype(np.int16)
