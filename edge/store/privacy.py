"""People's faces are covered before a picture is kept or sent; where they cannot be found, it stays inside.

They are filled with one grey: of a blurred or coarsened face, a person can still be guessed (McPherson, Shokri and
Shmatikov, "Defeating Image Obfuscation with Deep Learning", 2016).
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor
from pathlib import Path
from typing import Protocol

from edge.errors import InferenceError
from edge.geometry import Box, Image
from edge.preprocess.picture import read
from edge.service import Trouble
from edge.store.overlay import encode_jpeg
from edge.types import Decision, Finding, Frame, Inspection, Miss

GREY = 128


class Finder(Protocol):
    """What finds faces."""

    def find(self, picture: Image) -> Sequence[Box]:
        """Boxes in the picture's pixels. Raises `InferenceError`."""
        ...


class Privacy:
    """What may be seen of a part outside. `part` is for the keep thread, `file` for any.

    Args:
        finder: Finds faces; None: nothing is covered.
        margin: Each side of a box is moved out by so much of its size.
        trouble: Is told when faces cannot be found, and when they can be again.
        jpeg_quality: Of a picture that is covered when it is asked for.
    """

    def __init__(self, finder: Finder | None, margin: float, trouble: Trouble, jpeg_quality: int) -> None:
        self.withheld = 0
        """Pictures that were kept back since the start."""
        self._finder, self._margin, self._trouble, self._quality = finder, margin, trouble, jpeg_quality

    def part(self, inspection: Inspection) -> Inspection:
        """The part with its faces covered; without its picture where that cannot be done."""
        frame = inspection.frame
        if self._finder is None or isinstance(frame, Miss):
            return inspection
        try:
            shown = self._covered(frame, self._finder)
        except InferenceError as err:
            self.withheld += 1
            reason = f"the picture is kept back, since faces cannot be looked for in it: {err}"
            self._trouble.failed(reason)
            return replace(inspection, frame=_unseen(frame, reason))
        self._trouble.worked()
        return replace(
            inspection,
            frame=shown,
            findings=tuple(map(_without_examples, inspection.findings)),
            decision=_plain(inspection.decision),
        )

    def file(self, path: Path) -> bytes:
        """A picture that was kept, as it may be sent: it may be older than this setting.

        Raises `OSError`; `InferenceError` and `CaptureError` where it has to stay here.
        """
        if self._finder is None:
            return path.read_bytes()
        picture = read(path)
        boxes = self._finder.find(picture)
        return (
            encode_jpeg(covered(picture, boxes, self._margin), self._quality) if boxes else path.read_bytes()
        )

    def _covered(self, frame: Frame, finder: Finder) -> Frame:
        """Faces are looked for where there are more pixels, and covered in both pictures."""
        shown = frame.shown
        boxes = finder.find(shown)
        if not boxes:
            return frame
        if frame.evidence is None:
            return replace(frame, image=covered(frame.image, boxes, self._margin))
        x, y = frame.image.shape[1] / shown.shape[1], frame.image.shape[0] / shown.shape[0]
        smaller = [Box(box.x_min * x, box.y_min * y, box.x_max * x, box.y_max * y) for box in boxes]
        return replace(
            frame,
            image=covered(frame.image, smaller, self._margin),
            evidence=covered(shown, boxes, self._margin),
        )


def covered(picture: Image, boxes: Sequence[Box], margin: float) -> Image:
    """A copy of the picture with the boxes, larger by `margin` of their size on each side, in one grey."""
    copy = picture.copy()
    for box in boxes:
        x, y = box.width * margin, box.height * margin
        rows = slice(max(0, floor(box.y_min - y)), max(0, ceil(box.y_max + y)))
        columns = slice(max(0, floor(box.x_min - x)), max(0, ceil(box.x_max + x)))
        copy[rows, columns] = GREY
    return copy


def _unseen(frame: Frame, reason: str) -> Miss:
    return Miss(
        frame.sequence, frame.captured_ns, frame.captured_at, frame.camera, reason, frame.part_id, frame.truth
    )


def _without_examples(finding: Finding) -> Finding:
    return replace(finding, decision=_plain(finding.decision))


def _plain(decision: Decision) -> Decision:
    """Without the crops of taught pictures: nobody has looked for faces in those."""
    regions = tuple(replace(region, nearest=None) for region in decision.regions)
    return replace(decision, regions=regions)
