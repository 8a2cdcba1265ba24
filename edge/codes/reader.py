"""Barcodes and two-dimensional codes, read with zxing-cpp; the only file that knows it (extra `codes`)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import Any, Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from edge.codes.looks import looks
from edge.errors import BundleError
from edge.geometry import Box, Image
from edge.prediction import Reading

Symbology = Literal[
    "Aztec", "Codabar", "Code128", "Code39", "Code93", "DataBar", "DataMatrix", "EAN13", "EAN8", "ITF",
    "MaxiCode", "MicroQRCode", "PDF417", "QRCode", "RMQRCode", "UPCA", "UPCE",
]  # fmt: skip

WEAK = frozenset({"Codabar", "Code39", "DataBar", "EAN13", "EAN8", "ITF", "UPCA", "UPCE"})
"""Kinds with one check digit or none: two different looks must agree on them.

A blurred EAN13 was read as another one time in twelve, and by both ways to make black and white of it alike.
"""
AGREEING = 2
PLAIN_TO_SEE = frozenset({"Aztec", "DataMatrix", "PDF417", "QRCode"})
"""Kinds whose finder pattern is nothing else, also where their check sums are wrong."""


def require_reader() -> None:
    """Raises `BundleError` where the library is not installed."""
    try:
        _library()
    except ImportError as err:
        raise BundleError(
            f"codes are read with zxing-cpp, which is missing ({err}); install it: pip install edge-inspect[codes]"
        ) from err


def read_codes(image: Image, box: Box, symbologies: Sequence[Symbology]) -> tuple[Reading, ...]:
    """The codes in a picture that covers `box` of the frame, each text once, from left to right.

    It is looked at in two ways, which make black and white of it differently, and where that does not do, in more.
    What any of them reads is a reading: a code that reads in two ways gives two. A code that is there but cannot
    be read, or of a weak kind and read only once, has an empty text. Any thread.
    """
    zxing = _library()
    formats = zxing.barcode_formats_from_str(",".join(symbologies))
    grey = np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    same, seen = np.eye(2, 3), _Seen(box)
    binarizers = (zxing.Binarizer.LocalAverage, zxing.Binarizer.GlobalHistogram)
    as_it_is = [zxing.read_barcodes(grey, formats=formats, binarizer=binarizer) for binarizer in binarizers]
    seen.add(chain(*as_it_is), same)
    for look in looks(grey):
        if seen.is_sure:
            break
        seen.add(zxing.read_barcodes(look.grey, formats=formats), look.back)
    if not seen.readings:
        seen.add(zxing.read_barcodes(grey, formats=formats, return_errors=True), same, unreadable=True)
    return seen.found()


class _Seen:
    """What the looks at one picture have read, and how often."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self.readings: dict[tuple[str, str], Reading] = {}
        self._looks: Counter[tuple[str, str]] = Counter()

    def add(
        self, barcodes: Iterable[Any], back: npt.NDArray[np.float64], *, unreadable: bool = False
    ) -> None:
        """What one look has read; `unreadable` are codes whose check sums are wrong."""
        once = set()
        for barcode in barcodes:
            text = barcode.text if barcode.valid else ""
            # Half of what is said to be a damaged barcode is a pattern of stripes.
            if text or (unreadable and _name(barcode.format) in PLAIN_TO_SEE):
                reading = _reading(barcode, text, self._box, back)
                once.add((reading.symbology, text))
                self.readings.setdefault((reading.symbology, text), reading)
        self._looks.update(once)

    @property
    def is_sure(self) -> bool:
        """Whether something was read, and all of it as often as its kind needs."""
        return bool(self.readings) and all(map(self._counts, self.readings))

    def _counts(self, key: tuple[str, str]) -> bool:
        return key[0] not in WEAK or self._looks[key] >= AGREEING

    def found(self) -> tuple[Reading, ...]:
        """The readings; those that are not sure without their text, where there is no sure one beside them."""
        sure = [reading for key, reading in self.readings.items() if self._counts(key)]
        doubtful = [reading for key, reading in self.readings.items() if not self._counts(key)]
        # Beside a sure one, a doubtful text is a second way to read it: it is kept as it is.
        told = [*sure, *(reading if sure else replace(reading, text="") for reading in doubtful)]
        return tuple(sorted(told, key=lambda one: (one.box.x_min, one.box.y_min, one.text)))


@cache
def _library() -> Any:
    import zxingcpp

    return zxingcpp


def _reading(barcode: Any, text: str, box: Box, back: npt.NDArray[np.float64]) -> Reading:
    at = barcode.position
    corners = [at.top_left, at.top_right, at.bottom_right, at.bottom_left]
    x, y = back @ np.array([[corner.x, corner.y, 1.0] for corner in corners]).T
    # The last pixel is inside; of a barcode one line is known, which gets the height of a pixel.
    place = Box(
        box.x_min + float(x.min()),
        box.y_min + float(y.min()),
        box.x_min + float(x.max()) + 1,
        box.y_min + float(y.max()) + 1,
    )
    return Reading(text, _name(barcode.format), place)


def _name(kind: Any) -> str:
    """What the library calls a kind, without its variants: QRCode, not QRCodeModel2."""
    names = get_args(Symbology)
    return str(kind.name if kind.name in names else kind.symbology.name)
