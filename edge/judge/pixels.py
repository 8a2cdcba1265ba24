"""How well anomaly maps find the very pixels of the defects, in memory that does not grow with the pictures."""

import cv2
import numpy as np
import numpy.typing as npt

from edge.geometry import Map, Mask
from edge.judge.metrics import binned_au_pro, binned_auroc
from edge.judge.surface import smooth
from edge.prediction import Anomaly

BINS_PER_OCTAVE = 256
"""Scores are counted in bins that are 0.27 % wide."""
OCTAVES = 8
"""Under the limit, and as many over it: from 1/256 of the limit to 256 times the limit. What lies outside is in
the last bin."""
BINS = 2 * OCTAVES * BINS_PER_OCTAVE
HIGHEST = 2.0**OCTAVES
Bins = npt.NDArray[np.intp]


class PixelScores:
    """Collects scores of pixels of which is known whether they are bad. For one thread."""

    def __init__(self) -> None:
        self._good = np.zeros(BINS, np.int64)
        self._bad = np.zeros(BINS, np.int64)
        self._overlap = np.zeros(BINS)
        self.regions = 0
        """Connected bad regions so far, over all frames; areas that touch at a corner are one."""

    def add(self, anomaly: Anomaly, bad: Mask) -> None:
        """Count the pixels of a frame. `bad` is as large as the frame: all False where the part is good.

        A cell that is no number is the worst there can be. Good pixels outside of what the model looks at count
        for nothing; bad ones there are not found.
        """
        scores = np.zeros(bad.shape, np.float32)
        x_min, y_min, x_max, y_max = (max(0, round(edge)) for edge in anomaly.box)
        inside = scores[y_min:y_max, x_min:x_max]
        cells = np.nan_to_num(anomaly.anomaly_map, nan=HIGHEST, posinf=HIGHEST, neginf=0)
        cells[~anomaly.valid] = 0
        inside[:] = smooth(cells, inside.shape[::-1])
        bins = _bins(scores)
        looked_at = bins[y_min:y_max, x_min:x_max]
        self._good += np.bincount(looked_at[~bad[y_min:y_max, x_min:x_max]], minlength=BINS)
        if bad.any():
            self._add_regions(bins, bad)

    def _add_regions(self, bins: Bins, bad: Mask) -> None:
        count, labels = cv2.connectedComponents(bad.view(np.uint8), connectivity=8)
        found, region = bins[bad], labels[bad]
        self._bad += np.bincount(found, minlength=BINS)
        share = 1 / np.bincount(region, minlength=count)[region]
        self._overlap += np.bincount(found, share, minlength=BINS)
        self.regions += count - 1

    @property
    def auroc(self) -> float:
        """How often a bad pixel scores higher than a good one; NaN where there are none of either."""
        return binned_auroc(self._good, self._bad)

    @property
    def au_pro(self) -> float:
        """The share of each bad region that is found, averaged over the regions, up to 30 % false pixels; 0…1."""
        return binned_au_pro(self._good, self._overlap, self.regions)


def _bins(scores: Map) -> Bins:
    octaves = np.log2(np.maximum(scores, np.float32(1 / HIGHEST))) + OCTAVES
    bins: Bins = np.minimum(octaves * BINS_PER_OCTAVE, BINS - 1).astype(np.intp)
    return bins
