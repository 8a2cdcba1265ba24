"""How good and how fast a backbone file is: time per picture, int8 against float, anomaly AUROC on sets."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from calibration_pictures import fit_picture
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
# What the interpreter says of a tensor: index, name, shape, dtype, quantization and more.
TensorDetails = dict[str, Any]

# Beside the repository, never in it: most of these sets may be used for measuring but not be redistributed.
SHARED_SETS = Path(__file__).resolve().parents[2] / "shared" / "data"

BANK_PATCHES = 1024
TIMED_RUNS = 300


@dataclass(frozen=True)
class PictureSet:
    """Good pictures to teach, then unseen good ones (`fine`) and faulty ones to tell apart."""

    name: str
    taught: tuple[Pixels, ...]
    fine: tuple[Pixels, ...]
    faulty: tuple[Pixels, ...]


class Backbone:
    """One open model file; takes uint8 RGB pictures whether the file is float or int8."""

    def __init__(self, model: bytes) -> None:
        self._interpreter = Interpreter(model_content=model, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        # Largest first: stride 8, then stride 16.
        self._outputs = sorted(self._interpreter.get_output_details(), key=lambda t: -int(t["shape"][1]))
        self.size = int(self._input["shape"][1])
        self.tensors = (self._input, *self._outputs)

    def load(self, picture: Pixels) -> None:
        """Set the input tensor from one `size` x `size` x 3 picture."""
        if self._input["dtype"] == np.int8:
            tensor = (picture ^ np.uint8(0x80)).view(np.int8)
        else:
            tensor = (picture.astype(np.float32) - 127.0) / 128.0
        self._interpreter.set_tensor(self._input["index"], tensor[None])

    def features(self, picture: Pixels) -> tuple[Floats, Floats]:
        """Real values of the stride 8 and stride 16 features, each (height, width, channels)."""
        self.load(picture)
        self._interpreter.invoke()
        fine, coarse = (self._real(tensor) for tensor in self._outputs)
        return fine, coarse

    def median_ms(self, picture: Pixels) -> float:
        """Median processor time of one call on one thread, ms: waiting for others' work is not counted."""
        self.load(picture)
        spent_ns = []
        for _ in range(TIMED_RUNS):
            start_ns = time.thread_time_ns()
            self._interpreter.invoke()
            spent_ns.append(time.thread_time_ns() - start_ns)
        return float(np.median(spent_ns[TIMED_RUNS // 10 :])) / 1e6

    def _real(self, tensor: TensorDetails) -> Floats:
        value = self._interpreter.get_tensor(tensor["index"])[0]
        if value.dtype != np.int8:
            return np.asarray(value, np.float32)
        scale, zero_point = tensor["quantization"]
        return (value.astype(np.float32) - zero_point) * np.float32(scale)


def describe(tensor: TensorDetails) -> tuple[str, str, str, str, str]:
    """Name, shape, type, scale and zero point of an input or output, as words."""
    scale, zero_point = tensor["quantization"]
    shape = "×".join(str(side) for side in tensor["shape"])
    return tensor["name"], shape, np.dtype(tensor["dtype"]).name, f"{scale:.10g}", str(zero_point)


def agreement(first: Backbone, second: Backbone, pictures: tuple[Pixels, ...]) -> tuple[float, float]:
    """Mean correlation over channels between two backbones' features, at stride 8 and at stride 16."""
    pairs = [(first.features(picture), second.features(picture)) for picture in pictures]
    return tuple(  # type: ignore[return-value]
        _channel_correlation(
            np.concatenate([a[tap].reshape(-1, a[tap].shape[-1]) for a, _ in pairs]),
            np.concatenate([b[tap].reshape(-1, b[tap].shape[-1]) for _, b in pairs]),
        )
        for tap in (0, 1)
    )


def _channel_correlation(first: Floats, second: Floats) -> float:
    a, b = first - first.mean(0), second - second.mean(0)
    return float(np.mean((a * b).sum(0) / np.sqrt((a * a).sum(0) * (b * b).sum(0) + 1e-12)))


def anomaly_auroc(backbone: Backbone, pictures: PictureSet) -> float:
    """How often a faulty picture scores above a fine one, by the plainest memory bank on stride 16."""
    taught = np.concatenate([_patches(backbone, picture) for picture in pictures.taught])
    mean, spread = taught.mean(0), taught.std(0) + 1e-6
    bank = _coreset((taught - mean) / spread, BANK_PATCHES)

    def score(picture: Pixels) -> float:
        # 0.5 % of 196 patches is one: the mean of the worst half percent is the worst patch.
        return float(_nearest((_patches(backbone, picture) - mean) / spread, bank).max())

    fine = np.array([score(picture) for picture in pictures.fine])
    faulty = np.array([score(picture) for picture in pictures.faulty])
    return float(np.mean((faulty[:, None] > fine) + 0.5 * (faulty[:, None] == fine)))


def _patches(backbone: Backbone, picture: Pixels) -> Floats:
    coarse = backbone.features(picture)[1]
    return coarse.reshape(-1, coarse.shape[-1])


def _nearest(patches: Floats, bank: Floats) -> Floats:
    squares = (patches**2).sum(1)[:, None] - 2 * patches @ bank.T + (bank**2).sum(1)
    return np.sqrt(np.maximum(squares.min(1), 0))


def _coreset(patches: Floats, count: int) -> Floats:
    """Greedy k-centre choice: always the patch farthest from those already chosen."""
    squares, lengths = np.full(len(patches), np.inf, np.float32), (patches**2).sum(1)
    chosen = [int(lengths.argmin())]
    while len(chosen) < min(count, len(patches)):
        last = patches[chosen[-1]]
        np.minimum(squares, lengths - 2 * patches @ last + last @ last, out=squares)
        chosen.append(int(squares.argmax()))
    return patches[chosen]


def picture_sets(size: int, announce: Callable[[str], None]) -> Iterator[PictureSet]:
    """Every set that this machine has; says through `announce` which are absent."""
    for load in (elpv_mono, bottle, magnetic_tile):
        try:
            yield load(size)
        except (ImportError, FileNotFoundError) as absent:
            announce(f"{load.__name__}: not measured, the pictures are not here ({absent})")


def elpv_mono(size: int) -> PictureSet:
    """Solar cells from the package elpv-dataset: 60 of probability 0 taught, the others of 0 against 1."""
    from elpv_dataset.utils import load_dataset

    images, probabilities, kinds = load_dataset()
    mono = kinds == "mono"
    sound = [fit_picture(Image.fromarray(p), size) for p in images[mono & (probabilities == 0)]]
    broken = [fit_picture(Image.fromarray(p), size) for p in images[mono & (probabilities == 1)]]
    order = np.random.default_rng(0).permutation(len(sound))
    shuffled = [sound[i] for i in order]
    return PictureSet("elpv mono, 60 taught", tuple(shuffled[:60]), tuple(shuffled[60:]), tuple(broken))


def bottle(size: int) -> PictureSet:
    """Bottle mouths: the first 20 good pictures taught, the whole test part judged."""
    root = SHARED_SETS / "bottle"
    taught = _read(sorted((root / "train" / "good").iterdir())[:20], size)
    fine = _read(sorted((root / "test" / "good").iterdir()), size)
    faulty = _read(sorted(p for p in (root / "test").glob("*/*") if p.parent.name != "good"), size)
    return PictureSet("bottle, 20 taught", taught, fine, faulty)


def magnetic_tile(size: int) -> PictureSet:
    """Grey tiles of low contrast by `split.json`: 300 sound ones taught, the test part judged."""
    root = SHARED_SETS / "magnetic_tile"
    split: dict[str, list[str]] = json.loads((root / "split.json").read_text())
    sound = sorted(name for name in split["train"] if name.startswith("free/"))
    taught = [sound[i] for i in np.random.default_rng(0).permutation(len(sound))[:300]]
    fine = [name for name in split["test"] if name.startswith("free/")]
    faulty = [name for name in split["test"] if not name.startswith("free/")]
    return PictureSet(
        "magnetic tile, 300 taught",
        *(_read([root / name for name in part], size) for part in (taught, fine, faulty)),
    )


def _read(paths: list[Path], size: int) -> tuple[Pixels, ...]:
    return tuple(fit_picture(Image.open(path), size) for path in paths)
