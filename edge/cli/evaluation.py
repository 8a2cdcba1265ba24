"""The figures of `edge eval`: what a bundle's verdicts and scores are worth against labels."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.errors import ConfigError
from edge.judge.metrics import auroc, binned_auroc
from edge.preprocess.picture import read
from edge.types import Anomaly, Frame, Inspection, Verdict

PIXEL_BINS = 4096
"""Pixel scores are counted in bins of 1/1024 of the limit, so that memory does not grow with the pictures."""


class Evaluation:
    """Collects inspections of labelled pictures."""

    def __init__(self) -> None:
        self._scores: dict[bool, list[float]] = {False: [], True: []}
        self._verdicts: dict[bool, list[Verdict]] = {False: [], True: []}
        self._ms: list[float] = []
        self._pixels = {False: np.zeros(PIXEL_BINS, np.int64), True: np.zeros(PIXEL_BINS, np.int64)}

    def add(self, path: Path, part: Inspection, *, is_bad: bool, mask: Path | None) -> None:
        """Count one picture. `mask` is the folder where its mask lies."""
        self._verdicts[is_bad].append(part.decision.verdict)
        if part.decision.score is not None:
            self._scores[is_bad].append(part.decision.score)
            self._ms.append(part.stage_ms["inference"])
        prediction = part.findings[0].prediction if part.findings else None
        if mask is not None and isinstance(prediction, Anomaly) and isinstance(part.frame, Frame):
            self._add_pixels(prediction, part.frame.image.shape[:2], mask_of(path, mask))

    def _add_pixels(self, prediction: Anomaly, shape: tuple[int, int], mask: Path) -> None:
        bad = read(mask)[:, :, 0] > 127  # noqa: PLR2004 - half of the 8-bit range
        if bad.shape != shape:
            raise ConfigError(f"{mask}: is {bad.shape[1]}×{bad.shape[0]}, its picture {shape[1]}×{shape[0]}")
        box = [round(edge) for edge in prediction.box]
        size = (box[2] - box[0], box[3] - box[1])
        scores = cv2.resize(prediction.anomaly_map, size, interpolation=cv2.INTER_LINEAR)
        bins = np.clip(scores * 1024, 0, PIXEL_BINS - 1).astype(np.int64)
        seen = bad[box[1] : box[3], box[0] : box[2]]
        for is_bad in (False, True):
            self._pixels[is_bad] += np.bincount(bins[seen == is_bad], minlength=PIXEL_BINS)

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
            "inference_ms_p50": _figure(float(np.median(self._ms)) if self._ms else float("nan")),
        }
        if self._pixels[True].any():
            figures["pixel_auroc"] = _figure(binned_auroc(self._pixels[False], self._pixels[True]))
        return figures


def mask_of(picture: Path, folder: Path) -> Path:
    """The mask of a picture: `NAME.*` or `NAME_mask.*`, in the folder or the folders below it."""
    wanted = {picture.stem, f"{picture.stem}_mask"}
    found = [file for file in folder.rglob("*") if file.stem in wanted and file.is_file()]
    same_folder = [file for file in found if file.parent.name == picture.parent.name] or found
    if not same_folder:
        raise ConfigError(f"{folder}: holds no mask for {picture.name}; expected {picture.stem}_mask.png")
    return same_folder[0]


def _figure(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
