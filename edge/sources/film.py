"""A film of a belt: its picture at a time, with all parts that are in view then."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from edge.config import SyntheticSource
from edge.config.sources import Belt
from edge.geometry import Box
from edge.sources.belt import Carried, Load, carried, load, part_px
from edge.sources.conveyor import Appearance, Picture, appearance, bare_belt, lay_on, part, photograph
from edge.sources.workpiece import paint
from edge.types import Defect

RADIUS = 0.36
"""Of a painted part, in shorter sides of the frame that it is painted for."""
ROUND = 200
"""Parts that are laid on the belt at once where they never end: when they are through, the next come."""


class Film:
    """Frame by frame, the belt that a source's settings describe. For one thread.

    Building it paints the scene, which takes a quarter of a second at 1280 by 960.
    """

    def __init__(self, source: SyntheticSource, belt: Belt) -> None:
        self._source, self._belt = source, belt
        self._scene = paint(source.width, source.height)
        self._side = round(part_px(source.width, source.height, belt.lanes) / (2 * RADIUS))
        self._part_scene = paint(self._side, self._side)
        self._looks: dict[int, Appearance] = {}

    def pictures(self) -> Iterator[Picture]:
        """One after the other, until the last part has left the view."""
        for turn in count() if self._source.count == 0 else (0,):
            laid = self._laid(turn)
            for frame in range(int(laid.seconds * self._source.rate_hz) + 1):
                yield self._shoot(laid, frame, turn * ROUND)

    def _laid(self, turn: int) -> Load:
        source, belt = self._source, self._belt
        return load(
            source.seed + turn,
            source.count or ROUND,
            source.width,
            source.height,
            belt.speed_px_s,
            belt.lanes,
            belt.overlap_rate,
            steady=belt.steady,
        )

    def _shoot(self, laid: Load, frame: int, before: int) -> Picture:
        shown = [
            place._replace(number=place.number + before)
            for place in carried(laid, frame / self._source.rate_hz)
        ]
        self._looks = {place.number: self._look(place) for place in shown}
        # What the camera adds is another thing in each picture, as is a part's in the other mode.
        camera = part(self._source.seed, frame, 0.0, self._side)
        grey = bare_belt(self._scene, (0, 0))
        defects: list[Defect] = []
        # The first part lies on top: the next one was put on the belt under its edge.
        for place in reversed(shown):
            look, (x, y) = self._looks[place.number], place.box.middle
            left, top = round(x - look.metal.shape[1] / 2), round(y - look.metal.shape[0] / 2)
            lay_on(grey, look, left, top)
            defects += look.defects(left, top)
        view = Box(0, 0, self._source.width, self._source.height)
        seen = (replace(defect, box=defect.box.intersection(view)) for defect in defects)
        truth = tuple(defect for defect in seen if defect.box.area > 0)
        return Picture(photograph(self._scene, grey, camera), truth, camera.exposure, None)

    def _look(self, place: Carried) -> Appearance:
        known = self._looks.get(place.number)
        if known is not None:
            return known
        source = self._source
        return appearance(self._part_scene, part(source.seed, place.number, source.defect_rate, self._side))
