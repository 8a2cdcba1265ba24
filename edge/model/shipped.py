"""Where the models that come with the program lie."""

from pathlib import Path

from edge.errors import ConfigError

BACKBONE = "efficientnet-lite1-int8.tflite"
QUICK = "efficientnet-lite0-int8.tflite"
"""Takes about 0.7 of the time of the other one. It finds a little less: AUROC 0.936 and 0.945, six public sets."""
DENOISER, DOUBLER = "denoiser", "super-resolution-x2"
"""Restorations: a folder each."""
_PACKAGE = Path(__file__).resolve().parents[1]
_ROOTS = (_PACKAGE / "shipped", _PACKAGE.parent / "models")
"""In the wheel, or else in the working copy."""
_PLACES = tuple(root / "backbone" for root in _ROOTS)


def backbone(name: str = BACKBONE) -> Path:
    """The feature extractor that teaching starts from. Raises `ConfigError` where it is not installed."""
    found = _find(name)
    if found is None:
        raise ConfigError(f"{_PLACES[0] / name}: is missing; install the program again")
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


def restoration(folder: Path) -> Path:
    """The same folder; where there is none, and it is called like a restoration that is shipped, that one's."""
    if folder.exists() or folder.name not in {DENOISER, DOUBLER}:
        return folder
    return next((root / folder.name for root in _ROOTS if (root / folder.name).is_dir()), folder)


def _find(name: str) -> Path | None:
    return next((folder / name for folder in _PLACES if (folder / name).is_file()), None)
