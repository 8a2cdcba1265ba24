"""A bundle on trial: judges made-up defects as the daemon would, for `edge synthesize --recall`."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic_ns

from edge.cli.bundles import judged, open_bundle
from edge.config import Rectangle
from edge.durable import replace_file
from edge.errors import ConfigError
from edge.geometry import Image
from edge.model.bundle import load
from edge.store.overlay import encode_jpeg
from edge.store.sheet import Exhibit, contact_sheet, exhibit
from edge.teach.recall import Recall, lines
from edge.teach.synthesis import Made
from edge.teach.synthetic_folder import COLUMNS, SHOWN
from edge.types import Defect, Frame, Inspection, Verdict

ESCAPES = "escapes.jpg"


class Trial:
    """What a bundle says of each defect, and of its part without it, which is judged once.

    `area` is where it was taught to look; None: everywhere.
    """

    def __init__(self, bundle: Path) -> None:
        """Raises `ConfigError` for a bundle that was not taught good parts."""
        manifest = load(bundle).manifest
        if manifest.task != "anomaly":
            raise ConfigError(
                f"{bundle}: its task is {manifest.task}; --recall tests bundles that were taught good parts"
            )
        self.area: Rectangle | None = manifest.seen.roi
        self.recall = Recall()
        self._check = open_bundle(bundle)
        self._without: dict[Path, Verdict] = {}
        self._escapes: list[Exhibit] = []

    def add(self, made: Made) -> None:
        """Judge one. Of those that pass, as many are kept as a sheet has room for."""
        if made.parent not in self._without:
            self._without[made.parent] = self._judge(made, made.good).decision.verdict
        without = self._without[made.parent]
        found = self._judge(made, made.damaged.picture)
        self.recall.add(made, without, found)
        escaped = without is found.decision.verdict is Verdict.PASS
        if escaped and len(self._escapes) < SHOWN and (shown := exhibit(found)) is not None:
            self._escapes.append(replace(shown, spot=made.box))

    def lines(self, out: Path | None) -> Iterator[str]:
        """The figures for a person; a sheet of what passed goes to `out`. Raises `ConfigError`."""
        yield from lines(self.recall.figures())
        if out is not None and self._escapes:
            sheet = contact_sheet(self._escapes, COLUMNS, "made-up defects that passed")
            try:
                replace_file(out / ESCAPES, encode_jpeg(sheet, 90))
            except OSError as err:
                raise ConfigError(f"{out / ESCAPES}: cannot be written: {err.strerror or err}") from err
            yield f"some of those that passed: {out / ESCAPES}"

    def _judge(self, made: Made, picture: Image) -> Inspection:
        truth = (Defect(made.kind, made.box),)
        frame = Frame(
            picture, made.number, monotonic_ns(), datetime.now(UTC), "made up", part_id=made.name, truth=truth
        )
        (found,) = judged(self._check, [frame])
        return found
