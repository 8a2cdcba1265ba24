"""Where the models that come with the program lie."""

from pathlib import Path

from edge.errors import ConfigError
from edge.model.tables import MANIFEST

BACKBONE = "efficientnet-lite1-int8.tflite"
QUICK = "efficientnet-lite0-int8.tflite"
"""Takes about 0.7 of the time of the other one. It finds a little less: AUROC 0.936 and 0.945, six public sets."""
_PACKAGE = Path(__file__).resolve().parents[1]
_PLACES = (_PACKAGE / "shipped", _PACKAGE.parent / "models")
"""In the wheel, or else in the working copy."""


def backbone(name: str = BACKBONE) -> Path:
    """The feature extractor that teaching starts from. Raises `ConfigError` where it is not installed."""
    found = _find(name)
    if found is None:
        raise ConfigError(f"{_PLACES[0] / 'backbone' / name}: is missing; install the program again")
    return found


def reference(name: str) -> Path | None:
    """The float model that the int8 backbone of that name was made from; None where it is not installed."""
    return _find(name.replace("-int8", "-float16")) if "-int8" in name else None


def float_twin(content: bytes) -> bytes | None:
    """The float model that these bytes, a shipped int8 backbone, were made from; None for another model."""
    for name in (BACKBONE, QUICK):
        path, twin = _find(name), reference(name)
        if path is not None and twin is not None and path.read_bytes() == content:
            return twin.read_bytes()
    return None


def bundles() -> list[Path]:
    """The folders of the bundles that come with the program, by name."""
    place = next((place for place in _PLACES if place.is_dir()), None)
    return [] if place is None else sorted(folder.parent for folder in place.glob(f"*/{MANIFEST}"))


def named(folder: Path) -> Path:
    """The same folder; where there is none, that of the shipped bundle of its name, if there is one."""
    if folder.exists():
        return folder
    return next((shipped for shipped in bundles() if shipped.name == folder.name), folder)


def _find(name: str) -> Path | None:
    return next((path for place in _PLACES if (path := place / "backbone" / name).is_file()), None)
