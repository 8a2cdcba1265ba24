"""The software: versions, and packages that do not go together or hide each other."""

import platform
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edge import __version__
from edge.cli.doctor.line import Line
from edge.errors import DeliveryError

MODULES = {
    "numpy": "numpy",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "paho-mqtt": "paho.mqtt",
    "pydantic": "pydantic",
}
"""Package to module. OpenCV is imported, not looked up: Debian's package, and other builds, go by other names."""
AGAIN = f"{sys.executable} -m pip install --force-reinstall edge-inspect"


def software() -> Iterator[Line]:
    """Python, the packages, and where they come from."""
    known = f"{__version__}, Python {platform.python_version()}, {platform.machine()}"
    yield Line("ok", "edge-inspect", known)
    for package, module in MODULES.items():
        yield _package(package, module)
    yield from _typeface()
    yield from clashes(installed("tflite-runtime"), installed("ai-edge-litert"), installed("numpy"))


def _typeface() -> Iterator[Line]:
    try:
        from edge.store.lettering import font

        font(12)
    except ImportError:
        return  # a package is missing, which is a line already
    except DeliveryError as err:
        yield Line("warn", "typeface", str(err), "until then pictures are not kept as evidence; reports are")


def installed(package: str) -> str | None:
    """Its version; None where it is not installed, or not by pip or apt."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def clashes(tflite: str | None, litert: str | None, numpy: str | None) -> Iterator[Line]:
    """TFLite runtimes and a NumPy that cannot live together."""
    if tflite is not None and numpy is not None and int(numpy.split(".")[0]) >= 2:  # noqa: PLR2004 - the ABI
        remedy = (
            f"{sys.executable} -m pip install 'numpy<2'"
            if litert is None
            else (f"{sys.executable} -m pip uninstall tflite-runtime: ai-edge-litert does its work")
        )
        state = Line("fail" if litert is None else "warn", "numpy", "", "")
        yield state._replace(found=f"{numpy}: tflite-runtime {tflite} needs NumPy 1", remedy=remedy)


def _package(package: str, module: str) -> Line:
    try:
        found = import_module(module)
    except (ImportError, AttributeError, SystemError) as err:
        # A module that was compiled for another NumPy ends in one of these.
        return Line("fail", package, f"cannot be used: {' '.join(str(err).split())}", AGAIN)
    place = Path(str(found.__file__)).resolve() if found.__file__ else None
    number = installed(package) or str(getattr(found, "__version__", "?"))
    if place is None or _is_ours(place):
        return Line("ok", package, number)
    if platform.machine() == "armv7l":
        return Line("ok", package, f"{number} of the system, as 32-bit ARM needs it")
    remedy = (
        "packages of the system hide or join ours: use a venv without --system-site-packages, and unset "
        f"PYTHONPATH; or, where a camera library needs them: {AGAIN}"
    )
    return Line("warn", package, f"{number} comes from {place.parents[1]}", remedy)


def _is_ours(place: Path) -> bool:
    prefix = Path(sys.prefix).resolve()
    return place.is_relative_to(prefix) and "dist-packages" not in place.parts
