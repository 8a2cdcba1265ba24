"""A conveyor of rendered machined parts, with the truth about each: a camera for machines that have none."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from types import TracebackType
from typing import Self

from edge.config import SyntheticSource
from edge.sources.conveyor import Picture, part, render
from edge.sources.film import Film
from edge.sources.pacing import Pace
from edge.sources.workpiece import Workpiece, paint
from edge.types import EndOfFrames, Frame


class Synthetic:
    """Parts `P000001`, `P000002`, … of the configured seed, with their defects in `Frame.truth`.

    With a `belt`, its frames show all parts that are in view, none of which has an id, and their defects.
    Building it paints the scene, which takes a quarter of a second at 1280 by 960.
    """

    name = "synthetic"

    def __init__(self, config: SyntheticSource) -> None:
        self.sequence = 0
        """Number of the part, or of the frame of a belt, that was rendered last; the first is 1."""
        self.triggered = config.belt is None
        self._config = config
        self._pace = Pace(config.rate_hz)
        self._pictures = _pictures(config)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""

    def read(self) -> Frame:
        """The next part, when it is due; `captured_at` is when the picture was ready, as a camera's would be.

        Raises `EndOfFrames` after the last one.
        """
        picture = next(self._pictures, None)
        if picture is None:
            raise EndOfFrames
        self.sequence += 1
        self._pace.wait()
        return Frame(
            picture.image,
            self.sequence,
            time.monotonic_ns(),
            datetime.now(UTC),
            self.name,
            controls={"exposure_time_us": round(4000 * picture.exposure)},
            part_id=picture.part_id,
            truth=picture.truth,
        )

    def interrupt(self) -> None:
        """See `Source`."""
        self._pace.interrupt()


def _pictures(config: SyntheticSource) -> Iterator[Picture]:
    """One after the other, as they are asked for; the scene is painted at once."""
    if config.belt is not None:
        return Film(config, config.belt).pictures()
    return _parts(config, paint(config.width, config.height))


def _parts(config: SyntheticSource, scene: Workpiece) -> Iterator[Picture]:
    unit_px = min(config.width, config.height)
    for number in count(1) if config.count == 0 else range(1, config.count + 1):
        what = part(config.seed, number, config.defect_rate, unit_px)
        yield Picture(*render(scene, what), what.exposure, f"P{number:06d}")
