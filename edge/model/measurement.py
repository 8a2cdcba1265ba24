"""Measuring tools at work: from pixels to values with their uncertainty."""

from collections.abc import Callable

from edge.errors import BundleError
from edge.gauge.calibration import Calibration
from edge.gauge.light import light
from edge.gauge.measure import measure, unit
from edge.gauge.plane import PIXELS, plane_of
from edge.gauge.scan import View
from edge.gauge.tools import EdgeLine
from edge.model.bundle import Bundle
from edge.preprocess.crop import Crop
from edge.table import read_table
from edge.types import Measurement, Measurements


def open_tools(bundle: Bundle) -> Callable[[Crop], Measurements]:
    """The tools of a bundle. Raises `BundleError`."""
    table = bundle.manifest.measurement
    assert table is not None  # noqa: S101 - the manifest has the table of its task
    calibration = None if table.calibration is None else read_calibration(bundle, table.calibration)
    plane = PIXELS if calibration is None else plane_of(calibration)

    def look(crop: Crop) -> Measurements:
        if calibration is not None and crop.frame_size != calibration.size:
            taken, wanted = ("×".join(map(str, size)) for size in (crop.frame_size, calibration.size))
            reason = f"the picture is {taken}, and the calibration holds for {wanted}; calibrate again"
            return Measurements(
                tuple(
                    Measurement(tool.name, None, unit(tool, plane), reason=reason)
                    for tool in table.tools
                    if not isinstance(tool, EdgeLine)
                )
            )
        seen = View(light(crop.image, table.encoding), crop.box.x_min, crop.box.y_min)
        return Measurements(measure(seen, table.tools, plane))

    return look


def read_calibration(bundle: Bundle, name: str) -> Calibration:
    """The calibration among a bundle's files. Raises `BundleError`."""
    path = bundle.folder / name
    try:
        text = bundle.files[name].decode()
    except UnicodeDecodeError as err:
        raise BundleError(f"{path}: is not UTF-8 text (byte {err.start})") from err
    return read_table(Calibration, text, path, BundleError)
