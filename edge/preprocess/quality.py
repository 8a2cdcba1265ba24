"""Is a picture fit to be judged? Size, light, contrast, focus, and whether it is a new one at all."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from statistics import median
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt

from edge.config import Quality
from edge.geometry import Image
from edge.preprocess.pyramid import Pyramid
from edge.types import Frame

SHORT_SIDE_PX = 200
"""Pictures are halved for as long as their shorter side keeps so many pixels."""
LEAST_DETAIL = 0.2
"""A picture without any detail is as sharp as its rounding."""


@dataclass(frozen=True)
class QualityMeasures:
    """What was measured on the reduced grey picture; `width` and `height` are the picture's, in pixels.

    `brightness` is the mean grey level (0…255) and `contrast` the standard deviation of grey levels (0…127.5).
    `sharpness` says how fine the detail is, in any light and whatever is to be seen: about 1 for a sharp picture
    and under 0.3 for a blurred one.
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
    """Limits that let good pictures like the taught ones through, and defects too. There must be at least one.

    They are set against what makes a picture useless (light at a third or three times, a covered lens, a blur
    over 4 px of 1280), far beyond the extremes that were taught: brightness and sharpness may fall to 0.6 of
    the lowest, contrast to 0.4. The more the taught pictures differ, the less the limits can say.
    """
    sizes = {(taught.width, taught.height) for taught in measures}
    width, height = sizes.pop() if len(sizes) == 1 else (0, 0)
    return QualityLimits(
        width,
        height,
        min_brightness=0.6 * min(taught.brightness for taught in measures),
        max_brightness=_brightest([taught.brightness for taught in measures]),
        min_contrast=0.4 * min(taught.contrast for taught in measures),
        min_sharpness=0.6 * min(taught.sharpness for taught in measures),
    )


def _brightest(taught: Sequence[float]) -> float:
    """1.6 times the brightest, or a third of the way to white; more where few were taught, and unlike ones."""
    brightest = max(taught)
    spread = brightest - median(taught)
    limit = max(
        min(1.6 * brightest, (2 * brightest + 255) / 3), brightest + min(1.0, 16 / len(taught)) * spread
    )
    return min(255.0, limit)


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
        found.append(f"blurred: sharpness {measures.sharpness:.2f} is under {limits.min_sharpness:.2f}")
    return tuple(found)


def _reduced_grey(pyramid: Pyramid) -> Image:
    shorter = min(pyramid.image.shape[:2])
    halvings = max(0, (shorter // SHORT_SIDE_PX).bit_length() - 1)
    return np.asarray(cv2.cvtColor(pyramid.level(halvings, halvings), cv2.COLOR_RGB2GRAY), np.uint8)


def _measure(pyramid: Pyramid, grey: Image) -> QualityMeasures:
    mean, deviation = cv2.meanStdDev(grey)
    height, width = pyramid.image.shape[:2]
    return QualityMeasures(width, height, float(mean.item()), float(deviation.item()), _sharpness(grey))


def _sharpness(grey: npt.NDArray[Any]) -> float:
    """The detail at a size relative to that at half the size, where it is least of three sizes.

    Detail alone changes more from part to part than from sharp to blurred. One size alone takes noise for
    detail where a heavy blur has left nothing else. Half the size has half the share in a sharp picture.
    """
    details = [_detail(grey)]
    for _ in range(3):
        grey = cv2.pyrDown(grey)
        details.append(_detail(grey))
    return min(
        (1 << halved) * fine / max(coarse, LEAST_DETAIL)
        for halved, (fine, coarse) in enumerate(pairwise(details))
    )


def _detail(grey: npt.NDArray[Any]) -> float:
    """Variance of the Laplacian. Its mean is nearly 0, so the mean square will do, at a tenth of the time."""
    return cv2.norm(cv2.Laplacian(grey, cv2.CV_16S), cv2.NORM_L2SQR) / grey.size
