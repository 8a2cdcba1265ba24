"""Codes and print: from pixels to what they say."""

from collections.abc import Callable

from edge.codes.printed import look_for_print
from edge.codes.reader import read_codes, require_reader
from edge.model.bundle import Bundle
from edge.prediction import Readings
from edge.preprocess.crop import Crop


def open_reader(bundle: Bundle) -> Callable[[Crop], Readings]:
    """The reader of a bundle. Raises `BundleError`, also where the library that reads codes is missing."""
    table = bundle.manifest.reading
    assert table is not None  # noqa: S101 - the manifest has the table of its task
    if table.symbologies:
        require_reader()

    def look(crop: Crop) -> Readings:
        codes = read_codes(crop.image, crop.box, table.symbologies) if table.symbologies else ()
        return Readings(codes, tuple(look_for_print(crop.image, crop.box, place) for place in table.prints))

    return look
