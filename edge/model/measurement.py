"""Measuring tools at work: from pixels to values with their uncertainty."""

from collections.abc import Callable

from edge.errors import BundleError, CaptureError, NothingToMeasureError
from edge.gauge.anchor import Template, moved
from edge.gauge.calibration import Calibration
from edge.gauge.light import light
from edge.gauge.measure import measure, unit
from edge.gauge.plane import PIXELS, plane_of
from edge.gauge.scan import View
from edge.model.bundle import Bundle
from edge.model.tables.measurement import MeasurementTools
from edge.prediction import Measurement, Measurements
from edge.preprocess.crop import Crop
from edge.preprocess.picture import decode
from edge.table import read_table


def open_tools(bundle: Bundle) -> Callable[[Crop], Measurements]:
    """The tools of a bundle. Raises `BundleError`."""
    table = bundle.manifest.measurement
    assert table is not None  # noqa: S101 - the manifest has the table of its task
    calibration = None if table.calibration is None else read_calibration(bundle, table.calibration)
    plane = PIXELS if calibration is None else plane_of(calibration)
    template = _template(bundle, table)

    def unmeasured(reason: str) -> Measurements:
        told = (tool for tool in table.tools if tool.name in table.names)
        return Measurements(
            tuple(Measurement(tool.name, None, unit(tool, plane), reason=reason) for tool in told)
        )

    def look(crop: Crop) -> Measurements:
        if calibration is not None and crop.frame_size != calibration.size:
            taken, wanted = ("×".join(map(str, size)) for size in (crop.frame_size, calibration.size))
            return unmeasured(
                f"the picture is {taken}, and the calibration holds for {wanted}; calibrate again"
            )
        seen = View(light(crop.image, table.encoding), crop.box.x_min, crop.box.y_min)
        tools = table.tools
        if template is not None:
            try:
                pose = template.find(seen)
            except NothingToMeasureError as err:
                return unmeasured(str(err))
            tools = [moved(tool, pose) for tool in tools]
        return Measurements(measure(seen, tools, plane))

    return look


def _template(bundle: Bundle, table: MeasurementTools) -> Template | None:
    if table.anchor is None or table.picture is None:
        return None
    path = bundle.folder / table.picture
    try:
        taught = decode(bundle.files[table.picture], str(path))
        return Template(table.anchor, View(light(taught, table.encoding)))
    except (CaptureError, NothingToMeasureError) as err:
        raise BundleError(f"{path}: {err}") from err


def read_calibration(bundle: Bundle, name: str) -> Calibration:
    """The calibration among a bundle's files. Raises `BundleError`."""
    path = bundle.folder / name
    try:
        text = bundle.files[name].decode()
    except UnicodeDecodeError as err:
        raise BundleError(f"{path}: is not UTF-8 text (byte {err.start})") from err
    return read_table(Calibration, text, path, BundleError)
