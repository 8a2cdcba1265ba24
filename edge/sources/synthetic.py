"""A conveyor of rendered machined parts, with the truth about each: a camera for machines that have none."""

import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from edge.config import SyntheticSource
from edge.sources.conveyor import part, render
from edge.sources.pacing import Pace
from edge.sources.workpiece import Workpiece, paint
from edge.types import EndOfFrames, Frame


class Synthetic:
    """Parts `P000001`, `P000002`, … of the configured seed, with their defects in `Frame.truth`.

    Building it paints the scene, which takes a quarter of a second at 1280 by 960.
    """

    triggered = True
    name = "synthetic"

    def __init__(self, config: SyntheticSource) -> None:
        self.sequence = 0
        """Number of the part that was rendered last; the first is 1."""
        self._config = config
        self._pace = Pace(config.rate_hz)
        self._scene: Workpiece = paint(config.width, config.height)

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
        if 0 < self._config.count <= self.sequence:
            raise EndOfFrames
        self.sequence += 1
        what = part(
            self._config.seed,
            self.sequence,
            self._config.defect_rate,
            min(self._config.width, self._config.height),
        )
        image, truth = render(self._scene, what)
        self._pace.wait()
        return Frame(
            image,
            self.sequence,
            time.monotonic_ns(),
            datetime.now(UTC),
            self.name,
            controls={"exposure_time_us": round(4000 * what.exposure)},
            part_id=f"P{self.sequence:06d}",
            truth=truth,
        )

    def interrupt(self) -> None:
        """See `Source`."""
        self._pace.interrupt()
