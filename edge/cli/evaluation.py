"""The figures of `edge eval`: what a bundle's verdicts and scores are worth against labels."""

from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import ConfigError
from edge.geometry import Classes, Mask
from edge.judge.metrics import auroc
from edge.judge.overlap import UNNAMED, AreaScores
from edge.judge.pixels import PixelScores
from edge.prediction import Anomaly, Segmentation
from edge.preprocess.picture import read
from edge.types import Frame, Inspection, Verdict


class Evaluation:
    """Collects inspections of labelled pictures."""

    def __init__(self) -> None:
        self._scores: dict[bool, list[float]] = {False: [], True: []}
        self._verdicts: dict[bool, list[Verdict]] = {False: [], True: []}
        self._ms: list[float] = []
        self._pixels = PixelScores()
        self._areas: AreaScores | None = None

    def add(self, path: Path, part: Inspection, *, is_bad: bool, masks: Path | None) -> None:
        """Count one picture. `masks` is the folder where the masks of bad pictures lie; None: no pixels."""
        self._verdicts[is_bad].append(part.decision.verdict)
        if part.decision.score is not None:
            self._scores[is_bad].append(part.decision.score)
            self._ms.append(part.stage_ms["inference"])
        prediction = part.findings[0].prediction if part.findings else None
        if masks is None or not isinstance(part.frame, Frame):
            return
        height, width = part.frame.image.shape[:2]
        if isinstance(prediction, Anomaly):
            good = np.zeros((height, width), np.bool_)
            self._pixels.add(prediction, read_mask(mask_of(path, masks), width, height) if is_bad else good)
        elif isinstance(prediction, Segmentation):
            true = np.zeros((height, width), np.uint8)
            if is_bad:
                true = read_classes(mask_of(path, masks), width, height, prediction.labels)
            self._areas = self._areas or AreaScores(prediction.labels)
            self._areas.add(prediction, true)

    def figures(self) -> dict[str, Any]:
        """The figures, JSON-able. Escapes are bad parts that passed; overkill, good parts that failed."""
        good, bad = self._verdicts[False], self._verdicts[True]
        undecided = (Verdict.INCONCLUSIVE, Verdict.ERROR)
        figures: dict[str, Any] = {
            "good": len(good),
            "bad": len(bad),
            "auroc": _figure(auroc(self._scores[False], self._scores[True])),
            "escapes": bad.count(Verdict.PASS),
            "overkill": good.count(Verdict.FAIL),
            "undecided_good": sum(verdict in undecided for verdict in good),
            "undecided_bad": sum(verdict in undecided for verdict in bad),
            "unscored": len(good) + len(bad) - len(self._ms),
            "inference_ms_p50": _figure(float(np.median(self._ms)) if self._ms else float("nan")),
        }
        if self._pixels.regions:
            figures["pixel_auroc"] = _figure(self._pixels.auroc)
            figures["au_pro"] = _figure(self._pixels.au_pro)
        return figures if self._areas is None else figures | self._areas.figures()


def mask_of(picture: Path, folder: Path) -> Path:
    """The mask of a picture: `NAME_mask.*` or `NAME.*`, in the folder or the folders below it.

    Masks may lie beside the pictures. Of several, the one in a folder with the name of the picture's is meant.
    Raises `ConfigError` where there is none.
    """
    for name in (f"{picture.stem}_mask", picture.stem):
        found = [
            file
            for file in folder.rglob(f"{escape(name)}.*")
            if file.is_file() and not file.samefile(picture)
        ]
        same_folder = [file for file in found if file.parent.name == picture.parent.name] or found
        if same_folder:
            return same_folder[0]
    raise ConfigError(f"{folder}: holds no mask for {picture.name}; expected {picture.stem}_mask.png")


def read_mask(path: Path, width: int, height: int) -> Mask:
    """Which pixels of a picture of that size are bad: those that are bright in the mask, in whichever colour.

    Raises `ConfigError` where it has another size, and `CaptureError` where it cannot be read.
    """
    bad: Mask = read(path).max(axis=2) > 127  # noqa: PLR2004 - half of the 8-bit range
    if bad.shape != (height, width):
        raise ConfigError(f"{path}: is {bad.shape[1]}×{bad.shape[0]}, its picture {width}×{height}")
    return bad


def read_classes(path: Path, width: int, height: int, labels: Sequence[str]) -> Classes:
    """The true label of each pixel of a picture of that size, by its place in `labels`.

    A mask whose values are all places in `labels` says so itself. In any other, what is bright has the label
    that is the name of the mask's folder; where that is no label, it is a defect of whichever one.
    Raises `ConfigError` where it has another size, and `CaptureError` where it cannot be read.
    """
    bad = read_mask(path, width, height)
    values: Classes = read(path).max(axis=2)
    if 0 < values.max() < len(labels):
        return values
    name = path.parent.name
    place = labels.index(name) if name in labels[1:] else UNNAMED
    return np.where(bad, place, 0).astype(np.uint8)


def _figure(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
