"""Is a picture fit to be judged? Size, light, contrast, focus, and whether it is a new one at all."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import cv2
import numpy as np

from edge.config import Quality
from edge.preprocess.pyramid import Pyramid
from edge.types import Frame, Image

SHORT_SIDE_PX = 200
"""Pictures are halved for as long as their shorter side keeps so many pixels."""


@dataclass(frozen=True)
class QualityMeasures:
    """What was measured on the reduced grey picture; `width` and `height` are those of the picture, in px.

    `brightness` is the mean grey level (0…255), `contrast` the standard deviation of grey levels (0…127.5) and
    `sharpness` the variance of the Laplacian.
    """

    width: int
    height: int
    brightness: float
    contrast: float
    sharpness: float


@dataclass(frozen=True)
class QualityLimits:
    """What teaching found. A width and height of 0 allow any size: pictures of several sizes were taught."""

    width: int = 0
    height: int = 0
    min_brightness: float = 0.0
    max_brightness: float = 255.0
    min_contrast: float = 0.0
    min_sharpness: float = 0.0

    def to_table(self) -> dict[str, int | float]:
        """As the table `[quality]` of a bundle's manifest."""
        return asdict(self)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """From the table `[quality]` of a manifest that has been checked; what is missing is not limited."""
        return cls(**{field.name: table[field.name] for field in fields(cls) if field.name in table})


def measure(picture: Image | Pyramid) -> QualityMeasures:
    """Measure one picture, RGB uint8. Any thread; a pyramid belongs to one."""
    pyramid = picture if isinstance(picture, Pyramid) else Pyramid(picture)
    return _measure(pyramid, _reduced_grey(pyramid))


def learn_limits(measures: Sequence[QualityMeasures]) -> QualityLimits:
    """Limits that let pictures like the taught ones through. There must be at least one."""
    sizes = {(taught.width, taught.height) for taught in measures}
    width, height = sizes.pop() if len(sizes) == 1 else (0, 0)
    brightness = np.array([taught.brightness for taught in measures])
    darkest, brightest = float(brightness.min()), float(brightness.max())
    return QualityLimits(
        width,
        height,
        min_brightness=round(darkest * 0.6, 2),
        max_brightness=round(min(brightest * 1.5 + 10, (brightest + 255) / 2), 2),
        min_contrast=round(min(taught.contrast for taught in measures) * 0.4, 2),
        min_sharpness=round(min(taught.sharpness for taught in measures) * 0.4, 3),
    )


class QualityGate:
    """Says of each frame why it cannot be judged. Limits that are not set are as taught. For one thread."""

    def __init__(self, limits: QualityLimits, config: Quality) -> None:
        set_here = config.model_dump(exclude_none=True, exclude={"enabled", "frozen_after"})
        self.limits = QualityLimits.from_table(limits.to_table() | set_here)
        self.frozen_after = config.frozen_after
        self.enabled = config.enabled
        self._last: Image | None = None
        self._alike = 0

    def examine(self, frame: Frame, pyramid: Pyramid | None = None) -> tuple[str, ...]:
        """Why the frame cannot be judged, as sentences; empty where it can.

        `pyramid` is the frame's, where there is one already.
        """
        if not self.enabled:
            return ()
        pyramid = pyramid or Pyramid(frame.image)
        grey = _reduced_grey(pyramid)
        frozen = self._frozen(grey)
        return (*complaints(_measure(pyramid, grey), self.limits), *frozen)

    def _frozen(self, grey: Image) -> tuple[str, ...]:
        """A camera's noise never repeats: pictures without any difference are one and the same."""
        alike = self._last is not None and np.array_equal(grey, self._last)
        self._alike = self._alike + 1 if alike else 1
        self._last = grey
        if self._alike < self.frozen_after or self.frozen_after == 0:
            return ()
        return (f"frozen: the same picture {self._alike} times in a row; look at the camera and its cable",)


def complaints(measures: QualityMeasures, limits: QualityLimits) -> tuple[str, ...]:
    """What is wrong with a picture, each with the figure and its limit; empty where nothing is."""
    found = []
    if limits.width and (measures.width, measures.height) != (limits.width, limits.height):
        taught = f"{limits.width}×{limits.height}"
        found.append(f"wrong size: {measures.width}×{measures.height} pixels; {taught} were taught")
    if measures.brightness < limits.min_brightness:
        found.append(f"too dark: brightness {measures.brightness:.1f} is under {limits.min_brightness:.1f}")
    if measures.brightness > limits.max_brightness:
        found.append(f"too bright: brightness {measures.brightness:.1f} is over {limits.max_brightness:.1f}")
    if measures.contrast < limits.min_contrast:
        found.append(
            f"lens blocked or light off: contrast {measures.contrast:.1f} is under {limits.min_contrast:.1f}"
        )
    elif measures.sharpness < limits.min_sharpness:
        found.append(f"blurred: sharpness {measures.sharpness:.1f} is under {limits.min_sharpness:.1f}")
    return tuple(found)


def _reduced_grey(pyramid: Pyramid) -> Image:
    shorter = min(pyramid.image.shape[:2])
    halvings = max(0, (shorter // SHORT_SIDE_PX).bit_length() - 1)
    return np.asarray(cv2.cvtColor(pyramid.level(halvings, halvings), cv2.COLOR_RGB2GRAY), np.uint8)


def _measure(pyramid: Pyramid, grey: Image) -> QualityMeasures:
    mean, deviation = cv2.meanStdDev(grey)
    # The Laplacian's mean is nearly 0, so that its mean square is its variance, at a tenth of the time.
    edges = cv2.norm(cv2.Laplacian(grey, cv2.CV_16S), cv2.NORM_L2SQR)
    height, width = pyramid.image.shape[:2]
    return QualityMeasures(
        width, height, float(mean.item()), float(deviation.item()), float(edges) / grey.size
    )
