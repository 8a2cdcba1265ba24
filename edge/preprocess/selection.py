"""Which pictures will do as examples: sharp, well lit, and unlike those that are there already."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge.config import Quality
from edge.geometry import Image
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.quality import QualityLimits, QualityMeasures, complaints, learn_limits, measure

PLAIN = QualityLimits(min_brightness=12.0, max_brightness=245.0, min_contrast=4.0, min_sharpness=0.3)
"""What no example may be, whatever is to be seen: nearly black, nearly white, without a pattern, or blurred."""
ENOUGH = 3
"""From so many examples on, the next must be like them in light and sharpness, and of their size."""
SIDE = 64
"""A glance has so many cells along each side: noise averages out, and a shift by a pixel still shows."""
SHARE = 99.0
"""So many percent of the cells have to agree: a small part on a large table changes few."""
GREY_LEVELS = 3.0
"""Cells that differ by less agree: the noise of a camera leaves 1 to 2."""

Glance = npt.NDArray[np.float32]


class Look(NamedTuple):
    """What is remembered of a picture."""

    measures: QualityMeasures
    glance: Glance


def look(picture: Image) -> Look:
    """Measure a picture, RGB uint8, and remember the little that tells it from others. Any thread."""
    pyramid = Pyramid(picture)
    grey = cv2.cvtColor(_reduced(pyramid), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return Look(measure(pyramid), small)


def alike(one: Look, other: Look) -> bool:
    """Whether two pictures show the same thing at the same place: they differ by noise and flicker alone."""
    flicker = float(np.vdot(one.glance, other.glance)) / max(1.0, float(np.vdot(other.glance, other.glance)))
    difference = one.glance - np.float32(flicker) * other.glance
    return float(np.percentile(np.abs(difference), SHARE)) < GREY_LEVELS


class Selection:
    """The examples so far, as far as the next has to be compared with them. For one thread at a time.

    Limits that the station sets itself (`config`) take the place of ours.
    """

    def __init__(self, config: Quality) -> None:
        self._own = config.model_dump(exclude_none=True, exclude={"enabled", "frozen_after"})
        self._looks: list[Look] = []

    def __len__(self) -> int:
        return len(self._looks)

    def add(self, seen: Look) -> None:
        """This picture is an example from now on."""
        self._looks.append(seen)

    def objections(self, seen: Look, *, to_any: bool = False) -> tuple[str, ...]:
        """Why a picture will not do, as sentences; empty where it will.

        It must differ from the latest example; `to_any`: from every one of them.
        """
        found = complaints(seen.measures, self._limits())
        others = self._looks if to_any else self._looks[-1:]
        if any(alike(seen, other) for other in others):
            which = "one that is there already" if to_any else "the one before"
            found = (*found, f"the same as {which}; put another part there")
        return found

    def _limits(self) -> QualityLimits:
        table = PLAIN.to_table()
        if len(self._looks) >= ENOUGH:
            learned = learn_limits([taken.measures for taken in self._looks])
            table = {
                "width": learned.width,
                "height": learned.height,
                "min_brightness": max(PLAIN.min_brightness, learned.min_brightness),
                "max_brightness": min(PLAIN.max_brightness, learned.max_brightness),
                "min_contrast": max(PLAIN.min_contrast, learned.min_contrast),
                "min_sharpness": max(PLAIN.min_sharpness, learned.min_sharpness),
            }
        return QualityLimits.from_table(table | self._own)


def _reduced(pyramid: Pyramid) -> Image:
    """The picture, halved for as long as its shorter side keeps twice the cells of a glance."""
    shorter = min(pyramid.image.shape[:2])
    halvings = max(0, (shorter // (2 * SIDE)).bit_length() - 1)
    return pyramid.level(halvings, halvings)
